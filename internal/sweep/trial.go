package sweep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"clr/internal/fault"
	"clr/internal/model"
	"clr/internal/pipeline"
	"clr/internal/pipeline/strict"
)

// A Trial is one training of a sweep: a point of the parameters, and a seed.
// Trials of a point follow one another, and points are in the order of the grid, of
// which the last parameter of the file moves fastest.
type Trial struct {
	Index  int    `json:"trial"`
	Point  int    `json:"point"`
	Seed   uint64 `json:"seed"`
	Params Params `json:"params"`
}

// Params are the values of a point, in the order of the file.
type Params []Param

// A Param is a key of the config and the value that it has.
type Param struct{ Path, Text string }

// MarshalJSON writes a section of keys; numbers are numbers.
func (p Params) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, v := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(v.Path)
		value := []byte(v.Text)
		if _, err := strconv.ParseFloat(v.Text, 64); err != nil || !json.Valid(value) {
			if v.Text != "true" && v.Text != "false" {
				value, _ = json.Marshal(v.Text)
			}
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// A point is the values of the parameters, and the shares of chance that gave them.
type point struct {
	values []strict.Tree
	shares []float64
}

// Points is how many different ones there are.
func (f *File) Points() int { return f.Trials / f.Seeds }

// gridPoint is a point of the grid.
func (f *File) gridPoint(i int) (p point) {
	p.values = make([]strict.Tree, len(f.Parameters))
	for k := len(f.Parameters) - 1; k >= 0; k-- {
		values := f.Parameters[k].values
		p.values[k], i = values[i%len(values)], i/len(values)
	}
	return p
}

// randomPoint draws a point. Each parameter is drawn from the address (seed, point,
// its name), so that another parameter beside it changes nothing.
func (f *File) randomPoint(i int) point {
	shares := make([]float64, len(f.Parameters))
	for k, p := range f.Parameters {
		shares[k] = model.Rand(f.base.Seed, fmt.Sprintf("sweep.%d.%s", i, p.Path)).Float64()
	}
	return f.at(shares)
}

// at is the point that shares of chance give.
func (f *File) at(shares []float64) point {
	p := point{shares: shares}
	for k, u := range shares {
		p.values = append(p.values, f.Parameters[k].At(u))
	}
	return p
}

// trial is a trial of a point.
func (f *File) trial(i int, p point) Trial {
	t := Trial{Index: i, Point: i / f.Seeds, Seed: f.base.Seed + uint64(i%f.Seeds)}
	for k, v := range p.values {
		t.Params = append(t.Params, Param{f.Parameters[k].Path, v.Text()})
		if seed, whole, ok := v.Number(); f.Parameters[k].Path == "seed" && ok && whole {
			t.Seed = uint64(seed)
		}
	}
	return t
}

// config is a trial's. What cannot be run is a Usage error.
func (f *File) config(t Trial, p point) (*pipeline.Config, error) {
	var puts []strict.Put
	for k, v := range p.values {
		puts = append(puts, strict.Put{Path: f.Parameters[k].Path, Value: v})
	}
	c, problems := f.base.Varied(puts)
	if len(problems) > 0 {
		return nil, fault.New(fault.Usage, "", "%w", problems)
	}
	c.Seed = t.Seed
	return c, c.Check()
}
