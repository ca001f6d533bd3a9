package page_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/page"
	"runtimelab/lab/report"
)

// pageOf returns the page of a report.
func pageOf(t testing.TB, r report.Report) string {
	t.Helper()
	text, err := page.Report(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// headOf returns the head of a page, as text with its tags.
func headOf(text string) string {
	_, head, _ := strings.Cut(text, "<header>")
	head, _, _ = strings.Cut(head, "</header>")
	return head
}

func TestPageBeginsWithWhatWasFoundAndWhetherToTrustIt(t *testing.T) {
	head := headOf(pageOf(t, reportOf(t, recordedRun(t, "decided"))))
	for _, want := range []string{
		"“Node serves the same application faster” (speed-1) is supported; " +
			"“Node sustains high load” (scale-3) is refuted; " +
			"1 claim is undecided (speed-2); 12 claims were not evaluated.",
		"The instrument passed its controls (A/A, known ratio).",
	} {
		if !strings.Contains(head, want) {
			t.Errorf("the head has no %q:\n%s", want, head)
		}
	}
	if strings.Contains(head, "alarm") {
		t.Errorf("the head alarms:\n%s", head)
	}
}

// decidedVerdict is the mark of a verdict that a run without trust must not show.
var decidedVerdict = regexp.MustCompile(
	`class="verdict (good|bad|mixed)"><span[^>]*>.</span> (supported|refuted|depends)`)

func TestPageSaysAtItsHeadWhyNotToTrustIt(t *testing.T) {
	for name, c := range map[string]struct {
		head     string
		verdicts bool // whether verdicts may stand
	}{
		"no controls":     {"Nothing checked the instrument: the run has no controls.", true},
		"failed controls": {"The instrument cannot be trusted: the control failed (A/A)", false},
		"interrupted":     {"The run is not complete:", false},
		"nothing valid":   {"Nothing is valid: 0 of ", false},
		"single trial":    {"A single trial was measured", false},
	} {
		text := pageOf(t, stateReports(t)[name])
		if head := headOf(text); !strings.Contains(head, c.head) || !strings.Contains(head, "alarm") {
			t.Errorf("%s: the head has no %q:\n%s", name, c.head, head)
		}
		if found := decidedVerdict.FindString(text); (found != "") != c.verdicts {
			t.Errorf("%s: verdict %q", name, found)
		}
	}
}

// The browser test checks that nothing of it runs.
func TestHostileTextIsEscaped(t *testing.T) {
	text := pageOf(t, hostileReport(t))
	for _, tag := range []string{"<script", "<img", "onerror=\"window"} {
		if strings.Contains(text, tag) {
			t.Errorf("the page has %q", tag)
		}
	}
	if strings.ContainsAny(text, "\x00\x1b\u202e") {
		t.Error("the page has characters that hide text or change its direction")
	}
	if n := strings.Count(text, "</style>"); n != 1 {
		t.Errorf("the style ends %d times", n)
	}
	if !strings.Contains(text, "&lt;script&gt;window.pwned=1") {
		t.Error("the hostile text is not in the page")
	}
	for _, c := range page.Charts(hostileReport(t)) {
		if strings.Contains(c.File(), "<script") || regexp.MustCompile(`[^a-zA-Z0-9-]`).MatchString(c.Name) {
			t.Errorf("chart %q: %s", c.Name, c.File())
		}
	}
}

func TestPagesAreSmall(t *testing.T) {
	for name, c := range map[string]struct {
		report report.Report
		most   int
	}{
		"decided":                {reportOf(t, recordedRun(t, "decided")), 1_500_000},
		"kinds":                  {reportOf(t, recordedRun(t, "kinds")), 1_500_000},
		"a standard run":         {largeReport(30, 12), 1_500_000},
		"5000 trials, 200 cells": {largeReport(200, 25), 6_000_000},
	} {
		n := len(pageOf(t, c.report))
		t.Logf("%s: %d bytes", name, n)
		if n > c.most {
			t.Errorf("%s: %d bytes, at most %d wanted", name, n, c.most)
		}
	}
}

func TestChartsHaveDistinctNames(t *testing.T) {
	r := reportOf(t, recordedRun(t, "kinds"))
	seen := map[string]bool{}
	for _, c := range page.Charts(r) {
		if seen[c.Name] {
			t.Errorf("two charts are named %s", c.Name)
		}
		seen[c.Name] = true
	}
	if len(seen) < 10 || !seen["forest"] {
		t.Errorf("%d charts: %v", len(seen), seen)
	}
}

func TestEachVariantHasMarksOfItsOwn(t *testing.T) {
	text := pageOf(t, largeReport(5, 6))
	if !strings.Contains(text, "var(--s0)") || !strings.Contains(text, "var(--s2)") {
		t.Error("runtimes share a colour")
	}
}

func TestWhatRanHasTheServices(t *testing.T) {
	r := hostileReport(t)
	r.Run.Services = []report.Service{
		{Name: "postgres", Role: lab.RoleDatabase, ContentSHA256: "0123456789abcdef"},
	}
	want := `<th scope="row">database postgres</th><td></td><td><code>0123456789ab</code>`
	if !strings.Contains(pageOf(t, r), want) {
		t.Errorf("the page lacks %s", want)
	}
}

func TestPartsOfAPageHaveTheOrderOfScenarios(t *testing.T) {
	r := largeReport(30, 6)
	slices.Reverse(r.Figures)
	text := pageOf(t, r)
	for _, section := range []string{"throughput", "latency", "cost", "time", "validity", "figures"} {
		_, part, found := strings.Cut(text, `<section id="`+section+`"`)
		part, _, _ = strings.Cut(part, "</section>")
		first, last := strings.Index(part, "scenario-0"), strings.Index(part, "scenario-5")
		if !found || first < 0 || last < first {
			t.Errorf("%s has scenario-0 at %d, scenario-5 at %d", section, first, last)
		}
	}
}

func TestManyChartsOfDetailsAreFolded(t *testing.T) {
	for cells, folded := range map[int]bool{5: false, 100: true} {
		_, part, _ := strings.Cut(pageOf(t, largeReport(cells, 6)), `<section id="time"`)
		if part, _, _ = strings.Cut(part, "</section>"); strings.Contains(part, "<details>") != folded {
			t.Errorf("%d cells: folded is not %v", cells, folded)
		}
	}
}
