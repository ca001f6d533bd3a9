package chart

import (
	"math"
	"slices"
	"strings"
	"unicode"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Chart is a drawing.
type Chart struct {
	Name  string // of its file, without the suffix
	Title string
	Marks int // how many values it shows

	width, height float64
	body          string
}

// Inline returns the drawing as an element of a page that has Style.
func (c Chart) Inline() string {
	size := number(c.width) + " " + number(c.height)
	return `<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + size + `" width="` +
		number(c.width) + `" height="` + number(c.height) + `" role="img" aria-label="` + escape(c.Title) + `">` +
		c.body + `</svg>`
}

// File returns the drawing as a file of its own, which brings its style and its background.
func (c Chart) File() string {
	head, rest, _ := strings.Cut(c.Inline(), ">")
	return head + `><style>` + Style + `</style><rect width="100%" height="100%" fill="var(--paper)"/>` + rest +
		"\n"
}

const (
	// panelWidth is that of a chart: a phone shows it without scaling, a laptop several side by side.
	panelWidth = 360
	textSize   = 11
	titleSize  = 12
	lineHeight = 15
)

// fonts measure text. Their widths are those of Arial.
var fonts = font.NewCache(liberation.Collection())

// The reader's font may be wider than Arial by these factors: DejaVu Sans is, by 12 %, and in bold by
// a quarter. Its symbols, such as "<", are wider by symbolWidth of the size.
const (
	widest      = 1.13
	widestBold  = 1.27
	symbolWidth = 0.25
)

func textFont(size vg.Length, weight stdfont.Weight) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size, Weight: weight}
}

// handler draws text with its anchor, so that the reader's font keeps it aligned.
type handler struct{ text.Plain }

// Box returns the size of text in the widest font that a reader may have.
func (h handler) Box(line string, f font.Font) (width, height, depth vg.Length) {
	width, height, depth = h.Plain.Box(line, f)
	symbols := 0
	for _, r := range line {
		if strings.ContainsRune("<=>+~|#^", r) || unicode.IsControl(r) || r == unicode.ReplacementChar {
			symbols++
		}
	}
	if f.Weight == stdfont.WeightBold {
		width *= widestBold
	} else {
		width *= widest
	}
	return width + vg.Length(symbols)*symbolWidth*f.Size, height, depth
}

// Draw draws one line of text. The charts have no text of several lines.
func (h handler) Draw(target vg.Canvas, line string, sty text.Style, pt vg.Point) {
	c := canvasOf(target)
	if c == nil || line == "" {
		return
	}
	face := h.Fonts.Lookup(sty.Font, sty.Font.Size)
	c.anchor = map[text.XAlignment]string{draw.XCenter: "middle", draw.XRight: "end"}[sty.XAlign]
	c.Push()
	c.SetColor(sty.Color)
	c.Translate(pt)
	c.Rotate(sty.Rotation)
	extents := face.Extents()
	height := extents.Ascent + extents.Descent
	c.FillString(face, vg.Point{Y: height*vg.Length(sty.YAlign) + extents.Descent}, line)
	c.Pop()
	c.anchor = ""
}

// textStyle returns the style of text in an ink.
func textStyle(ink Ink, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{
		Color: ink, Font: textFont(textSize, stdfont.WeightNormal), XAlign: x, YAlign: y,
		Handler: handler{text.Plain{Fonts: fonts}},
	}
}

// fit returns text that is at most width wide, with an ellipsis where it was cut.
func fit(s string, width vg.Length, sty text.Style) string {
	s = clean(s)
	if sty.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && sty.Width(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// lines breaks text into at most two lines of the given width.
func lines(s string, width vg.Length, sty text.Style) []string {
	words := strings.Fields(s)
	for i := len(words); i > 0; i-- {
		if first := strings.Join(words[:i], " "); sty.Width(first) <= width || i == 1 {
			if i == len(words) {
				return []string{fit(first, width, sty)}
			}
			return []string{fit(first, width, sty), fit(strings.Join(words[i:], " "), width, sty)}
		}
	}
	return nil
}

// newPlot returns a plot in the style of the charts, without titles.
func newPlot(xLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Width = inkMuted, 0.8
		axis.Padding = 4
		axis.Tick.LineStyle = draw.LineStyle{Color: inkMuted, Width: 0.8}
		axis.Tick.Length = 3
	}
	p.Y.Width, p.Y.Tick.Length = 0, 0 // the grid shows the values
	p.X.Tick.Label = textStyle(inkMuted, draw.XCenter, draw.YTop)
	p.Y.Tick.Label = textStyle(inkMuted, draw.XRight, -0.7) // gonum/plot draws them too high by a descent
	p.X.Label.Text, p.X.Label.TextStyle = xLabel, textStyle(inkMuted, draw.XCenter, draw.YBottom)
	p.X.Label.Padding = 2
	return p
}

// frame is what surrounds the data of a chart.
type frame struct {
	name, title string
	legend      []legendEntry
	yLabel      string // above the vertical axis
	width       float64
	plotHeight  float64 // with the axes

	left, right float64 // room beside the plot, for text of its own
}

// drawChart draws a plot in its frame. The tooltip of a mark is its value.
func drawChart(f frame, p *plot.Plot) Chart {
	if f.width == 0 {
		f.width = panelWidth
	}
	const side = 6
	inner := vg.Length(f.width - 2*side)
	titleStyle := textStyle(inkText, draw.XLeft, draw.YTop)
	titleStyle.Font = textFont(titleSize, stdfont.WeightBold)
	titles := lines(f.title, inner, titleStyle)
	rows := layoutLegend(f.legend, inner)
	label := 0.0
	if f.yLabel != "" {
		label = lineHeight
	}
	height := 4 + lineHeight*float64(len(titles)+len(rows)) + label + f.plotHeight + 9

	c := newCanvas(height)
	dc := draw.NewCanvas(c, vg.Length(f.width), vg.Length(height))
	y := vg.Length(height - 4)
	for _, line := range titles {
		dc.FillText(titleStyle, vg.Point{X: side, Y: y}, line)
		y -= lineHeight
	}
	for _, row := range rows {
		row.draw(dc, side, y)
		y -= lineHeight
	}
	if f.yLabel != "" {
		dc.FillText(textStyle(inkMuted, draw.XLeft, draw.YTop), vg.Point{X: side, Y: y}, f.yLabel)
		y -= lineHeight
	}
	p.Draw(draw.Crop(dc, side+vg.Length(f.left), -side-4-vg.Length(f.right), 4, y-5-vg.Length(height)))
	return newChart(f.name, f.title, f.width, height, c)
}

func newChart(name, title string, width, height float64, c *Canvas) Chart {
	return Chart{Name: name, Title: title, Marks: c.marks, width: width, height: height, body: c.out.String()}
}

// mostDrawn bounds what a chart draws: no figure of a run comes near to it, and the arithmetic of axes
// needs a bound.
const mostDrawn = 1e15

// isDrawable reports whether x can be drawn, on a logarithmic axis if log is true.
func isDrawable(x float64, log bool) bool {
	return math.Abs(x) <= mostDrawn && (!log || x >= 1/mostDrawn)
}

// drawable returns the values that can be drawn.
func drawable[V any](all []V, can func(V) bool) []V {
	return slices.DeleteFunc(slices.Clone(all), func(v V) bool { return !can(v) })
}
