package peers

import (
	"fmt"
	"strings"

	"github.com/weirmq/weir/bench"
)

// loops writes the section of Loops, with a column for each number of them.
func (r *Report) loops(b *strings.Builder, results []*Result) {
	columns := r.columns(results)
	head, rule := []string{"row"}, []string{"---"}
	for _, peer := range columns {
		head, rule = append(head, peer, "a second", "GC"), append(rule, "---:", "---:", "---:")
	}
	line(b, append(head, "stolen", "faults")...)
	line(b, append(rule, "---:", "---:")...)
	rate := func(m *bench.Result) float64 { return m.OperationsPerSecond }
	for _, result := range results {
		cells := []string{strings.TrimPrefix(result.Row.Name, "loops: ")}
		for _, peer := range columns {
			cells = append(cells, result.spread(peer, Loops.value).cell(), result.spread(peer, rate).cell(), result.collecting(peer))
		}
		line(b, append(cells, result.stolen(), result.faults())...)
	}
}

func mebibytes(n uint64) string { return format(float64(n) / (1 << 20)) }

// beside writes what both p50, p99 and the most were before and during.
func beside(m *bench.Result) []string {
	pair := func(of func(*bench.LatencySummary) float64) string {
		return format(of(m.Before)) + " → " + format(of(m.Latency))
	}
	return []string{
		pair(func(q *bench.LatencySummary) float64 { return milliseconds(q.P50) }),
		pair(func(q *bench.LatencySummary) float64 { return milliseconds(q.P99) }),
		pair(func(q *bench.LatencySummary) float64 { return milliseconds(q.Max) }),
	}
}

// storms writes the section of Storm, with a line for each Peer.
func (r *Report) storms(b *strings.Builder, results []*Result) {
	line(b, "row", "broker", "all back after, s", "RSS before, MiB", "after each storm", "after / before", "p50, ms", "p99", "max", "GC", "stolen", "faults")
	line(b, "---", "---", "---:", "---:", "---:", "---", "---:", "---:", "---:", "---:", "---:", "---:")
	r.each(results, func(result *Result, peer string, m *bench.Result) {
		var seconds []float64
		var memory []string
		for _, s := range m.Storms {
			seconds = append(seconds, s.Seconds)
			memory = append(memory, mebibytes(s.RSS))
		}
		cells := []string{strings.TrimPrefix(result.Row.Name, "storm: "), peer, spread(seconds).cell(), mebibytes(m.Server.RSSBefore), strings.Join(memory, ", "), share(Storm.value(m))}
		cells = append(cells, beside(m)...)
		line(b, append(cells, result.collecting(peer), result.stolenFrom(peer), result.faultsOf(peer))...)
	})
}

// overloads writes the section of Overload, with a line for each Peer.
func (r *Report) overloads(b *strings.Builder, results []*Result) {
	line(b, "row", "broker", "RSS before, MiB", "at most", "published", "taken", "dropped", "refused", "closed", "p50, ms", "p99", "max", "GC", "stolen", "faults")
	line(b, "---", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:")
	r.each(results, func(result *Result, peer string, m *bench.Result) {
		o := m.Overload
		dropped := missing
		if o.Dropped != nil {
			dropped = fmt.Sprint(*o.Dropped)
		}
		cells := []string{strings.TrimPrefix(result.Row.Name, "overload: "), peer, mebibytes(m.Server.RSSBefore), mebibytes(m.Server.PeakRSS),
			fmt.Sprint(o.Published), fmt.Sprint(o.Taken), dropped, fmt.Sprint(o.Refused), fmt.Sprint(o.Closed)}
		cells = append(cells, beside(m)...)
		line(b, append(cells, result.collecting(peer), result.stolenFrom(peer), result.faultsOf(peer))...)
	})
}

// each calls f for what each Peer did in each row.
func (r *Report) each(results []*Result, f func(*Result, string, *bench.Result)) {
	for _, result := range results {
		for _, peer := range r.Peers {
			for i := range result.Measured[peer] {
				f(result, peer, &result.Measured[peer][i])
			}
		}
	}
}
