package page

import (
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/chart"
	"runtimelab/lab/report"
)

// palette gives each variant of a run its marks: a colour for its runtime, a shape among the variants
// of that runtime.
type palette map[string]chart.Series

// newPalette returns the palette of the variants that a report has.
func newPalette(r report.Report) palette {
	byRuntime := map[string][]string{}
	var runtimes []string
	add := func(variant string) {
		runtime, _, _ := strings.Cut(variant, "/")
		if isControl(variant) || slices.Contains(byRuntime[runtime], variant) {
			return
		}
		if byRuntime[runtime] == nil {
			runtimes = append(runtimes, runtime)
		}
		byRuntime[runtime] = append(byRuntime[runtime], variant)
	}
	for _, a := range r.Attempts {
		add(a.Variant)
	}
	for _, s := range r.Figures {
		for _, l := range s.Lines {
			add(l.Variant)
		}
	}
	slices.Sort(runtimes)
	p := palette{}
	for colour, runtime := range runtimes {
		variants := byRuntime[runtime]
		slices.Sort(variants)
		for shape, v := range variants {
			p[v] = chart.Series{Label: v, Colour: colour, Shape: shape}
		}
	}
	return p
}

// series returns the marks of a variant.
func (p palette) series(variant string) chart.Series {
	if s, known := p[variant]; known {
		return s
	}
	return chart.Series{Label: variant, Colour: chart.NeutralColour}
}

// isControl reports whether a variant is measured to judge the run: one of the lab's own servers, or a
// twin.
func isControl(variant string) bool {
	return strings.HasPrefix(variant, "lab/") || lab.OriginalOf(variant) != variant
}
