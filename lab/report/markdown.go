package report

import (
	"fmt"
	"strings"

	"runtimelab/lab/table"
	"runtimelab/lab/wording"
)

// Markdown returns the report for a pull request or a summary of a job: what was found, a row for
// each claim, and the rest folded.
func (r Report) Markdown() string {
	if r.empty() {
		return noTrial
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", table.EscapeMarkdown(r.title()))
	for _, sentence := range []string{r.Incomplete(), r.PhaseCounts(), r.Found(), r.Instrument()} {
		if sentence != "" {
			b.WriteString(table.EscapeMarkdown(sentence) + "\n")
		}
	}
	for i, c := range r.failedControls() {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- %s **FAILED**: %s\n", table.EscapeMarkdown(c.Name),
			table.EscapeMarkdown(wording.Control(c)))
	}
	b.WriteString(r.claimTable())
	for i, text := range r.doubtTexts() {
		if i == 0 {
			b.WriteByte('\n')
		}
		b.WriteString("- doubt: " + table.EscapeMarkdown(text) + "\n")
	}
	var parts strings.Builder
	for _, p := range r.parts() {
		fmt.Fprintf(&parts, "\n%s\n", table.EscapeMarkdown(p.heading))
		for i, e := range p.entries {
			if i == 0 {
				parts.WriteByte('\n')
			}
			parts.WriteString(e.markdown())
		}
	}
	var notes strings.Builder
	for _, n := range r.shownNotes() {
		notes.WriteString("- " + table.EscapeMarkdown(n) + "\n")
	}
	var legend strings.Builder
	for _, l := range r.Legend() {
		legend.WriteString("- " + table.EscapeMarkdown(l) + "\n")
	}
	b.WriteString(fold("Controls, hypotheses and scaling", parts.String()))
	b.WriteString(fold("Figures", r.markdownTables()))
	b.WriteString(fold("Phases that are not valid", notes.String()))
	b.WriteString(fold("How to read the figures", legend.String()))
	return b.String()
}

// fold returns a part that opens on a click; empty without content.
func fold(summary, content string) string {
	if content == "" {
		return ""
	}
	return fmt.Sprintf("\n<details><summary>%s</summary>\n\n%s\n\n</details>\n", summary,
		strings.Trim(content, "\n"))
}

// claimTable returns a row for each evaluated claim; empty without any.
func (r Report) claimTable() string {
	var rows [][]string
	for _, c := range r.evaluated() {
		rows = append(rows, []string{c.ID, string(c.Finding), Result(c), c.Statement})
	}
	if len(rows) == 0 {
		return ""
	}
	heading := []string{"claim", "verdict", "result", "statement"}
	return "\n" + table.Markdown(make([]table.Column, len(heading)), heading, rows, table.EscapeMarkdown)
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

// markdownTables returns the figures as Markdown, one table for each section.
func (r Report) markdownTables() string {
	var b strings.Builder
	columns := r.tableColumns()
	heading := cells(columns, func(c column) string { return strings.TrimSpace(c.top + " " + c.bottom) })
	for _, section := range r.Figures {
		rows := make([][]string, len(section.Lines))
		for i, l := range section.Lines {
			rows[i] = cells(columns, func(c column) string { return c.cell(l) })
		}
		fmt.Fprintf(&b, "\n%s\n\n%s", table.EscapeMarkdown(section.Title()),
			table.Markdown(alignment(columns), heading, rows, table.EscapeMarkdown))
	}
	return b.String()
}
