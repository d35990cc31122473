package audio

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// The leaves are "", "a", "bc", "def" and "ghij"; the roots were made by hand
// (Python's hashlib) as RFC 6962, section 2.1, says.
func TestMerkle(t *testing.T) {
	for n, want := range map[int]string{
		0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		2: "688dc6244b041199e7ab4990df6340ce3dc14caa5cd5a0e1131addaa1209e1a6",
		3: "2e9547978b8da560ecaaf07ab189d6799ecc53cd2f56c2f01866d01f70b78a4f",
		4: "d0831bfd20a5e0aeddd477d3a1de8cceccbedc95434de76af2c7ddcd02143674",
		5: "b2416bc87e7ac9bb86dd2911107ca7144bb56228b87cd21ed45e30b50019b882",
	} {
		var leaves [][32]byte
		for _, text := range []string{"", "a", "bc", "def", "ghij"}[:n] {
			leaves = append(leaves, leaf([]byte(text)))
		}
		if got := merkle(leaves); hex.EncodeToString(got[:]) != want {
			t.Errorf("%d leaves: %x", n, got)
		}
	}
}

// All that names a clip is in the hash, and nothing of where it lies or of its
// features.
func TestCorpusHash(t *testing.T) {
	const manifest = "path,label,start,end,room,note\n00.wav,a,0,0.01,x,1\n01.wav,b,,,y,2\n"
	hash := func(from, to string) string {
		t.Helper()
		fsys := toneFS(3)
		if from == "sound" {
			fsys["00.wav"] = fsys["02.wav"]
		}
		fsys["manifest.csv"].Data = []byte(strings.Replace(manifest, from, to, 1))
		s, _ := build(t, filepath.Join(t.TempDir(), "features"), fsys, 1)
		return s.CorpusHash(readCorpus(t, fsys), "room")
	}
	want := hash("", "")
	if want != hash("", "") || want != hash(",1\n", ",3\n") {
		t.Error("two hashes of one corpus")
	}
	seen := map[string]string{want: "nothing"}
	for from, to := range map[string]string{"sound": "", "00.wav,a": "00.wav,c", "0.01": "0.011", "0,0": "0.001,0", ",y": ",z", "01.wav,b": "./01.wav,b",
		"00.wav,a,0,0.01,x,1\n01.wav,b,,,y,2\n": "01.wav,b,,,y,2\n00.wav,a,0,0.01,x,1\n"} {
		h := hash(from, to)
		if same, ok := seen[h]; ok {
			t.Errorf("%q for %q: the hash is that of %s", to, from, same)
		}
		seen[h] = fmt.Sprintf("%q for %q", to, from)
	}
}
