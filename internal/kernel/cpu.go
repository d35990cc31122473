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
	err error
}

func choose(wanted string, best isa) choice {
	if wanted == "" {
		return choice{isa: best}
	}
	for i, name := range isaNames {
		if name == wanted {
			if isa(i) > best {
				return choice{best, fault.New(fault.Usage, "unset CLR_CPU, or choose one that this machine has",
					"CLR_CPU is %q, the best here is %q", wanted, isaNames[best])}
			}
			return choice{isa: isa(i)}
		}
	}
	return choice{best, fault.New(fault.Usage, "unset CLR_CPU, or set it to one of these",
		"CLR_CPU is %q, not one of generic, avx2, avx512", wanted)}
}

// CPU names the routines in use: "avx512", "avx2" or "generic" (plain Go). The
// first two give the same bytes. The environment's CLR_CPU forces one.
func CPU() string { return isaNames[machine.isa] }

// CheckCPU tells whether CLR_CPU names something that this machine cannot run
// or that does not exist; CPU is then the best that there is.
func CheckCPU() error { return machine.err }
