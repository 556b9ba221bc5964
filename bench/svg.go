package bench

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// svg is a drawing that grows.
type svg struct{ b bytes.Buffer }

type point struct{ x, y float64 }

func newSVG(width, height float64) *svg {
	s := new(svg)
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="sans-serif">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&s.b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	return s
}

func (s *svg) line(x1, y1, x2, y2 float64, color string, width int) {
	fmt.Fprintf(&s.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%d"/>`+"\n", x1, y1, x2, y2, color, width)
}

// polyline draws a line through points, and the points, so that one alone can
// be seen.
func (s *svg) polyline(points []point, color string) {
	if len(points) == 0 {
		return
	}
	var path strings.Builder
	for _, p := range points {
		fmt.Fprintf(&path, "%.1f,%.1f ", p.x, p.y)
		fmt.Fprintf(&s.b, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>`+"\n", p.x, p.y, color)
	}
	fmt.Fprintf(&s.b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.TrimSpace(path.String()), color)
}

// text writes at (x, y), which is the baseline at its start, middle or end.
func (s *svg) text(x, y float64, anchor string, size int, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d">`, x, y, anchor, size)
	_ = xml.EscapeText(&s.b, []byte(text)) // memory takes every write
	s.b.WriteString("</text>\n")
}

func (s *svg) write(w io.Writer) error {
	s.b.WriteString("</svg>\n")
	_, err := w.Write(s.b.Bytes())
	return err
}
