package report

import (
	"fmt"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/table"
	"runtimelab/lab/wording"
)

const (
	// maxLines is the number of lines of the short text: sections of figures are left out beyond.
	maxLines = 40
	// maxDoubtLines is the number of lines that doubts take in the short text. The first is shown in any
	// case.
	maxDoubtLines = 6
)

// Text returns the report for a terminal, at most 100 characters wide: what was found, whether the
// instrument can be trusted, a line for each claim, and the figures that claims used.
func (r Report) Text() string {
	if r.empty() {
		return noTrial
	}
	lines := []string{table.OneLine(r.title())}
	if text := r.Incomplete(); text != "" {
		lines = append(lines, paragraph(text)...)
	}
	lines = append(lines, r.PhaseCounts(), r.Found())
	lines = append(lines, paragraph(r.Instrument())...)
	for _, c := range r.failedControls() {
		lines = append(lines, paragraph("  "+c.Name+" FAILED: "+wording.Control(c))...)
	}
	lines = append(lines, r.claimLines()...)
	tail := append(r.doubtLines(), "")
	tail = append(tail, paragraph("served: median of trials [lowest–highest]; \">= X\" is a bound. Latencies "+
		"count from the intended send time, except where the heading says otherwise.")...)
	tail = append(tail, r.fewBlocks()...)
	tail = append(tail,
		"lab report --full has every hypothesis, all figures, reasons and doubts, and what they mean.")
	lines = append(append(lines, ""), r.figureLines(maxLines-len(lines)-1-len(tail))...)
	return strings.Join(append(lines, tail...), "\n") + "\n"
}

// paragraph returns wrapped lines.
func paragraph(text string) []string {
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	return strings.Split(wrap(indent, text), "\n")
}

// claimLines returns a line for each evaluated claim, by collection.
func (r Report) claimLines() (lines []string) {
	evaluated := r.evaluated()
	if len(evaluated) == 0 {
		return nil
	}
	t := table.Text{Indent: "  ", MaxWidth: width}
	for _, g := range r.claimGroups() {
		headed := g.Collection == ""
		for _, c := range evaluated {
			if !g.Has(c.ID) {
				continue
			}
			if !headed {
				t.Line(table.OneLine(g.Heading("Claims") + ":"))
				headed = true
			}
			t.Row(c.ID, string(c.Finding), Result(c), c.Statement)
		}
	}
	return append([]string{""}, strings.Split(strings.TrimSuffix(t.String(), "\n"), "\n")...)
}

// figureLines returns the figures that claims used, as far as a number of lines allows.
func (r Report) figureLines(allowed int) []string {
	used := r.usedByClaims()
	shown := len(used)
	for shown > 1 && countLines(used[:shown], shown < len(used)) > allowed {
		shown--
	}
	r.Figures = used[:shown]
	lines := strings.Split(strings.TrimSuffix(r.table(), "\n"), "\n")
	if more := len(used) - shown; more > 0 {
		lines = append(lines, "and figures of "+message.Count(more, "more load", "more loads"))
	}
	return lines
}

// countLines returns how many lines a table of sections takes.
func countLines(sections []Section, more bool) int {
	lines := 2 // the heading
	for _, s := range sections {
		lines += 2 + len(s.Lines)
	}
	if more {
		lines++
	}
	return lines
}

// doubtLines returns the first doubts, each whole, and how many more there are.
func (r Report) doubtLines() []string {
	var doubts [][]string
	for _, d := range r.Doubts {
		if d.Kind != lab.NoControl { // Instrument says it
			doubts = append(doubts, paragraph("doubt: "+wording.Doubt(d)))
		}
	}
	if len(doubts) == 0 {
		return nil
	}
	lines, shown := []string{""}, 0
	for shown < len(doubts) && (shown == 0 || len(lines)+len(doubts[shown]) <= 1+maxDoubtLines) {
		lines = append(lines, doubts[shown]...)
		shown++
	}
	if more := len(doubts) - shown; more > 0 {
		lines = append(lines, message.Count(more, "more doubt", "more doubts"))
	}
	return lines
}

// fewBlocks says that a run has fewer blocks than comparisons need.
func (r Report) fewBlocks() []string {
	switch {
	case r.Blocks == 1:
		return []string{fmt.Sprintf("1 trial each: this shows that the lab works. Comparisons need %d blocks.",
			lab.MinBlocks)}
	case r.Blocks < lab.MinBlocks:
		return []string{fmt.Sprintf("%d blocks: comparisons need %d.", r.Blocks, lab.MinBlocks)}
	}
	return nil
}
