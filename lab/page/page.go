package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"runtimelab/lab/chart"
	"runtimelab/lab/report"
	"runtimelab/lab/table"
)

//go:embed page.css
var layout string

//go:embed page.html
var pageText string

//go:embed comparison.html
var comparisonText string

// style is the whole style of a page.
var style = chart.Style + layout

// policy is the Content-Security-Policy of a page: nothing but its own style.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'"
}()

var functions = template.FuncMap{
	"style":  func() template.CSS { return template.CSS(style) },
	"policy": func() string { return policy },
	// Package chart escapes all text in a drawing.
	"svg": func(c chart.Chart) template.HTML { return template.HTML(c.Inline()) },
}

var (
	pageTemplate       = template.Must(template.New("page").Funcs(functions).Parse(pageText))
	comparisonTemplate = template.Must(template.New("comparison").Funcs(functions).Parse(comparisonText))
)

// Report returns the page of a report.
func Report(r report.Report) ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, newView(r)); err != nil {
		return nil, fmt.Errorf("rendering the page of run %s: %w", r.RunID, err)
	}
	return finish(b.String()), nil
}

// finish escapes the characters of runs that html/template lets through, and that would hide text or
// change its direction.
func finish(text string) []byte { return []byte(table.EscapeControls(text)) }

// Charts returns the charts of a report, each for a file of its own.
func Charts(r report.Report) (charts []chart.Chart) {
	if rows := forestRows(r); len(rows) > 0 {
		charts = append(charts, chart.Forest("forest", "Claims of run "+r.RunID, rows))
	}
	return append(charts, draw(r).all()...)
}
