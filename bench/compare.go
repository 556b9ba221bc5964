package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Peer is a broker in a comparison.
type Peer struct {
	Name   string
	Broker string // as in Config
	PID    int    // as in Config
}

// Comparison is what brokers made of the same Config, in turns.
type Comparison struct {
	Baseline string    `json:"baseline"` // the Peer that the others are compared with
	Peers    []string  `json:"peers"`    // in order
	Results  []*Result `json:"results"`  // of all rounds, in the order they were run
}

// Compare runs c against each of the peers in turn, and that as often as
// rounds says, so that what changes on the machine meanwhile happens to all of
// them. c's Broker and PID are the peers'. baseline is the name of one of them.
// done, if not nil, is called after each run. Errors are those of Run, and name
// the peer; what was measured before is returned with them.
func Compare(ctx context.Context, c Config, peers []Peer, baseline string, rounds int, done func(*Result)) (*Comparison, error) {
	all := &Comparison{Baseline: baseline}
	for _, p := range peers {
		if slices.Contains(all.Peers, p.Name) {
			return all, configError("Peer", "the name %q is used twice", p.Name)
		}
		all.Peers = append(all.Peers, p.Name)
	}
	if !slices.Contains(all.Peers, baseline) {
		return all, configError("Baseline", "%q is none of the peers: %v", baseline, all.Peers)
	}
	for round := range rounds {
		for _, p := range peers {
			c.Broker, c.PID = p.Broker, p.PID
			r, err := Run(ctx, c)
			if err != nil {
				return all, fmt.Errorf("%s, round %d: %w", p.Name, round+1, err)
			}
			r.Peer, r.Round = p.Name, round+1
			all.Results = append(all.Results, r)
			if done != nil {
				done(r)
			}
		}
	}
	return all, nil
}

// Measure is a number that a Result has, to compare brokers by.
type Measure struct {
	Name string
	Unit string
	// Of returns the number, or false if the Result has none.
	Of func(*Result) (float64, bool)
}

// Measures are those that a Comparison shows, the most telling first.
var Measures = []Measure{
	{"broker CPU", "us/op", func(r *Result) (float64, bool) {
		if r.Server == nil || r.Scenario == Idle || r.Scenario == Reconnect {
			return 0, false
		}
		return r.Server.CPUPerOperation, true
	}},
	{"memory", "KiB/connection", func(r *Result) (float64, bool) {
		if r.Server == nil || r.Scenario != Idle {
			return 0, false
		}
		return r.Server.RSSPerOperation / 1024, true
	}},
	{"throughput", "op/s", func(r *Result) (float64, bool) { return r.OperationsPerSecond, true }},
	{"p50", "us", latencyMeasure(func(l *LatencySummary) float64 { return microseconds(l.P50) })},
	{"p99", "us", latencyMeasure(func(l *LatencySummary) float64 { return microseconds(l.P99) })},
	{"p99.9", "us", latencyMeasure(func(l *LatencySummary) float64 { return microseconds(l.P999) })},
	{"time stolen", "%", func(r *Result) (float64, bool) { return 100 * r.Stolen, true }},
	{"peak RSS", "MiB", func(r *Result) (float64, bool) {
		if r.Server == nil {
			return 0, false
		}
		return float64(r.Server.PeakRSS) / (1 << 20), true
	}},
}

func latencyMeasure(of func(*LatencySummary) float64) func(*Result) (float64, bool) {
	return func(r *Result) (float64, bool) {
		if r.Latency == nil {
			return 0, false
		}
		return of(r.Latency), true
	}
}

// Spread is how a number came out over the rounds.
type Spread struct {
	Median, Min, Max float64
	Count            int // 0: it is not known
}

// Spread returns how the results of a peer came out by m.
func (c *Comparison) Spread(peer string, m Measure) Spread {
	var values []float64
	for _, r := range c.Results {
		if r.Peer != peer {
			continue
		}
		if v, ok := m.Of(r); ok {
			values = append(values, v)
		}
	}
	return SpreadOf(values)
}

// SpreadOf returns how values came out. It sorts them.
func SpreadOf(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(values)
	return Spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1], Count: n}
}

// Faults describes, for each run that was not perfect, what became of its
// messages.
func (c *Comparison) Faults() (faults []string) {
	for _, r := range c.Results {
		if text := r.faults(); text != "" {
			faults = append(faults, fmt.Sprintf("%s, round %d: %s", r.Peer, r.Round, text))
		}
	}
	return faults
}

// faults is what went wrong without ending the run, or "".
func (r *Result) faults() string {
	var parts []string
	if r.Messages != nil && !r.Messages.Perfect() {
		parts = append(parts, r.Messages.String())
	}
	if r.Failures > 0 {
		parts = append(parts, r.failures())
	}
	return strings.Join(parts, "; ")
}

func (r *Result) failures() string {
	return fmt.Sprintf("%d attempts to connect failed, the last one because: %s", r.Failures, r.Failure)
}
