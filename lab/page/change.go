package page

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"runtimelab/lab/chart"
	"runtimelab/lab/compare"
	"runtimelab/lab/message"
)

// topView is what a comparison shows before anything else: the line that matters most, or that there is
// none.
type topView struct {
	Class, Mark string
	Headline    string // "python/uvloop is slower"
	Size        string // "−20 % requests served per second"; empty without a line that matters
	Figures     string // both values, the ratio and its interval
	Where       string // of the line
	Meaning     string // why it counts
	Strip       chart.Chart
	HasStrip    bool
}

// change has the words for a change of a metric: what it measures, and what a variant does that has
// become worse or better.
type change struct{ what, worse, better string }

var changes = map[string]change{
	"throughput_rps":     {"requests served per second", "is slower", "is faster"},
	"goodput_rps":        {"requests served in time per second", "is slower", "is faster"},
	"capacity_rps":       {"highest rate that keeps the SLO", "keeps its SLO at a lower rate", "keeps its SLO at a higher rate"},
	"latency_p50_ms":     {"median latency", "answers later", "answers sooner"},
	"latency_p90_ms":     {"p90 latency", "answers later", "answers sooner"},
	"latency_p99_ms":     {"p99 latency", "answers later", "answers sooner"},
	"latency_p999_ms":    {"p99.9 latency", "answers later", "answers sooner"},
	"latency_raw_p50_ms": {"median latency from the actual send", "answers later", "answers sooner"},
	"latency_raw_p99_ms": {"p99 latency from the actual send", "answers later", "answers sooner"},
	"first_byte_p99_ms":  {"p99 of the time to the first byte", "answers later", "answers sooner"},
	"cpu_us_per_request": {"CPU time per request", "costs more CPU", "costs less CPU"},
	"memory_peak_mib":    {"memory", "needs more memory", "needs less memory"},
	"cold_start_ms":      {"time to start", "starts later", "starts sooner"},
	"error_ratio":        {"share of requests that failed", "fails more often", "fails less often"},
}

// changeOf returns the words for a metric; without words of its own, with the metric's name.
func changeOf(metric string) change {
	return cmp.Or(changes[metric], change{metric, "is worse", "is better"})
}

// newTopView returns what matters most of lines that are sorted by that, whose views have their strips.
func newTopView(c compare.Comparison, lines []compare.Line, views []lineView) topView {
	if len(lines) == 0 {
		return topView{Class: "unsure", Mark: "○", Headline: "The runs have no line in common"}
	}
	first := lines[0]
	words := changeOf(first.Metric)
	t := topView{
		Class: views[0].Class, Mark: views[0].Mark, Strip: views[0].Strip, HasStrip: views[0].HasStrip,
		Size: sizeText(first) + " " + words.what,
		Figures: fmt.Sprintf("From %s to %s%s: %s.", valueText(first.Old), valueText(first.New),
			unitText(first.Unit), effectText(first)),
		Where: fmt.Sprintf("%s, %s.", first.String(), trialsText(first)),
	}
	matters := fmt.Sprintf("The interval excludes no change, and the change is beyond the %s that do not matter.",
		percent(c.Threshold))
	switch first.Mark {
	case compare.Worse:
		t.Headline, t.Meaning = first.Variant+" "+words.worse, matters
		return t
	case compare.Better:
		t.Headline, t.Meaning = first.Variant+" "+words.better, matters
		return t
	}
	open := c.Count(compare.Undecided) + c.Count(compare.TooFewTrials)
	if open == 0 {
		return topView{
			Class: "good", Mark: "■", Headline: "Nothing has changed",
			Meaning: fmt.Sprintf("The interval of every line lies within the %s that do not matter.",
				percent(c.Threshold)),
		}
	}
	return topView{
		Class: "unsure", Mark: "○", Headline: "No change was shown",
		Meaning: message.Count(open, "line is", "lines are") + " undecided: their intervals are too wide, or there " +
			"are too few trials. That is no evidence that nothing has changed.",
	}
}

// unitText returns a unit to follow a value.
func unitText(unit string) string {
	switch unit {
	case "1/s":
		return " per second"
	case "ratio", "":
		return ""
	}
	return " " + unit
}

// sizeText returns the effect of a line as a change in percent, or as a factor if it is large.
func sizeText(l compare.Line) string {
	const large = 3
	switch {
	case l.Effect == nil:
		return "no figure for"
	case l.Scale == compare.DifferenceScale:
		return strings.ReplaceAll(fmt.Sprintf("%+.3g", *l.Effect), "-", "−")
	case *l.Effect >= large:
		return fmt.Sprintf("%.1f times the", *l.Effect)
	}
	change := *l.Effect - 1
	if change < 0 {
		return "−" + percent(-change)
	}
	return "+" + percent(change)
}

// percent returns a share in percent, with two digits.
func percent(share float64) string {
	const twoDigits = 0.0995
	if share < twoDigits {
		return fmt.Sprintf("%.2g %%", math.Round(1000*share)/10)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}
