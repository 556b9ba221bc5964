package peers

import (
	"fmt"
	"slices"
	"strings"
)

// microTexts say what the benchmarks of package micro are, by name.
var microTexts = map[string]string{
	"Decode": "A whole MQTT 5.0 packet, from the first byte to a packet with all its fields.",
	"Encode": "The same packets to bytes.",
	"Match": "The subscriptions that match a Topic Name, drawn at random from as many as there are Topic Filters, of which a share has wildcards.\n" +
		"nats-server keeps the results of the last 1,024 names. Weir's engine keeps some as well, for as long as no subscription changes, but that is no part of this.",
	"Decide": "Whether a device may publish to a topic, by as many rules as it says, of which one is about the device.",
}

// micro writes the second part: a table for each benchmark.
func (r *Report) micro(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Parts beside their counterparts\n\nNanoseconds of CPU time for one operation, as the median of n = %d and the range, and beside it how many times Weir's. "+
		"Package `bench/peers/micro` has the benchmarks, and\ntests that all implementations give the same results.\n", r.Rounds)
	var names []string
	for _, c := range r.Micro.Cases {
		if !slices.Contains(names, c.Benchmark) {
			names = append(names, c.Benchmark)
		}
	}
	for _, name := range names {
		fmt.Fprintf(b, "\n### %s\n\n", name)
		if text := microTexts[name]; text != "" {
			fmt.Fprintf(b, "%s\n\n", text)
		}
		r.microTable(b, name)
	}
}

func (r *Report) microTable(b *strings.Builder, benchmark string) {
	var cases []*Case
	var impls []string
	for _, c := range r.Micro.Cases {
		if c.Benchmark != benchmark {
			continue
		}
		cases = append(cases, c)
		for _, i := range c.Impls {
			if !slices.Contains(impls, i.Name) {
				impls = append(impls, i.Name)
			}
		}
	}
	head, rule := []string{"work"}, []string{"---"}
	for _, impl := range impls {
		head, rule = append(head, impl), append(rule, "---:")
		if impl != "weir" {
			head, rule = append(head, impl+" / weir"), append(rule, "---:")
		}
	}
	line(b, append(head, "allocations")...)
	line(b, append(rule, "---")...)
	for _, c := range cases {
		var weir Spread
		if i := c.impl("weir"); i != nil {
			weir = spread(i.Nanoseconds)
		}
		cells := []string{strings.ReplaceAll(c.Work, "/", ", ")}
		var allocs []string
		for _, impl := range impls {
			i := c.impl(impl)
			if i == nil {
				i = &Impl{}
			}
			s := spread(i.Nanoseconds)
			cells = append(cells, s.cell())
			if impl != "weir" {
				cells = append(cells, times(s, weir))
			}
			if a := spread(i.Allocs); a.Count > 0 {
				allocs = append(allocs, fmt.Sprintf("%s %.0f", impl, a.Median))
			}
		}
		line(b, append(cells, strings.Join(allocs, ", "))...)
	}
}

// times writes how many times Weir's a number is, in bold type if it is less.
func times(s, weir Spread) string {
	ratio, ok := s.over(weir)
	switch {
	case !ok:
		return missing
	case ratio < 1:
		return "**" + format(ratio) + "**"
	}
	return format(ratio)
}
