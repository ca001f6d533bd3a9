package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/verdict"
	"runtimelab/lab/wording"
)

// phrase has the words for a ratio of a metric: "A served 1.43x the requests of B".
type phrase struct{ verb, noun, preposition string }

var phrases = map[string]phrase{
	"throughput_rps":     {"served", "the requests", "of"},
	"goodput_rps":        {"served in time", "the requests", "of"},
	"capacity_rps":       {"kept its SLO at", "the rate", "of"},
	"error_ratio":        {"failed", "as often", "as"},
	"latency_mean_ms":    {"had", "the mean latency", "of"},
	"latency_p50_ms":     {"had", "the median latency", "of"},
	"latency_p90_ms":     {"had", "the p90 latency", "of"},
	"latency_p99_ms":     {"had", "the p99 latency", "of"},
	"latency_p999_ms":    {"had", "the p99.9 latency", "of"},
	"latency_max_ms":     {"had", "the longest latency", "of"},
	"latency_raw_p50_ms": {"had", "the median latency (from the actual send)", "of"},
	"latency_raw_p99_ms": {"had", "the p99 latency (from the actual send)", "of"},
	"first_byte_p50_ms":  {"took", "as long to the first byte (median)", "as"},
	"first_byte_p99_ms":  {"took", "as long to the first byte (p99)", "as"},
	"cpu_us_per_request": {"took", "the CPU per request", "of"},
	"memory_peak_mib":    {"used", "the memory", "of"},
	"cold_start_ms":      {"took", "as long to start", "as"},
}

var (
	// speedUpPhrase compares two speed-ups, for example those of two variants over one CPU.
	speedUpPhrase = phrase{"gained", "as much throughput", "as"}
	// relativeToBurn is for a speed-up divided by the native burn's.
	relativeToBurn = phrase{"gained", "the speed-up of a native burn", "over"}
)

// phraseOf returns the phrase for a hypothesis; without one of its own, the metric's name.
func phraseOf(h lab.Hypothesis) phrase {
	m, _ := metric.Find(h.Metric)
	metricPhrase, known := phrases[h.Metric]
	switch {
	case verdict.IsRelativeToBurn(h):
		return relativeToBurn
	case h.Numerator.Over != nil && h.Denominator.Over != nil && m.IsThroughput():
		return speedUpPhrase
	case h.Numerator.Over != nil || h.Denominator.Over != nil:
		return phrase{"had", "the ratio of " + h.Metric, "of"}
	case !known:
		return phrase{"had", "the " + h.Metric, "of"}
	}
	return metricPhrase
}

// Sentence returns the result of a hypothesis as text: where, which arm, how much, and from how
// many blocks.
func Sentence(v lab.Verdict) string {
	h := v.Hypothesis
	n := newNaming(h)
	a, b, words := n.armName(h.Numerator), n.armName(h.Denominator), phraseOf(h)
	var text string
	switch {
	case v.Ratio == nil:
		text = fmt.Sprintf("%s and %s: no ratio of %s", a, b, h.Metric)
	case verdict.Equivalent(v) && words != relativeToBurn:
		text = fmt.Sprintf("%s and %s were equivalent: %s %s", a, b, RatioWithInterval(v), words.noun)
	default:
		text = fmt.Sprintf("%s %s %s %s %s %s", a, words.verb, RatioWithInterval(v), words.noun,
			words.preposition, b)
	}
	notes := []string{message.Count(v.Blocks, "block", "blocks")}
	if within := regionNote(v); within != "" {
		notes = append(notes, within)
	}
	if len(v.Reasons) > 0 {
		notes = append(notes, wording.Reasons(v.Reasons...))
	}
	return fmt.Sprintf("%s: %s (%s)", strings.Join(n.where, " "), text, strings.Join(notes, "; "))
}

// PromiseSentences returns the result of a promise as text: where it is asked and up to which phase
// it is kept, and then a sentence for each phase.
func PromiseSentences(v lab.PromiseVerdict) []string {
	if len(v.Judged) == 0 {
		return []string{"not judged: " + v.ID() + ": " + wording.Reasons(v.Reasons...)}
	}
	sentences := []string{fmt.Sprintf("%s: the promise of %s, %s: %s", v.Scenario, v.Variant, v.LimitsText(),
		wording.PromiseBrief(v))}
	for _, j := range v.Judged {
		text := j.Phase + ": " + wording.Kept(j)
		if len(j.Reasons) > 0 {
			text += "; " + wording.Reasons(j.Reasons...)
		}
		sentences = append(sentences, text)
	}
	return sentences
}

// regionNote returns the range within which the ratio was found, if that is not simply above or
// below 1.
func regionNote(v lab.Verdict) string {
	from, to := verdict.MarginRatios(v.Hypothesis)
	switch {
	case verdict.Equivalent(v):
		return fmt.Sprintf("within %.2f to %.2f", from, to)
	case v.Finding == lab.Supported && v.Direction == lab.NotHigher:
		return fmt.Sprintf("not above %.2f", to)
	case v.Finding == lab.Supported && v.Direction == lab.NotLower:
		return fmt.Sprintf("not below %.2f", from)
	}
	return ""
}

// RatioWithInterval returns a ratio and its interval: "1.43x [1.38, 1.49]", or "at least 1.43x
// [1.38, open]" for a bound.
func RatioWithInterval(v lab.Verdict) string {
	switch {
	case (v.Low == nil) == (v.High == nil):
		return interval(*v.Ratio, "x", v.Low, v.High, math.Round)
	case v.High == nil:
		return "at least " + interval(*v.Ratio, "x", v.Low, v.High, roundBoundDown)
	}
	return "at most " + interval(*v.Ratio, "x", v.Low, v.High, roundBoundUp)
}

// interval returns a value and its interval, with the decimals of the value. An unknown end is
// "open"; without a known end, interval returns the value only.
func interval(value float64, unit string, low, high *float64, round func(float64) float64) string {
	decimals := ratioDecimals(value)
	write := func(x float64) string {
		scale := math.Pow10(decimals)
		return strconv.FormatFloat(round(x*scale)/scale, 'f', decimals, 64)
	}
	end := func(x *float64) string {
		if x == nil {
			return "open"
		}
		return write(*x)
	}
	if low == nil && high == nil {
		return write(value) + unit
	}
	return fmt.Sprintf("%s%s [%s, %s]", write(value), unit, end(low), end(high))
}

// ratioDecimals returns the number of decimals of a ratio: two from 0.1 to 10, fewer above, more
// below.
func ratioDecimals(ratio float64) int {
	if ratio <= 0 {
		return 2
	}
	digits := int(math.Floor(math.Log10(ratio)))
	if digits < 0 {
		digits++
	}
	return min(max(2-digits, 0), 4)
}

// armNaming is how the arms of a hypothesis are named: common parts once, differences with each
// arm.
type armNaming struct {
	where                  []string // the common parts: "json", "peak"
	variants, phases, cpus bool     // whether the arms differ in them
}

func newNaming(h lab.Hypothesis) armNaming {
	arms := h.Arms()
	n := armNaming{where: []string{h.Scenario}}
	for _, a := range arms[1:] {
		n.variants = n.variants || a.Variant != arms[0].Variant
		n.phases = n.phases || a.Phase != arms[0].Phase
		n.cpus = n.cpus || a.Cores != arms[0].Cores
	}
	if !n.variants {
		n.where = append(n.where, arms[0].Variant)
	}
	if !n.phases {
		n.where = append(n.where, arms[0].Phase)
	}
	if !n.cpus && arms[0].Cores > 1 {
		n.where = append(n.where, "on "+cpuCount(arms[0].Cores))
	}
	return n
}

// cpuCount returns "1 CPU" or "n CPUs"; 0 means one.
func cpuCount(n int) string { return message.Count(max(n, 1), "CPU", "CPUs") }

// armName returns the name of an arm, in the parts in which the arms differ.
func (n armNaming) armName(a lab.Arm) string {
	words := n.armLoad(a)
	if a.Over != nil {
		words = append(words, "over")
		if a.Over.Variant != a.Variant {
			words = append(words, a.Over.Variant)
		}
		words = append(words, n.armLoad(*a.Over)...)
	}
	switch {
	case !n.variants:
		return strings.Join(words, " ")
	case a.Over != nil:
		return a.Variant + " (" + strings.Join(words, " ") + ")"
	}
	return strings.Join(append([]string{a.Variant}, words...), " ")
}

// armLoad returns the phase and the CPUs of an arm, if the arms differ in them.
func (n armNaming) armLoad(a lab.Arm) (words []string) {
	if n.phases {
		words = append(words, a.Phase)
	}
	if n.cpus {
		words = append(words, cpuCount(a.Cores))
	}
	return words
}
