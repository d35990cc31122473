package pipeline

import (
	"context"
	"fmt"
	"path/filepath"

	"clr/internal/disk"
	"clr/internal/eval"
)

// judgeReport is where a judgement is kept in the run folder.
const judgeReport = "report-judge.json"

// Judge asks what a run's embeddings, or a file's, are worth as they lie: few
// shots, clusters, retrieval, over the test clips of each split. A run's are
// beside random weights and feature statistics, and the judgement is kept in its
// folder.
func Judge(ctx context.Context, o Asked, ov Overrides, con Console) (*eval.Judgement, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Embeddings != "" {
		t, err := openTable(o.Embeddings, o.Manifest, ov)
		if err != nil {
			return nil, err
		}
		a, err := t.asked(o)
		if err != nil {
			return nil, err
		}
		j, err := a.judge(ctx, t.c.Judge, t.by, con)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Embeddings, err)
		}
		return j, nil
	}
	d, err := openRunData(ctx, o.Run, ov, con)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	a, err := d.asked(ctx, o, false, con)
	if err != nil {
		return nil, err
	}
	j, err := a.judge(ctx, d.c.Judge, d.by, con)
	if err != nil {
		return nil, err
	}
	if err := disk.WriteFile(filepath.Join(d.reportDir(o), judgeReport), j.WriteJSON); err != nil {
		return j, err
	}
	return j, writeResult(o.Run)
}

// judge makes a row of each of the embeddings.
func (a *asked) judge(ctx context.Context, by eval.Judge, column string, con Console) (*eval.Judgement, error) {
	j := &eval.Judgement{By: column, Multi: a.labelled.Multi(), Classes: a.labelled.Classes, Encoders: a.encoders}
	for _, e := range a.sets {
		con.Say("judge: %s", e.name)
		row, err := by.Row(ctx, e.name, e.set, a.splits)
		if err != nil {
			return nil, err
		}
		j.Rows = append(j.Rows, row)
	}
	return j, nil
}
