package report

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/scaling"
	"runtimelab/lab/table"
	"runtimelab/lab/verdict"
)

// Report is everything that is shown of a run: verdicts on controls and claims, scaling, and
// figures.
type Report struct {
	Verdicts verdict.Result
	Curves   []scaling.Curve
	Figures  Summary

	untestedReason string // why no claim was tested; empty if any was
}

// New returns the report of a run: its plan, its rows in order, and how many planned trials were
// measured.
func New(p lab.Plan, rows []metric.Row, measured int) Report {
	r := Report{
		Verdicts: verdict.Judge(p, rows, measured), Curves: serverCurves(scaling.Curves(rows)),
		Figures: Summarise(rows),
	}
	switch {
	case len(p.Hypotheses)+len(p.UntestedHypotheses) == 0:
		r.untestedReason = "the plan of this run has no hypotheses."
	case !p.Profile.CanCompare():
		r.untestedReason = fmt.Sprintf("%s compares nothing.", p.Profile.Name)
	case len(p.Hypotheses) == 0:
		r.untestedReason = "this run tests none of the plan's hypotheses."
	}
	return r
}

// title returns the run's id, its host, and how many trials are valid and measured.
func (r Report) title() string {
	s := r.Figures
	text := fmt.Sprintf("Run %s on host %s: %d of %s valid", s.RunID, s.HostID, s.Valid,
		message.Count(s.Trials, "trial", "trials"))
	if !r.Verdicts.Complete() {
		text += fmt.Sprintf(", %d of %d planned", r.Verdicts.Measured, r.Verdicts.Planned)
	}
	return text
}

// parts returns what precedes the figures.
func (r Report) parts() []reportPart {
	return slices.Concat(r.controls(), r.claims(), r.scalingParts())
}

// Text returns the report for a terminal: plain text, at most 100 characters wide.
func (r Report) Text() string {
	if r.Figures.empty() {
		return noTrial
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.title())
	for _, p := range r.parts() {
		b.WriteByte('\n')
		b.WriteString(p.text())
	}
	b.WriteByte('\n')
	b.WriteString(r.Figures.table())
	writeList(&b, "Not valid:", r.Figures.shownNotes())
	writeList(&b, "Doubts:", r.doubts())
	b.WriteByte('\n')
	for _, l := range r.Figures.legend() {
		b.WriteString(wrap("", l) + "\n")
	}
	return b.String()
}

const noTrial = "No trial was recorded.\n"

func (r Report) doubts() []string {
	return append(append([]string(nil), r.Verdicts.Doubts...), r.Figures.Doubts...)
}

// text returns the heading and the entries, with aligned labels and marks.
func (p reportPart) text() string {
	t := table.Text{Indent: "  ", MaxWidth: width}
	t.Line(wrap("", p.heading))
	for _, e := range p.entries {
		switch {
		case e.nested:
			t.Line(wrap("      ", e.text))
		case e.label == "":
			t.Line(wrap("  ", e.text))
		default:
			t.Row(e.label, e.mark, e.text)
		}
	}
	return t.String()
}

func writeList(b *strings.Builder, heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("\n" + heading + "\n")
	for _, l := range lines {
		b.WriteString(wrap("  ", l) + "\n")
	}
}

// Markdown returns the same report for a document.
func (r Report) Markdown() string {
	if r.Figures.empty() {
		return noTrial
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", table.EscapeMarkdown(r.title()))
	for _, p := range r.parts() {
		fmt.Fprintf(&b, "\n%s\n", table.EscapeMarkdown(p.heading))
		for i, e := range p.entries {
			if i == 0 {
				b.WriteByte('\n')
			}
			b.WriteString(e.markdown())
		}
	}
	b.WriteString(r.Figures.markdownTables())
	b.WriteByte('\n')
	notes := append(r.Figures.shownNotes(), r.doubts()...)
	for _, n := range notes {
		b.WriteString("- " + table.EscapeMarkdown(n) + "\n")
	}
	if len(notes) > 0 {
		b.WriteByte('\n')
	}
	for _, l := range r.Figures.legend() {
		b.WriteString(table.EscapeMarkdown(l) + "\n")
	}
	return b.String()
}

func (e entry) markdown() string {
	text := table.EscapeMarkdown(e.text)
	if e.label != "" {
		label := fmt.Sprintf("%s **%s**", table.EscapeMarkdown(e.label), table.EscapeMarkdown(e.mark))
		if text != "" {
			label += ": "
		}
		text = label + text
	}
	if e.nested {
		return "  - " + text + "\n"
	}
	return "- " + text + "\n"
}
