//go:build linux

package bench_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
)

const (
	// crowdSize is how many Clients connect at once.
	crowdSize = 2000
	// retryAfter is how long each of them waits when it was refused.
	retryAfter = time.Second
	// slowAnswer is the time that a server takes.
	slowAnswer = 200 * time.Millisecond
	// warmup is for how long there is traffic before a phase begins.
	warmup = time.Second
	// phaseLength is enough for a custom server to let all of them in, 64 in the
	// time of an answer, from the moment on when it is found to be up again.
	phaseLength = 10 * time.Second
)

// BenchmarkTrafficWhileClientsConnect is the latency of messages at a fixed
// rate, on a port without authentication, from when they were to be sent: alone
// (idle), and while two thousand Clients at once want to be authenticated, on the
// same loops, by a server that is slow or does not answer. Those that are refused
// come again every second. The figures are the 99th percentile of a whole phase,
// which begins as all of them come, in the median and at worst; the median and the
// worst of those of its seconds; and the median of their medians. It tells too the
// least, over the phases, of how many Clients were connected at the end and of how
// many answers they had had: a machine may keep the crowd away, and a phase without
// it shows nothing. server=none is what the crowd costs that waits for nobody.
//
// The broker is a process of its own, as are the crowd and the server, which are
// elsewhere, and the traffic, which takes processors from others if it may. The
// machine is the same, though, and two thousand Clients keep it busy: what that
// alone does to the traffic is told by "beside", when they connect to another
// broker. Seconds in which other machines had more than a thousandth of the
// processors' time do not count, nor do such phases; how many seconds do is told
// too, and -benchtime=5x -timeout=40m makes them five times as many.
func BenchmarkTrafficWhileClientsConnect(b *testing.B) {
	keepAwake(b)
	storm := []phase{{"storm", ""}}
	for _, row := range []struct {
		name   string
		method string
		server string
		phases []phase
	}{
		{"server=none/refuses=false", "everyone", "", storm},
		{"server=none/refuses=true", "nobody", "", storm},
		{"server=api/answer=200ms", "serviceAccountToken", "api", storm},
		{"server=custom/answer=200ms", "custom", "custom", storm},
		{"server=custom/down=refuses", "custom", "custom", []phase{{"down", "stop"}, {"up", "start"}}},
		{"server=custom/down=hangs", "custom", "custom", []phase{{"down", "hang"}, {"up", "answer"}}},
	} {
		b.Run(row.name, func(b *testing.B) {
			method := authentication{Method: row.method}
			var server *role
			if row.server != "" {
				server = startRole(b, roleServer, row.server, afterOthers)
				server.tell("where", &method)
			}
			var doors, others doors
			startRole(b, roleBroker, method, likeOthers).tell("where", &doors)
			startRole(b, roleBroker, method, likeOthers).tell("where", &others)
			m := measurement{
				B: b, traffic: startRole(b, roleTraffic, nil, beforeOthers.permitted(b)), figures: make(map[string]*figure),
				address: doors.Traffic,
			}
			for b.Loop() {
				m.measure("idle", "")
				for _, p := range row.phases {
					if p.begin != "" {
						server.tell(p.begin, nil)
					}
					m.measure(p.name+"-beside", others.Storm)
					m.measure(p.name, doors.Storm)
				}
			}
			m.report()
		})
	}
}

// BenchmarkTrafficWhileCredentialsExpire is the same for two thousand Clients whose
// credentials end in one moment, in the middle of the phase: all are let go of, and
// come back a second later. The worst of the seconds is that one.
func BenchmarkTrafficWhileCredentialsExpire(b *testing.B) {
	keepAwake(b)
	m := measurement{
		B: b, traffic: startRole(b, roleTraffic, nil, beforeOthers.permitted(b)), figures: make(map[string]*figure),
	}
	for b.Loop() {
		var doors doors
		broker := startRole(b, roleBroker, authentication{Method: "everyone", Expires: time.Now().Add(warmup + phaseLength/2)}, likeOthers)
		broker.tell("where", &doors)
		m.address = doors.Traffic
		m.measure("expiry", doors.Storm)
		broker.leave()
	}
	m.report()
}

// phase is a part of a run with a crowd of its own, and what the server is told
// at its beginning.
type phase struct{ name, begin string }

// measurement is the traffic, and what became of it, by the name of the phase.
type measurement struct {
	*testing.B
	traffic *role
	address string // where it goes
	figures map[string]*figure
}

type figure struct {
	p50, p99  []float64 // of each second that counts, in microseconds
	seconds   int       // all of them
	whole     []float64 // the 99th percentile of each phase that counts
	connected []float64 // at the end of each phase; none without a crowd
	answers   []float64 // that the crowd of each had
}

// mostStolen is the share of the processors' time that may be stolen in a second,
// or a phase, that counts. At a hundredth, all that the 99th percentile told might be
// what other machines did.
const mostStolen = 0.001

// measure has traffic for a phase, and a crowd come to an address as that begins,
// unless it is empty, and notes how many of them are there at the end.
func (m *measurement) measure(name, address string) {
	m.Helper()
	at := m.figures[name]
	if at == nil {
		at = new(figure)
		m.figures[name] = at
	}
	var crowd *role
	if address != "" {
		crowd = startRole(m.B, roleCrowd, address, afterOthers)
		crowd.tell("count", nil) // when it is ready
	}
	text, err := json.Marshal(traffic{name, m.address})
	if err != nil {
		m.Fatal(err)
	}
	m.traffic.tell("begin "+string(text), nil)
	if crowd != nil {
		// The load generator tells nobody when its warm-up is over, before which it
		// has connected, which takes some milliseconds.
		time.Sleep(warmup + 20*time.Millisecond)
		crowd.tell("come", nil)
	}
	var r bench.Result
	m.traffic.tell("end", &r)
	if crowd != nil {
		var there attendance
		crowd.tell("count", &there)
		crowd.leave()
		at.connected = append(at.connected, float64(there.Connected))
		at.answers = append(at.answers, float64(there.Answers))
	}
	at.add(m.B, name, &r)
}

// add notes what became of the messages of one run.
func (at *figure) add(b *testing.B, name string, r *bench.Result) {
	b.Helper()
	if !r.Messages.Perfect() {
		b.Errorf("%s: %v", name, r.Messages)
	}
	for _, s := range r.Samples {
		at.seconds++
		if s.Stolen <= mostStolen {
			at.p50 = append(at.p50, float64(s.P50.Microseconds()))
			at.p99 = append(at.p99, float64(s.P99.Microseconds()))
		}
	}
	if r.Stolen <= mostStolen {
		at.whole = append(at.whole, float64(r.Latency.P99.Microseconds()))
	}
}

func (m *measurement) report() {
	for name, at := range m.figures {
		p50, p99 := bench.SpreadOf(at.p50), bench.SpreadOf(at.p99)
		if p99.Count > 0 {
			m.ReportMetric(p50.Median, name+"-p50-us")
			m.ReportMetric(p99.Median, name+"-p99-us")
			m.ReportMetric(p99.Max, name+"-worst-p99-us")
		}
		if whole := bench.SpreadOf(at.whole); whole.Count > 0 {
			m.ReportMetric(whole.Median, name+"-whole-p99-us")
			m.ReportMetric(whole.Max, name+"-worst-whole-p99-us")
		}
		m.ReportMetric(float64(p99.Count), fmt.Sprintf("%s-seconds-of-%d", name, at.seconds))
		if at.connected != nil {
			m.ReportMetric(bench.SpreadOf(at.connected).Min, name+"-least-connected")
			m.ReportMetric(bench.SpreadOf(at.answers).Min, name+"-least-answers")
		}
	}
}
