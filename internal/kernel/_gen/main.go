// Command gen writes the assembly of package kernel, a group of routines to a
// file: go generate ./internal/kernel.
//
// Every routine exists for AVX2 with FMA (vectors of 8) and AVX-512 (of 16),
// written once. Both issue the same sequence of operations for each element and
// so give the same bytes. The arguments are structs of package kernel; a test
// there holds the offsets used here to the real ones.
package main

import (
	"flag"
	"fmt"
	"log"
	"maps"
	"math"
	"slices"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// groups are the files: what each of them holds.
var groups = map[string]func(v vectors){
	"tile": func(v vectors) {
		v.tile()
		v.tileT()
		v.transpose()
	},
	"maps": func(v vectors) {
		v.sums("squareSums", false, false)
		v.sums("crossSums", true, false)
		v.sums("gatedSums", true, true)
		v.affine("affineX", true, false, false, false)
		v.affine("affineXAdd", true, false, false, true)
		v.affine("affineXU", true, true, false, false)
		v.affine("affineXUGate", true, true, true, false)
		v.affine("affineU", false, true, false, false)
		v.affine("affineUGate", false, true, true, false)
	},
	"pool": func(v vectors) {
		v.maxForward()
		v.maxBackward()
		v.choose()
		v.give()
	},
	"winograd": vectors.winograd,
	"spectrum": vectors.spectrum,
	"fourier":  vectors.fourier,
	"mel": func(v vectors) {
		v.bank()
		v.logs()
	},
	"tail": func(v vectors) {
		v.tail("tail", false)
		v.tail("tailAdd", true)
	},
	"pixels": func(v vectors) {
		v.pixels(12)
		v.pixels(6)
		v.pixels(3)
	},
	"point": func(v vectors) {
		v.points()
		v.dot()
	},
	"move":   vectors.moves,
	"double": vectors.double,
	"exp":    vectors.exps,
}

func main() {
	name := flag.String("group", "", "which file")
	flag.Parse()
	group, ok := groups[*name]
	if !ok {
		log.Fatalf("-group is %q, want one of %q", *name, slices.Sorted(maps.Keys(groups)))
	}
	ConstraintExpr("amd64,!purego")
	for _, width := range []int{8, 16} {
		group(vectors{width})
	}
	Generate()
}

// vectors is a target: registers of width float32s.
type vectors struct{ width int }

func (v vectors) wide() bool { return v.width == 16 }

// text begins a routine, named for the target.
func (v vectors) text(name, signature string) {
	suffix := "AVX2"
	if v.wide() {
		suffix = "AVX512"
	}
	TEXT(name+suffix, NOSPLIT, signature)
	Pragma("noescape")
}

func (v vectors) register() reg.VecVirtual {
	if v.wide() {
		return ZMM()
	}
	return YMM()
}

func (v vectors) zero(r reg.VecVirtual) {
	if v.wide() {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// per is how many registers make sixteen lanes.
func (v vectors) per() int { return 16 / v.width }

// part is the place of register i of the sixteen lanes at m.
func (v vectors) part(m Mem, i int) Mem { return m.Offset(i * v.width * 4) }

func ret() {
	VZEROUPPER()
	RET()
}

// field loads a 64-bit field of the argument struct.
func field(p reg.Register, offset int) reg.GPVirtual {
	r := GP64()
	MOVQ(Mem{Base: p, Disp: offset}, r)
	return r
}

// bytesField loads a field that counts float32s, as bytes.
func bytesField(p reg.Register, offset int) reg.GPVirtual {
	r := field(p, offset)
	SHLQ(U8(2), r)
	return r
}

// constants are the file's, by their bits.
var constants = map[uint32]Mem{}

// constant is sixteen copies of a number in read-only memory.
func constant(f float32) Mem { return constantBits(math.Float32bits(f)) }

func constantBits(bits uint32) Mem {
	m, ok := constants[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("number%08x", bits), attr.RODATA|attr.NOPTR)
		for i := range 16 {
			DATA(4*i, U32(bits))
		}
		constants[bits] = m
	}
	return m
}
