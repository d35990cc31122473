package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"clr/internal/cluster"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/host"
	"clr/internal/pipeline"
	"clr/internal/sweep"
)

// The commands that hand a sweep to other programs.

// handed is a sweep as schedulers have to know it, with the variables that are laid over
// its config here. Paths are as they are given.
func (p *program) handed(ctx context.Context, file, out string) (*cluster.Sweep, error) {
	if out == "" {
		return nil, fault.New(fault.Usage, "name the sweep's folder with --out, such as --out sweeps/first", "no output is given")
	}
	f, err := sweep.Load(file, p.overrides())
	if err != nil {
		return nil, err
	}
	size, err := f.Size(ctx, out)
	if err != nil {
		return nil, err
	}
	return &cluster.Sweep{Command: "clr", File: file, Out: out, Env: pipeline.Settings(p.overrides().Env), Trials: f.Trials, Memory: size.Memory, Disk: size.Disk, CPUs: size.CPUs}, nil
}

// here makes a sweep's paths such as hold in any folder of this machine, and calls
// this binary.
func here(s *cluster.Sweep) (err error) {
	if s.Command, err = os.Executable(); err != nil {
		return err
	}
	for _, path := range []*string{&s.File, &s.Out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

func outFlag(c *cobra.Command, out *string) {
	c.Flags().StringVarP(out, "out", "o", "", "folder of the sweep")
	must(c.MarkFlagDirname("out"))
}

func (p *program) sweepSlurm() *cobra.Command {
	out, submit, values := "", false, map[string]*string{}
	c := &cobra.Command{
		Use:   "slurm FILE --out FOLDER [options of sbatch] [-- other options of sbatch]",
		Short: "Print or submit a Slurm array script, a task for each trial",
		Long: `Prints a batch script of which each task carries out one trial, in a folder that
all nodes share, or with --submit hands it to sbatch and makes that folder. Memory
and CPUs are those of the largest trial by its plan, unless options say otherwise.

Two minutes before a task's time is over, or when it is preempted, Slurm warns the
script and it clr, which saves and ends with 75: the task is queued again and goes
on. Exit codes 2, 3 and 4 would come again and are final; after others, as of a
process that was killed, a task is queued again up to three times. Cancelled tasks
stay cancelled. The script submitted again does what is left.`,
		Example: "  clr sweep slurm configs/sweeps/demo.yaml --out sweeps/demo --partition cpu --time 2:00:00 > demo.sh\n" +
			"  clr sweep slurm configs/sweeps/demo.yaml --out sweeps/demo --submit -- --exclusive",
		Args: func(c *cobra.Command, args []string) error {
			if n := c.ArgsLenAtDash(); n >= 0 {
				args = args[:n]
			}
			return oneArgument("file", "clr sweep slurm configs/sweeps/demo.yaml --out sweeps/demo")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			options, err := cluster.Options(args[1:])
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(values)) {
				if c.Flags().Changed(name) {
					options = append(options, cluster.Option{Name: "--" + name, Value: *values[name]})
				}
			}
			s, err := p.handed(c.Context(), args[0], out)
			if err != nil {
				return err
			}
			if err := here(s); err != nil {
				return err
			}
			script, err := s.Slurm(options)
			if err != nil {
				return err
			}
			if !submit {
				_, err := io.WriteString(p.out, script)
				return err
			}
			return p.sbatch(c.Context(), s.Out, script)
		},
	}
	outFlag(c, &out)
	c.Flags().BoolVar(&submit, "submit", false, "submit the script instead of printing it")
	for name, usage := range cluster.Sbatch {
		values[name] = c.Flags().String(name, "", "sbatch: "+usage)
	}
	return c
}

// sbatch submits a script. Slurm wants the folder of its logs to be there.
func (p *program) sbatch(ctx context.Context, out, script string) error {
	path, err := exec.LookPath("sbatch")
	if err != nil {
		return fault.New(fault.Usage, "call it on a machine that submits to Slurm, or carry the script there", "there is no sbatch here: %w", err)
	}
	if _, err := disk.MkdirAll(out); err != nil {
		return disk.Failed(out, err)
	}
	c := exec.CommandContext(ctx, path, "--parsable")
	var said, complaint bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(script), &said, &complaint
	if err := c.Run(); err != nil {
		return fault.New(fault.Usage, "clr sweep slurm without --submit prints the script that was refused", "sbatch refuses the script: %w", errors.Join(err, errors.New(strings.TrimSpace(complaint.String()))))
	}
	_, err = io.Copy(p.out, &said)
	return err
}

func (p *program) sweepKubernetes() *cobra.Command {
	var k cluster.Kubernetes
	out, image := "", false
	c := &cobra.Command{
		Use:   "kubernetes FILE --out FOLDER",
		Short: "Print Kubernetes manifests, an Indexed Job with a pod for each trial",
		Long: `Prints a Job whose pods carry out one trial each, and the claim of the volume that
they share; unless --claim names one, the Job waits until somebody has filled the new
volume: docs/sweeps.md has the commands. The volume is the folder in which this command is called: it holds the
sweep's file, its config and the recordings under the same paths, and gets --out.
Memory and CPUs are those of the largest trial by its plan.

A pod that is stopped saves and ends with 75, which counts as no failure; exit codes
2, 3 and 4 fail a trial at once, and other trials go on; what may have passed is
tried again up to three times. The pods need no rights, and an image that holds the
binary alone: --dockerfile prints how it is made.`,
		Example: "  clr sweep kubernetes configs/sweeps/demo.yaml --out sweeps/demo --image registry.example/clr:1 --claim corpora | kubectl apply -f -\n" +
			"  clr sweep kubernetes --dockerfile > Dockerfile",
		Args: func(c *cobra.Command, args []string) error {
			if image && len(args) == 0 {
				return nil
			}
			return oneArgument("file", "clr sweep kubernetes configs/sweeps/demo.yaml --out sweeps/demo")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			if image {
				_, err := io.WriteString(p.out, cluster.Dockerfile)
				return err
			}
			s, err := p.handed(c.Context(), args[0], out)
			if err != nil {
				return err
			}
			text, err := s.Manifests(k)
			if err != nil {
				return err
			}
			_, err = io.WriteString(p.out, text)
			return err
		},
	}
	outFlag(c, &out)
	f := c.Flags()
	f.BoolVar(&image, "dockerfile", false, "print a Dockerfile of the image instead")
	f.StringVar(&k.Image, "image", cluster.KubernetesImage, "with the binary as its entrypoint")
	f.StringVar(&k.Namespace, "namespace", "", "of the job (default: that of whoever applies it)")
	f.StringVar(&k.Claim, "claim", "", "volume claim that is there already (default: one is made)")
	f.StringVar(&k.Size, "size", "", "of the claim that is made, such as 20Gi (default: the checkpoints' by the plan, and 1Gi)")
	f.StringVar(&k.StorageClass, "storage-class", "", "of the claim that is made (default: the cluster's)")
	f.StringVar(&k.Access, "access", cluster.KubernetesAccess, "mode of the claim that is made")
	f.IntVar(&k.Parallelism, "parallelism", 0, "pods at a time; 0 is all")
	return c
}

func (p *program) sweepParallel() *cobra.Command {
	out, jobs := "", 0
	c := &cobra.Command{
		Use:   "parallel FILE --out FOLDER",
		Short: "Print a line of GNU parallel, and one of xargs",
		Long: `Prints lines that carry out a sweep's trials several at a time by GNU parallel or by
xargs, for those whose machines are divided by these: clr sweep run --jobs does the
same without them. As many trials at a time as this machine has cores and memory
for, by the plan of the largest.`,
		Example: "  clr sweep parallel configs/sweeps/demo.yaml --out sweeps/demo\n" +
			"  clr sweep parallel configs/sweeps/demo.yaml --out sweeps/demo --jobs 8 | head -2 | sh",
		Args: oneArgument("file", "clr sweep parallel configs/sweeps/demo.yaml --out sweeps/demo"),
		RunE: func(c *cobra.Command, args []string) error {
			p.started = true
			if jobs < 0 {
				return fault.New(fault.Usage, "0 is as many as there are cores and memory for", "--jobs is %d", jobs)
			}
			s, err := p.handed(c.Context(), args[0], out)
			if err != nil {
				return err
			}
			if err := here(s); err != nil {
				return err
			}
			if s.CPUs = min(s.CPUs, runtime.NumCPU()); jobs == 0 {
				if jobs = runtime.NumCPU() / s.CPUs; host.MemoryLimit().Name != "" {
					jobs = int(min(int64(jobs), host.MemoryLimit().Bytes/s.Memory))
				}
				jobs = max(1, min(jobs, s.Trials))
			}
			lines, err := s.Parallel(jobs)
			if err != nil {
				return err
			}
			_, err = io.WriteString(p.out, lines)
			return err
		},
	}
	outFlag(c, &out)
	c.Flags().IntVarP(&jobs, "jobs", "j", 0, "trials at a time; 0 is as many as there are cores and memory for")
	return c
}
