package pipeline

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A browser is a page in headless Chromium, and what it complained of.
type browser struct {
	context.Context
	t *testing.T

	mu   sync.Mutex
	said []string // errors and warnings of its console
	sent []string // what it asked the network for
}

// openPage opens an address. Without Chromium the test is skipped, but in CI, where
// one has to be.
func openPage(t *testing.T, url string) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium here, and CI is to look at the page: install Debian's chromium")
		}
		t.Skip("no chromium here to look at the page with: install Debian's chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox) // the sandbox refuses root
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	b := &browser{t: t}
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	b.Context = ctx
	b.do("listen", call(network.Enable, network.EnableParams{}))
	b.do("listen", call(log.Enable, cdp.Empty{}))
	b.do("open", chromedp.Navigate(url))
	return b
}

// call is a command of the protocol whose answer nobody needs.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, c, params)
		return none, err
	}
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, "console")
	case *log.EventEntryAdded:
		b.said = append(b.said, "log: "+e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") {
			b.sent = append(b.sent, u)
		}
	}
}

// heard is what the page complained of, and asked the network for.
func (b *browser) heard() (said, sent []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said), slices.Clone(b.sent)
}

func (b *browser) do(what string, a chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, a); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// click presses the first element of a selector.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("click on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// evaluate is the value of an expression, once it has it.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// eventually waits until an expression is true.
func (b *browser) eventually(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Minute))); err != nil {
		b.t.Fatalf("never %s: %v", expression, err)
	}
}

// show makes the window so wide, by day or by night, and where CLR_SCREENSHOTS
// names a folder keeps a picture of the whole page there.
func (b *browser) show(width int64, scheme string) {
	b.t.Helper()
	b.do("window", chromedp.EmulateViewport(width, 800))
	b.do("scheme", call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
	if dir := os.Getenv("CLR_SCREENSHOTS"); dir != "" {
		png, err := chromedp.Run(b, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("report-%d-%s.png", width, scheme)), png, 0o666)
		}
		if err != nil {
			b.t.Error(err)
		}
	}
}

// lookAt asks of a report in a browser what a person would see.
func lookAt(t *testing.T, file string, clips, probes int) {
	b := openPage(t, "file://"+file)
	for expression, want := range map[string]int{
		`document.querySelectorAll("svg.map").length`:                                                                                 2,
		`document.querySelectorAll("svg.map circle").length`:                                                                          2 * clips,
		`document.querySelectorAll(".probe").length`:                                                                                  probes,
		`document.querySelectorAll("table.matrix").length`:                                                                            probes,
		`document.querySelectorAll("table.classes").length`:                                                                           probes,
		`document.querySelectorAll("#map .legend i").length`:                                                                          10,
		`document.querySelectorAll("table.near tr").length`:                                                                           10,
		`document.querySelectorAll("table.near td").length`:                                                                           50,
		`document.querySelectorAll("#made pre").length`:                                                                               1,
		`[...document.querySelectorAll("circle")].filter(c => !(c.cx.baseVal.value > 0 && c.cx.baseVal.value < 640)).length`:          0,
		`[...document.querySelectorAll(".chart")].filter(c => c.getBoundingClientRect().height < 100).length`:                         0,
		`[...document.querySelectorAll(".chart .curve")].filter(c => !(c.getTotalLength() >= 0) || c.getAttribute("d") == "").length`: 0,
	} {
		if got := evaluate[int](b, expression); got != want {
			t.Errorf("%s is %d, want %d", expression, got, want)
		}
	}
	if n := evaluate[int](b, `document.querySelectorAll(".chart").length`); n < 10 {
		t.Errorf("there are %d charts", n)
	}

	// A point plays, its neighbours play, and what plays has a length and comes to its end.
	b.click(`figure.layout:not([hidden]) circle[data-i="3"]`)
	plays := func(what string) {
		t.Helper()
		b.eventually(`document.querySelector("#player audio").ended`)
		if s := evaluate[float64](b, `document.querySelector("#player audio").duration`); !(s > 0.1 && s < 30) {
			t.Errorf("%s: a sound of %g s", what, s)
		}
		if !evaluate[bool](b, `document.querySelector("#player audio").error === null && !document.querySelector("#player").hidden`) {
			t.Errorf("%s: nothing plays", what)
		}
	}
	plays("a point")
	if n := evaluate[int](b, `document.querySelectorAll("#chosen .clip").length`); n != 5 {
		t.Errorf("%d neighbours are shown of a point", n)
	}
	b.click("#chosen .clip:nth-of-type(2)")
	plays("a neighbour")
	if evaluate[string](b, `document.querySelector("#playing").textContent`) == "" {
		t.Error("it is not said what plays")
	}
	b.click("table.near td .clip")
	plays("the table")

	// What is pressed shows.
	b.click(`[data-layout="1"]`)
	if !evaluate[bool](b, `document.querySelectorAll("figure.layout")[0].hidden && !document.querySelectorAll("figure.layout")[1].hidden`) {
		t.Error("the other layout is not shown")
	}
	b.click(`[data-class="2"]`)
	if got := evaluate[int](b, `document.querySelectorAll("figure.layout:not([hidden]) circle.in").length`); got == 0 || got == clips {
		t.Errorf("a label picks %d of %d clips", got, clips)
	}
	b.click(`[data-class="2"]`)
	b.click(`[data-layout="0"]`)

	// It fits, by day and by night.
	pages := map[string]string{}
	for _, width := range []int64{360, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b.show(width, scheme)
			if got := evaluate[int64](b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("at %d pixels the page is %d wide: %s", width, got, evaluate[string](b,
					`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".wide, pre, svg")).map(e => e.tagName + "." + e.className).join(" ")`))
			}
			pages[scheme] = evaluate[string](b, `getComputedStyle(document.body).backgroundColor`)
		}
	}
	if pages["light"] == pages["dark"] {
		t.Errorf("by night the page is %s too", pages["dark"])
	}
	if said, sent := b.heard(); len(said) > 0 || len(sent) > 0 {
		t.Errorf("the console says %q, the network is asked for %q", said, sent)
	}
	if !evaluate[bool](b, `console.error("listening"), fetch("http://127.0.0.1:9/").catch(e => e), true`) {
		t.Error("it cannot be asked")
	}
	b.eventually(`document.readyState == "complete"`)
	if said, _ := b.heard(); len(said) == 0 {
		t.Error("what the console says is not heard")
	}
}
