package rundir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// A Clock tells the time of day, to any goroutine. Nothing that is computed
// depends on it; nil is the machine's.
type Clock func() time.Time

// Now is what the clock says.
func (c Clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c()
}

// A Provenance is what decides a run's bytes. It holds no time, no host and no
// path: equal runs have equal ones.
type Provenance struct {
	Environment
	Config     string `json:"config_sha256"`               // as far as it decides what is learnt
	Corpus     string `json:"corpus_sha256"`               // recordings, labels, splits
	Background string `json:"background_sha256,omitempty"` // recordings that augmentations mix in
	Init       string `json:"init_sha256,omitempty"`       // file of the encoder's first weights
	Store      string `json:"store_sha256"`                // features
	Seed       uint64 `json:"seed"`
}

// An Environment is the part of a Provenance that is not the person's choice.
type Environment struct {
	Version string `json:"clr"`
	Binary  string `json:"binary_sha256"`
	Go      string `json:"go"`
	CPU     string `json:"cpu_path"`
}

// Here is the environment of this process.
func Here() (Environment, error) {
	e := Environment{Version: Version(), Go: runtime.Version(), CPU: CPUPath()}
	path, err := os.Executable()
	if err == nil {
		e.Binary, err = disk.Hash(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	}
	return e, err
}

// CPUPath is the part of the environment that the last bits depend on.
func CPUPath() string { return runtime.GOOS + "/" + runtime.GOARCH + " " + kernel.CPU() }

// Differs names what differs between two environments, with both values.
func (e Environment) Differs(now Environment) []string {
	var all []string
	for _, v := range [][3]string{{"cpu_path", e.CPU, now.CPU}, {"go", e.Go, now.Go}, {"clr", e.Version, now.Version}, {"binary_sha256", short(e.Binary), short(now.Binary)}} {
		if v[1] != v[2] {
			all = append(all, v[0]+": "+v[1]+" then, "+v[2]+" now")
		}
	}
	return all
}

// Decides is the environment as far as it decides bytes: AVX2 and AVX-512 give
// the same.
func (e Environment) Decides() Environment {
	e.CPU = strings.Replace(e.CPU, " avx512", " avx2", 1)
	return e
}

func short(hash string) string { return hash[:min(12, len(hash))] }

// Hash is the SHA-256 of a provenance: one string that two runs can be compared
// by before they are made.
func (p Provenance) Hash() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic("rundir: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// A Session is one process's work on a run: who and when. None of it is hashed.
type Session struct {
	Start   time.Time  `json:"start"`
	End     *time.Time `json:"end,omitempty"`     // missing where the process was killed, or still runs
	Outcome string     `json:"outcome,omitempty"` // done, or the error it ended with
	Exit    int        `json:"exit_code,omitempty"`
	Host    string     `json:"host"`
	PID     int        `json:"pid"`
	Threads int        `json:"threads"`
	Environment
}

// record is run.json.
type record struct {
	Provenance
	Hash     string    `json:"sha256"` // of all above
	Sessions []Session `json:"sessions"`
}

// Describe writes what the run is made with, and that a session begins. The
// config is last: a folder that has it is a run.
func (f *Folder) Describe(p Provenance, config []byte) error {
	r, err := read(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	host, _ := os.Hostname()
	r.Provenance, r.Hash = p, p.Hash()
	r.Sessions = append(r.Sessions, Session{Start: f.now(), Host: host, PID: os.Getpid(), Threads: runtime.GOMAXPROCS(0), Environment: p.Environment})
	f.record = &r
	if err := f.write(); err != nil {
		return err
	}
	return disk.WriteBytes(filepath.Join(f.Path, ConfigFile), config)
}

// End writes how the session ended. Where it cannot, the session stands there
// as that of a killed process does.
func (f *Folder) End(err error) error {
	if f.record == nil {
		return nil
	}
	s, now := &f.record.Sessions[len(f.record.Sessions)-1], f.now()
	s.End, s.Outcome = &now, "done"
	if err != nil {
		s.Outcome, _, _ = strings.Cut(err.Error(), "\n")
		s.Exit = int(fault.KindOf(err))
	}
	return f.write()
}

func (f *Folder) now() time.Time { return f.clock.Now().UTC().Truncate(time.Millisecond) }

func (f *Folder) write() error {
	b, err := json.MarshalIndent(f.record, "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteBytes(filepath.Join(f.Path, ProvenanceFile), append(b, '\n'))
}

func read(dir string) (r record, err error) {
	path := filepath.Join(dir, ProvenanceFile)
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return record{}, fault.New(fault.Data, "bring back the file as clr pretrain wrote it, or start another run", "%s: %w", path, err)
	}
	return r, nil
}

// Read tells what a run was made with, and by which sessions.
func Read(dir string) (Provenance, []Session, error) {
	r, err := read(dir)
	return r.Provenance, r.Sessions, err
}

// Version is the program's version: the module's, or the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				version += "-" + s.Value[:12]
			}
		}
	}
	return version
}
