package report

import (
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab/message"
	"runtimelab/lab/table"
	"runtimelab/lab/wording"
)

// title returns the run's id, its host, and how many trials are valid and measured.
func (r Report) title() string {
	text := fmt.Sprintf("Run %s on host %s: %d of %s valid", r.RunID, r.HostID, r.Valid,
		message.Count(r.Trials, "trial", "trials"))
	if !r.Complete() {
		text += fmt.Sprintf(", %d of %d planned", r.Measured, r.Planned)
	}
	return text
}

// parts returns what precedes the figures.
func (r Report) parts() []reportPart {
	return slices.Concat(r.controls(), r.claims(), r.scalingParts())
}

// FullText returns all of the report for a terminal, at most 100 characters wide.
func (r Report) FullText() string {
	if r.empty() {
		return noTrial
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", table.OneLine(r.title()))
	for _, p := range r.parts() {
		b.WriteByte('\n')
		b.WriteString(p.text())
	}
	b.WriteByte('\n')
	b.WriteString(r.table())
	writeList(&b, "Not valid:", r.shownNotes())
	writeList(&b, "Doubts:", r.doubtTexts())
	b.WriteByte('\n')
	for _, l := range r.Legend() {
		b.WriteString(wrap("", l) + "\n")
	}
	return b.String()
}

const noTrial = "No trial was recorded.\n"

// doubtTexts returns the doubts as text.
func (r Report) doubtTexts() (texts []string) {
	for _, d := range r.Doubts {
		texts = append(texts, wording.Reason(d))
	}
	return texts
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
