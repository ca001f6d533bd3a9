package chart

import (
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Series says how the marks of one variant look: a colour for its runtime, a shape and a label for
// itself.
type Series struct {
	Label  string
	Colour int
	Shape  int
}

func (s Series) ink() Ink { return seriesInk(s.Colour) }

// dashes returns the dashes of the series's lines, which differ with its shape.
func (s Series) dashes() []vg.Length {
	return [][]vg.Length{nil, {7, 2}, {4, 2}, {9, 2, 2, 2}, {2, 1.5}}[s.Shape%shapeCount]
}

// shapeCount is the number of shapes: a circle, a square, two triangles and a diamond.
const shapeCount = 5

// shapePath returns the outline of the i-th shape. All shapes have about the same area.
func shapePath(i int, at vg.Point, r vg.Length) (p vg.Path) {
	corner := func(sides int, turn float64, r vg.Length) {
		for k := range sides {
			sin, cos := math.Sincos(2*math.Pi*float64(k)/float64(sides) + turn)
			pt := vg.Point{X: at.X + r*vg.Length(cos), Y: at.Y + r*vg.Length(sin)}
			if k == 0 {
				p.Move(pt)
			} else {
				p.Line(pt)
			}
		}
	}
	switch i % shapeCount {
	case 1:
		corner(4, math.Pi/4, r*1.25)
	case 2:
		corner(3, math.Pi/2, r*1.45)
	case 3:
		corner(4, 0, r*1.35)
	case 4:
		corner(3, -math.Pi/2, r*1.45)
	default:
		p.Move(vg.Point{X: at.X + r, Y: at.Y})
		p.Arc(at, r, 0, 2*math.Pi)
	}
	p.Close()
	return p
}

// drawShape draws the i-th shape, filled or hollow.
func drawShape(c draw.Canvas, ink Ink, i int, at vg.Point, r vg.Length, hollow bool) {
	c.SetColor(ink)
	if !hollow {
		c.Fill(shapePath(i, at, r))
		return
	}
	c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1.3})
	c.Stroke(shapePath(i, at, r-0.4))
}

// legendEntry is a label with the mark that it explains.
type legendEntry struct {
	label  string
	sample func(c draw.Canvas, at vg.Point)
	width  vg.Length // of the sample
}

func seriesLegend(all []Series) (entries []legendEntry) {
	for _, s := range all {
		entries = append(entries, legendEntry{s.Label, func(c draw.Canvas, at vg.Point) {
			drawShape(c, s.ink(), s.Shape, at, 3.2, false)
		}, 8})
	}
	return entries
}

// lineLegend returns the legend of lines, whose dashes differ.
func lineLegend(all []Series) (entries []legendEntry) {
	for _, s := range all {
		entries = append(entries,
			lineEntry(s.Label, draw.LineStyle{Color: s.ink(), Width: 1.6, Dashes: s.dashes()}))
	}
	return entries
}

func lineEntry(label string, style draw.LineStyle) legendEntry {
	return legendEntry{label, func(c draw.Canvas, at vg.Point) {
		c.StrokeLine2(style, at.X-9, at.Y, at.X+9, at.Y)
	}, 18}
}

// legendRow is one line of a legend.
type legendRow []legendEntry

const legendGap = 12

// layoutLegend distributes entries over lines of the given width.
func layoutLegend(entries []legendEntry, width vg.Length) (rows []legendRow) {
	used := vg.Length(0)
	style := textStyle(inkText, draw.XLeft, draw.YCenter)
	for _, e := range entries {
		e.label = fit(e.label, width-e.width-4, style)
		w := e.size()
		if len(rows) == 0 || used+w > width {
			rows, used = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], e)
		used += w
	}
	return rows
}

// size returns the width of an entry with the gap to the next one.
func (e legendEntry) size() vg.Length {
	return e.width + 4 + textStyle(inkText, draw.XLeft, draw.YCenter).Width(e.label) + legendGap
}

func (r legendRow) draw(c draw.Canvas, x, top vg.Length) {
	for _, e := range r {
		y := top - lineHeight/2
		e.sample(c, vg.Point{X: x + e.width/2, Y: y})
		c.FillText(textStyle(inkText, draw.XLeft, draw.YCenter), vg.Point{X: x + e.width + 4, Y: y}, e.label)
		x += e.size()
	}
}

// distinct returns the series of a chart, each once, in the order of their first mark.
func distinct(all []Series) (out []Series) {
	seen := map[Series]bool{}
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
