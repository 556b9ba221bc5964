//go:build linux

package bench_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
)

const (
	// crowdSize is how many Clients connect at once.
	crowdSize = 2000
	// retryAfter is how long each of them waits when it was refused.
	retryAfter = time.Second
	// slowAnswer is the time that a server takes.
	slowAnswer = 200 * time.Millisecond
)

// BenchmarkTrafficWhileClientsConnect is the latency of messages at a fixed
// rate, on a port without authentication, from when they were to be sent: alone
// (idle), and while two thousand Clients at once want to be authenticated, on the
// same loops, by a server that is slow or does not answer. Those that are refused
// come again every second. Each figure is about the seconds of a phase, the one in
// which all of them come among them: the median and the worst of their 99th
// percentiles, and the median of their medians. It tells too how many of the
// Clients were connected at the end; server=none is what the crowd costs that
// waits for nobody.
//
// The broker is a process of its own, as are the crowd and the server, which are
// elsewhere. The machine is the same, though, and two thousand Clients keep it
// busy: what that alone does to the traffic is told by "beside", when they
// connect to another broker. Seconds in which other machines had more than a
// hundredth of the processors' time do not count; how many do is told too, and
// -benchtime=5x makes them five times as many.
func BenchmarkTrafficWhileClientsConnect(b *testing.B) {
	storm := []phase{{"storm", ""}}
	for _, row := range []struct {
		name   string
		length time.Duration
		method string
		server string
		phases []phase
	}{
		{"server=none/refuses=false", 5 * time.Second, "everyone", "", storm},
		{"server=none/refuses=true", 5 * time.Second, "nobody", "", storm},
		{"server=api/answer=200ms", 10 * time.Second, "serviceAccountToken", "api", storm},
		{"server=custom/answer=200ms", 8 * time.Second, "custom", "custom", storm},
		{"server=custom/down=refuses", 6 * time.Second, "custom", "custom", []phase{{"down", "stop"}, {"up", "start"}}},
		{"server=custom/down=hangs", 10 * time.Second, "custom", "custom", []phase{{"down", "hang"}, {"up", "answer"}}},
	} {
		b.Run(row.name, func(b *testing.B) {
			method := authentication{Method: row.method}
			var server *role
			if row.server != "" {
				server = startRole(b, roleServer, row.server, true)
				server.tell("where", &method)
			}
			startRole(b, roleFiller, nil, true)
			var doors, others doors
			startRole(b, roleBroker, method, false).tell("where", &doors)
			startRole(b, roleBroker, method, false).tell("where", &others)
			traffic := bench.Config{
				Scenario: bench.Latency, Broker: "mqtt://" + doors.Traffic, QoS: codec.QoS1,
				Rate: 2000, Duration: row.length,
			}
			quiet := make(figures)
			for b.Loop() {
				idle := traffic
				idle.Duration = 4 * time.Second
				quiet.measure(b, idle, "idle", 0)
				for _, p := range row.phases {
					if p.begin != "" {
						server.tell(p.begin, nil)
					}
					quiet.withCrowd(b, traffic, p.name+"-beside", others.Storm)
					quiet.withCrowd(b, traffic, p.name, doors.Storm)
				}
			}
			quiet.report(b)
		})
	}
}

// phase is a part of a run with a crowd of its own, and what the server is told
// at its beginning.
type phase struct{ name, begin string }

// figures are what was measured, by the name of the phase.
type figures map[string]*figure

type figure struct {
	p50, p99  []float64 // of each second that counts, in microseconds
	seconds   int       // all of them
	connected []float64 // at the end of each round; none without a crowd
}

// mostStolen is the share of the processors' time that may be stolen in a second
// that counts.
const mostStolen = 0.01

// withCrowd is measure while a crowd comes to an address, and notes how many of
// them were there at the end.
func (f figures) withCrowd(b *testing.B, traffic bench.Config, name, address string) {
	b.Helper()
	c := startRole(b, roleCrowd, address, true)
	// It comes when the first second is over. Who measures does not wait for it.
	begun, come := context.WithCancel(b.Context())
	traffic.Progress = func(bench.Sample) { come() }
	var coming sync.WaitGroup
	coming.Go(func() {
		<-begun.Done()
		c.tell("come", nil)
	})
	f.measure(b, traffic, name, 1)
	coming.Wait()
	var connected float64
	c.tell("count", &connected)
	c.leave()
	f[name].connected = append(f[name].connected, connected)
}

// measure notes what became of the messages of one run, but of its first seconds.
func (f figures) measure(b *testing.B, c bench.Config, name string, first int) {
	b.Helper()
	c.TopicPrefix = name
	r, err := bench.Run(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	if !r.Messages.Perfect() {
		b.Errorf("%s: %v", name, r.Messages)
	}
	if f[name] == nil {
		f[name] = new(figure)
	}
	at := f[name]
	for _, s := range r.Samples[first:] {
		at.seconds++
		if s.Stolen <= mostStolen {
			at.p50 = append(at.p50, float64(s.P50.Microseconds()))
			at.p99 = append(at.p99, float64(s.P99.Microseconds()))
		}
	}
}

func (f figures) report(b *testing.B) {
	for name, at := range f {
		p50, p99 := bench.SpreadOf(at.p50), bench.SpreadOf(at.p99)
		if p99.Count > 0 {
			b.ReportMetric(p50.Median, name+"-p50-us")
			b.ReportMetric(p99.Median, name+"-p99-us")
			b.ReportMetric(p99.Max, name+"-worst-p99-us")
		}
		b.ReportMetric(float64(p99.Count), fmt.Sprintf("%s-seconds-of-%d", name, at.seconds))
		if at.connected != nil {
			b.ReportMetric(bench.SpreadOf(at.connected).Median, name+"-connected")
		}
	}
}
