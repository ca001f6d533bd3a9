package chart

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// XY is a point of a line.
type XY struct{ X, Y float64 }

// Line is the line of one trial, which is one value of the data.
type Line struct {
	Series  Series
	Points  []XY
	Tooltip string
}

// drawableLines returns lines with the points that can be drawn.
func drawableLines(all []Line, log bool) []Line {
	all = slices.Clone(all)
	for i := range all {
		all[i].Points = drawable(all[i].Points,
			func(p XY) bool { return isDrawable(p.X, false) && isDrawable(p.Y, log) })
	}
	return all
}

// extentsOf returns the ranges of the points of lines.
func extentsOf(all []Line) (x, y extent) {
	x, y = newExtent(), newExtent()
	for _, l := range all {
		for _, pt := range l.Points {
			x.add(pt.X)
			y.add(pt.Y)
		}
	}
	return x, y
}

// plotted returns the points of a line on the canvas.
func (l Line) plotted(c draw.Canvas, p *plot.Plot) (points []vg.Point) {
	toX, toY := p.Transforms(&c)
	for _, pt := range l.Points {
		points = append(points, vg.Point{X: toX(pt.X), Y: toY(pt.Y)})
	}
	return points
}

// drawLines draws lines, thin and faded where there are many.
func drawLines(c draw.Canvas, p *plot.Plot, all []Line) {
	opacity := 0.8
	if len(all) > 12 {
		opacity = 0.5
	}
	for _, l := range all {
		points := l.plotted(c, p)
		if len(points) == 0 {
			continue
		}
		markOf(c, l.Tooltip, func() {
			if len(points) == 1 {
				drawShape(c, l.Series.ink().faded(opacity), l.Series.Shape, points[0], 2.5, false)
				return
			}
			c.SetLineStyle(draw.LineStyle{Color: l.Series.ink().faded(opacity), Width: 1.2, Dashes: l.Series.dashes()})
			c.Stroke(polyline(points))
		})
	}
}

func seriesOf(all []Line) []Series {
	series := make([]Series, len(all))
	for i, l := range all {
		series[i] = l.Series
	}
	return distinct(series)
}

// Nines returns the position of a quantile on an axis of nines: 1 for 0.9, 2 for 0.99.
func Nines(quantile float64) float64 { return -math.Log10(1 - quantile) }

// nineTicks are the quantiles that an axis of nines names.
var nineTicks = plot.ConstantTicks{
	{Value: 0, Label: "0 %"},
	{Value: Nines(0.5), Label: "50"},
	{Value: 1, Label: "90"},
	{Value: 2, Label: "99"},
	{Value: 3, Label: "99.9"},
	{Value: 4, Label: "99.99"},
	{Value: 5, Label: "99.999"},
}

// Percentiles draws latency percentiles, a line for each trial. X is Nines, Y is milliseconds.
func Percentiles(name, title string, all []Line) Chart {
	p := newPlot("percentile of requests")
	all = drawableLines(all, true)
	x, y := extentsOf(all)
	x.add(0, 2)
	p.X.Min, p.X.Max, p.X.Tick.Marker = x.low, x.high, nineTicks
	y.log(&p.Y, 6)
	p.Add(grid{x: true, y: true}, plotterFunc(func(c draw.Canvas, p *plot.Plot) { drawLines(c, p, all) }))
	return drawChart(frame{
		name: name, title: title, legend: lineLegend(seriesOf(all)), yLabel: "latency, ms (logarithmic)",
		plotHeight: 190,
	}, p)
}

// LoadPoint is the latency of one trial at one offered rate.
type LoadPoint struct {
	Series  Series
	RPS, MS float64
	Missed  bool // an objective was missed at this rate
	Tooltip string
}

// LatencyAgainstLoad draws latency against the offered rate. Rates that missed an objective are hollow.
func LatencyAgainstLoad(name, title, latency string, points []LoadPoint) Chart {
	p := newPlot("offered rate, requests/s")
	points = drawable(points,
		func(pt LoadPoint) bool { return isDrawable(pt.RPS, true) && isDrawable(pt.MS, true) })
	x, y := newExtent(), newExtent()
	var all []Series
	missed := false
	for _, pt := range points {
		x.add(pt.RPS)
		y.add(pt.MS)
		all = append(all, pt.Series)
		missed = missed || pt.Missed
	}
	if x.high > 20*x.low {
		x.log(&p.X, 6)
		p.X.Label.Text += " (logarithmic)"
	} else {
		x.linear(&p.X)
	}
	y.log(&p.Y, 6)
	legend := seriesLegend(distinct(all))
	if missed {
		legend = append(legend, legendEntry{
			"missed the SLO", func(c draw.Canvas, at vg.Point) { drawShape(c, inkText, 0, at, 3.2, true) }, 8,
		})
	}
	p.Add(grid{x: true, y: true}, plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		toX, toY := p.Transforms(&c)
		for _, pt := range points {
			at := vg.Point{X: toX(pt.RPS), Y: toY(pt.MS)}
			markOf(c, pt.Tooltip,
				func() { drawShape(c, pt.Series.ink().faded(0.85), pt.Series.Shape, at, 3, pt.Missed) })
		}
	}))
	return drawChart(frame{
		name: name, title: title, legend: legend, yLabel: latency + ", ms (logarithmic)", plotHeight: 190,
	}, p)
}

// Timeline draws the seconds of attacks: the answers of each second, a line for each attack.
func Timeline(name, title, what string, all []Line) Chart {
	p := newPlot("second of the attack")
	all = drawableLines(all, false)
	x, y := extentsOf(all)
	x.add(0, 1)
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, x.high, linearTicks{whole: true}
	y.linear(&p.Y)
	p.Add(grid{y: true}, plotterFunc(func(c draw.Canvas, p *plot.Plot) { drawLines(c, p, all) }))
	return drawChart(frame{
		name: name, title: title, legend: lineLegend(seriesOf(all)), yLabel: what, plotHeight: 120,
	}, p)
}

// ScalingCurve is the speed-up of one variant over its numbers of CPUs.
type ScalingCurve struct {
	Series Series
	Points []ScalingPoint
	// Law is the fitted law with its band, as speed-up; nil without a fit.
	Law *ScalingLaw
}

// ScalingPoint is the speed-up on a number of CPUs.
type ScalingPoint struct {
	CPUs     int
	SpeedUp  float64
	Interval Interval
	Bound    Bound
	Tooltip  string
}

// ScalingLaw is a law and its band, at the same numbers of CPUs.
type ScalingLaw struct{ Law, Low, High []XY }

// Scaling draws speed-up against CPUs, beside linear scaling and the native burn.
func Scaling(name, title string, curves []ScalingCurve, burn []XY) Chart {
	p := newPlot("CPUs")
	burn = drawableLines([]Line{{Points: burn}}, false)[0].Points
	curves = slices.Clone(curves)
	x, y := newExtent(), newExtent()
	x.add(1)
	y.add(1)
	var all []Series
	for i := range curves {
		s := &curves[i]
		s.Points = drawable(s.Points, func(pt ScalingPoint) bool { return isDrawable(pt.SpeedUp, false) })
		for n := range s.Points {
			s.Points[n].Interval = s.Points[n].Interval.drawable(false)
		}
		all = append(all, s.Series)
		for _, pt := range s.Points {
			x.add(float64(pt.CPUs))
			y.add(pt.SpeedUp)
			y.addPointers(pt.Interval.Low, pt.Interval.High)
		}
	}
	for _, pt := range burn {
		y.add(pt.Y)
	}
	y.add(x.high)
	p.X.Min, p.X.Max, p.X.Tick.Marker = 1, x.high, linearTicks{whole: true}
	p.X.Padding = 10
	y.linear(&p.Y)
	linear := draw.LineStyle{Color: inkMuted, Width: 1, Dashes: []vg.Length{2, 3}}
	native := draw.LineStyle{Color: inkText, Width: 1.4}
	legend := append(seriesLegend(distinct(all)), lineEntry("linear", linear))
	if len(burn) > 0 {
		legend = append(legend, lineEntry("native burn", native))
	}
	p.Add(grid{y: true}, plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		toX, toY := p.Transforms(&c)
		c.StrokeLine2(linear, toX(1), toY(1), toX(x.high), toY(x.high))
		if len(burn) > 0 {
			c.SetLineStyle(native)
			c.Stroke(polyline(Line{Points: burn}.plotted(c, p)))
		}
		for i, s := range curves {
			s.draw(c, p, (vg.Length(i)-vg.Length(len(curves)-1)/2)*7)
		}
	}))
	return drawChart(frame{
		name: name, title: title, legend: legend, yLabel: "speed-up over the fewest CPUs", plotHeight: 190,
	}, p)
}

// draw draws a curve. shift moves its points sideways, so that those of several variants do not cover
// each other.
func (s ScalingCurve) draw(c draw.Canvas, p *plot.Plot, shift vg.Length) {
	toX, toY := p.Transforms(&c)
	if s.Law != nil {
		band := Line{Points: s.Law.High}.plotted(c, p)
		low := Line{Points: s.Law.Low}.plotted(c, p)
		for i := len(low) - 1; i >= 0; i-- {
			band = append(band, low[i])
		}
		c.SetColor(s.Series.ink().faded(0.18))
		c.Fill(polyline(band))
		c.SetLineStyle(draw.LineStyle{Color: s.Series.ink(), Width: 1.2, Dashes: s.Series.dashes()})
		c.Stroke(polyline(Line{Points: s.Law.Law}.plotted(c, p)))
	}
	for _, pt := range s.Points {
		at := vg.Point{X: toX(float64(pt.CPUs)) + shift, Y: toY(pt.SpeedUp)}
		markOf(c, pt.Tooltip, func() {
			if pt.Interval.known() {
				low, high := c.Min.Y, c.Max.Y
				if pt.Interval.Low != nil {
					low = toY(*pt.Interval.Low)
				}
				if pt.Interval.High != nil {
					high = toY(*pt.Interval.High)
				}
				c.StrokeLine2(draw.LineStyle{Color: s.Series.ink(), Width: 1.2}, at.X, low, at.X, high)
			}
			drawShape(c, s.Series.ink(), s.Series.Shape, at, 3.2, pt.Bound != Exact)
		})
	}
}
