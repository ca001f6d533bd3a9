package page

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/chart"
	"runtimelab/lab/message"
	"runtimelab/lab/report"
	"runtimelab/lab/wording"
)

// view is what the template of a page shows.
type view struct {
	RunID    string
	Summary  string // profile, trials, start
	Headline headline
	Controls []controlView
	Axis     chart.Chart
	Claims   []claimView
	Missing  []missingView
	Topics   []lab.UntestableTopic
	Level    string // of the intervals of claims
	Charts   []chartSection
	Tables   []figureTable
	Doubts   []string
	Ran      ran
	Legend   []string
}

// ran is what ran, and where.
type ran struct {
	Facts    []fact
	Variants []report.Variant
	Services []report.Service
}

type controlView struct {
	Name, Word, Class, Text string
}

// chartSection is a section of charts.
type chartSection struct {
	ID, Title, Intro string
	Charts           []chart.Chart
	Lines            []string // in words, below the charts
	Folded           bool
}

// maxOpenCharts is the number of charts up to which a section on a detail shows them without a fold.
const maxOpenCharts = 12

// figureTable holds the figures of one section of a report.
type figureTable struct {
	Title string
	Rows  [][]string
}

// fact is one line of what ran.
type fact struct{ Name, Value string }

func newView(r report.Report) view {
	r.Figures = byScenario(r.Figures)
	rows := forestRows(r)
	scale := chart.NewRatioScale(rows)
	v := view{
		RunID: r.RunID, Summary: summary(r), Headline: newHeadline(r), Controls: controlViews(r),
		Claims: claimViews(r, scale), Missing: missingViews(r), Topics: r.Topics,
		Charts: chartSections(r), Tables: figureTables(r), Ran: ran{Facts: facts(r)}, Legend: r.Legend(),
	}
	if len(rows) > 0 {
		v.Axis = chart.RatioAxis("axis", "axis of ratios, logarithmic", scale)
		v.Level = fmt.Sprintf("95 %%, by Holm's procedure over %s",
			message.Count(tested(r), "hypothesis", "hypotheses"))
	}
	for _, d := range r.Doubts {
		v.Doubts = append(v.Doubts, wording.Reason(d))
	}
	if r.Run != nil {
		v.Ran.Variants, v.Ran.Services = r.Run.Variants, r.Run.Services
	}
	return v
}

// byScenario returns sections sorted by their scenarios, so that all parts of a page have the same order.
// A run measures them in random order.
func byScenario(sections []report.Section) []report.Section {
	sections = slices.Clone(sections)
	slices.SortStableFunc(sections, func(a, b report.Section) int {
		return cmp.Or(cmp.Compare(a.Scenario, b.Scenario), cmp.Compare(a.CPUs, b.CPUs))
	})
	return sections
}

// tested counts the hypotheses that Holm's procedure decided together.
func tested(r report.Report) (n int) {
	for _, c := range r.Claims {
		for _, v := range c.HypothesisVerdicts {
			if v.PHolm != nil {
				n++
			}
		}
	}
	return n
}

func summary(r report.Report) string {
	var parts []string
	if r.Run != nil {
		parts = append(parts, "profile "+r.Run.Profile, r.Run.StartedAt.UTC().Format("2006-01-02 15:04 UTC"))
	}
	parts = append(parts, fmt.Sprintf("%d of %s valid", r.Valid, message.Count(r.Trials, "trial", "trials")),
		message.Count(r.Blocks, "block", "blocks"), "host "+r.HostID)
	return strings.Join(parts, " · ")
}

func controlViews(r report.Report) (views []controlView) {
	for _, c := range r.Controls {
		view := controlView{c.Name, "passed", "good", wording.Control(c)}
		if !c.Passed {
			view.Word, view.Class = "FAILED", "bad"
		}
		views = append(views, view)
	}
	return views
}

// chartSections returns the sections of charts that have any. Those on details are folded where they have
// many.
func chartSections(r report.Report) []chartSection {
	d := draw(r)
	all := []chartSection{
		{
			ID: "throughput", Title: "Throughput", Charts: d.throughput,
			Intro: "Each dot is one trial, the first block on top. A hollow dot with an arrow is a bound. The line " +
				"is the median, the shade the 95 % interval of the mean.",
		},
		{
			ID: "latency", Title: "Latency", Charts: d.latency,
			Intro: "A line for each trial that counts, never merged. Each step to the right leaves a tenth of the " +
				"requests.",
		},
		{
			ID: "load", Title: "Latency against load", Charts: d.load,
			Intro: "The p99 at each offered rate, a mark for each trial. Hollow marks missed the SLO of their search.",
		},
		{
			ID: "scaling", Title: "Scaling", Charts: d.scaling, Lines: scalingLines(r),
			Intro: "Speed-up by block with individual 95 % intervals, beside the native burn, which is the most " +
				"that the machine allows.",
		},
		{
			ID: "cost", Title: "Cost", Charts: d.cost, Folded: len(d.cost) > maxOpenCharts,
			Intro: "A mark for each trial: lower left is cheaper.",
		},
		{
			ID: "time", Title: "Time", Charts: d.time, Folded: len(d.time) > maxOpenCharts,
			Intro: "The seconds of each attack: a drift or a stall shows as a slope or a gap.",
		},
		{
			ID: "validity", Title: "Every trial", Charts: d.validity, Lines: r.InvalidPhases(),
			Intro: "What each trial is worth. A disturbed one was repeated if the plan had a repeat left.",
		},
	}
	return slices.DeleteFunc(all, func(s chartSection) bool { return len(s.Charts) == 0 })
}

// scalingLines returns the curves as text.
func scalingLines(r report.Report) (lines []string) {
	for _, c := range r.Scaling {
		lines = append(lines, strings.Join(report.CurveLines(c), "; "))
	}
	return lines
}

// figureTables returns the figures of each section of a report.
func figureTables(r report.Report) (tables []figureTable) {
	for _, s := range r.Figures {
		t := figureTable{Title: s.Title()}
		for _, l := range s.Lines {
			ratio := "–"
			if l.RatioToFirst != nil {
				ratio = strconv.FormatFloat(*l.RatioToFirst, 'f', 2, 64)
			}
			t.Rows = append(t.Rows, []string{
				l.Variant, fmt.Sprintf("%d/%d", l.Valid, l.Trials), l.Served.Ranged(), ratio, l.P50MS.String(),
				l.P99MS.String(), l.CPUUS.String(), l.MemoryMiB.String(), l.ColdStartMS.String(), failedText(l.Failed),
			})
		}
		tables = append(tables, t)
	}
	return tables
}

// failedText returns the failed share of requests.
func failedText(share *float64) string {
	switch {
	case share == nil:
		return "-"
	case *share == 0:
		return "0"
	}
	return strconv.FormatFloat(100**share, 'g', 2, 64) + " %"
}

// facts returns what ran, where and when.
func facts(r report.Report) (all []fact) {
	add := func(name, value string) {
		if value != "" {
			all = append(all, fact{name, value})
		}
	}
	run := r.Run
	if run == nil {
		return nil
	}
	add("state", run.State)
	add("started", run.StartedAt.UTC().Format(time.RFC3339))
	if run.EndedAt != nil {
		add("ended", fmt.Sprintf("%s, after %s", run.EndedAt.UTC().Format(time.RFC3339),
			run.EndedAt.Sub(run.StartedAt).Round(time.Second)))
	}
	add("seed", strconv.FormatUint(run.Seed, 10))
	add("generator", string(run.Generator))
	add("host",
		fmt.Sprintf("%s, %s, kernel %s", run.Host.CPUModel, message.Count(len(run.Host.CPUs), "CPU", "CPUs"),
			run.Host.Kernel))
	for _, l := range run.Layouts {
		add("layout", fmt.Sprintf("generator on %s, server on %s", lab.CPUList(l.Generator), lab.CPUList(l.Server)))
	}
	add("engine", sortedPairs(run.Engine))
	add("versions", sortedPairs(run.Versions))
	add("not measured", sortedPairs(run.Refused))
	for _, n := range run.Notes {
		add("note", n)
	}
	return all
}

func sortedPairs(m map[string]string) string {
	var parts []string
	for k, v := range m {
		parts = append(parts, k+" "+v)
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
