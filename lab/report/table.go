package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"runtimelab/lab"
)

const (
	width         = 100 // of the terminal table, in characters
	maxNotes      = 12
	maxNoteLength = 240 // characters of a note; trials.csv has all of it
	noValue       = "-"
)

// column is one column of the table, in the terminal and in Markdown.
type column struct {
	above, name string // two lines of heading; the second alone names the unit
	cell        func(Line) string
}

var columns = []column{
	{"", "variant", func(l Line) string { return l.Variant }},
	{"valid", "trials", func(l Line) string { return fmt.Sprintf("%d/%d", l.Valid, l.Trials) }},
	{"served", "req/s", func(l Line) string { return l.Served.ranged() }},
	{"vs", "first", func(l Line) string { return ratio(l.RatioToFirst) }},
	{"p50", "ms", func(l Line) string { return l.P50MS.String() }},
	{"p99", "ms", func(l Line) string { return l.P99MS.String() }},
	{"CPU", "µs/req", func(l Line) string { return l.CPUUS.String() }},
	{"memory", "MiB", func(l Line) string { return l.MemoryMiB.String() }},
	{"cold start", "ms", func(l Line) string { return l.ColdStartMS.String() }},
}

// String is the median to three digits, ">= X" for a bound, "-" for nothing.
func (f Figure) String() string {
	switch {
	case f.N == 0:
		return noValue
	case f.Bound:
		return ">= " + digits(f.Median, roundBoundDown)
	}
	return digits(f.Median, math.Round)
}

// ranged adds the range. A bound has none: its upper end is not known.
func (f Figure) ranged() string {
	if f.N < 2 || f.Bound {
		return f.String()
	}
	return fmt.Sprintf("%s [%s–%s]", f, digits(f.Lowest, math.Round), digits(f.Highest, math.Round))
}

// FormatDigits is a figure in as many digits as the table has.
func FormatDigits(x float64) string { return digits(x, math.Round) }

// A bound is rounded down, never above what was seen, and one that the truth lies
// below is rounded up. By how much arithmetic errs is no part of a figure: 1.9999999999
// was seen as 2.
func roundBoundDown(x float64) float64 { return math.Floor(x * (1 + roundingError)) }
func roundBoundUp(x float64) float64   { return math.Ceil(x * (1 - roundingError)) }

const roundingError = 1e-9

// digits writes whole numbers from 100 on, below them three digits and at most
// three decimals.
func digits(x float64, round func(float64) float64) string {
	decimals := 0
	for limit := 100.0; x < limit && decimals < 3; limit /= 10 {
		decimals++
	}
	scale := math.Pow10(decimals)
	return strconv.FormatFloat(round(x*scale)/scale, 'f', decimals, 64)
}

func ratio(x float64) string {
	if math.IsNaN(x) {
		return noValue
	}
	return strconv.FormatFloat(x, 'f', 2, 64) + "x"
}

func (s Section) title() string {
	var loads []string
	switch {
	case strings.HasPrefix(s.ClosedPhase, string(lab.Ladder)) && s.Connections == 1:
		loads = append(loads, "one client at a time, p50 and p99 from the actual send"+s.ladderName())
	case strings.HasPrefix(s.ClosedPhase, string(lab.Ladder)):
		loads = append(loads,
			fmt.Sprintf("%d clients at once, p50 and p99 from the actual send", s.Connections)+s.ladderName())
	case s.ClosedPhase != "":
		loads = append(loads, fmt.Sprintf("%s over %d connections", s.ClosedPhase, s.Connections))
	}
	switch {
	case lab.PhaseKindOf(s.OpenPhase) == lab.Capacity:
		loads = append(loads,
			fmt.Sprintf("highest rate offered that kept the SLO (%s), p50 and p99 at it", s.OpenPhase))
	case len(s.RatesRPS) == 0:
	case s.DeadlineMS > 0 && s.ClosedPhase == "":
		loads = append(loads,
			fmt.Sprintf("goodput within %s ms, at %s", strconv.FormatFloat(s.DeadlineMS, 'f', -1, 64), s.rates()))
	default:
		loads = append(loads, "p50 and p99 at "+s.rates())
	}
	name := s.Scenario
	if s.CPUs > 0 {
		name += " on " + cpuCount(int(s.CPUs))
	}
	if len(loads) == 0 {
		return name
	}
	return name + ": " + strings.Join(loads, ", ")
}

// ladderName is a closed loop's name where it says more than its kind: two may be of as
// many connections.
func (s Section) ladderName() string {
	if !strings.Contains(s.ClosedPhase, "-") {
		return ""
	}
	return " (" + s.ClosedPhase + ")"
}

// rates is what the open loop offered: one rate, or those of all variants.
func (s Section) rates() string {
	text := strconv.FormatFloat(slices.Min(s.RatesRPS), 'f', -1, 64)
	if len(s.RatesRPS) > 1 {
		text += " to " + strconv.FormatFloat(slices.Max(s.RatesRPS), 'f', -1, 64)
	}
	text += " req/s"
	if strings.Contains(s.OpenPhase, "-") {
		text += " (" + s.OpenPhase + ")"
	}
	return text
}

// legend says what the figures are, and what they are not.
func (s Summary) legend() []string {
	out := []string{
		"valid trials: every phase is valid, or a bound; a repetition counts as one more trial; figures are " +
			"those of valid phases, of a repeated trial the last. \"-\": there is none.",
		"served: by a closed loop (or in time, where a goodput is said; or offered, where an SLO is), median of " +
			"the trials [lowest–highest]; \">= X\" is a bound: " +
			"neither ranked nor divided; vs first: median over blocks of the ratio to the first variant's.",
		"p50, p99: open loop, from the intended send time. CPU: the server's, per request that succeeded at that " +
			"rate " +
			"(in the closed loop where there is none). memory: the highest since the start.",
	}
	out = append(out, s.failuresLegend()...)
	switch {
	case s.Blocks == 1:
		out = append(out,
			fmt.Sprintf("1 trial each: shows that the lab works, not who wins. No comparison is claimed below %d "+
				"blocks.", lab.MinBlocks))
	case s.Blocks < lab.MinBlocks:
		out = append(out, fmt.Sprintf("%d blocks: no comparison is claimed below %d.", s.Blocks, lab.MinBlocks))
	}
	return out
}

// shownNotes is the notes that fit, and how many do not.
func (s Summary) shownNotes() []string {
	var out []string
	for _, n := range s.InvalidRows[:min(len(s.InvalidRows), maxNotes)] {
		out = append(out, shorten(n, maxNoteLength))
	}
	if more := len(s.InvalidRows) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more: see validity_reason in trials.csv", more))
	}
	return out
}

func (s Summary) empty() bool { return s.Trials == 0 }

// table writes the figures for a terminal: plain text, at most 100 characters wide.
func (s Summary) table(b *strings.Builder) {
	if len(s.Sections) == 0 {
		b.WriteString("No figures but those of the controls.\n")
		return
	}
	columns := s.columns()
	widths := s.widths(columns)
	textLine(b, columns, widths, func(c column) string { return c.above })
	textLine(b, columns, widths, func(c column) string { return c.name })
	for _, section := range s.Sections {
		fmt.Fprintf(b, "\n%s\n", shorten(section.title(), width))
		for _, l := range section.Lines {
			textLine(b, columns, widths, func(c column) string { return c.cell(l) })
		}
	}
}

// widths is that of every column, the same in all sections. The variant's gives
// way where the line would be too wide.
func (s Summary) widths(columns []column) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = max(runeCount(c.above), runeCount(c.name))
		for _, section := range s.Sections {
			for _, l := range section.Lines {
				widths[i] = max(widths[i], runeCount(c.cell(l)))
			}
		}
	}
	total := 0
	for _, w := range widths {
		total += 2 + w
	}
	widths[0] -= max(0, total-width)
	return widths
}

func textLine(b *strings.Builder, columns []column, widths []int, cell func(column) string) {
	var line strings.Builder
	for i, c := range columns {
		text := cell(c)
		if i == 0 {
			text = shorten(text, widths[0])
		}
		pad := strings.Repeat(" ", widths[i]-runeCount(text))
		if i == 0 {
			line.WriteString("  " + text + pad)
		} else {
			line.WriteString("  " + pad + text)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }

// shorten takes the middle out of what is longer than most characters.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	head := most / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(most-head-1):])
}

// wrap writes a paragraph; lines after the first are indented two more.
func wrap(b *strings.Builder, indent, text string) { wrapHanging(b, indent, indent+"  ", text) }

// wrapHanging writes a paragraph: its first line begins with one text, the others with
// another.
func wrapHanging(b *strings.Builder, first, indent, text string) {
	line := strings.TrimSuffix(first, " ")
	if strings.TrimSpace(first) == "" {
		line = first
	}
	for _, word := range strings.Fields(text) {
		for empty := strings.TrimSpace(line) == ""; ; empty = true {
			space := " "
			if empty {
				space = ""
			}
			room := width - runeCount(line) - runeCount(space)
			if runeCount(word) <= room {
				line += space + word
				break
			}
			if empty { // a word longer than a line
				runes := []rune(word)
				line, word = line+string(runes[:room]), string(runes[room:])
			}
			b.WriteString(line + "\n")
			line = indent
		}
	}
	b.WriteString(line + "\n")
}

// markdownTable is the same figures for a document.
func (s Summary) markdownTable(b *strings.Builder) {
	columns := s.columns()
	for _, section := range s.Sections {
		fmt.Fprintf(b, "\n%s\n\n|", escapeMarkdown(section.title()))
		for _, c := range columns {
			b.WriteString(" " + escapeMarkdown(strings.TrimSpace(c.above+" "+c.name)) + " |")
		}
		b.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)-1) + "\n")
		for _, l := range section.Lines {
			b.WriteByte('|')
			for _, c := range columns {
				b.WriteString(" " + escapeMarkdown(c.cell(l)) + " |")
			}
			b.WriteByte('\n')
		}
	}
}

// escapeMarkdown keeps text from being read as Markdown.
var escapeMarkdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "[", `\[`,
	"`", "\\`").Replace
