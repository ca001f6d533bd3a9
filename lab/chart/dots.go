package chart

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Value is one value of the data.
type Value struct {
	X       float64
	Bound   Bound
	Tooltip string
}

// Bound says on which side of a value the true one lies.
type Bound int

// Bounds of a value.
const (
	Exact Bound = iota
	AtLeast
	AtMost
)

// Interval is an interval; nil where it is open or unknown.
type Interval struct{ Low, High *float64 }

// drawable returns the interval with the ends that can be drawn.
func (i Interval) drawable(log bool) Interval {
	return Interval{drawableEnd(i.Low, log), drawableEnd(i.High, log)}
}

func drawableEnd(x *float64, log bool) *float64 {
	if x == nil || !isDrawable(*x, log) {
		return nil
	}
	return x
}

func (i Interval) known() bool { return i.Low != nil || i.High != nil }

// DotRow is one line of a dot plot: the trials of a variant in the order of their blocks, their
// median and an interval.
type DotRow struct {
	Series   Series
	Trials   []Value
	Median   *float64
	Interval Interval
}

// Dots draws the trials of each variant as dots: bounds are hollow and have an arrow. The axis begins
// at zero.
func Dots(name, title, unit string, rows []DotRow) Chart {
	p := newPlot(unit)
	x := newExtent()
	rows = slices.Clone(rows)
	for i := range rows {
		r := &rows[i]
		r.Trials = drawable(r.Trials, func(v Value) bool { return isDrawable(v.X, false) })
		r.Median, r.Interval = drawableEnd(r.Median, false), r.Interval.drawable(false)
		for _, v := range r.Trials {
			x.add(v.X)
		}
		x.addPointers(r.Median, r.Interval.Low, r.Interval.High)
	}
	x.linear(&p.X)
	labelRows(p, len(rows), 140, func(i int) string { return rows[i].Series.Label })
	p.Add(grid{x: true}, plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		for i, r := range rows {
			r.draw(c, p, float64(len(rows)-1-i))
		}
	}))
	return drawChart(frame{name: name, title: title, plotHeight: 42 + rowHeight*float64(len(rows))}, p)
}

const rowHeight = 30

// labelRows gives the vertical axis n lines, the first on top, with their labels of at most the given width.
func labelRows(p *plot.Plot, n int, width vg.Length, label func(i int) string) {
	ticks := make(plot.ConstantTicks, n)
	for i := range n {
		ticks[i] = plot.Tick{Value: float64(n - 1 - i), Label: fit(label(i), width, p.Y.Tick.Label)}
	}
	p.Y.Tick.Marker = ticks
	p.Y.Tick.Label.Color = inkText
	p.Y.Min, p.Y.Max, p.Y.Padding = -0.5, float64(n)-0.5, 0
}

func (r DotRow) draw(c draw.Canvas, p *plot.Plot, y float64) {
	toX, toY := p.Transforms(&c)
	ink := r.Series.ink()
	if r.Interval.known() {
		low, high := c.Min.X, c.Max.X
		if r.Interval.Low != nil {
			low = toX(*r.Interval.Low)
		}
		if r.Interval.High != nil {
			high = toX(*r.Interval.High)
		}
		c.SetColor(ink.faded(0.22))
		c.Fill(vg.Rectangle{
			Min: vg.Point{X: low, Y: toY(y - 0.36)},
			Max: vg.Point{X: high, Y: toY(y + 0.36)},
		}.Path())
	}
	if r.Median != nil {
		c.StrokeLine2(draw.LineStyle{Color: inkText, Width: 1.6}, toX(*r.Median), toY(y-0.4), toX(*r.Median),
			toY(y+0.4))
	}
	for i, v := range r.Trials {
		offset := 0.0 // later blocks lie lower, so that a drift over the run is seen
		if len(r.Trials) > 1 {
			offset = 0.26 - 0.52*float64(i)/float64(len(r.Trials)-1)
		}
		at := vg.Point{X: toX(v.X), Y: toY(y + offset)}
		markOf(c, v.Tooltip, func() {
			drawShape(c, ink, r.Series.Shape, at, 3, v.Bound != Exact)
			if v.Bound != Exact {
				drawArrow(c, ink, at, v.Bound)
			}
		})
	}
}

// drawArrow draws a short arrow from at to the side where the true value lies.
func drawArrow(c draw.Canvas, ink Ink, at vg.Point, b Bound) {
	side := vg.Length(1)
	if b == AtMost {
		side = -1
	}
	tip := at.X + side*13
	c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1.2})
	var path vg.Path
	path.Move(vg.Point{X: at.X + side*3.5, Y: at.Y})
	path.Line(vg.Point{X: tip, Y: at.Y})
	path.Move(vg.Point{X: tip - side*3, Y: at.Y + 2.4})
	path.Line(vg.Point{X: tip, Y: at.Y})
	path.Line(vg.Point{X: tip - side*3, Y: at.Y - 2.4})
	c.Stroke(path)
}

// CostRow is the cost of a variant: one point for each trial that has both figures.
type CostRow struct {
	Series Series
	Trials []CostPoint
}

// CostPoint is the CPU time per request and the memory of one trial.
type CostPoint struct {
	CPUMicroseconds, MemoryMiB float64
	Tooltip                    string
}

// Cost draws CPU time per request against memory, a point for each trial. Lower left is cheaper.
func Cost(name, title string, rows []CostRow) Chart {
	p := newPlot("CPU per request, µs (logarithmic)")
	x, y := newExtent(), newExtent()
	var all []Series
	rows = slices.Clone(rows)
	for i := range rows {
		r := &rows[i]
		r.Trials = drawable(r.Trials, func(t CostPoint) bool {
			return isDrawable(t.CPUMicroseconds, true) && isDrawable(t.MemoryMiB, false)
		})
		all = append(all, r.Series)
		for _, t := range r.Trials {
			x.add(t.CPUMicroseconds)
			y.add(t.MemoryMiB)
		}
	}
	x.log(&p.X, 6)
	y.linear(&p.Y)
	p.Add(grid{x: true, y: true}, plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		toX, toY := p.Transforms(&c)
		for _, r := range rows {
			for _, t := range r.Trials {
				at := vg.Point{X: toX(t.CPUMicroseconds), Y: toY(t.MemoryMiB)}
				markOf(c, t.Tooltip, func() { drawShape(c, r.Series.ink().faded(0.85), r.Series.Shape, at, 3.2, false) })
			}
		}
	}))
	return drawChart(frame{
		name: name, title: title, legend: seriesLegend(distinct(all)), yLabel: "memory, MiB", plotHeight: 190,
	}, p)
}

// Validity is what a trial is worth, as its mark shows it.
type Validity int

// Validities of a trial, from the best to the worst.
const (
	Valid Validity = iota
	Censored
	Disturbed
	Failed
)

// validityNames are the names in the legend, by Validity.
var validityNames = [...]string{"valid", "bound", "disturbed", "failed"}

// ValidityRow holds the trials of one cell.
type ValidityRow struct {
	Label  string
	Trials []ValidityMark
}

// ValidityMark is one trial in a block. A repeated trial has one for each attempt.
type ValidityMark struct {
	Block    int
	Validity Validity
	Tooltip  string
}

// ValidityStrip draws each trial of a run as a mark, one line for each cell, one column for each block.
func ValidityStrip(name, title string, rows []ValidityRow) Chart {
	p := newPlot("block")
	blocks := 1
	for _, r := range rows {
		for _, t := range r.Trials {
			blocks = max(blocks, t.Block)
		}
	}
	p.X.Min, p.X.Max, p.X.Padding = 0.4, float64(blocks)+0.6, 0
	p.X.Tick.Marker = linearTicks{whole: true}
	labelRows(p, len(rows), 210, func(i int) string { return rows[i].Label })
	p.Add(plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		for i, r := range rows {
			r.draw(c, p, float64(len(rows)-1-i))
		}
	}))
	var legend []legendEntry
	for v, label := range validityNames {
		legend = append(legend, legendEntry{
			label, func(c draw.Canvas, at vg.Point) { drawValidity(c, Validity(v), at, 3.4) }, 8,
		})
	}
	return drawChart(frame{
		name: name, title: title, legend: legend, plotHeight: 42 + 13*float64(len(rows)),
	}, p)
}

func (r ValidityRow) draw(c draw.Canvas, p *plot.Plot, y float64) {
	toX, toY := p.Transforms(&c)
	inBlock := map[int]int{}
	for _, t := range r.Trials {
		inBlock[t.Block]++
	}
	width := toX(1) - toX(0)
	drawn := map[int]int{}
	for _, t := range r.Trials {
		n := vg.Length(inBlock[t.Block])
		step := width * 0.9 / n
		at := vg.Point{X: toX(float64(t.Block)) + step*(vg.Length(drawn[t.Block])-(n-1)/2), Y: toY(y)}
		drawn[t.Block]++
		markOf(c, t.Tooltip, func() { drawValidity(c, t.Validity, at, min(3.4, step*0.42)) })
	}
}

// drawValidity draws a mark whose shape and colour say what a trial is worth.
func drawValidity(c draw.Canvas, v Validity, at vg.Point, r vg.Length) {
	switch v {
	case Valid:
		drawShape(c, inkGood, 1, at, r, false)
	case Censored:
		drawShape(c, inkGood, 1, at, r, true)
	case Disturbed:
		drawShape(c, inkUnsure, 0, at, r, true)
	default:
		c.SetLineStyle(draw.LineStyle{Color: inkBad, Width: max(0.8, r*0.55)})
		var p vg.Path
		p.Move(vg.Point{X: at.X - r, Y: at.Y - r})
		p.Line(vg.Point{X: at.X + r, Y: at.Y + r})
		p.Move(vg.Point{X: at.X - r, Y: at.Y + r})
		p.Line(vg.Point{X: at.X + r, Y: at.Y - r})
		c.Stroke(p)
	}
}
