// Package kubernetes decodes what clr sweep kubernetes prints into the Kubernetes
// API's own types. It is a module of its own, so that these stay out of clr's.
package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestManifests(t *testing.T) {
	files, err := filepath.Glob("../../internal/cluster/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no manifests (%v)", err)
	}
	jobs, claims := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		claimed := ""
		for part := range strings.SplitSeq(string(text), "\n---\n") {
			var kind struct {
				Kind string `json:"kind"`
			}
			if err := yaml.Unmarshal([]byte(part), &kind); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch kind.Kind {
			case "PersistentVolumeClaim":
				var c core.PersistentVolumeClaim
				if err := yaml.UnmarshalStrict([]byte(part), &c); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				if c.APIVersion != "v1" || len(c.Spec.AccessModes) != 1 || c.Spec.Resources.Requests.Storage().IsZero() {
					t.Errorf("%s: the claim is %+v", file, c)
				}
				claimed = c.Name
				claims++
			case "Job":
				var j batch.Job
				if err := yaml.UnmarshalStrict([]byte(part), &j); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				look(t, file, &j, claimed)
				jobs++
			default:
				t.Errorf("%s: a manifest of kind %q", file, kind.Kind)
			}
		}
	}
	if jobs != len(files) || claims != len(files)-1 { // one is given its claim
		t.Errorf("%d jobs and %d claims in %d files", jobs, claims, len(files))
	}
}

// look asks a job for what the API server demands beyond types, and for what each
// exit code is to do.
func look(t *testing.T, file string, j *batch.Job, claimed string) {
	t.Helper()
	s := j.Spec
	if j.APIVersion != "batch/v1" || s.CompletionMode == nil || *s.CompletionMode != batch.IndexedCompletion || *s.Completions < 1 || *s.Parallelism < 1 || *s.BackoffLimitPerIndex != 3 {
		t.Errorf("%s: %s, %+v", file, j.APIVersion, s)
	}
	if suspended := s.Suspend != nil && *s.Suspend; suspended != (claimed != "") {
		t.Errorf("%s: a job is to wait where its volume is new: suspended %v, claim %q", file, suspended, claimed)
	}
	pod := s.Template.Spec
	if pod.RestartPolicy != core.RestartPolicyNever || len(pod.Containers) != 1 || *s.PodReplacementPolicy != batch.Failed {
		t.Errorf("%s: a failure policy takes restartPolicy Never and podReplacementPolicy Failed, there are %s and %s", file, pod.RestartPolicy, *s.PodReplacementPolicy)
	}
	does := map[int32]batch.PodFailurePolicyAction{}
	disrupted := false
	for _, r := range s.PodFailurePolicy.Rules {
		if e := r.OnExitCodes; e != nil {
			if e.Operator != batch.PodFailurePolicyOnExitCodesOpIn || *e.ContainerName != pod.Containers[0].Name {
				t.Errorf("%s: a rule is of container %q, %s", file, *e.ContainerName, e.Operator)
			}
			for _, code := range e.Values {
				does[code] = r.Action
			}
		}
		for _, c := range r.OnPodConditions {
			disrupted = disrupted || c.Type == core.DisruptionTarget && c.Status == core.ConditionTrue && r.Action == batch.PodFailurePolicyActionIgnore
		}
	}
	want := map[int32]batch.PodFailurePolicyAction{75: batch.PodFailurePolicyActionIgnore, 2: batch.PodFailurePolicyActionFailIndex, 3: batch.PodFailurePolicyActionFailIndex, 4: batch.PodFailurePolicyActionFailIndex}
	for code, action := range want {
		if does[code] != action {
			t.Errorf("%s: exit code %d does %q, want %q", file, code, does[code], action)
		}
	}
	if len(does) != len(want) || !disrupted {
		t.Errorf("%s: exit codes do %v; a drained pod is ignored: %v", file, does, disrupted)
	}
	c := pod.Containers[0]
	if c.Env[0].Name != "TRIAL" || c.Env[0].ValueFrom.FieldRef.FieldPath != "metadata.annotations['"+batch.JobCompletionIndexAnnotation+"']" || c.Args[len(c.Args)-1] != "$(TRIAL)" {
		t.Errorf("%s: a pod finds its index by %+v for %q", file, c.Env, c.Args)
	}
	if c.Resources.Requests.Cpu().IsZero() || !c.Resources.Limits.Memory().Equal(*c.Resources.Requests.Memory()) {
		t.Errorf("%s: resources are %+v", file, c.Resources)
	}
	volume := pod.Volumes[0]
	if claimed != "" && volume.PersistentVolumeClaim.ClaimName != claimed || c.VolumeMounts[0].Name != volume.Name || c.VolumeMounts[0].MountPath != c.WorkingDir {
		t.Errorf("%s: volume %+v at %+v, for claim %q", file, volume, c.VolumeMounts, claimed)
	}
}
