package peers

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/bench"
)

// Report is a whole run, ready to be written.
type Report struct {
	Environment Environment
	Rounds      int
	Duration    time.Duration
	Warmup      time.Duration
	Took        time.Duration // the whole run
	Peers       []string      // the columns, in order
	Results     []*Result
	Micro       *GoBench // nil: not run
}

// sections are the tables of the report, each with what its numbers are.
var sections = []struct {
	kind        Kind
	title, text string
}{
	{PerMessage, "CPU per delivered message", "Microseconds of the broker's CPU time for each message that a Subscriber received. `w32`: 32 messages of each Publisher are on\ntheir way at any time; `w1`: one, so that each message comes alone."},
	{PerConnect, "CPU per connect and disconnect", "Microseconds of the broker's CPU time, eight Clients at a time. TLS handshakes are full ones with X25519,\nunless they are said to resume a session, which in TLS 1.3 takes a ticket and the key exchange as well, or to use X25519MLKEM768, which\nClients that have it prefer and not every broker has."},
	{PerConnection, "Memory per idle connection", "KiB of resident memory that each connection adds."},
	{Latency, "Latency at a fixed rate", "Milliseconds from when a message was to be sent until it was received. The generator shares the cores with the broker."},
	{Loops, "Event loops", "Weir alone, with one event loop and with two: microseconds of CPU time for each delivered message, and how many a second arrive. The\ngenerator, which is one thread, shares the cores with the loops."},
	{Storm, "Reconnect storm", "Clients with a Subscription each are silent, and a third of them is dropped and reconnects at once, over and over, while 10 pairs go on at 1,000\nmessages a second. Before is when those pairs were alone with Clients that were connected and silent. The generator shares the\ncores, and what it is late with itself is counted too: compare the brokers. Measured once."},
	{Overload, "Overload", "Subscribers take 200 messages a second each, of twice as many that are published to them, while 10 other pairs go on at 1,000 messages a second.\nEach broker bounds the queue of a Session as it comes; in Weir these are `Inflight` and `QueuedMessages`, see [limits.md](limits.md).\nWhat is dropped the brokers count themselves. Measured once."},
}

// Markdown writes the report.
func (r *Report) Markdown() string {
	var b strings.Builder
	r.preface(&b)
	for _, s := range sections {
		var results []*Result
		for _, result := range r.Results {
			if result.Row.Kind == s.kind {
				results = append(results, result)
			}
		}
		if len(results) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.title, s.text)
		switch s.kind {
		case Latency:
			r.latencies(&b, results)
		case Loops:
			r.loops(&b, results)
		case Storm:
			r.storms(&b, results)
		case Overload:
			r.overloads(&b, results)
		default:
			r.table(&b, results)
		}
		r.notes(&b, results)
	}
	if r.Micro != nil {
		r.micro(&b)
	}
	return b.String()
}

func (r *Report) preface(b *strings.Builder) {
	e := &r.Environment
	fmt.Fprintf(b, `# Benchmarks

Written by `+"`make bench-peers`"+` on %s, from commit %s, in %d minutes; do not edit. All brokers and the load generator share one machine, over
loopback: the CPU time that a broker takes for a message tells something there, and how many messages a second it manages does
not. Each row starts all brokers afresh, each with the configuration it comes with but for ports, certificates, rules, and a
queue that is long enough, for which mosquitto has `+"`max_queued_messages 0` and `max_inflight_messages 1000`"+`; without persistence, as far as they
can do without; and without a log. They are measured in turns, for %s each time after %s of warm-up, in MQTT 3.1.1, which
all of them speak. Cells are the median of n = %d, and the range. The floor is a program that forwards bytes and knows no MQTT: what
the system calls alone cost. %s stands where a broker has no such feature, or where nothing was measured; a ratio in bold type
misses its aim. GC is the share of garbage collection in all the CPU time that Weir's process took, from its start to its end, as Go's
runtime counts it, which is rather too much than too little. Stolen is the share of the processors' time that something wanted and a virtual
machine did not get: a turn with more than %.0f %% of that was made again up to %d times, as long as there was patience, whatever its outcome; the
quietest counts. Faults are messages that were lost, duplicated or reordered, and
whatever else should not have been.

| | |
| --- | --- |
| Processor | %s, %d cores |
| Memory | %s |
| Kernel | %s |
| Go | %s |
`, e.Date, e.Commit, int(math.Round(r.Took.Minutes())), r.Duration, r.Warmup, r.Rounds, missing, 100*mostStolen, mostTries-1, e.CPU, e.Cores, e.Memory, e.Kernel, e.Go)
	names := make([]string, 0, len(e.Versions))
	for name := range e.Versions {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(b, "| %s | %s |\n", name, e.Versions[name])
	}
}

// spread returns how a Peer's numbers of a row came out.
func (r *Result) spread(peer string, value func(*bench.Result) float64) Spread {
	var values []float64
	for i := range r.Measured[peer] {
		values = append(values, value(&r.Measured[peer][i]))
	}
	return spread(values)
}

// line writes a line of a table.
func line(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// table writes a section with a column for each Peer.
func (r *Report) table(b *strings.Builder, results []*Result) {
	columns := r.columns(results)
	head := append([]string{"row"}, columns...)
	head = append(head, "Weir / "+Baseline, "aim", "GC", "stolen", "faults")
	line(b, head...)
	line(b, append([]string{"---"}, slices.Repeat([]string{"---:"}, len(head)-1)...)...)
	for _, result := range results {
		kind := result.Row.Kind
		cells := []string{result.Row.Name}
		for _, peer := range columns {
			cells = append(cells, result.spread(peer, kind.value).cell())
		}
		ratio, ok := result.spread("weir", kind.value).over(result.spread(Baseline, kind.value))
		line(b, append(cells, verdict(ratio, ok, result.Row.Aim), aim(result.Row.Aim), result.collecting("weir"), result.stolen(), result.faults())...)
	}
}

// columns returns the Peers that some of the results have in a table for all.
func (r *Report) columns(results []*Result) (names []string) {
	for _, p := range Peers {
		serves := func(result *Result) bool { return (p.Loops > 0) == (result.Row.Kind == Loops) }
		if slices.Contains(r.Peers, p.Name) && slices.ContainsFunc(results, serves) {
			names = append(names, p.Name)
		}
	}
	return names
}

// aim writes one, if there is one.
func aim(v float64) string {
	if v == 0 {
		return missing
	}
	return "≤ " + share(v)
}

// collecting writes the share of garbage collection in what a Peer has spent.
func (r *Result) collecting(peer string) string {
	s := r.Spent[peer]
	if s.CPU == 0 || peer == Baseline { // which is C
		return missing
	}
	return fmt.Sprintf("%.1f %%", 100*float64(s.GC)/float64(s.CPU))
}

// stolen writes the share of the processors' time that was stolen while any of
// the Peers had their turns.
func (r *Result) stolen() string {
	var shares []float64
	for _, measured := range r.Measured {
		for i := range measured {
			shares = append(shares, 100*measured[i].Stolen)
		}
	}
	return percent(spread(shares))
}

// stolenFrom is stolen for one of them.
func (r *Result) stolenFrom(peer string) string {
	return percent(r.spread(peer, func(m *bench.Result) float64 { return 100 * m.Stolen }))
}

// latencies writes a section with a line for each Peer.
func (r *Report) latencies(b *strings.Builder, results []*Result) {
	line(b, "row", "broker", "p50", "p99", "p99.9", "p99 / "+Baseline, "p99.9 / "+Baseline, "GC", "stolen", "faults")
	line(b, "---", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:")
	p50 := func(m *bench.Result) float64 { return milliseconds(m.Latency.P50) }
	p99 := func(m *bench.Result) float64 { return milliseconds(m.Latency.P99) }
	p999 := func(m *bench.Result) float64 { return milliseconds(m.Latency.P999) }
	for _, result := range results {
		for _, peer := range r.Peers {
			if len(result.Measured[peer]) == 0 {
				continue
			}
			cells := []string{result.Row.Name, peer}
			for _, value := range []func(*bench.Result) float64{p50, p99, p999} {
				cells = append(cells, result.spread(peer, value).cell())
			}
			for _, value := range []func(*bench.Result) float64{p99, p999} {
				ratio, ok := result.spread(peer, value).over(result.spread(Baseline, value))
				aim := result.Row.Aim
				if peer != "weir" {
					aim = 0
				}
				cells = append(cells, verdict(ratio, ok, aim))
			}
			gc := missing
			if peer == "weir" {
				gc = result.collecting(peer)
			}
			line(b, append(cells, gc, result.stolenFrom(peer), result.faultsOf(peer))...)
		}
	}
}

// share writes a ratio.
func share(v float64) string { return fmt.Sprintf("%.3f", v) }

// verdict writes a ratio, in bold type if it misses the aim, if there is one.
func verdict(ratio float64, ok bool, aim float64) string {
	switch {
	case !ok:
		return missing
	case aim > 0 && math.Round(ratio*1000) > math.Round(aim*1000): // as it is written
		return "**" + share(ratio) + "**"
	}
	return share(ratio)
}

// Faults describes, for each row in which a Peer did with messages what it should
// not, what that was.
func (r *Report) Faults(peer string) (faults []string) {
	for _, result := range r.Results {
		if text := result.faultsOf(peer); text != noFaults {
			faults = append(faults, result.Row.Name+": "+text)
		}
	}
	return faults
}

// noFaults is what stands where all was as it should be.
const noFaults = "0"

// faults says what all Peers together did with messages that they should not.
func (r *Result) faults() string {
	var parts []string
	for _, p := range Peers {
		if text := r.faultsOf(p.Name); text != noFaults {
			parts = append(parts, p.Name+": "+text)
		}
	}
	if len(parts) == 0 {
		return noFaults
	}
	return strings.Join(parts, "; ")
}

// faultsOf counts what was lost, duplicated, reordered, or otherwise not as it
// should be, over all rounds.
func (r *Result) faultsOf(peer string) string {
	var messages bench.Messages
	var failures uint64
	for _, m := range slices.Concat(r.Measured[peer], r.Disturbed[peer]) {
		if m.Messages != nil {
			messages.Add(m.Messages)
		}
		failures += m.Failures
	}
	var parts []string
	if !messages.Perfect() {
		parts = append(parts, messages.String())
	}
	if failures > 0 {
		parts = append(parts, fmt.Sprintf("%d failed connects", failures))
	}
	if len(parts) == 0 {
		return noFaults
	}
	return strings.Join(parts, ", ")
}

// notes writes why numbers are missing.
func (r *Report) notes(b *strings.Builder, results []*Result) {
	first := true
	for _, result := range results {
		for _, peer := range r.Peers {
			err := result.Failed[peer]
			if err == nil {
				continue
			}
			if first {
				b.WriteString("\n")
				first = false
			}
			fmt.Fprintf(b, "* %s, %s: %s\n", peer, result.Row.Name, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
}
