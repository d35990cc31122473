package pipeline

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A browser is Chromium without a window, asked through a pipe (the DevTools
// protocol: messages of JSON, each with a zero behind it).
type browser struct {
	to      *os.File
	from    *bufio.Reader
	session string
	asked   int
}

// newBrowser opens a page, or skips the test where there is no Chromium.
func newBrowser(t *testing.T, url string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("Chromium is not installed")
	}
	read, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), path, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	c.ExtraFiles = []*os.File{read, write} // 3 and 4
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	from.SetReadDeadline(time.Now().Add(time.Minute))
	b := &browser{to: to, from: bufio.NewReader(from)}
	target := b.ask(t, "Target.createTarget", map[string]any{"url": "about:blank"})["targetId"]
	b.session, _ = b.ask(t, "Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"].(string)
	b.ask(t, "Page.navigate", map[string]any{"url": url})
	return b
}

// ask calls a method and waits for its result.
func (b *browser) ask(t *testing.T, method string, params map[string]any) map[string]any {
	t.Helper()
	b.asked++
	question := map[string]any{"id": b.asked, "method": method, "params": params}
	if b.session != "" {
		question["sessionId"] = b.session
	}
	text, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		text, err := b.from.ReadBytes(0)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID     int
			Result map[string]any
			Error  any
		}
		if err := json.Unmarshal(text[:len(text)-1], &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Error != nil {
			t.Fatalf("%s: %v", method, answer.Error)
		}
		if answer.ID == b.asked {
			return answer.Result
		}
	}
}

// value is what a script gives, once it has it.
func (b *browser) value(t *testing.T, script string) any {
	t.Helper()
	r := b.ask(t, "Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true})
	if r["exceptionDetails"] != nil {
		t.Fatalf("%s: %v", script, r["exceptionDetails"])
	}
	result, _ := r["result"].(map[string]any)
	return result["value"]
}

// docs/browser.html, in a browser, gives the probabilities that clr gives.
func TestONNXRuntimeBrowser(t *testing.T) {
	newSession(t) // only to see that all is installed
	dir := digits(t, "{name: resnet, depth: 10, width: 8}")
	run, d, e := trainedOn(t, dir)
	con, _ := silent()
	if _, err := Probe(t.Context(), ProbeOptions{Run: run, Kind: "linear"}, Overrides{}, con); err != nil {
		t.Fatal(err)
	}
	export(t, ExportOptions{Run: run, Format: "onnx", Out: filepath.Join(dir, "model.onnx"), FrontEnd: true, Probe: true, FoldBN: true})
	put(t, filepath.Join(dir, "index.html"), get(t, "../../docs/browser.html"))
	files := http.NewServeMux()
	files.Handle("/", http.FileServer(http.Dir(dir)))
	files.Handle("/node_modules/", http.FileServer(http.Dir(interopFolder)))
	server := httptest.NewServer(files)
	defer server.Close()

	b := newBrowser(t, server.URL)
	const ready = `new Promise((done) => { const look = () => window.listen && !document.getElementById("file").disabled ? done(true) : setTimeout(look, 50); look(); })`
	b.value(t, ready)
	clip := d.splits[0].Test[0]
	said, _ := b.value(t, fmt.Sprintf(`fetch(%q).then((r) => r.arrayBuffer()).then(listen)`, d.corpus.Items[clip].Path)).([]any)

	h, err := d.readHead(run, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	known, err := d.labels()
	if err != nil {
		t.Fatal(err)
	}
	one := embeddedOnce(t, d, e, known).Rows([]int{clip})
	for i, v := range one.X {
		one.X[i] = (v - h.Mean[i%h.D]) * h.Factor[i%h.D]
	}
	if len(said) != len(h.classes) {
		t.Fatalf("%d probabilities, want %d", len(said), len(h.classes))
	}
	best := 0
	for i, logp := range h.LogProba(one) {
		if p, ok := said[i].(float64); !ok || math.Abs(p-math.Exp(logp)) > 1e-4 {
			t.Errorf("%s: %v in the browser, %v here", h.classes[i], said[i], math.Exp(logp))
		} else if p > said[best].(float64) {
			best = i
		}
	}
	shown, _ := b.value(t, `document.getElementById("answer").rows[0].cells[0].textContent`).(string)
	if shown != h.classes[best] {
		t.Errorf("the page shows %q first, want %q", shown, h.classes[best])
	}
	if state, _ := b.value(t, `document.getElementById("state").textContent`).(string); !strings.HasSuffix(state, " seconds") {
		t.Errorf("the page says %q", state)
	}
}
