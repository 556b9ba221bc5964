package bench

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/weirmq/weir/internal/procstat"
)

// Result is what a run has measured. Durations are in nanoseconds unless a
// name says otherwise.
type Result struct {
	Peer        string   `json:"peer,omitempty"`  // the broker's name, in a comparison
	Round       int      `json:"round,omitempty"` // of a comparison, from 1
	Scenario    Scenario `json:"scenario"`
	Broker      string   `json:"broker"`
	Version     string   `json:"version"` // of MQTT
	QoS         int      `json:"qos"`
	Size        int      `json:"size,omitempty"`   // bytes of a Payload
	Window      int      `json:"window,omitempty"` // 0: an open loop
	Rate        float64  `json:"rate,omitempty"`   // messages a second to be sent; 0: a closed loop
	Publishers  int      `json:"publishers,omitempty"`
	Subscribers int      `json:"subscribers,omitempty"`
	Topics      int      `json:"topics,omitempty"`
	Connections int      `json:"connections,omitempty"`
	Dropped     int      `json:"dropped,omitempty"` // of Connections, in each storm of Reconnect
	Slow        int      `json:"slow,omitempty"`    // pairs of Overload whose Subscriber is slow
	Take        int      `json:"take,omitempty"`    // messages a second that such a Subscriber takes

	// Operations are what the scenario is about: messages received, Clients
	// that connected and disconnected (Storm), that are connected (Idle), or
	// that reconnected (Reconnect, where OperationsPerSecond is over the time
	// that they took). They and the times are those of the measurement.
	Operations          uint64  `json:"operations"`
	Unit                string  `json:"unit"` // of Operations: message, connect, connection or reconnect
	Seconds             float64 `json:"seconds"`
	OperationsPerSecond float64 `json:"operationsPerSecond,omitempty"`

	// Latency is of a message from when it was sent (open loop: to be sent)
	// until it was received; with Storm from when a Client began to connect
	// until it has CONNACK.
	Latency *LatencySummary `json:"latency,omitempty"`
	// Before is, with Reconnect and Overload, that of the traffic alone, before
	// what Latency is about began.
	Before *LatencySummary `json:"before,omitempty"`
	// Storms are those of Reconnect.
	Storms []StormRound `json:"storms,omitempty"`
	// Overload is what became of the messages that Overload is about. Messages
	// has the others'.
	Overload *OverloadCounts `json:"overload,omitempty"`
	// Messages are counted over the whole run, warm-up included.
	Messages *Messages `json:"messages,omitempty"`
	// Resumed is how many of the Operations of Storm resumed a TLS session.
	Resumed uint64 `json:"resumed,omitempty"`
	// Failures is, with Storm and Reconnect, how often a Client could not
	// connect.
	Failures uint64 `json:"failures,omitempty"`
	// Failure is the last one.
	Failure string `json:"failure,omitempty"`

	// Server is nil unless its process was given. Generator is this process.
	Server    *Usage `json:"server,omitempty"`
	Generator *Usage `json:"generator,omitempty"`

	Samples []Sample `json:"samples,omitempty"`

	Machine string `json:"machine"` // system, architecture and processors
	// Stolen is the share of the processors' time that was wanted while it was
	// measured and that a virtual machine did not get, from 0 to 1. Latencies, and
	// much of everything else, tell something of it and not of the broker.
	Stolen float64 `json:"stolen,omitempty"`

	sampled procstat.Times // when the last of Samples ended
}

// StormRound is one time that Clients reconnected.
type StormRound struct {
	Seconds float64 `json:"seconds"`       // from when they were dropped until all had SUBACK
	RSS     uint64  `json:"rss,omitempty"` // of the broker after it, in bytes
}

// OverloadCounts are the messages to Subscribers that take half of them.
type OverloadCounts struct {
	Published uint64 `json:"published"`
	Taken     uint64 `json:"taken"`
	Refused   uint64 `json:"refused"` // by the Reason Code of PUBACK or PUBREC
	Closed    uint64 `json:"closed"`  // times that the broker ended a connection
	// Dropped is how many the broker says it has dropped meanwhile, nil if it
	// says nothing.
	Dropped *uint64 `json:"dropped,omitempty"`
}

// Messages are those of a run, and what became of them.
type Messages struct {
	Sent          uint64  `json:"sent"`
	SentPerSecond float64 `json:"sentPerSecond"` // while it was measured
	// Received counts each delivery: a message that two Subscribers receive
	// counts twice.
	Received   uint64 `json:"received"`
	Lost       uint64 `json:"lost"` // deliveries that were not made
	Duplicates uint64 `json:"duplicates"`
	Reordered  uint64 `json:"reordered"` // came after one that was sent later
	Refused    uint64 `json:"refused"`   // by the Reason Code of PUBACK or PUBREC
	Refusal    string `json:"refusal,omitempty"`
	// Unacknowledged messages never got the PUBACK or PUBCOMP that they need.
	Unacknowledged uint64 `json:"unacknowledged"`
	// Unsent messages of an open loop were due, and never taken.
	Unsent  uint64 `json:"unsent"`
	Foreign uint64 `json:"foreign"` // received, and not from this run
	// Stalls counts how often a Publisher had its window back because nothing
	// that it sent arrived.
	Stalls uint64 `json:"stalls"`
}

// Add adds what o has counted, but for the rate.
func (m *Messages) Add(o *Messages) {
	m.Sent += o.Sent
	m.Received += o.Received
	m.Lost += o.Lost
	m.Duplicates += o.Duplicates
	m.Reordered += o.Reordered
	m.Refused += o.Refused
	m.Unacknowledged += o.Unacknowledged
	m.Unsent += o.Unsent
	m.Foreign += o.Foreign
	m.Stalls += o.Stalls
}

// Perfect reports whether every message arrived once and in order.
func (m *Messages) Perfect() bool {
	return m.Lost+m.Duplicates+m.Reordered+m.Refused+m.Unacknowledged+m.Unsent+m.Foreign+m.Stalls == 0
}

// String lists what is not perfect.
func (m *Messages) String() string {
	var parts []string
	for _, part := range []struct {
		count uint64
		name  string
	}{
		{m.Lost, "lost"}, {m.Duplicates, "duplicated"}, {m.Reordered, "reordered"}, {m.Refused, "refused"},
		{m.Unacknowledged, "unacknowledged"}, {m.Unsent, "unsent"}, {m.Foreign, "foreign"}, {m.Stalls, "stalls"},
	} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.name))
		}
	}
	if len(parts) == 0 {
		return "none lost, duplicated or reordered"
	}
	return strings.Join(parts, ", ")
}

// LatencySummary is a Histogram in short.
type LatencySummary struct {
	Count uint64        `json:"count"`
	Mean  time.Duration `json:"mean"`
	P50   time.Duration `json:"p50"`
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	P999  time.Duration `json:"p999"`
	P9999 time.Duration `json:"p9999"`
	Max   time.Duration `json:"max"`
}

// String is l in a line.
func (l *LatencySummary) String() string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", short(l.P50), short(l.P90), short(l.P99), short(l.P999), short(l.Max))
}

// summarize returns h in short, or nil if it is empty.
func summarize(h *Histogram) *LatencySummary {
	if h.Count() == 0 {
		return nil
	}
	return &LatencySummary{
		Count: h.Count(), Mean: h.Mean(), Max: h.Max(),
		P50: h.Quantile(0.5), P90: h.Quantile(0.9), P99: h.Quantile(0.99), P999: h.Quantile(0.999), P9999: h.Quantile(0.9999),
	}
}

// Usage is what a process used while it was measured.
type Usage struct {
	CPUSeconds float64 `json:"cpuSeconds"`
	// CPUPerOperation is in microseconds. Reconnect has none: its traffic, which
	// goes on meanwhile, has its part in CPUSeconds.
	CPUPerOperation float64 `json:"cpuPerOperation,omitempty"`
	// RSS is the physical memory in bytes at the end of the measurement,
	// RSSBefore at its beginning (Idle: before anybody connected; Reconnect and
	// Overload: after the traffic was measured alone), and PeakRSS
	// the most since the process started.
	RSSBefore uint64 `json:"rssBefore"`
	RSS       uint64 `json:"rss"`
	PeakRSS   uint64 `json:"peakRSS"`
	// RSSPerOperation is, with Idle, what a connection adds, in bytes.
	RSSPerOperation float64 `json:"rssPerOperation,omitempty"`
}

func usageBetween(from, to usage) *Usage {
	return &Usage{CPUSeconds: (to.cpu - from.cpu).Seconds(), RSSBefore: from.rss, RSS: to.rss, PeakRSS: to.peak}
}

// Growth returns how many times RSSBefore so many bytes are.
func (u *Usage) Growth(bytes uint64) float64 { return float64(bytes) / float64(max(u.RSSBefore, 1)) }

// divide shares the CPU time out to r's Operations.
func (r *Result) divide() {
	if r.Scenario == Reconnect || r.Operations == 0 {
		return
	}
	for _, u := range []*Usage{r.Server, r.Generator} {
		if u != nil {
			u.CPUPerOperation = u.CPUSeconds * 1e6 / float64(r.Operations)
		}
	}
}

// count puts other Operations in the place of r's, which took so long.
func (r *Result) count(operations uint64, took time.Duration) {
	r.Operations = operations
	r.OperationsPerSecond = float64(operations) / took.Seconds()
	r.divide()
}

// Sample is one second of a run.
type Sample struct {
	// At is when it ended, in seconds from the beginning of the measurement.
	At float64 `json:"at"`
	// Operations is how many a second there were.
	Operations float64       `json:"operations"`
	Sent       float64       `json:"sent,omitempty"` // messages a second
	P50        time.Duration `json:"p50"`
	P99        time.Duration `json:"p99"`
	Max        time.Duration `json:"max"`
	// Stolen is as in Result.
	Stolen float64 `json:"stolen,omitempty"`
}

func newResult(c *Config) *Result {
	r := &Result{
		Scenario: c.Scenario, Broker: c.Broker, Version: c.Version.String(), QoS: int(c.QoS),
		Machine: fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		sampled: procstat.Read(),
	}
	switch c.Scenario {
	case Storm:
		r.Unit, r.Connections = "connect", c.Connections
	case Idle:
		r.Unit, r.Connections = "connection", c.Connections
	default:
		r.Unit, r.Size, r.Window, r.Rate = "message", c.Size, c.Window, c.Rate
		r.Publishers, r.Subscribers, r.Topics = c.Publishers, c.Subscribers, c.Topics
		r.Slow, r.Take = c.Slow, c.Take
		if c.Scenario == Reconnect {
			r.Unit, r.Connections, r.Dropped = "reconnect", c.Connections, c.Dropped
		}
	}
	return r
}

// add appends a Sample of h, which it moves to total, and tells Progress.
func (r *Result) add(c *Config, s Sample, h, total *Histogram) {
	s.P50, s.P99, s.Max = h.Quantile(0.5), h.Quantile(0.99), h.Max()
	now := procstat.Read()
	s.Stolen, r.sampled = stolenBetween(r.sampled, now), now
	total.Merge(h)
	h.Reset()
	r.Samples = append(r.Samples, s)
	if c.Progress != nil {
		c.Progress(s)
	}
}

// sample adds what t has counted in so many seconds.
func (r *Result) sample(t *traffic, seconds float64, arrived, sent uint64) {
	r.add(&t.config, Sample{
		At:         float64(t.clock()-t.began) / 1e9,
		Operations: float64(arrived) / seconds,
		Sent:       float64(sent) / seconds,
	}, &t.second, &t.latency)
}
