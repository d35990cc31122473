package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// tone writes a 16-bit WAV file: a decaying sine whose pitch is given, so that
// scripts need not carry sound.
//
//	tone FILE RATE SECONDS HERTZ
func tone(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 || neg {
		ts.Fatalf("usage: tone FILE RATE SECONDS HERTZ")
	}
	var v [3]float64
	for i := range v {
		var err error
		v[i], err = strconv.ParseFloat(args[i+1], 64)
		ts.Check(err)
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o777))
	ts.Check(os.WriteFile(path, wav(v[0], v[1], v[2]), 0o666))
}

// wav is a 16-bit recording of a decaying sine.
func wav(rate, seconds, hertz float64) []byte {
	n := int(rate * seconds)
	le := binary.LittleEndian
	b := []byte("RIFF")
	b = le.AppendUint32(b, uint32(36+2*n))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, 1) // PCM
	b = le.AppendUint16(b, 1) // channel
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(2*rate))
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(2*n))
	for i := range n {
		t := float64(i) / rate
		b = le.AppendUint16(b, uint16(int16(20000*math.Exp(-3*t)*math.Sin(2*math.Pi*hertz*t))))
	}
	return b
}
