package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func pointer(x float64) *float64 { return &x }

// samples returns one chart of each kind, and the number of values that it must show.
func samples() map[string]struct {
	chart  Chart
	values int
} {
	node, cluster := Series{"node/single", 0, 0}, Series{"node/cluster", 0, 1}
	python := Series{"python/uvloop", 1, 0}
	hostile := Series{`</svg><script>alert(1)</script>`, 2, 2}
	trials := func(values ...float64) (out []Value) {
		for i, x := range values {
			out = append(out, Value{X: x, Tooltip: fmt.Sprintf("block %d: %g", i+1, x)})
		}
		return out
	}
	bounds := trials(21000, 23000)
	bounds[0].Bound, bounds[1].Bound = AtLeast, AtMost
	rows := []ForestRow{
		{
			Group: "speed-1: Node serves the same application faster", Label: "json peak: node/single over " +
				"python/uvloop",
			Finding: Supported, Ratio: pointer(1.43), Interval: Interval{pointer(1.38), pointer(1.49)},
			Blocks: []float64{
				1.4, 1.42, 1.45,
				1.39,
			}, Figure: "1.43× [1.38, 1.49]", MarginLow: 0.95, MarginHigh: 1 / 0.95,
		},
		{
			Group: "speed-1: Node serves the same application faster", Label: "orders peak: node/express over " +
				"python/fastapi",
			Ratio: pointer(1.04), Interval: Interval{pointer(0.91), nil}, Figure: "≥ 1.04× [0.91, open]",
			Blocks: []float64{1, 1.1}, MarginLow: 0.95, MarginHigh: 1 / 0.95,
		},
		{
			Group: "arch-3", Label: "compute-integers ladder: python/uvloop over node/single", Finding: Refuted,
			Ratio: pointer(33), Interval: Interval{pointer(30), pointer(36)}, Figure: "33× [30, 36]",
			Blocks: []float64{33}, MarginLow: 0.95, MarginHigh: 1 / 0.95,
		},
		{Group: "arch-3", Label: "no ratio", MarginLow: 0.9, MarginHigh: 1 / 0.9},
	}
	scale := NewRatioScale(rows)
	line := func(s Series, points ...float64) Line {
		l := Line{Series: s, Tooltip: "block 1"}
		for i, y := range points {
			l.Points = append(l.Points, XY{float64(i), y})
		}
		return l
	}
	return map[string]struct {
		chart  Chart
		values int
	}{
		"dots": {Dots("dots", "json: peak over 64 connections", "requests/s", []DotRow{
			{
				node, trials(65000, 64000, 66000, 65500, 64800, 65100), pointer(65000),
				Interval{pointer(64000), pointer(66000)},
			},
			{cluster, bounds, nil, Interval{}},
			{python, trials(42000, 41000, 43000), pointer(42000), Interval{pointer(38000), nil}},
			{hostile, nil, nil, Interval{}},
		}), 11},
		"cost": {Cost("cost", "json: cost", []CostRow{
			{node, []CostPoint{{15, 40, "a"}, {16, 41, "b"}}}, {hostile, []CostPoint{{150, 140, "<b>&"}}},
		}), 3},
		"validity": {ValidityStrip("validity", "Every trial", []ValidityRow{
			{
				"json node/single",
				[]ValidityMark{{1, Valid, "x"}, {2, Disturbed, "y"}, {2, Valid, "z"}, {3, Failed, "]]>"}},
			},
			{hostile.Label, []ValidityMark{{6, Censored, ""}}},
		}), 5},
		"percentiles": {Percentiles("percentiles", "json at 500 requests/s", []Line{
			line(node, 0.1, 0.2, 0.5, 3, 9), line(python, 0.2, 0.3, 0.8, 5), line(cluster, 0.3),
		}), 3},
		"load": {LatencyAgainstLoad("load", "json", "p99", []LoadPoint{
			{node, 1000, 0.2, false, ""}, {node, 40000, 2, false, ""}, {python, 44000, 90, true, ""},
		}), 3},
		"timeline": {Timeline("timeline", "json node/single peak", "answers/s", []Line{
			line(node, 600, 640, 630, 650), line(node, 650, 640, 640, 630),
		}), 2},
		"scaling": {Scaling("scaling", "scaling: peak", []ScalingCurve{
			{Series: cluster, Points: []ScalingPoint{
				{1, 1, Interval{}, Exact, "1"},
				{2, 1.9, Interval{pointer(1.8), pointer(2)}, Exact, ""},
				{4, 3.1, Interval{pointer(2.9), nil}, AtLeast, ""},
			}, Law: &ScalingLaw{
				Law: []XY{{1, 1}, {2, 1.9}, {4, 3.2}}, Low: []XY{{1, 1}, {2, 1.8}, {4, 2.9}},
				High: []XY{{1, 1}, {2, 1.95}, {4, 3.5}},
			}},
			{Series: python, Points: []ScalingPoint{{1, 1, Interval{}, Exact, ""}, {2, 1.1, Interval{}, Exact, ""}}},
		}, []XY{{1, 1}, {2, 1.95}, {4, 3.8}}), 5},
		"forest": {Forest("forest", "Claims", rows), 3},
		"strip":  {Strip("strip", "speed-1", rows[:2], scale), 2},
		"blocks": {Blocks("blocks", "speed-1", rows[0], scale), 5},
		"axis":   {RatioAxis("axis", "ratio", scale), 0},
	}
}

func TestChartsHaveAsManyMarksAsValues(t *testing.T) {
	for name, s := range samples() {
		marks := strings.Count(s.chart.Inline(), `class="m`)
		if marks != s.values || s.chart.Marks != s.values {
			t.Errorf("%s has %d marks and says %d, want %d", name, marks, s.chart.Marks, s.values)
		}
	}
}

// A drawing that is no XML may end early and let text become markup.
func TestChartsAreWellFormedAndHaveNoScript(t *testing.T) {
	for name, s := range samples() {
		texts := ""
		for d := xml.NewDecoder(strings.NewReader(s.chart.File())); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, s.chart.File())
			}
			switch e := token.(type) {
			case xml.StartElement:
				if !strings.Contains(" svg g path circle text title style rect ", " "+e.Name.Local+" ") {
					t.Errorf("%s has an element %s", name, e.Name.Local)
				}
				for _, a := range e.Attr {
					if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
						t.Errorf("%s has an attribute %s", name, a.Name.Local)
					}
				}
			case xml.CharData:
				texts += string(e)
			}
		}
		if name == "cost" && !strings.Contains(texts, "</svg><script>") {
			t.Errorf("the label of a series is not text: %s", texts)
		}
	}
}

func TestChartsHaveNoFixedColours(t *testing.T) {
	for name, s := range samples() {
		for _, attribute := range []string{`fill="`, `stroke="`} {
			for _, after := range strings.Split(s.chart.Inline(), attribute)[1:] {
				if !strings.HasPrefix(after, "var(--") && !strings.HasPrefix(after, "none") {
					t.Errorf("%s: %s%.20s", name, attribute, after)
				}
			}
		}
	}
}

func TestSameDataGiveTheSameBytes(t *testing.T) {
	again := samples()
	for name, s := range samples() {
		if s.chart.File() != again[name].chart.File() {
			t.Errorf("%s differs", name)
		}
	}
}

// An axis of ratios shows on which side of 1 a ratio is, narrow or wide.
func TestAnAxisOfRatiosHasTicksOnBothSidesOfOne(t *testing.T) {
	scales := []RatioScale{{0.7, 1.44}, {0.63, 2.3}, {0.5, 3.9}, {0.3, 1.5}, {0.6, 30}, {0.02, 1.44}, {0.1, 9}}
	for _, s := range scales {
		below, above := 0, 0
		for _, tick := range (ratioTicks{}).Ticks(s.low, s.high) {
			switch {
			case tick.Value < 1:
				below++
			case tick.Value > 1:
				above++
			}
			if tick.Value < s.low || tick.Value > s.high {
				t.Errorf("%v has a tick at %v", s, tick.Value)
			}
		}
		if below == 0 || above == 0 || below+above > 6 {
			t.Errorf("%v has %d ticks below 1 and %d above", s, below, above)
		}
	}
}
