package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A run of another lab may hold any number. gonum/plot panics on some, and a page that cannot be
// written must not end a run.
func TestChartsSurviveAnyValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{
			0, -1, 1, 1e-300, 1e300, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64,
			math.SmallestNonzeroFloat64,
		}))
		draw := func(name string) float64 { return number.Draw(t, name) }
		optional := func(name string) *float64 {
			if rapid.Bool().Draw(t, name+" exists") {
				x := draw(name)
				return &x
			}
			return nil
		}
		interval := func() Interval { return Interval{optional("low"), optional("high")} }
		s := Series{
			rapid.String().Draw(t, "label"), rapid.IntRange(-1, 20).Draw(t, "colour"),
			rapid.IntRange(0, 9).Draw(t, "shape"),
		}
		bound := Bound(rapid.IntRange(0, 2).Draw(t, "bound"))
		line := Line{Series: s, Tooltip: s.Label}
		dots, cost, load := DotRow{
			Series: s, Median: optional("median"),
			Interval: interval(),
		}, CostRow{Series: s}, []LoadPoint{}
		curve := ScalingCurve{Series: s}
		forest := ForestRow{
			Label: s.Label, Group: s.Label, Figure: s.Label, Ratio: optional("ratio"), Interval: interval(),
			MarginLow: draw("from"), MarginHigh: draw("to"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			x, y := draw("x"), draw("y")
			line.Points = append(line.Points, XY{x, y})
			dots.Trials = append(dots.Trials, Value{x, bound, s.Label})
			cost.Trials = append(cost.Trials, CostPoint{x, y, s.Label})
			load = append(load, LoadPoint{s, x, y, bound == Exact, s.Label})
			forest.Blocks = append(forest.Blocks, x)
			curve.Points = append(curve.Points, ScalingPoint{
				rapid.IntRange(-1, 128).Draw(t, "CPUs"), y, interval(), bound, s.Label,
			})
		}
		scale := NewRatioScale([]ForestRow{forest})
		for _, c := range []Chart{
			Dots("a", s.Label, "ms", []DotRow{dots}), Cost("b", s.Label, []CostRow{cost}),
			Percentiles("c", s.Label, []Line{line}), Timeline("d", s.Label, "ms", []Line{line}),
			LatencyAgainstLoad("e", s.Label, "p99", load), Scaling("f", s.Label, []ScalingCurve{curve}, line.Points),
			Forest("g", s.Label, []ForestRow{forest}), Strip("h", s.Label, []ForestRow{forest}, scale),
			Blocks("i", s.Label, forest, scale), RatioAxis("j", s.Label, scale),
		} {
			if err := wellFormed(c.File()); err != nil {
				t.Fatalf("%s: %v\n%s", c.Name, err, c.File())
			}
		}
	})
}

// wellFormed returns an error if text is no XML, or has a coordinate that is no number.
func wellFormed(text string) error {
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if a.Name.Local != "aria-label" && (strings.Contains(a.Value, "NaN") ||
					strings.Contains(a.Value, "Inf")) {
					return errors.New(a.Name.Local + " is " + a.Value)
				}
			}
		}
	}
}
