// Package browsertest shows pages to tests as headless Chromium renders them, and
// tells what a page's console says and what it asks of the network.
package browsertest

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

// A Browser is a page in headless Chromium, and what it complained of.
type Browser struct {
	context.Context
	t *testing.T

	mu   sync.Mutex
	said []string // errors and warnings of its console
	sent []string // what it asked the network for
}

// Open opens an address. Without Chromium the test is skipped, but in CI, where
// one has to be.
func Open(t *testing.T, url string) *Browser {
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
	b := &Browser{t: t}
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	b.Context = ctx
	b.Do("listen", call(network.Enable, network.EnableParams{}))
	b.Do("listen", call(log.Enable, cdp.Empty{}))
	b.Do("open", chromedp.Navigate(url))
	return b
}

// call is a command of the protocol whose answer nobody needs.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, c, params)
		return none, err
	}
}

func (b *Browser) hear(event any) {
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

// Heard is what the page complained of, and asked the network for.
func (b *Browser) Heard() (said, sent []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said), slices.Clone(b.sent)
}

func (b *Browser) Do(what string, a chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, a); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// Click presses the first element of a selector.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.Do("click on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Evaluate is the value of an expression, once it has it.
func Evaluate[T any](b *Browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Eventually waits until an expression is true.
func (b *Browser) Eventually(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Minute))); err != nil {
		b.t.Fatalf("never %s: %v", expression, err)
	}
}

// Show makes the window so wide, by day or by night, and where CLR_SCREENSHOTS
// names a folder keeps a picture of the whole page there, by that name.
func (b *Browser) Show(name string, width int64, scheme string) {
	b.t.Helper()
	b.Do("window", chromedp.EmulateViewport(width, 800))
	b.Do("scheme", call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
	if dir := os.Getenv("CLR_SCREENSHOTS"); dir != "" {
		png, err := chromedp.Run(b, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o666)
		}
		if err != nil {
			b.t.Error(err)
		}
	}
}

// Fits asks of a page that it fits a phone and a desk, by day and by night, that its
// console is silent, and that it asks nothing of the network. It is asked last, for
// it tries whether complaints are heard.
func (b *Browser) Fits(name string) {
	b.t.Helper()
	pages := map[string]string{}
	for _, width := range []int64{360, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b.Show(name, width, scheme)
			if got := Evaluate[int64](b, `document.documentElement.scrollWidth`); got > width {
				b.t.Errorf("at %d pixels the page is %d wide: %s", width, got, Evaluate[string](b,
					`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".wide, pre, svg")).map(e => e.tagName + "." + e.className).join(" ")`))
			}
			pages[scheme] = Evaluate[string](b, `getComputedStyle(document.body).backgroundColor`)
		}
	}
	if pages["light"] == pages["dark"] {
		b.t.Errorf("by night the page is %s too", pages["dark"])
	}
	if said, sent := b.Heard(); len(said) > 0 || len(sent) > 0 {
		b.t.Errorf("the console says %q, the network is asked for %q", said, sent)
	}
	if !Evaluate[bool](b, `console.error("listening"), fetch("http://127.0.0.1:9/").catch(e => e), true`) {
		b.t.Error("it cannot be asked")
	}
	b.Eventually(`document.readyState == "complete"`)
	if said, _ := b.Heard(); len(said) == 0 {
		b.t.Error("what the console says is not heard")
	}
}
