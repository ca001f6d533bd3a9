package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/verdict"
)

// phrase is how a ratio of a metric is said: "A served 1.43x the requests of B".
type phrase struct{ verb, noun, link string }

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
	// speedUpPhrase is how a ratio of ratios is said: of what two workers bring over one.
	speedUpPhrase = phrase{"gained", "as much throughput", "as"}
	// relativeToBurn is how a speed-up is said that is divided by a native burn's.
	relativeToBurn = phrase{"brought", "of what they bring to a native burn", "over"}
)

func phraseOf(h lab.Hypothesis) phrase {
	m, _ := metric.Find(h.Metric)
	grows := m.Group == metric.Throughput && m.Better == metric.Higher
	said, known := phrases[h.Metric]
	switch {
	case verdict.IsRelativeToBurn(h):
		return relativeToBurn
	case h.Numerator.Over != nil && h.Denominator.Over != nil && grows:
		return speedUpPhrase
	case h.Numerator.Over != nil || h.Denominator.Over != nil:
		return phrase{"had", "the ratio of " + h.Metric, "of"}
	case !known:
		return phrase{"had", "the " + h.Metric, "of"}
	}
	return said
}

// sentence is what was seen of a hypothesis, for people: where, who, how much, and
// by how many blocks.
func sentence(v lab.Verdict) string {
	h := v.Hypothesis
	n := newNaming(h)
	a, b, said := n.armName(h.Numerator), n.armName(h.Denominator), phraseOf(h)
	var text string
	switch {
	case v.Ratio == nil:
		text = fmt.Sprintf("%s and %s: no ratio of %s", a, b, h.Metric)
	case verdict.Equivalent(v) && said != relativeToBurn:
		text = fmt.Sprintf("%s and %s were equivalent: %s %s", a, b, ratioWithInterval(v), said.noun)
	default:
		text = fmt.Sprintf("%s %s %s %s %s %s", a, said.verb, ratioWithInterval(v), said.noun, said.link, b)
	}
	notes := []string{plural(v.Blocks, "block", "blocks")}
	if within := regionNote(v); within != "" {
		notes = append(notes, within)
	}
	if v.Reason != "" {
		notes = append(notes, v.Reason)
	}
	return fmt.Sprintf("%s: %s (%s)", strings.Join(n.where, " "), text, strings.Join(notes, "; "))
}

// regionNote is where the ratio was found to lie, if that is not plainly beyond 1: a
// margin of 0.2 is one of 25 % upwards, and whoever reads "equivalent" must know.
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

// ratioWithInterval is a ratio with its interval: "1.43x [1.38, 1.49]". A bound says so, and
// its interval is open at one end.
func ratioWithInterval(v lab.Verdict) string {
	switch {
	case (v.Low == nil) == (v.High == nil):
		return interval(*v.Ratio, "x", v.Low, v.High, math.Round)
	case v.High == nil:
		return "at least " + interval(*v.Ratio, "x", v.Low, v.High, roundBoundDown)
	}
	return "at most " + interval(*v.Ratio, "x", v.Low, v.High, roundBoundUp)
}

// interval is a figure and where it may lie, in the decimals of the figure: an end
// that is not known is open, and nothing is said where neither is.
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

// ratioDecimals is the decimals of a ratio: two, fewer of one of 10 and more, more of one
// below 0.1.
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

// armNaming says of a hypothesis's arms once what they have in common.
type armNaming struct {
	where                  []string // "json", "peak"
	variants, phases, cpus bool     // tell the arms apart
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

// cpuCount is how many a server is given: one where nothing is said.
func cpuCount(n int) string { return plural(max(n, 1), "CPU", "CPUs") }

// plural is a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// armName names one side of a comparison by what tells it from the other.
func (n armNaming) armName(a lab.Arm) string {
	own := n.armLoad(a)
	if a.Over != nil {
		own = append(own, "over")
		if a.Over.Variant != a.Variant {
			own = append(own, a.Over.Variant)
		}
		own = append(own, n.armLoad(*a.Over)...)
	}
	switch {
	case !n.variants:
		return strings.Join(own, " ")
	case a.Over != nil:
		return a.Variant + " (" + strings.Join(own, " ") + ")"
	}
	return strings.Join(append([]string{a.Variant}, own...), " ")
}

// armLoad is what tells the arms of one variant apart.
func (n armNaming) armLoad(a lab.Arm) (words []string) {
	if n.phases {
		words = append(words, a.Phase)
	}
	if n.cpus {
		words = append(words, cpuCount(a.Cores))
	}
	return words
}
