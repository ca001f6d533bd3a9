package report

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/scaling"
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
	text := fmt.Sprintf("Run %s on host %s: %d of %d trials valid", s.RunID, s.HostID, s.Valid, s.Trials)
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
		wrap(&b, "", p.heading)
		labels, marks := p.columnWidths()
		for _, e := range p.entries {
			e.write(&b, labels, marks)
		}
	}
	b.WriteByte('\n')
	r.Figures.table(&b)
	writeList(&b, "Not valid:", r.Figures.shownNotes())
	writeList(&b, "Doubts:", r.doubts())
	b.WriteByte('\n')
	for _, l := range r.Figures.legend() {
		wrap(&b, "", l)
	}
	return b.String()
}

const noTrial = "No trial was recorded.\n"

func (r Report) doubts() []string {
	return append(append([]string(nil), r.Verdicts.Doubts...), r.Figures.Doubts...)
}

// columnWidths returns the widths of a part's labels and marks, in characters.
func (p reportPart) columnWidths() (labels, marks int) {
	for _, e := range p.entries {
		labels, marks = max(labels, runeCount(e.label)), max(marks, runeCount(e.mark))
	}
	return labels, marks
}

func (e entry) write(b *strings.Builder, labels, marks int) {
	switch {
	case e.nested:
		wrap(b, "      ", e.text)
	case e.label == "":
		wrap(b, "  ", e.text)
	default:
		first := fmt.Sprintf("  %-*s  %-*s  ", labels, e.label, marks, e.mark)
		if e.text == "" {
			first = strings.TrimRight(first, " ")
		}
		wrapHanging(b, first, "      ", e.text)
	}
}

func writeList(b *strings.Builder, heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("\n" + heading + "\n")
	for _, l := range lines {
		wrap(b, "  ", l)
	}
}

// Markdown returns the same report for a document.
func (r Report) Markdown() string {
	if r.Figures.empty() {
		return noTrial
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", escapeMarkdown(r.title()))
	for _, p := range r.parts() {
		fmt.Fprintf(&b, "\n%s\n", escapeMarkdown(p.heading))
		for i, e := range p.entries {
			if i == 0 {
				b.WriteByte('\n')
			}
			b.WriteString(e.markdown())
		}
	}
	r.Figures.markdownTable(&b)
	b.WriteByte('\n')
	notes := append(r.Figures.shownNotes(), r.doubts()...)
	for _, n := range notes {
		b.WriteString("- " + escapeMarkdown(n) + "\n")
	}
	if len(notes) > 0 {
		b.WriteByte('\n')
	}
	for _, l := range r.Figures.legend() {
		b.WriteString(escapeMarkdown(l) + "\n")
	}
	return b.String()
}

func (e entry) markdown() string {
	text := escapeMarkdown(e.text)
	if e.label != "" {
		label := fmt.Sprintf("%s **%s**", escapeMarkdown(e.label), escapeMarkdown(e.mark))
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
