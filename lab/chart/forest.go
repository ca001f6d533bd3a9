package chart

import (
	"math"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Finding is what a comparison found, as its mark shows it.
type Finding int

// Findings of a comparison.
const (
	Undecided Finding = iota
	Supported
	Refuted
	Equal // within the margin, where that is no claim's finding
)

// ForestRow is one comparison: a ratio with its interval beside the margin within which a ratio does
// not matter.
type ForestRow struct {
	Group    string // heading of this row and the following ones of the same group
	Label    string
	Finding  Finding
	Ratio    *float64 // nil: no ratio
	Interval Interval
	Bound    Bound
	Blocks   []float64 // the ratio of each block
	Figure   string    // the ratio as text
	Tooltip  string

	MarginLow, MarginHigh float64
}

// RatioScale is the axis of ratios that several forest plots share.
type RatioScale struct{ low, high float64 }

// mostRatio bounds the axis: beyond it an arrow stands for the rest of an interval.
const mostRatio = 1000

// NewRatioScale returns the scale that shows all rows, with the ratio 1.
func NewRatioScale(rows []ForestRow) RatioScale {
	e := newExtent()
	e.add(0.8, 1.25)
	for _, r := range rows {
		e.addPointers(r.Ratio, r.Interval.Low, r.Interval.High)
		e.add(r.MarginLow, r.MarginHigh)
		e.add(r.Blocks...)
	}
	return RatioScale{max(e.low, 1.0/mostRatio) / 1.15, min(e.high, mostRatio) * 1.15}
}

func (s RatioScale) set(p *plot.Plot) {
	p.X.Min, p.X.Max, p.X.Scale, p.X.Padding = s.low, s.high, plot.LogScale{}, 0
	p.X.Tick.Marker = ratioTicks{}
}

// ratioTicks are the ticks of an axis of ratios. They stand on both sides of 1, so that a ratio shows as
// less or more; on an axis with a range of more than 100 their labels may not fit there.
type ratioTicks struct{}

// Ticks returns the ticks from lowest to highest.
func (ratioTicks) Ticks(lowest, highest float64) (ticks []plot.Tick) {
	const narrow, wide, widest = 2.5, 8, 100 // ranges of the axis
	steps := []float64{0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4}
	switch {
	case highest >= widest*lowest:
		return logTicks{most: 7}.Ticks(lowest, highest)
	case highest >= wide*lowest:
		steps = []float64{0.02, 0.05, 0.1, 0.25, 0.7, 1, 1.4, 4, 10, 20, 50}
	case highest < narrow*lowest:
		steps = []float64{0.8, 0.9, 1, 1.1, 1.25}
	}
	for _, x := range steps {
		if lowest <= x && x <= highest {
			ticks = append(ticks, plot.Tick{Value: x, Label: shortNumber(x)})
		}
	}
	return ticks
}

const (
	stripWidth  = 480
	stripRow    = 12
	detailedRow = 26
)

// Strip draws comparisons without text, for a line of a page that has it: the ratio, its interval, and
// the shaded margin.
func Strip(name, title string, rows []ForestRow, scale RatioScale) Chart {
	return strip(name, title, rows, scale, stripRow, false)
}

// Blocks draws one comparison with the ratio of each block as a dot.
func Blocks(name, title string, row ForestRow, scale RatioScale) Chart {
	return strip(name, title, []ForestRow{row}, scale, detailedRow, true)
}

func strip(name, title string, rows []ForestRow, scale RatioScale, rowHeight float64, blocks bool) Chart {
	height := rowHeight * float64(max(1, len(rows)))
	p := newPlot("")
	scale.set(p)
	ticks := p.X.Tick.Marker
	p.HideAxes()
	p.Y.Min, p.Y.Max, p.Y.Padding = -0.5, float64(max(1, len(rows)))-0.5, 0
	p.Add(plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		p.X.Tick.Marker = ticks // hidden with the axis
		grid{x: true}.Plot(c, p)
		for i, r := range rows {
			r.draw(c, p, float64(len(rows)-1-i), blocks)
		}
	}))
	return bare(name, title, stripWidth, height, p)
}

// RatioAxis draws the axis of strips.
func RatioAxis(name, title string, scale RatioScale) Chart {
	const height = 34
	c := newCanvas(height)
	dc := draw.NewCanvas(c, stripWidth, height)
	p := newPlot("")
	scale.set(p)
	data := p.DataCanvas(dc)
	toX, _ := p.Transforms(&data)
	for _, t := range p.X.Tick.Marker.Ticks(scale.low, scale.high) {
		style := textStyle(inkMuted, draw.XCenter, draw.YBottom)
		style.Font = textFont(15, stdfont.WeightNormal) // a phone shows it at two thirds
		x := (toX(t.Value) - data.Min.X) / (data.Max.X - data.Min.X) * stripWidth
		x = min(max(x, 14), stripWidth-14)
		dc.FillText(style, vg.Point{X: x, Y: 10}, t.Label+"×")
		dc.StrokeLine2(draw.LineStyle{Color: inkMuted, Width: 1}, x, 0, x, 5)
	}
	return newChart(name, title, stripWidth, height, c)
}

// bare draws a plot without a frame.
func bare(name, title string, width, height float64, p *plot.Plot) Chart {
	c := newCanvas(height)
	p.Draw(draw.NewCanvas(c, vg.Length(width), vg.Length(height)))
	return newChart(name, title, width, height, c)
}

// draw draws a comparison at the height y of the plot.
func (r ForestRow) draw(c draw.Canvas, p *plot.Plot, y float64, blocks bool) {
	toX, toY := p.Transforms(&c)
	x := func(ratio float64) vg.Length {
		if math.IsNaN(ratio) {
			ratio = p.X.Min
		}
		return toX(min(max(ratio, p.X.Min), p.X.Max))
	}
	margin := vg.Rectangle{
		Min: vg.Point{X: x(r.MarginLow), Y: toY(y - 0.5)}, Max: vg.Point{X: x(r.MarginHigh), Y: toY(y + 0.5)},
	}
	c.SetColor(inkMargin)
	c.Fill(margin.Path())
	c.StrokeLine2(draw.LineStyle{Color: inkMuted, Width: 1}, toX(1), margin.Min.Y, toX(1), margin.Max.Y)
	if r.Ratio == nil || !isDrawable(*r.Ratio, true) {
		return
	}
	ink, at := r.Finding.ink(), vg.Point{X: x(*r.Ratio), Y: toY(y)}
	if blocks {
		at.Y = toY(y + 0.22)
		for _, ratio := range r.Blocks {
			dot := vg.Point{X: x(ratio), Y: toY(y - 0.24)}
			markOf(c, "", func() { drawShape(c, inkMuted, 0, dot, 2.6, true) })
		}
	}
	markOf(c, r.Tooltip, func() {
		r.drawInterval(c, ink, at.Y, x)
		r.Finding.draw(c, at)
	})
}

// drawInterval draws the line of an interval. An open end, and one beyond the axis, has an arrow.
func (r ForestRow) drawInterval(c draw.Canvas, ink Ink, y vg.Length, x func(float64) vg.Length) {
	if !r.Interval.known() {
		return
	}
	end := func(value *float64, open vg.Length) (at vg.Length, arrow bool) {
		if value == nil {
			return open, true
		}
		at = x(*value)
		return at, at == open
	}
	low, lowArrow := end(r.Interval.Low, c.Min.X)
	high, highArrow := end(r.Interval.High, c.Max.X)
	c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1.6})
	var p vg.Path
	p.Move(vg.Point{X: low, Y: y})
	p.Line(vg.Point{X: high, Y: y})
	for _, e := range []struct {
		at    vg.Length
		arrow bool
		side  vg.Length
	}{{low, lowArrow, 1}, {high, highArrow, -1}} {
		inset := vg.Length(0)
		if e.arrow {
			inset = 4 * e.side
		}
		p.Move(vg.Point{X: e.at + inset, Y: y + 3})
		if e.arrow {
			p.Line(vg.Point{X: e.at, Y: y})
		}
		p.Line(vg.Point{X: e.at + inset, Y: y - 3})
	}
	c.Stroke(p)
}

func (f Finding) ink() Ink { return [...]Ink{inkUnsure, inkGood, inkBad, inkMuted}[f] }

// draw draws the mark of a finding: a square, a diamond, a dot or a ring.
func (f Finding) draw(c draw.Canvas, at vg.Point) {
	switch f {
	case Supported:
		drawShape(c, inkGood, 1, at, 4, false)
	case Refuted:
		drawShape(c, inkBad, 3, at, 4, false)
	case Equal:
		drawShape(c, inkMuted, 0, at, 3.6, false)
	default:
		c.SetColor(inkPaper)
		c.Fill(shapePath(0, at, 3.6))
		drawShape(c, inkUnsure, 0, at, 3.8, true)
	}
}

// Forest draws all comparisons with their labels and figures, as a picture of its own.
func Forest(name, title string, rows []ForestRow) Chart {
	const (
		width      = 940
		labelWidth = 480
		figures    = 140
		rowHeight  = 18
	)
	scale := NewRatioScale(rows)
	type line struct {
		heading string
		row     *ForestRow
	}
	var all []line
	for i := range rows {
		if i == 0 || rows[i].Group != rows[i-1].Group {
			all = append(all, line{heading: rows[i].Group})
		}
		all = append(all, line{row: &rows[i]})
	}
	p := newPlot("ratio (logarithmic)")
	scale.set(p)
	p.HideY()
	p.Y.Min, p.Y.Max, p.Y.Padding = -0.5, math.Max(1, float64(len(all)))-0.5, 0
	p.Add(grid{x: true}, plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		_, toY := p.Transforms(&c)
		left, right := c.Min.X-labelWidth, c.Max.X+8
		for i, l := range all {
			y := float64(len(all) - 1 - i)
			style := textStyle(inkText, draw.XLeft, draw.YCenter)
			if l.row == nil {
				style.Font = textFont(textSize, stdfont.WeightBold)
				c.FillText(style, vg.Point{X: left, Y: toY(y)}, fit(l.heading, labelWidth-10, style))
				continue
			}
			l.row.draw(c, p, y, false)
			c.FillText(style, vg.Point{X: left + 10, Y: toY(y)}, fit(l.row.Label, labelWidth-20, style))
			c.FillText(style, vg.Point{X: right, Y: toY(y)}, l.row.Figure)
		}
	}))
	legend := []legendEntry{
		{"supported", func(c draw.Canvas, at vg.Point) { Supported.draw(c, at) }, 10},
		{"refuted", func(c draw.Canvas, at vg.Point) { Refuted.draw(c, at) }, 10},
		{"undecided", func(c draw.Canvas, at vg.Point) { Undecided.draw(c, at) }, 10},
		{"margin within which a ratio does not matter", func(c draw.Canvas, at vg.Point) {
			c.SetColor(inkMargin)
			c.Fill(vg.Rectangle{
				Min: vg.Point{X: at.X - 5, Y: at.Y - 5},
				Max: vg.Point{X: at.X + 5, Y: at.Y + 5},
			}.Path())
		}, 10},
	}
	return drawChart(frame{
		name: name, title: title, legend: legend, width: width,
		plotHeight: 40 + rowHeight*float64(len(all)), left: labelWidth, right: figures,
	}, p)
}
