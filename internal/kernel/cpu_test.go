package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"clr/internal/fault"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		wanted string
		best   isa
		want   isa
		fails  string // what the error names
	}{
		{"", avx512, avx512, ""},
		{"", generic, generic, ""},
		{"generic", avx512, generic, ""},
		{"avx2", avx512, avx2, ""},
		{"avx512", avx512, avx512, ""},
		{"avx512", avx2, avx2, "avx512"},
		{"sse9", avx2, avx2, "generic, avx2, avx512"},
	} {
		got := choose(c.wanted, c.best)
		if got.isa != c.want {
			t.Errorf("%q on %s: %s, want %s", c.wanted, isaNames[c.best], isaNames[got.isa], isaNames[c.want])
		}
		if (got.err != nil) != (c.fails != "") {
			t.Errorf("%q on %s: error %v", c.wanted, isaNames[c.best], got.err)
		}
		if got.err != nil && (!strings.Contains(got.err.Error(), c.fails) || fault.KindOf(got.err) != fault.Usage || fault.Remedy(got.err) == "") {
			t.Errorf("%q: error %q of kind %d, remedy %q", c.wanted, got.err, fault.KindOf(got.err), fault.Remedy(got.err))
		}
	}
}

// The environment's CLR_CPU is what these tests run with, too.
func TestCPU(t *testing.T) {
	if err := CheckCPU(); err != nil {
		t.Fatal(err)
	}
	if want := os.Getenv("CLR_CPU"); want != "" && CPU() != want {
		t.Errorf("CPU %q, CLR_CPU asks for %q", CPU(), want)
	}
	t.Logf("runs on %s", CPU())
}

// Where Go's library works without AVX or FMA, so does the kernel: else math.Exp
// would round differently on one CPU path. Without AVX-512 there is AVX2.
func TestCPUOfLibrary(t *testing.T) {
	if detect() == generic {
		t.Skip("plain Go here")
	}
	for _, c := range [][2]string{{"cpu.avx=off", "generic"}, {"cpu.fma=off", "generic"}, {"cpu.avx2=off", "generic"}, {"cpu.avx512f=off", "avx2"}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCPU$", "-test.v")
		cmd.Env = append(os.Environ(), "CLR_CPU=", "GODEBUG="+c[0])
		if said, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(said), "runs on "+c[1]+"\n") {
			t.Errorf("%s: want %s: %v\n%s", c[0], c[1], err, said)
		}
	}
}

// The generator writes these offsets into the assembly.
func TestOffsets(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("no assembly for", runtime.GOARCH)
	}
	var s seg
	var g tile
	var u sumArgs
	var a affineArgs
	var p poolArgs
	var r rowArgs
	var h chooseArgs
	var mo momentumArgs
	var ad adamArgs
	var q pixelArgs
	for name, c := range map[string]struct{ got, want []uintptr }{
		"seg": {[]uintptr{unsafe.Offsetof(s.a), unsafe.Offsetof(s.b), unsafe.Offsetof(s.n), unsafe.Sizeof(s)},
			[]uintptr{0, 8, 16, 24}},
		"tile": {[]uintptr{unsafe.Offsetof(g.a), unsafe.Offsetof(g.b), unsafe.Offsetof(g.c), unsafe.Offsetof(g.segs), unsafe.Offsetof(g.outer),
			unsafe.Offsetof(g.aStep), unsafe.Offsetof(g.bStep), unsafe.Offsetof(g.cStep), unsafe.Offsetof(g.rows), unsafe.Offsetof(g.acc),
			unsafe.Offsetof(g.ahead), unsafe.Offsetof(g.aheadStep)},
			[]uintptr{0, 24, 48, 72, 96, 104, 112, 120, 128, 136, 144, 152}},
		"sumArgs": {[]uintptr{unsafe.Offsetof(u.acc), unsafe.Offsetof(u.part), unsafe.Offsetof(u.u), unsafe.Offsetof(u.x), unsafe.Offsetof(u.coef),
			unsafe.Offsetof(u.pixels), unsafe.Offsetof(u.channels), unsafe.Offsetof(u.step), unsafe.Offsetof(u.lanes)},
			[]uintptr{0, 24, 48, 72, 96, 120, 128, 136, 144}},
		"affineArgs": {[]uintptr{unsafe.Offsetof(a.y), unsafe.Offsetof(a.x), unsafe.Offsetof(a.u), unsafe.Offsetof(a.add),
			unsafe.Offsetof(a.coef), unsafe.Offsetof(a.mask), unsafe.Offsetof(a.pixels), unsafe.Offsetof(a.channels), unsafe.Offsetof(a.relu), unsafe.Offsetof(a.lanes)},
			[]uintptr{0, 24, 48, 72, 96, 120, 184, 192, 200, 201}},
		"poolArgs": {[]uintptr{unsafe.Offsetof(p.x), unsafe.Offsetof(p.dx), unsafe.Offsetof(p.y), unsafe.Offsetof(p.taps), unsafe.Offsetof(p.channels)},
			[]uintptr{0, 24, 48, 72, 96}},
		"momentumArgs": {[]uintptr{unsafe.Offsetof(mo.v), unsafe.Offsetof(mo.g), unsafe.Offsetof(mo.Momentum), unsafe.Offsetof(mo.Momentum.Rate)}, []uintptr{24, 48, 72, 20}},
		"adamArgs":     {[]uintptr{unsafe.Offsetof(ad.m), unsafe.Offsetof(ad.v), unsafe.Offsetof(ad.g), unsafe.Offsetof(ad.Adam), unsafe.Offsetof(ad.Adam.Eps)}, []uintptr{24, 48, 72, 96, 24}},
		"chooseArgs": {[]uintptr{unsafe.Offsetof(h.x), unsafe.Offsetof(h.dx), unsafe.Offsetof(h.y), unsafe.Offsetof(h.taps), unsafe.Offsetof(h.coef),
			unsafe.Offsetof(h.channels), unsafe.Offsetof(h.from), unsafe.Offsetof(h.to), unsafe.Offsetof(h.mask), unsafe.Offsetof(h.ahead), unsafe.Offsetof(h.lanes), unsafe.Offsetof(h.gated)},
			[]uintptr{0, 24, 48, 72, 96, 120, 128, 136, 144, 208, 216, 217}},
		"pixelArgs": {[]uintptr{unsafe.Offsetof(q.x), unsafe.Offsetof(q.w), unsafe.Offsetof(q.y), unsafe.Offsetof(q.add), unsafe.Offsetof(q.bias),
			unsafe.Offsetof(q.places), unsafe.Offsetof(q.taps), unsafe.Offsetof(q.n), unsafe.Offsetof(q.step), unsafe.Offsetof(q.rows), unsafe.Offsetof(q.relu)},
			[]uintptr{0, 24, 48, 72, 96, 120, 144, 152, 160, 168, 176}},
		"rowArgs": {[]uintptr{unsafe.Offsetof(r.dst), unsafe.Offsetof(r.a), unsafe.Offsetof(r.b), unsafe.Offsetof(r.c), unsafe.Offsetof(r.d),
			unsafe.Offsetof(r.w), unsafe.Offsetof(r.n)}, []uintptr{0, 24, 48, 72, 96, 120, 136}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("offsets of %s are %v, the generator has %v", name, c.got, c.want)
		}
	}
}

// go generate reproduces the assembly to the byte.
func TestGenerated(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the generator may not run under emulation of", runtime.GOARCH)
	}
	program := filepath.Join(t.TempDir(), "gen")
	build := exec.Command("go", "build", "-C", "_gen", "-o", program, ".")
	build.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the generator does not build offline (its modules are not in the cache): %s", out)
	}
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no assembly: %v", err)
	}
	for _, file := range files {
		fresh := filepath.Join(t.TempDir(), "fresh.s")
		if out, err := exec.Command(program, "-group", strings.TrimSuffix(file, "_amd64.s"), "-out", fresh).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if withoutCommand(t, fresh) != withoutCommand(t, file) {
			t.Errorf("%s is not what _gen writes: run go generate ./internal/kernel", file)
		}
	}
}

// withoutCommand reads a file less its first line, which names the command.
func withoutCommand(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\n")
	return rest
}
