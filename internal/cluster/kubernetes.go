package cluster

import (
	_ "embed"
	"encoding/json"
	"path/filepath"
	"strings"
	"text/template"

	"clr/internal/fault"
)

// Kubernetes is what a cluster's manifests say beside the sweep.
type Kubernetes struct {
	Image        string
	Namespace    string // empty: that of whoever applies them
	Claim        string // a volume claim that is there; empty: one is made
	StorageClass string // of the claim that is made; empty: the cluster's default
	Access       string // of the claim that is made
	Size         string // of the claim that is made; empty: by the plan
	Parallelism  int    // pods at a time; 0: all
}

// What Kubernetes is if nobody says otherwise.
const (
	KubernetesImage  = "clr:latest"
	KubernetesAccess = "ReadWriteMany"
)

// Check refuses what the cluster would.
func (k Kubernetes) Check() error {
	switch k.Access {
	case "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod":
	default:
		return fault.New(fault.Usage, "ReadWriteMany lets all nodes work, ReadWriteOnce one node", "--access is %q, it must be ReadWriteMany, ReadWriteOnce or ReadWriteOncePod", k.Access)
	}
	if k.Parallelism < 0 {
		return fault.New(fault.Usage, "0 runs all trials at once", "--parallelism is %d", k.Parallelism)
	}
	if k.Image == "" {
		return fault.New(fault.Usage, "such as --image registry.example/clr:1", "--image is empty")
	}
	return nil
}

// Dockerfile makes an image of the binary alone, which needs nothing beside itself.
const Dockerfile = `# CGO_ENABLED=0 go build -trimpath -o clr ./cmd/clr && docker build -t clr .
FROM scratch
COPY clr /clr
ENTRYPOINT ["/clr"]
`

//go:embed kubernetes.yaml
var kubernetesYAML string

// text is a YAML text: JSON's are such.
func text(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}

var kubernetesTemplate = template.Must(template.New("kubernetes").Funcs(template.FuncMap{
	"text":      text,
	"argument":  func(s string) (string, error) { return text(strings.ReplaceAll(s, "$", "$$")) }, // $(NAME) would be a variable
	"mebibytes": mebibytes,
}).Option("missingkey=error").Parse(kubernetesYAML))

// Manifests are a volume claim and a Job with an index for each trial. The volume is
// the folder that a person works in, so the paths in it are those of the sweep. A Job
// whose claim is made with it is suspended: on an empty volume each trial would fail
// for good.
func (s Sweep) Manifests(k Kubernetes) (string, error) {
	if err := k.Check(); err != nil {
		return "", err
	}
	for _, path := range []string{s.File, s.Out} {
		if !filepath.IsLocal(path) {
			return "", fault.New(fault.Usage, "call clr sweep kubernetes in the folder that the volume holds, and name what is in it", "%s is not inside this folder, and would not be inside the volume", path)
		}
	}
	type variable struct{ Name, Value string }
	var env []variable
	for _, e := range s.Env {
		name, value, _ := strings.Cut(e, "=")
		env = append(env, variable{name, value})
	}
	var b strings.Builder
	err := kubernetesTemplate.Execute(&b, map[string]any{"S": s, "K": k, "Env": env, "Attempts": Attempts, "Gibibytes": (mebibytes(s.Disk) + 1023) / 1024})
	return b.String(), err
}
