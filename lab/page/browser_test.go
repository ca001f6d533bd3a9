package page_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
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
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/page"
	"runtimelab/lab/report"
)

// browserTest is a browser with one tab, for the tests that `make test-report` runs. Other tests skip:
// no test installs a browser.
type browserTest struct {
	*testing.T
	ctx context.Context
	dir string
	axe string // the program text of axe-core

	mu       sync.Mutex
	requests []string // what the tab requested
	messages []string // what its console and its log said
}

func newBrowserTest(t *testing.T) *browserTest {
	t.Helper()
	browser, checker := os.Getenv("REPORT_BROWSER"), os.Getenv("REPORT_AXE")
	if browser == "" && checker == "" {
		t.Skip("needs a browser: make test-report")
	}
	if browser == "" || checker == "" {
		t.Fatalf("the browser is %q and the accessibility checker %q: both are needed", browser, checker)
	}
	program, err := os.ReadFile(checker)
	if err != nil {
		t.Fatal(err)
	}
	b := &browserTest{T: t, dir: t.TempDir(), axe: string(program)}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(browser), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox) // the tests of CI run as root, which the sandbox refuses
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b.ctx = ctx
	b.listen()
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	return b
}

func (b *browserTest) listen() {
	b.Helper()
	if err := chromedp.Listen(b.ctx, b.record); err != nil {
		b.Fatal(err)
	}
}

// call runs a command of the protocol.
func call[P, R any](b *browserTest, command cdp.Command[P, R], params P) R {
	b.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.Fatal(err)
	}
	return result
}

// record keeps what the tab requests and says.
func (b *browserTest) record(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *log.EventEntryAdded:
		b.messages = append(b.messages, e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		b.messages = append(b.messages, fmt.Sprint(e.Type, " ", len(e.Args)))
	case *runtime.EventExceptionThrown:
		b.messages = append(b.messages, e.ExceptionDetails.Text)
	}
}

func (b *browserTest) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// evaluate returns the value of a script, which may be a promise.
func evaluate[V any](b *browserTest, script string) V {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[V](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// open writes a page and opens it from its file, at a width and in a colour scheme.
func (b *browserTest) open(text string, width int64, scheme string) {
	b.Helper()
	path := filepath.Join(b.dir, "report.html")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	address := (&url.URL{Scheme: "file", Path: path}).String()
	b.mu.Lock()
	b.requests, b.messages = nil, nil
	b.mu.Unlock()
	call(b, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	b.do(chromedp.Navigate(address))
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.requests, []string{address}) || len(b.messages) > 0 {
		b.Errorf("the page requested %q and said %q", b.requests, b.messages)
	}
}

const openFolds = `document.querySelectorAll("details").forEach(d => d.open = true)`

// pages are those that a browser must show without a fault.
func pages(t *testing.T) map[string]string {
	t.Helper()
	comparison := slowerComparison(t, 0.8)
	all := map[string]string{"comparison": comparisonPage(t, comparison)}
	comparison.Old.Label, comparison.New.RunID = hostileText, hostileText
	comparison.Doubts = []lab.Reason{{Kind: lab.DataIgnored, Subject: hostileText, Text: hostileText}}
	for i := range comparison.Lines {
		comparison.Lines[i].Variant += hostileText
	}
	all["hostile comparison"] = comparisonPage(t, comparison)
	for _, name := range []string{"decided", "kinds", "search", "crash"} {
		all[name] = pageOf(t, reportOf(t, recordedRun(t, name)))
	}
	for name, r := range stateReports(t) {
		all[name] = pageOf(t, r)
	}
	all["hostile"] = pageOf(t, hostileReport(t))
	all["large"] = pageOf(t, largeReport(75, 6))
	return all
}

// comparisonPage returns the page of a comparison.
func comparisonPage(t *testing.T, c compare.Comparison) string {
	t.Helper()
	text, err := page.Comparisons([]compare.Comparison{c})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBrowserShowsPagesWithoutFault(t *testing.T) {
	b := newBrowserTest(t)
	for name, text := range pages(t) {
		t.Run(name, func(t *testing.T) {
			b := &browserTest{T: t, ctx: b.ctx, dir: b.dir, axe: b.axe}
			b.listen()
			for _, width := range []int64{360, 1280, 1920} {
				b.open(text, width, "light")
				for _, folds := range []string{"0", openFolds} {
					evaluate[int](b, folds+";0")
					b.checkLayout(fmt.Sprintf("at %d px", width))
				}
			}
			if evaluate[string](b, "String(window.pwned) + document.scripts.length") != "undefined0" {
				t.Error("a script is in the page, or ran")
			}
			b.checkKeyboard()
			for _, scheme := range []string{"light", "dark"} {
				b.open(text, 1280, scheme)
				evaluate[int](b, openFolds+";0")
				b.checkAccessibility(scheme)
			}
			b.checkPDF()
		})
	}
}

// checkLayout fails where something is wider than the window, or where texts or drawings cover each
// other.
func (b *browserTest) checkLayout(where string) {
	b.Helper()
	for _, fault := range evaluate[[]string](b, `(() => {
		const faults = [], root = document.documentElement;
		if (root.scrollWidth > root.clientWidth) faults.push("the page is " + root.scrollWidth + " px wide");
		const label = e => e.textContent || e.getAttribute("aria-label") || "";
		const name = e => e.tagName + " " + label(e).trim().slice(0, 50);
		const shown = e => e.checkVisibility({contentVisibilityAuto: true}) && e.getBoundingClientRect().width > 0;
		const cover = (all, slack, kind) => {
			const boxes = all.filter(shown).map(e => [e, e.getBoundingClientRect()]);
			boxes.sort((a, b) => a[1].top - b[1].top);
			boxes.forEach(([e, r], i) => {
				for (let j = i + 1; j < boxes.length && boxes[j][1].top < r.bottom - slack; j++) {
					const [o, s] = boxes[j];
					if (e.contains(o) || o.contains(e)) continue;
					if (Math.min(r.right, s.right) - Math.max(r.left, s.left) > slack && r.bottom - s.top > slack)
						faults.push(kind + ": " + name(e) + " and " + name(o));
				}
			});
		};
		for (const svg of document.querySelectorAll("svg")) {
			if (!shown(svg)) continue;
			const frame = svg.getBoundingClientRect();
			const texts = [...svg.querySelectorAll("text")];
			cover(texts, 2.5, "texts of " + svg.getAttribute("aria-label"));
			for (const t of texts) {
				const r = t.getBoundingClientRect();
				if (r.left < frame.left - 2 || r.right > frame.right + 2 ||
					r.top < frame.top - 2 || r.bottom > frame.bottom + 2)
					faults.push("cut text: " + name(t) + " of " + svg.getAttribute("aria-label"));
			}
		}
		cover([...document.querySelectorAll("h1,h2,h3,p,li,summary,svg,table,dt,dd,pre")], 2, "blocks");
		return faults.slice(0, 8);
	})()`) {
		b.Errorf("%s: %s", where, fault)
	}
}

// checkKeyboard fails if the keys Tab and Enter do not reach and open every fold, those within others
// included.
func (b *browserTest) checkKeyboard() {
	b.Helper()
	evaluate[int](b, `document.querySelectorAll("details").forEach(d => d.open = false),
		document.activeElement.blur(), scrollTo(0, 0), 0`)
	for range evaluate[int](b, `document.querySelectorAll("summary, a, [tabindex]").length`) + 2 {
		b.do(chromedp.KeyEvent(kb.Tab))
		if evaluate[bool](b, `(e => e.tagName == "SUMMARY" && !e.parentElement.open)(document.activeElement)`) {
			b.do(chromedp.KeyEvent(kb.Enter))
		}
	}
	for _, closed := range evaluate[[]string](b, `[...document.querySelectorAll("details:not([open]) > summary")]
		.map(e => e.textContent.slice(0, 60))`) {
		b.Errorf("the keyboard does not open the fold %q", closed)
	}
}

// checkAccessibility fails for each violation that axe finds.
func (b *browserTest) checkAccessibility(scheme string) {
	b.Helper()
	violations := evaluate[[]string](b, b.axe+`;axe.run().then(r => r.violations.map(v =>
		v.id + ": " + v.help + ": " +
		v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + n.failureSummary).join(" | ")))`)
	for _, v := range violations {
		b.Errorf("axe, %s: %s", scheme, v)
	}
}

// checkPDF fails if the PDF lacks the heading of a section, or what a closed fold has.
func (b *browserTest) checkPDF() {
	b.Helper()
	want := evaluate[[]string](b, `document.querySelectorAll("details").forEach(d => d.open = false),
		[...document.querySelectorAll("h2"), ...document.querySelectorAll("details > :not(summary)")]
			.map(e => e.textContent.trim()).filter(t => t)`)
	prefer := true
	printed := call(b, cdppage.PrintToPDF, cdppage.PrintToPDFParams{PreferCSSPageSize: &prefer})
	file := filepath.Join(b.dir, "report.pdf")
	if err := os.WriteFile(file, printed.Data, 0o644); err != nil {
		b.Fatal(err)
	}
	out, err := exec.CommandContext(b.ctx, "pdftotext", "-raw", file, "-").Output()
	if err != nil {
		b.Fatalf("pdftotext: %v", err)
	}
	letters := func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, "-", "")), "") }
	sheets := letters(string(out))
	for _, text := range want {
		if text = letters(text); !strings.Contains(sheets, text[:min(len(text), 24)]) {
			b.Errorf("the PDF lacks %q", text)
		}
	}
}

// The numbers of the page are those of the JSON, and each chart shows every value that the JSON has.
func TestBrowserShowsTheNumbersOfTheJSON(t *testing.T) {
	b := newBrowserTest(t)
	for _, name := range []string{"decided", "kinds", "search"} {
		r := reportOf(t, recordedRun(t, name))
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var fromJSON report.Report
		if err := json.Unmarshal(text, &fromJSON); err != nil {
			t.Fatal(err)
		}
		b.open(pageOf(t, r), 1280, "light")
		shown := evaluate[[][]string](b, `[...document.querySelectorAll("#figures tbody tr")].map(
			row => [...row.children].map(cell => cell.textContent))`)
		slices.SortStableFunc(fromJSON.Figures, func(a, b report.Section) int {
			return cmp.Or(cmp.Compare(a.Scenario, b.Scenario), cmp.Compare(a.CPUs, b.CPUs))
		})
		i := 0
		for _, s := range fromJSON.Figures {
			for _, l := range s.Lines {
				want := []string{l.Variant, fmt.Sprintf("%d/%d", l.Valid, l.Trials), l.Served.Ranged()}
				if got := shown[i]; !slices.Equal(got[:3],
					want) || got[4] != l.P50MS.String() || got[6] != l.CPUUS.String() {
					t.Errorf("%s: the page shows %q, the JSON has %+v", name, got, l)
				}
				i++
			}
		}
		for section, want := range map[string]int{
			"throughput": servedValues(fromJSON), "validity": len(fromJSON.Attempts), "claims": comparisons(fromJSON),
			"latency": distributions(fromJSON), "time": attacks(fromJSON), "load": rates(fromJSON),
		} {
			marks := evaluate[int](b, fmt.Sprintf(`document.querySelectorAll("#%s .m").length`, section))
			if marks != want {
				t.Errorf("%s: %s has %d marks, the JSON %d values", name, section, marks, want)
			}
		}
	}
}

func TestBrowserOpensALargePage(t *testing.T) {
	b := newBrowserTest(t)
	text := pageOf(t, largeReport(200, 25))
	start := time.Now()
	b.open(text, 1280, "light")
	evaluate[float64](b, `document.body.getBoundingClientRect().height`)
	t.Logf("%d bytes opened in %s", len(text), time.Since(start))
	if marks := evaluate[int](b, `document.querySelectorAll("#throughput .m").length`); marks != 5000 {
		t.Errorf("%d marks, want 5000", marks)
	}
}
