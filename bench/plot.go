package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// ReadResults reads the JSON of a [Result] or of a [Comparison], and returns
// the results in it, of which there is at least one.
func ReadResults(r io.Reader) ([]*Result, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var c Comparison
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("bench: this is not what weir bench --json prints: %w", err)
	}
	if len(c.Results) > 0 {
		return c.Results, nil
	}
	one := new(Result)
	if err := json.Unmarshal(text, one); err != nil {
		return nil, fmt.Errorf("bench: this is not what weir bench --json prints: %w", err)
	}
	if one.Scenario == "" {
		return nil, errors.New("bench: this is not what weir bench --json prints: there is no result in it")
	}
	return []*Result{one}, nil
}

// Plot draws the throughput of results over time and their latency by
// percentile, as an SVG. Results with the same Peer have the same color.
func Plot(w io.Writer, results []*Result) error {
	names, colors := plotColors(results)
	const (
		width, height = 520.0, 320.0 // of a panel, without what surrounds it
		left, top     = 80.0, 90.0
		gap           = 90.0
	)
	legend := top + height + 70
	s := newSVG(left+2*width+gap+20, legend+20*float64((len(names)+2)/3))
	title := "weir bench"
	if len(results) > 0 {
		title = results[0].Title()
	}
	s.text(left, 32, "start", 18, title)

	rate := panel{svg: s, x: left, y: top, width: width, height: height, title: "operations per second", xTitle: "seconds"}
	latency := panel{svg: s, x: left + width + gap, y: top, width: width, height: height, title: "latency", xTitle: "percentile", logarithmic: true}
	rate.throughput(results, colors)
	latency.percentiles(results, colors)

	for i, name := range names {
		x, y := left+float64(i%3)*360, legend+float64(i/3)*20
		s.line(x, y-4, x+24, y-4, colors[name], 3)
		s.text(x+32, y, "start", 13, name)
	}
	return s.write(w)
}

// palette is Okabe and Ito's, which people who are color-blind can tell apart.
var palette = []string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"}

// plotColors gives each name a color, in the order of their appearance.
func plotColors(results []*Result) (names []string, colors map[string]string) {
	colors = make(map[string]string)
	for _, r := range results {
		if colors[r.Peer] == "" {
			colors[r.Peer] = palette[len(names)%len(palette)]
			names = append(names, r.Peer)
		}
	}
	return names, colors
}

// panel is one pair of axes.
type panel struct {
	svg           *svg
	x, y          float64 // of its upper left corner
	width, height float64
	title, xTitle string
	logarithmic   bool
	low, high     float64 // of the vertical axis
}

// throughput draws the samples.
func (p *panel) throughput(results []*Result, colors map[string]string) {
	seconds := 0.0
	for _, r := range results {
		for _, sample := range r.Samples {
			p.high = max(p.high, sample.Operations)
			seconds = max(seconds, sample.At)
		}
	}
	if seconds == 0 || p.high == 0 {
		p.empty()
		return
	}
	p.high *= 1.05
	p.axes(func(v float64) string { return compact(v) })
	for _, at := range niceTicks(seconds, 5) {
		p.xTick(at/seconds, number(at))
	}
	for _, r := range results {
		var points []point
		for _, sample := range r.Samples {
			points = append(points, point{p.x + sample.At/seconds*p.width, p.at(sample.Operations)})
		}
		p.svg.polyline(points, colors[r.Peer])
	}
}

// percentiles draws the summaries, with the percentiles at equal distances.
func (p *panel) percentiles(results []*Result, colors map[string]string) {
	labels := []string{"50", "90", "99", "99.9", "99.99", "max"}
	of := func(l *LatencySummary) []time.Duration {
		return []time.Duration{l.P50, l.P90, l.P99, l.P999, l.P9999, l.Max}
	}
	p.low = math.Inf(1)
	for _, r := range results {
		if r.Latency == nil {
			continue
		}
		for _, d := range of(r.Latency) {
			p.low, p.high = min(p.low, float64(max(d, 1))), max(p.high, float64(d))
		}
	}
	if p.high == 0 {
		p.empty()
		return
	}
	p.low = math.Pow(10, math.Floor(math.Log10(p.low)))
	p.high = max(math.Pow(10, math.Ceil(math.Log10(p.high))), p.low*10)
	p.axes(func(v float64) string { return short(time.Duration(v)) })
	at := func(i int) float64 { return (float64(i) + 0.5) / float64(len(labels)) }
	for i, label := range labels {
		p.xTick(at(i), label)
	}
	for _, r := range results {
		if r.Latency == nil {
			continue
		}
		var points []point
		for i, d := range of(r.Latency) {
			points = append(points, point{p.x + at(i)*p.width, p.at(float64(max(d, 1)))})
		}
		p.svg.polyline(points, colors[r.Peer])
	}
}

// at returns where v is on the vertical axis.
func (p *panel) at(v float64) float64 {
	share := (v - p.low) / (p.high - p.low)
	if p.logarithmic {
		share = math.Log(v/p.low) / math.Log(p.high/p.low)
	}
	return p.y + p.height*(1-share)
}

// axes draws the frame, the vertical axis and its grid.
func (p *panel) axes(label func(float64) string) {
	p.heading()
	for _, v := range p.ticks() {
		y := p.at(v)
		p.svg.line(p.x, y, p.x+p.width, y, "#DDDDDD", 1)
		p.svg.text(p.x-8, y+4, "end", 12, label(v))
	}
	p.svg.line(p.x, p.y, p.x, p.y+p.height, "#333333", 1)
	p.svg.line(p.x, p.y+p.height, p.x+p.width, p.y+p.height, "#333333", 1)
}

// ticks returns the values that the vertical axis names.
func (p *panel) ticks() (values []float64) {
	if p.logarithmic {
		for v := p.low; v <= p.high*1.0001; v *= 10 {
			values = append(values, v)
		}
		return values
	}
	return niceTicks(p.high, 6)
}

func (p *panel) heading() {
	p.svg.text(p.x, p.y-14, "start", 14, p.title)
	p.svg.text(p.x+p.width/2, p.y+p.height+40, "middle", 13, p.xTitle)
}

func (p *panel) empty() {
	p.heading()
	p.svg.text(p.x+p.width/2, p.y+p.height/2, "middle", 13, "not measured")
}

func (p *panel) xTick(share float64, label string) {
	x := p.x + share*p.width
	p.svg.line(x, p.y+p.height, x, p.y+p.height+5, "#333333", 1)
	p.svg.text(x, p.y+p.height+20, "middle", 12, label)
}

// niceTicks returns round values from 0 to high, in most steps or fewer, whatever
// high is.
func niceTicks(high float64, most int) (values []float64) {
	step := niceStep(high / float64(most))
	for i := range most + 1 {
		if v := float64(i) * step; v <= high*1.0001 {
			values = append(values, v)
		}
	}
	return values
}

// niceStep returns the next 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	i, _ := slices.BinarySearch([]float64{1, 2, 5}, v/power*0.9999)
	return []float64{1, 2, 5, 10}[i] * power
}

// compact writes v with k or M for thousands and millions.
func compact(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", math.Round(v/1e4)/100)
	case v >= 1e3:
		return fmt.Sprintf("%gk", math.Round(v/10)/100)
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}
