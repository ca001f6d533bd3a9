package chart

import (
	"encoding/xml"
	"image"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// lineWidth is the width of strokes that chart.css gives to a chart.
const lineWidth = 1.2

// Canvas is a vg.Canvas that writes the elements of an SVG. One point is one unit of the SVG; the
// origin of vg is in the bottom left corner.
type Canvas struct {
	height float64
	out    strings.Builder
	state  penState
	stack  []penState
	anchor string // of the next text: "middle", "end", or empty for the start
	// mark holds what the innermost open mark has drawn. Nil outside of marks.
	mark  *markElements
	marks int
}

var _ vg.Canvas = (*Canvas)(nil)

// canvasOf returns the Canvas within those that draw.Crop wraps around it, or nil.
func canvasOf(c vg.Canvas) *Canvas {
	switch c := c.(type) {
	case *Canvas:
		return c
	case *draw.Canvas:
		return canvasOf(c.Canvas)
	case draw.Canvas:
		return canvasOf(c.Canvas)
	}
	return nil
}

// penState is what Push saves.
type penState struct {
	ink    Ink
	width  float64
	dashes []vg.Length
	// matrix maps a point (x, y) to (a x + c y + e, b x + d y + f).
	matrix [6]float64
}

// markElements holds the elements of a mark: the start tags without their end, and what follows.
type markElements struct {
	starts []string
	ends   []string
}

func newCanvas(height float64) *Canvas {
	return &Canvas{height: height, state: penState{ink: inkText, width: 1, matrix: [6]float64{1, 0, 0, 1, 0, 0}}}
}

// Mark draws one value of the data. title is its tooltip.
func (c *Canvas) Mark(title string, draw func()) {
	m := &markElements{}
	c.marks++
	c.mark = m
	draw()
	c.mark = nil
	tooltip := ""
	if title != "" {
		tooltip = "<title>" + escape(title) + "</title>"
	}
	if len(m.starts) == 1 && m.ends[0] == "" {
		name, _, _ := strings.Cut(m.starts[0][1:], " ")
		rest, stroked := m.starts[0][len(name)+1:], ""
		if before, after, found := strings.Cut(rest, ` class="l"`); found {
			rest, stroked = before+after, " l"
		}
		c.out.WriteString("<" + name + ` class="m` + stroked + `"` + rest)
		if tooltip == "" {
			c.out.WriteString("/>")
		} else {
			c.out.WriteString(">" + tooltip + "</" + name + ">")
		}
		return
	}
	c.out.WriteString(`<g class="m">` + tooltip)
	for i, start := range m.starts {
		c.finish(start, m.ends[i])
	}
	c.out.WriteString("</g>")
}

// element writes an element. start is its tag without the end, rest the content with the end tag.
func (c *Canvas) element(start, rest string) {
	if c.mark != nil {
		c.mark.starts, c.mark.ends = append(c.mark.starts, start), append(c.mark.ends, rest)
		return
	}
	c.finish(start, rest)
}

func (c *Canvas) finish(start, rest string) {
	c.out.WriteString(start)
	if rest == "" {
		rest = "/>"
	}
	c.out.WriteString(rest)
}

// SetLineWidth sets the width of strokes.
func (c *Canvas) SetLineWidth(w vg.Length) { c.state.width = float64(w) }

// SetLineDash sets the dashes of strokes. The charts use no offset.
func (c *Canvas) SetLineDash(pattern []vg.Length, _ vg.Length) { c.state.dashes = pattern }

// SetColor sets the ink. A colour that is no Ink, such as a default of gonum/plot, becomes that of
// text, because a fixed colour is wrong in the dark.
func (c *Canvas) SetColor(clr color.Color) {
	ink, ok := clr.(Ink)
	if !ok {
		ink = inkText
	}
	c.state.ink = ink
}

// Rotate rotates what follows.
func (c *Canvas) Rotate(rad float64) {
	sin, cos := math.Sincos(rad)
	c.transform([6]float64{cos, sin, -sin, cos, 0, 0})
}

// Translate moves what follows.
func (c *Canvas) Translate(pt vg.Point) {
	c.transform([6]float64{1, 0, 0, 1, float64(pt.X), float64(pt.Y)})
}

// Scale scales what follows.
func (c *Canvas) Scale(x, y float64) { c.transform([6]float64{x, 0, 0, y, 0, 0}) }

// transform applies t before the current matrix.
func (c *Canvas) transform(t [6]float64) {
	m := c.state.matrix
	c.state.matrix = [6]float64{
		m[0]*t[0] + m[2]*t[1], m[1]*t[0] + m[3]*t[1],
		m[0]*t[2] + m[2]*t[3], m[1]*t[2] + m[3]*t[3],
		m[0]*t[4] + m[2]*t[5] + m[4], m[1]*t[4] + m[3]*t[5] + m[5],
	}
}

// Push saves the state.
func (c *Canvas) Push() { c.stack = append(c.stack, c.state) }

// Pop restores the state of the last Push.
func (c *Canvas) Pop() {
	c.state = c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
}

// Stroke draws a path as a line.
func (c *Canvas) Stroke(p vg.Path) {
	if c.state.width <= 0 {
		return
	}
	attributes := ` class="l" ` + c.state.ink.attributes("stroke")
	if c.state.width != lineWidth {
		attributes += ` stroke-width="` + number(c.state.width) + `"`
	}
	if len(c.state.dashes) > 0 {
		dashes := make([]string, len(c.state.dashes))
		for i, d := range c.state.dashes {
			dashes[i] = number(float64(d))
		}
		attributes += ` stroke-dasharray="` + strings.Join(dashes, " ") + `"`
	}
	c.path(p, attributes)
}

// Fill fills a path.
func (c *Canvas) Fill(p vg.Path) { c.path(p, " "+c.state.ink.attributes("fill")) }

func (c *Canvas) path(p vg.Path, attributes string) {
	if centre, radius, ok := c.circle(p); ok {
		c.element(`<circle cx="`+number(centre.x)+`" cy="`+number(centre.y)+`" r="`+number(radius)+`"`+attributes,
			"")
		return
	}
	if data := c.pathData(p); data != "" {
		c.element(`<path d="`+data+`"`+attributes, "")
	}
}

// position is a point of the SVG, whose y grows downwards.
type position struct{ x, y float64 }

func (c *Canvas) at(pt vg.Point) position {
	m, x, y := c.state.matrix, float64(pt.X), float64(pt.Y)
	return position{m[0]*x + m[2]*y + m[4], c.height - (m[1]*x + m[3]*y + m[5])}
}

// circle returns the circle that a path is, if it is one.
func (c *Canvas) circle(p vg.Path) (centre position, radius float64, ok bool) {
	arcs := 0
	for _, comp := range p {
		switch comp.Type {
		case vg.ArcComp:
			arcs++
			centre, radius = c.at(comp.Pos), float64(comp.Radius)
			ok = math.Abs(comp.Angle) >= 2*math.Pi-1e-9
		case vg.LineComp, vg.CurveComp:
			return centre, radius, false
		}
	}
	return centre, radius, ok && arcs == 1
}

// pathData returns the d attribute of a path. Points after the first of a line are relative, which
// halves the size of a page with thousands of lines.
func (c *Canvas) pathData(p vg.Path) string {
	var b strings.Builder
	var last position // the last point as it was written, so that rounding errors do not add up
	absolute := func(command string, points ...vg.Point) {
		b.WriteString(command)
		for i, pt := range points {
			if i > 0 {
				b.WriteByte(' ')
			}
			last = c.at(pt).rounded()
			b.WriteString(number(last.x) + " " + number(last.y))
		}
	}
	line := func(pt vg.Point) {
		to := c.at(pt).rounded()
		dx, dy := number(to.x-last.x), number(to.y-last.y)
		if !strings.HasPrefix(dy, "-") {
			dx += " "
		}
		b.WriteString("l" + dx + dy)
		last = to
	}
	for _, comp := range p {
		switch comp.Type {
		case vg.MoveComp:
			absolute("M", comp.Pos)
		case vg.LineComp:
			line(comp.Pos)
		case vg.ArcComp:
			for i, pt := range arcPoints(comp) {
				if i == 0 {
					absolute("M", pt)
				} else {
					line(pt)
				}
			}
		case vg.CurveComp:
			absolute(map[int]string{1: "Q", 2: "C"}[len(comp.Control)],
				append(slices.Clone(comp.Control), comp.Pos)...)
		case vg.CloseComp:
			b.WriteByte('Z')
		}
	}
	return b.String()
}

// rounded returns the position as number writes it.
func (p position) rounded() position {
	return position{math.Round(p.x*10) / 10, math.Round(p.y*10) / 10}
}

// arcPoints returns an arc as points at most ten degrees apart. Only legends of gonum/plot have a part
// of a circle, and points need no case for a scaled matrix.
func arcPoints(comp vg.PathComp) (points []vg.Point) {
	steps := max(1, int(math.Ceil(math.Abs(comp.Angle)/(math.Pi/18))))
	for i := range steps + 1 {
		sin, cos := math.Sincos(comp.Start + comp.Angle*float64(i)/float64(steps))
		points = append(points, vg.Point{
			X: comp.Pos.X + comp.Radius*vg.Length(cos), Y: comp.Pos.Y + comp.Radius*vg.Length(sin),
		})
	}
	return points
}

// FillString writes text. The anchor is that which the text handler set, so that aligned text stays
// aligned in the reader's font.
func (c *Canvas) FillString(f font.Face, pt vg.Point, text string) {
	at := c.at(pt)
	start := `<text x="` + number(at.x) + `" y="` + number(at.y) + `"`
	if m := c.state.matrix; m[1] != 0 {
		degrees := -math.Atan2(m[1], m[0]) * 180 / math.Pi
		start += ` transform="rotate(` + number(degrees) + " " + number(at.x) + " " + number(at.y) + `)"`
	}
	if c.anchor != "" {
		start += ` text-anchor="` + c.anchor + `"`
	}
	if size := float64(f.Font.Size); size != textSize {
		start += ` font-size="` + number(size) + `"`
	}
	if f.Font.Weight == stdfont.WeightBold {
		start += ` font-weight="600"`
	}
	if c.state.ink != inkText {
		start += " " + c.state.ink.attributes("fill")
	}
	c.element(start, ">"+escape(text)+"</text>")
}

// DrawImage draws nothing: no chart has an image, and an embedded one would be no vector.
func (c *Canvas) DrawImage(vg.Rectangle, image.Image) {}

// number formats a coordinate, with a tenth of a unit.
func number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "0"
	}
	text := strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
	if text == "-0" {
		return "0"
	}
	return text
}

// escape returns text for the content or an attribute of an element.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(clean(text))) // writing to a builder never fails
	return b.String()
}

// clean returns text in which U+FFFD stands for control characters and for characters that change the
// direction of text, which would move what follows.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
