package chart

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// logTicks are the ticks of a logarithmic axis: 1, 2 and 5 of each decade, or the decades only where
// that would be more than most. An axis of less than a decade has those of a linear one.
type logTicks struct {
	most   int
	suffix string
}

// Ticks returns the ticks from lowest to highest.
func (t logTicks) Ticks(lowest, highest float64) []plot.Tick {
	if highest < 8*lowest {
		ticks := drawable(linearTicks{}.Ticks(lowest, highest), func(t plot.Tick) bool { return t.Value > 0 })
		for i := range ticks {
			ticks[i].Label += t.suffix
		}
		return ticks
	}
	for _, steps := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		if ticks := t.decades(lowest, highest, steps); len(ticks) <= t.most {
			return ticks
		}
	}
	all := t.decades(lowest, highest, []float64{1})
	var some []plot.Tick
	every := (len(all) + t.most - 1) / t.most
	for i := 0; i < len(all); i += every {
		some = append(some, all[i])
	}
	return some
}

func (t logTicks) decades(lowest, highest float64, steps []float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(lowest)); e <= math.Log10(highest); e++ {
		for _, s := range steps {
			if x := s * math.Pow(10, e); x >= lowest*(1-1e-9) && x <= highest*(1+1e-9) {
				ticks = append(ticks, plot.Tick{Value: x, Label: shortNumber(x) + t.suffix})
			}
		}
	}
	return ticks
}

// linearTicks are about five ticks at round numbers.
type linearTicks struct{ whole bool }

// Ticks returns the ticks from lowest to highest.
func (t linearTicks) Ticks(lowest, highest float64) (ticks []plot.Tick) {
	step := roundStep((highest - lowest) / 5)
	if t.whole {
		step = max(1, step)
	}
	for i := math.Ceil(lowest/step - 1e-9); i*step <= highest+step*1e-9; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: shortNumber(i * step)})
	}
	return ticks
}

// roundStep returns the smallest of 1, 2 and 5 times a power of ten that is at least x.
func roundStep(x float64) float64 {
	if !isDrawable(x, true) {
		return 1
	}
	decade := math.Pow(10, math.Floor(math.Log10(x)))
	for _, s := range []float64{1, 2, 5} {
		if s*decade >= x*(1-1e-9) {
			return s * decade
		}
	}
	return 10 * decade
}

// shortNumber formats a tick: 20k instead of 20000.
func shortNumber(x float64) string {
	if x == 0 {
		return "0" // and not "-0"
	}
	for _, unit := range []struct {
		factor float64
		suffix string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(x) >= unit.factor*(1-1e-9) {
			return strconv.FormatFloat(x/unit.factor, 'g', 4, 64) + unit.suffix
		}
	}
	return strconv.FormatFloat(math.Round(x*1e6)/1e6, 'g', 4, 64)
}

// grid draws lines at the ticks of the axes.
type grid struct{ x, y bool }

// Plot draws the lines.
func (g grid) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := draw.LineStyle{Color: inkGrid, Width: 0.7}
	if g.x {
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if at := x(t.Value); c.ContainsX(at) && !t.IsMinor() {
				c.StrokeLine2(style, at, c.Min.Y, at, c.Max.Y)
			}
		}
	}
	if g.y {
		for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			if at := y(t.Value); c.ContainsY(at) && !t.IsMinor() {
				c.StrokeLine2(style, c.Min.X, at, c.Max.X, at)
			}
		}
	}
}

// markOf draws one value of the data with its tooltip.
func markOf(c draw.Canvas, title string, draw func()) {
	canvasOf(c.Canvas).Mark(title, draw)
}

// plotterFunc is a plot.Plotter of one function.
type plotterFunc func(draw.Canvas, *plot.Plot)

// Plot draws the data.
func (f plotterFunc) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

// extent is the range of values of an axis.
type extent struct{ low, high float64 }

func newExtent() extent { return extent{math.Inf(1), math.Inf(-1)} }

func (e *extent) add(values ...float64) {
	for _, x := range values {
		if isDrawable(x, false) {
			e.low, e.high = min(e.low, x), max(e.high, x)
		}
	}
}

// addPointers adds the values that exist.
func (e *extent) addPointers(values ...*float64) {
	for _, x := range values {
		if x != nil {
			e.add(*x)
		}
	}
}

// linear sets an axis that begins at zero.
func (e extent) linear(a *plot.Axis) {
	a.Min, a.Max = 0, max(e.high, 0)
	if a.Max < 1/mostDrawn {
		a.Max = 1
	}
	a.Max *= 1.02
	a.Tick.Marker = linearTicks{}
}

// log sets a logarithmic axis, of at least a factor of two.
func (e extent) log(a *plot.Axis, most int) {
	if e.low > e.high {
		e = extent{0.1, 10}
	}
	a.Min, a.Max = e.low/1.08, e.high*1.08
	if a.Max < 2*a.Min {
		middle := math.Sqrt(a.Min * a.Max)
		a.Min, a.Max = middle/math.Sqrt2, middle*math.Sqrt2
	}
	a.Scale = plot.LogScale{}
	a.Tick.Marker = logTicks{most: most}
}

// polyline returns a path through points.
func polyline(points []vg.Point) (p vg.Path) {
	for i, pt := range points {
		if i == 0 {
			p.Move(pt)
		} else {
			p.Line(pt)
		}
	}
	return p
}
