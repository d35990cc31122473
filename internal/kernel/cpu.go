package kernel

import (
	"os"

	"clr/internal/fault"
)

// An isa is a set of instructions that the routines exist for.
type isa uint8

const (
	generic isa = iota // plain Go
	avx2               // with FMA
	avx512             // F and DQ
)

var isaNames = [...]string{generic: "generic", avx2: "avx2", avx512: "avx512"}

// machine says which routines run: the best that the processor has, or what
// CLR_CPU asks for. It is set once; only tests switch it.
var machine = choose(os.Getenv("CLR_CPU"), detect())

type choice struct {
	isa isa
	why string
	err error
}

func choose(wanted string, best isa) choice {
	free := choice{isa: best, why: "the best of this processor"}
	if best == generic {
		free.why = noAssembly
	}
	if wanted == "" {
		return free
	}
	for i, name := range isaNames {
		if name == wanted {
			if isa(i) > best {
				free.err = fault.New(fault.Usage, "unset CLR_CPU, or choose one that this machine has",
					"CLR_CPU is %q, the best here is %q", wanted, isaNames[best])
				return free
			}
			return choice{isa: isa(i), why: "CLR_CPU asks for it; the best here is " + isaNames[best]}
		}
	}
	free.err = fault.New(fault.Usage, "unset CLR_CPU, or set it to one of these",
		"CLR_CPU is %q, not one of generic, avx2, avx512", wanted)
	return free
}

// CPU names the routines in use: "avx512", "avx2" or "generic" (plain Go). The
// first two give the same bytes. The environment's CLR_CPU forces one.
func CPU() string { return isaNames[machine.isa] }

// WhyCPU tells why CPU is what it is.
func WhyCPU() string { return machine.why }

// CPUFeatures names those of the processor's instruction sets that the choice
// depends on.
func CPUFeatures() []string { return detected() }

// CheckCPU tells whether CLR_CPU names something that this machine cannot run
// or that does not exist; CPU is then the best that there is.
func CheckCPU() error { return machine.err }
