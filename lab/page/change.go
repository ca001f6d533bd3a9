package page

import (
	"cmp"
	"fmt"
	"math"

	"runtimelab/lab/chart"
	"runtimelab/lab/compare"
	"runtimelab/lab/message"
)

// topView is what a comparison shows before anything else: the line that matters most, or that there is
// none.
type topView struct {
	Class, Mark string
	Headline    string // "python/uvloop is slower"
	Size        string // "20 % fewer requests served per second"; empty without a line that matters
	Figures     string // both values, the ratio and its interval
	Where       string // of the line
	Meaning     string // why it counts
	Strip       chart.Chart
	HasStrip    bool
}

// change has the words for a change of a metric: what it measures, how less and more of it are called,
// and what a variant does that has become worse or better.
type change struct{ what, less, more, worse, better string }

var changes = map[string]change{
	"throughput_rps": {"requests served per second", "fewer", "more", "is slower", "is faster"},
	"goodput_rps":    {"requests served in time per second", "fewer", "more", "is slower", "is faster"},
	"capacity_rps": {
		"requests per second within the SLO", "fewer", "more", "keeps its SLO at a lower rate",
		"keeps its SLO at a higher rate",
	},
	"latency_p50_ms":     latencyChange("median latency"),
	"latency_p90_ms":     latencyChange("p90 latency"),
	"latency_p99_ms":     latencyChange("p99 latency"),
	"latency_p999_ms":    latencyChange("p99.9 latency"),
	"latency_raw_p50_ms": latencyChange("median latency from the actual send"),
	"latency_raw_p99_ms": latencyChange("p99 latency from the actual send"),
	"first_byte_p99_ms":  latencyChange("p99 of the time to the first byte"),
	"cpu_us_per_request": {"CPU time per request", "less", "more", "costs more CPU", "costs less CPU"},
	"memory_peak_mib":    {"memory", "less", "more", "needs more memory", "needs less memory"},
	"cold_start_ms":      {"time to start", "shorter", "longer", "starts later", "starts sooner"},
	"error_ratio": {
		"share of requests that failed", "lower", "higher", "fails more often", "fails less often",
	},
}

func latencyChange(what string) change {
	return change{what, "shorter", "longer", "answers later", "answers sooner"}
}

// changeOf returns the words for a metric; without words of its own, with the metric's name.
func changeOf(metric string) change {
	return cmp.Or(changes[metric], change{metric, "less", "more", "is worse", "is better"})
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
		Size: sizeText(first, words),
		Figures: fmt.Sprintf("%sFrom %s to %s%s: %s.", rangeText(first, words), valueText(first.Old),
			valueText(first.New), unitText(first.Unit), effectText(first)),
		Where: fmt.Sprintf("%s, %s.", first.String(), trialsText(first)),
	}
	matters := "The interval excludes no change, and the estimate is beyond " +
		limitText(first, c.Threshold) + "."
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
		Meaning: message.Count(open, "line is", "lines are") + " undecided: their intervals are too wide, or " +
			"there are too few trials. That is no evidence that nothing has changed.",
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

// limitText returns the change that does not matter.
func limitText(l compare.Line, threshold float64) string {
	if l.Scale == compare.DifferenceScale {
		return "what does not matter"
	}
	return "the " + percent(threshold) + " that do not matter"
}

// sizeText returns the effect of a line in words: "20 % fewer requests served per second".
func sizeText(l compare.Line, words change) string {
	const large = 3
	switch {
	case l.Effect == nil:
		return words.what
	case l.Scale == compare.DifferenceScale:
		return fmt.Sprintf("%s: %s", words.what, effectText(l))
	case *l.Effect >= large:
		return fmt.Sprintf("%.1f times the %s", *l.Effect, words.what)
	}
	return fmt.Sprintf("%s %s %s", percent(math.Abs(*l.Effect-1)), words.direction(*l.Effect), words.what)
}

// direction returns how a ratio is called.
func (c change) direction(ratio float64) string {
	if ratio < 1 {
		return c.less
	}
	return c.more
}

// rangeText returns the interval of a line as changes in percent; empty unless both ends are on one side
// of no change.
func rangeText(l compare.Line, words change) string {
	if l.Scale != compare.RatioScale || l.Low == nil && l.High == nil {
		return ""
	}
	near, far := l.Low, l.High
	if near == nil || *near < 1 {
		near, far = far, near
	}
	switch {
	case near == nil || far != nil && (*near-1)*(*far-1) < 0:
		return ""
	case far == nil:
		return fmt.Sprintf("At least %s %s. ", percent(math.Abs(*near-1)), words.direction(*near))
	}
	return fmt.Sprintf("Between %s and %s %s. ", percent(math.Abs(*near-1)), percent(math.Abs(*far-1)),
		words.direction(*near))
}

// percent returns a share in percent, with two digits.
func percent(share float64) string {
	const twoDigits = 0.0995
	if share < twoDigits {
		return fmt.Sprintf("%.2g %%", math.Round(1000*share)/10)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}
