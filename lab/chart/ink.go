package chart

import (
	_ "embed"
	"image/color"
	"strconv"
)

// Style is the CSS of charts: the custom properties for light, dark and print, and the text. A page
// that shows charts has it in its own style; a file of a chart contains it.
//
//go:embed chart.css
var Style string

// Ink is a colour by the name of its CSS custom property. It is a color.Color only so that gonum/plot
// hands it to Canvas.
type Ink struct {
	name    string  // "ink"
	opacity float64 // 0 is opaque as well
}

var _ color.Color = Ink{}

// RGBA returns a grey: no reader sees it.
func (Ink) RGBA() (r, g, b, a uint32) { return 0x8000, 0x8000, 0x8000, 0xffff }

// attributes returns the attributes of an element that fills or strokes with the ink.
func (i Ink) attributes(property string) string {
	text := property + `="var(--` + i.name + `)"`
	if i.opacity > 0 {
		text += ` opacity="` + strconv.FormatFloat(i.opacity, 'g', 2, 64) + `"`
	}
	return text
}

func (i Ink) faded(opacity float64) Ink { i.opacity = opacity; return i }

var (
	inkText   = Ink{name: "ink"}
	inkMuted  = Ink{name: "muted"}
	inkGrid   = Ink{name: "grid"}
	inkPaper  = Ink{name: "paper"}
	inkMargin = Ink{name: "margin"}
	inkGood   = Ink{name: "good"}
	inkBad    = Ink{name: "bad"}
	inkUnsure = Ink{name: "unsure"}
)

// seriesColours is the number of colours of series: --s0 to --s7 in chart.css.
const seriesColours = 8

// NeutralColour is that of a series without a runtime of its own.
const NeutralColour = -1

// seriesInk returns the ink of the i-th runtime.
func seriesInk(i int) Ink {
	if i < 0 {
		return inkMuted
	}
	return Ink{name: "s" + strconv.Itoa(i%seriesColours)}
}
