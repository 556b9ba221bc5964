package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

func microseconds(d time.Duration) float64 { return float64(d) / 1e3 }

// Title is the run in a line, without the broker.
func (r *Result) Title() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, MQTT %s", r.Scenario, r.Version)
	switch {
	case r.Scenario.HasTraffic():
		fmt.Fprintf(&b, ", QoS %d, %s", r.QoS, size(r.Size))
		if r.Window > 0 {
			fmt.Fprintf(&b, ", window %d", r.Window)
		} else {
			fmt.Fprintf(&b, ", %s messages a second", number(r.Rate))
		}
		fmt.Fprintf(&b, ", %d to %d", r.Publishers, r.Subscribers)
		if r.Topics > 0 {
			fmt.Fprintf(&b, ", %d topics", r.Topics)
		}
		switch r.Scenario {
		case Reconnect:
			fmt.Fprintf(&b, ", %d of %d others dropped", r.Dropped, r.Connections)
		case Overload:
			fmt.Fprintf(&b, ", %d others at %d messages a second each, of which half is taken", r.Slow, 2*r.Take)
		}
	default:
		fmt.Fprintf(&b, ", %d at once", r.Connections)
	}
	if transport, _, err := ParseBroker(r.Broker); err == nil && transport != TCP {
		fmt.Fprintf(&b, ", %s", transport)
	}
	return b.String()
}

func size(bytes int) string {
	if bytes >= 1024 && bytes%1024 == 0 {
		return fmt.Sprintf("%d KiB", bytes/1024)
	}
	return fmt.Sprintf("%d B", bytes)
}

// WriteText writes r for people.
func (r *Result) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("run", "%s, at %s", r.Title(), r.Broker)
	switch r.Scenario {
	case Idle:
		line("connected", "%d, at %s a second", r.Operations, number(r.OperationsPerSecond))
	case Storm:
		line("throughput", "%s connects a second, %d in %.1f s", number(r.OperationsPerSecond), r.Operations, r.Seconds)
		if r.Resumed > 0 {
			line("", "%d resumed a TLS session", r.Resumed)
		}
	case Reconnect:
		r.writeStorms(line)
	case Overload:
		r.writeOverload(line)
	default:
		line("throughput", "%s messages received a second, %s sent, for %.1f s",
			number(r.OperationsPerSecond), number(r.Messages.SentPerSecond), r.Seconds)
	}
	if r.Before != nil {
		line("before", "%s", r.Before)
	}
	if r.Latency != nil {
		line("latency", "%s", r.Latency)
	}
	if m := r.Messages; m != nil {
		line("messages", "%d sent, %d received; %s", m.Sent, m.Received, m)
		if m.Refused > 0 {
			line("", "refused with %s", m.Refusal)
		}
	}
	if r.Failures > 0 {
		line("failures", "%s", r.failures())
	}
	if u := r.Server; u != nil {
		if r.Scenario == Idle {
			line("broker", "%.2f KiB a connection, RSS %.1f MiB (peak %.1f MiB), CPU %.1f ms in %.1f s", u.RSSPerOperation/1024,
				mebibytes(u.RSS), mebibytes(u.PeakRSS), u.CPUSeconds*1e3, r.Seconds)
		} else {
			if r.Before != nil {
				line("memory", "RSS %.1f MiB before, %.3f times that at the end, %.3f at most",
					mebibytes(u.RSSBefore), u.Growth(u.RSS), u.Growth(u.PeakRSS))
			}
			line("broker", "%s, RSS %.1f MiB (peak %.1f MiB)", r.cpu(u), mebibytes(u.RSS), mebibytes(u.PeakRSS))
		}
	}
	if r.Scenario != Idle {
		line("generator", "%s", r.cpu(r.Generator))
	}
	machine := r.Machine
	if percent := 100 * r.Stolen; percent >= 0.5 {
		machine += fmt.Sprintf("; %.0f %% of the time that was wanted of them was stolen: see steal in proc(5)", percent)
	}
	line("machine", "%s", machine)
	return t.Flush()
}

// cpu writes the CPU time that u is about.
func (r *Result) cpu(u *Usage) string {
	if r.Scenario == Reconnect {
		return fmt.Sprintf("CPU %.3f s", u.CPUSeconds)
	}
	return fmt.Sprintf("CPU %.3f us per %s", u.CPUPerOperation, r.Unit)
}

// writeStorms writes what is Reconnect's own.
func (r *Result) writeStorms(line func(name, format string, args ...any)) {
	line("throughput", "%s reconnects a second, %d in %d storms", number(r.OperationsPerSecond), r.Operations, len(r.Storms))
	for i, s := range r.Storms {
		memory := ""
		if s.RSS > 0 {
			memory = fmt.Sprintf(", RSS %.1f MiB after it", mebibytes(s.RSS))
		}
		line("storm", "%d: all back after %.2f s%s", i+1, s.Seconds, memory)
	}
}

// writeOverload writes what is Overload's own.
func (r *Result) writeOverload(line func(name, format string, args ...any)) {
	o := r.Overload
	line("throughput", "%s messages received a second, for %.1f s", number(r.OperationsPerSecond), r.Seconds)
	dropped := "the broker does not say how many it dropped"
	if o.Dropped != nil {
		dropped = fmt.Sprintf("%d dropped, says the broker", *o.Dropped)
	}
	line("overload", "%d published and %d taken; %s; %d refused, %d connections closed", o.Published, o.Taken, dropped, o.Refused, o.Closed)
}

func mebibytes(n uint64) float64 { return float64(n) / (1 << 20) }

// short writes a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case d < time.Millisecond:
		return number(microseconds(d)) + " us"
	case d < time.Second:
		return number(float64(d)/1e6) + " ms"
	}
	return number(d.Seconds()) + " s"
}

// number writes v with three digits before it begins to count whole ones, and
// a separator of thousands.
func number(v float64) string {
	switch {
	case v < 0:
		return "-" + number(-v)
	case v < 0.9995 && v != 0:
		return fmt.Sprintf("%.3f", v)
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// SampleHeader returns the head of the table whose lines are those of
// [Sample.Line].
func SampleHeader(s Scenario) string {
	done, sent := "received/s", "sent/s"
	if s == Storm {
		done, sent = "connects/s", ""
	}
	return fmt.Sprintf("%8s  %12s  %12s  %10s  %10s  %10s", "time", done, sent, "p50", "p99", "max")
}

// Line returns s as a line of a table.
func (s *Sample) Line() string {
	sent := ""
	if s.Sent > 0 {
		sent = number(s.Sent)
	}
	return fmt.Sprintf("%6.1f s  %12s  %12s  %10s  %10s  %10s", s.At, number(s.Operations), sent, short(s.P50), short(s.P99), short(s.Max))
}

// rows returns the comparison as a table: a line for each measure and peer.
func (c *Comparison) rows() [][]string {
	var rows [][]string
	for _, m := range Measures {
		base := c.Spread(c.Baseline, m)
		for _, peer := range c.Peers {
			s := c.Spread(peer, m)
			if s.Count == 0 || s.Max == 0 {
				continue
			}
			ratio := ""
			if base.Count > 0 && base.Median != 0 {
				ratio = fmt.Sprintf("%.3f", s.Median/base.Median)
			}
			rows = append(rows, []string{m.Name, m.Unit, peer, number(s.Median), number(s.Min) + " - " + number(s.Max), ratio})
		}
	}
	return rows
}

func (c *Comparison) head() []string {
	return []string{"measure", "unit", "broker", "median", "range", "of " + c.Baseline}
}

// WriteText writes medians, ranges and ratios to the baseline as a table, and
// what was lost, if anything was.
func (c *Comparison) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{c.head()}, c.rows()...) {
		fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return c.writeFaults(w)
}

// WriteMarkdown is WriteText in Markdown, under a line that says what was run.
func (c *Comparison) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	if len(c.Results) > 0 {
		r := c.Results[0]
		fmt.Fprintf(&b, "%s; %d rounds of %.1f s; %s\n\n", r.Title(), c.Results[len(c.Results)-1].Round, r.Seconds, r.Machine)
	}
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(c.head())
	line([]string{"---", "---", "---", "---:", "---:", "---:"})
	for _, row := range c.rows() {
		line(row)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return c.writeFaults(w)
}

func (c *Comparison) writeFaults(w io.Writer) error {
	text := "No message was lost, duplicated or reordered, and no Client failed to connect."
	if faults := c.Faults(); len(faults) > 0 {
		text = strings.Join(faults, "\n")
	}
	_, err := fmt.Fprintf(w, "\n%s\n", text)
	return err
}
