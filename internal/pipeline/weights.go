package pipeline

import (
	"bytes"
	"context"
	"io"
	"os"

	"clr/internal/fault"
	"clr/internal/rundir"
)

// ImportWeights makes a run of a config whose encoder has the weights that init could
// name, of other tools too, and has learnt nothing since: it is pretrained no step. Probes
// and exports take it as they take any, and pretraining goes on from it.
func ImportWeights(ctx context.Context, c *Config, weights, run string, con Console) error {
	if c.Init != "" {
		return fault.New(fault.Usage, "leave one of them out", "the config names first weights, %s, and --weights %s is given", c.Init, weights)
	}
	from := *c
	from.Init = relative(c.dir, weights)
	if err := Pretrain(ctx, &from, PretrainOptions{Run: run, begin: true}, con); err != nil {
		return err
	}
	con.Say("%s: its encoder has the weights of %s", run, weights)
	if con.JSON {
		return con.Show(map[string]string{"run": run, "weights": weights})
	}
	return nil
}

// begin saves what training begins with, as the checkpoint of step 0.
func (t *trainer) begin(dir string, clock rundir.Clock) error {
	log, _, err := rundir.OpenLog(dir, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	save := rundir.NewSaver(dir, t.d.c.Checkpoint, log, -1, clock)
	if err := t.save(0, save); err != nil {
		return err
	}
	return save.Wait()
}

// foreigners are formats of weights that are not safetensors, by their first bytes,
// where ? is any.
var foreigners = []struct{ first, what, remedy string }{
	{"PK\x03\x04", "an archive, as torch.save writes them (.pth, .pt, .bin)", savedByTorch},
	{"\x80\x02", "a pickle, as old versions of torch.save wrote them", savedByTorch},
	{"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes it", "save it as safetensors, under the names of a PyTorch state dict"},
	{"GGUF", "GGUF", "save it as safetensors"},
	{"\x08?\x12", "ONNX, a graph", "save the state dict that it was made of as safetensors; of a bundle, name its " + bundleWeights},
}

// savedByTorch is what makes a file of torch.save one that is read here. Pickles are
// programs, and none of them is run.
const savedByTorch = `in Python: from safetensors.torch import save_file; import torch
save_file({k: v.contiguous() for k, v in torch.load("weights.pth", map_location="cpu", weights_only=True).items()}, "weights.safetensors")`

// foreignWeights refuses what is known to be another format than safetensors.
func foreignWeights(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil // which who reads it tells
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 9))
	if err != nil {
		return nil
	}
	for _, o := range foreigners {
		if begins(head, o.first) && !bytes.HasSuffix(head, []byte("{")) { // with which a header begins behind its length
			return fault.New(fault.Data, o.remedy, "init: %s is %s, not safetensors", path, o.what)
		}
	}
	return nil
}

// begins says whether bytes are those that a file begins with, where ? is any.
func begins(head []byte, first string) bool {
	if len(head) < len(first) {
		return false
	}
	for i, b := range []byte(first) {
		if b != head[i] && b != '?' {
			return false
		}
	}
	return true
}
