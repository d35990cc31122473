package pipeline

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/browsertest"
)

// docs/browser.html, in a browser, gives the probabilities that clr gives.
func TestONNXRuntimeBrowser(t *testing.T) {
	newSession(t) // only to see that all is installed
	dir := digits(t, "{name: resnet, depth: 10, width: 8}")
	run, d, e := trainedOn(t, dir)
	con, _ := silent()
	report, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con)
	if err != nil {
		t.Fatal(err)
	}
	export(t, ExportOptions{Run: run, Format: "onnx", Out: filepath.Join(dir, "model.onnx"), FrontEnd: true, Probe: "linear", FoldBN: true})
	put(t, filepath.Join(dir, "index.html"), get(t, "../../docs/browser.html"))
	files := http.NewServeMux()
	files.Handle("/", http.FileServer(http.Dir(dir)))
	files.Handle("/node_modules/", http.FileServer(http.Dir(interopFolder)))
	server := httptest.NewServer(files)
	defer server.Close()

	b := browsertest.Open(t, server.URL)
	b.Eventually(`window.listen !== undefined && !document.getElementById("file").disabled`)
	clip := d.splits[0].Test[0]
	said := browsertest.Evaluate[[]float64](b, fmt.Sprintf(`fetch(%q).then((r) => r.arrayBuffer()).then(listen).then((p) => Array.from(p))`, d.corpus.Items[clip].Path))

	classes := report.Classes
	known, err := d.labels()
	if err != nil {
		t.Fatal(err)
	}
	one := embeddedOnce(t, d, e, known).Rows([]int{clip})
	if len(said) != len(classes) {
		t.Fatalf("%d probabilities, want %d", len(said), len(classes))
	}
	best := 0
	for i, logp := range report.Rows[0].Heads[0].LogProba(one) {
		if math.Abs(said[i]-math.Exp(logp)) > 1e-4 {
			t.Errorf("%s: %v in the browser, %v here", classes[i], said[i], math.Exp(logp))
		} else if said[i] > said[best] {
			best = i
		}
	}
	if shown := browsertest.Evaluate[string](b, `document.getElementById("answer").rows[0].cells[0].textContent`); shown != classes[best] {
		t.Errorf("the page shows %q first, want %q", shown, classes[best])
	}
	if state := browsertest.Evaluate[string](b, `document.getElementById("state").textContent`); !strings.HasSuffix(state, " seconds") {
		t.Errorf("the page says %q", state)
	}
}
