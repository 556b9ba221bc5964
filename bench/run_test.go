//go:build linux

package bench_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// mustRun runs c, and fails the test unless all messages arrive once and in
// order. On a machine that is busy it takes as long as it needs to measure.
func mustRun(t *testing.T, c bench.Config) *bench.Result {
	t.Helper()
	r, err := bench.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages != nil && (!r.Messages.Perfect() || r.Messages.Received == 0) {
		t.Errorf("%+v", r.Messages)
	}
	if r.Operations == 0 && c.Duration < time.Minute {
		c.Duration *= 8
		return mustRun(t, c)
	}
	if r.Operations == 0 || r.Failures > 0 || r.Server == nil || r.Server.CPUSeconds <= 0 || r.Server.PeakRSS == 0 || r.Generator == nil {
		t.Errorf("%+v", r)
	}
	// What was measured may all have been sent before.
	if r.Latency != nil && (r.Latency.P50 <= 0 || r.Latency.Max < r.Latency.P999) {
		t.Errorf("latency %+v", r.Latency)
	}
	if c.Scenario != bench.Idle && len(r.Samples) == 0 {
		t.Error("there are no samples")
	}
	return r
}

func TestEveryScenarioOverEveryTransport(t *testing.T) {
	b := startBroker(t)
	for _, scenario := range bench.Scenarios {
		for _, transport := range transports {
			t.Run(fmt.Sprintf("scenario=%s/transport=%s", scenario, transport), func(t *testing.T) {
				r := mustRun(t, b.small(scenario, transport))
				if m := r.Messages; m != nil {
					fan := map[bench.Scenario]uint64{bench.FanIn: 2, bench.FanOut: 5, bench.Wild: 2}[scenario]
					if m.Received != m.Sent*max(fan, 1) {
						t.Errorf("%d sent and %d received", m.Sent, m.Received)
					}
				}
			})
		}
	}
}

func TestEveryVersionAndQoS(t *testing.T) {
	b := startBroker(t)
	for _, version := range []codec.Version{codec.V5, codec.V311} {
		for qos := range codec.QoS(3) {
			for _, window := range []int{0, 1, 7} { // 0: an open loop
				for _, scenario := range []bench.Scenario{bench.Pairs, bench.FanOut} {
					t.Run(fmt.Sprintf("version=%v/qos=%d/window=%d/scenario=%s", version, qos, window, scenario), func(t *testing.T) {
						c := b.small(scenario, bench.TCP)
						c.Version, c.QoS, c.Window = version, qos, window
						if window == 0 {
							c.Rate = 2000
						}
						mustRun(t, c)
					})
				}
			}
		}
	}
}

func TestMessagesLargerThanAReadArriveWhole(t *testing.T) {
	b := startBroker(t)
	for _, transport := range transports {
		t.Run("transport="+string(transport), func(t *testing.T) {
			c := b.small(bench.Pairs, transport)
			c.Size, c.Window = 300_000, 2
			mustRun(t, c)
		})
	}
}

func TestSessionsOutliveConnectionsAndAreDiscarded(t *testing.T) {
	b := startBroker(t)
	for _, version := range []codec.Version{codec.V5, codec.V311} {
		for _, scenario := range []bench.Scenario{bench.Pairs, bench.Idle} {
			t.Run(fmt.Sprintf("version=%v/scenario=%s", version, scenario), func(t *testing.T) {
				c := b.small(scenario, bench.TCP)
				c.Version, c.QoS, c.SessionExpiry = version, codec.QoS1, time.Hour
				mustRun(t, c)
			})
		}
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	c := startBroker(t).small(bench.Latency, bench.TCP)
	c.Rate, c.Duration = 500, time.Second
	r := mustRun(t, c)
	// One more or less for where the interval is cut.
	if r.Latency.Count < 499 || r.Latency.Count > 501 {
		t.Errorf("%d messages were to be sent in a second, want 500", r.Latency.Count)
	}
}

func TestBrokerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, scenario := range bench.Scenarios {
		_, err := bench.Run(t.Context(), bench.Config{Scenario: scenario, Broker: address})
		if !errors.As(err, new(*bench.ConnectError)) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v, want a ConnectError that names %s", scenario, err, address)
		}
	}
}

func TestBrokerThatSpeaksNoMQTT(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	for _, transport := range transports {
		_, err := bench.Run(t.Context(), bench.Config{Broker: fmt.Sprintf("%s://%s", transport, l.Addr())})
		if !errors.As(err, new(*bench.ConnectError)) {
			t.Errorf("%s: %v, want a ConnectError", transport, err)
		}
	}
}

// guard lets in who has the Password, and lets nobody publish to bench/0.
type guard struct{}

func (guard) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	if c.UserName != "device" || string(c.Password) != "opensesame" {
		return security.Result{}, &security.Denied{}
	}
	return security.Result{}, nil
}

func (guard) Authorize(_ context.Context, _ *security.Principal, a security.Action, topic string) (security.Decision, error) {
	if a == security.ActionPublish && topic == "bench/0" {
		return security.Deny, nil
	}
	return security.Allow, nil
}

func TestWhatABrokerRefuses(t *testing.T) {
	b := startGuarded(t, guard{}, guard{})
	for _, transport := range transports {
		t.Run("transport="+string(transport), func(t *testing.T) {
			c := bench.Config{
				Broker: b.urls[transport], TLS: b.client, UserName: "device", Password: []byte("opensesame"), QoS: codec.QoS1,
				Publishers: 2, Subscribers: 2, Warmup: -1, Duration: 100 * time.Millisecond, Patience: time.Minute,
			}
			r, err := bench.Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if m := r.Messages; m.Refused == 0 || m.Refusal != "Not authorized" || m.Lost+m.Duplicates+m.Reordered > 0 {
				t.Errorf("one of two Publishers may not publish: %+v", m)
			}

			c.Publishers, c.Subscribers = 1, 1
			if _, err := bench.Run(t.Context(), c); !errors.Is(err, bench.ErrStalled) {
				t.Errorf("the only Publisher may not publish: %v, want %v", err, bench.ErrStalled)
			}

			c.Password = []byte("guess")
			var refused *bench.RefusedError
			if _, err := bench.Run(t.Context(), c); !errors.As(err, &refused) || refused.Packet != codec.TypeConnack || strings.Contains(err.Error(), "guess") {
				t.Errorf("a wrong Password: %v, want a RefusedError of CONNACK without it", err)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	b := startBroker(t)
	for _, scenario := range bench.Scenarios {
		ctx, cancel := context.WithCancel(t.Context())
		c := b.small(scenario, bench.TCP)
		c.Duration = time.Hour
		c.Progress = func(bench.Sample) { cancel() }
		if scenario == bench.Idle {
			cancel() // it has no samples
		}
		if _, err := bench.Run(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", scenario, err, context.Canceled)
		}
		cancel()
	}
}

func TestCompareTakesTurns(t *testing.T) {
	b := startBroker(t)
	var peers []bench.Peer
	for _, transport := range transports[:2] {
		peers = append(peers, bench.Peer{Name: string(transport), Broker: b.urls[transport]})
	}
	var order []string
	all, err := bench.Compare(t.Context(), b.small(bench.Pairs, bench.TCP), peers, "mqtt", 2, func(r *bench.Result) {
		order = append(order, fmt.Sprint(r.Peer, r.Round))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "mqtt1 mqtts1 mqtt2 mqtts2" || len(all.Results) != 4 || all.Faults() != nil {
		t.Errorf("ran %s, with faults %v", got, all.Faults())
	}
	if _, err := bench.Compare(t.Context(), bench.Config{}, peers, "other", 1, nil); !errors.As(err, new(*bench.ConfigError)) {
		t.Errorf("a baseline that is no peer: %v", err)
	}
	if _, err := bench.Compare(t.Context(), bench.Config{}, append(peers, peers[0]), "mqtt", 1, nil); !errors.As(err, new(*bench.ConfigError)) {
		t.Errorf("two peers of one name: %v", err)
	}
}

func TestStormCountsWhatResumesATLSSession(t *testing.T) {
	c := startBroker(t).small(bench.Storm, bench.TLS)
	if r := mustRun(t, c); r.Resumed != 0 {
		t.Errorf("%d of %d resumed a session that nobody kept", r.Resumed, r.Operations)
	}
	c.TLS = c.TLS.Clone()
	c.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	// The first few have none to resume, if they are that early.
	if r := mustRun(t, c); r.Resumed == 0 || r.Resumed > r.Operations || r.Operations-r.Resumed > uint64(c.Connections) {
		t.Errorf("%d of %d resumed a session", r.Resumed, r.Operations)
	}
}
