//go:build linux

package bench_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
)

// plainBroker starts an engine with a plain port, and returns it with a run
// there.
func plainBroker(t *testing.T, s bench.Scenario, limits engine.Limits) (*engine.Engine, bench.Config) {
	t.Helper()
	e := startOptions(t, engine.Options{Limits: limits, Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
	b := &broker{urls: map[bench.Transport]string{bench.TCP: e.Addr("plain").String()}}
	return e, b.small(s, bench.TCP)
}

// Five Clients of which three are dropped each time take turns, and each comes
// back once for each time that it was dropped.
func TestReconnectDropsAndReconnectsAsOftenAsItSays(t *testing.T) {
	for _, expiry := range []time.Duration{0, time.Hour} {
		e, c := plainBroker(t, bench.Reconnect, engine.Limits{})
		c.SessionExpiry = expiry
		r := mustRun(t, c)
		for d := 4 * c.Duration; (r.Before == nil || r.Latency == nil) && d < time.Minute; d *= 4 {
			e, c = plainBroker(t, bench.Reconnect, engine.Limits{})
			c.SessionExpiry, c.Duration = expiry, d // on a machine that is busy nothing arrives in less
			r = mustRun(t, c)
		}
		if r.Operations != 9 || len(r.Storms) != 3 || r.Before == nil || r.Latency == nil || r.Server.RSSBefore == 0 {
			t.Errorf("%+v", r)
		}
		// Nobody knows what of it was for the traffic.
		if r.Server.CPUPerOperation != 0 || r.Generator.CPUPerOperation != 0 || r.Generator.CPUSeconds == 0 {
			t.Errorf("the broker has used %+v, and the generator %+v", r.Server, r.Generator)
		}
		for i, s := range r.Storms {
			if s.Seconds <= 0 || s.RSS == 0 {
				t.Errorf("storm %d: %+v", i+1, s)
			}
		}
		s, err := e.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(3 + 3 + 5 + 9)
		if expiry > 0 {
			want += 5 // to discard the Sessions of those who were dropped
		}
		if s.ConnectionsAccepted != want || s.Closed(engine.CloseConnectionLost)+s.Closed(engine.CloseSessionTakenOver) < 9 {
			t.Errorf("%d connections, want %d; ended %v", s.ConnectionsAccepted, want, s.ConnectionsClosed)
		}
	}
}

// What was published to slow Subscribers was taken, or dropped, or is in the
// broker's queues, which are short.
func TestOverloadCountsWhatTheBrokerDrops(t *testing.T) {
	for _, qos := range []codec.QoS{codec.QoS1, codec.QoS2} {
		e, c := plainBroker(t, bench.Overload, engine.Limits{Inflight: 5, QueuedMessages: 10})
		// The others' queues are as short: at this rate they last for seconds.
		c.QoS, c.Rate, c.Take, c.Duration = qos, 20, 500, 200*time.Millisecond
		r := mustRun(t, c)
		little := func() bool {
			o := r.Overload
			return o.Dropped != nil && *o.Dropped == 0 || o.Taken == 0 || r.Before == nil || r.Latency == nil
		}
		for little() && c.Duration < time.Minute {
			c.Duration *= 4 // a machine that is busy publishes less than was asked for
			r = mustRun(t, c)
		}
		o := r.Overload
		if o.Dropped == nil || *o.Dropped == 0 || o.Taken == 0 || o.Refused+o.Closed > 0 || r.Before == nil || r.Latency == nil {
			t.Fatalf("QoS %d: %+v", qos, o)
		}
		if left := int64(o.Published) - int64(o.Taken) - int64(*o.Dropped); left < 0 || left > 2*(5+10) {
			t.Errorf("QoS %d: %d messages are left: %d published, %d taken, %d dropped", qos, left, o.Published, o.Taken, *o.Dropped)
		}
		s, err := e.Stats(t.Context())
		if err != nil || s.MessagesDropped < *o.Dropped {
			t.Errorf("QoS %d: the broker counts %d, and said %d (%v)", qos, s.MessagesDropped, *o.Dropped, err)
		}
	}
}

// cutting returns the address of what passes connections on to a broker, and
// ends each that has brought its Client so many bytes.
func cutting(t *testing.T, broker string, after int64) string {
	t.Helper()
	return standIn(t, func(client net.Conn) {
		server, err := net.Dial("tcp", broker)
		if err != nil {
			return
		}
		end := func() { client.Close(); server.Close() }
		var sending sync.WaitGroup
		defer sending.Wait()
		sending.Go(func() { defer end(); io.Copy(server, client) })
		defer end()
		io.CopyN(client, server, after)
	})
}

// Slow Subscribers receive half a megabyte a second each, the others no more
// than three kilobytes, so that only those are cut off.
func TestOverloadGoesOnWhenASlowSubscriberIsCutOff(t *testing.T) {
	_, c := plainBroker(t, bench.Overload, engine.Limits{})
	c.Broker = cutting(t, c.Broker, 64<<10)
	c.Size, c.Rate, c.Take, c.Duration = 1<<10, 10, 500, 500*time.Millisecond
	r := mustRun(t, c)
	for r.Overload.Closed < 4 && c.Duration < time.Minute {
		c.Duration *= 2
		r = mustRun(t, c)
	}
	// Two connections' worth for each of two, with what is not payload: they came
	// back.
	if o := r.Overload; o.Closed < 4 || o.Taken < 4*60 {
		t.Errorf("%+v", o)
	}
}

// Nobody counts what is dropped where nobody may subscribe to it.
func TestOverloadDoesWithoutTheCountOfTheBroker(t *testing.T) {
	e := startEngine(t, engine.Listener{Name: "guarded", Address: "127.0.0.1:0", Authenticator: noSys{}, Authorizer: noSys{}})
	b := &broker{urls: map[bench.Transport]string{bench.TCP: e.Addr("guarded").String()}}
	c := b.small(bench.Overload, bench.TCP)
	r := mustRun(t, c)
	for r.Overload.Taken == 0 && c.Duration < time.Minute {
		c.Duration *= 4 // on a machine that is busy they have not had a turn yet
		r = mustRun(t, c)
	}
	if r.Overload.Dropped != nil || r.Overload.Taken == 0 {
		t.Errorf("%+v", r.Overload)
	}
}

func TestDisturbanceEndsWithItsContext(t *testing.T) {
	for _, scenario := range []bench.Scenario{bench.Reconnect, bench.Overload} {
		_, c := plainBroker(t, scenario, engine.Limits{})
		ctx, cancel := context.WithCancel(t.Context())
		c.Duration, c.Storms = 2*time.Second, 1<<10
		c.Progress = func(s bench.Sample) {
			if s.At > c.Duration.Seconds() {
				cancel() // what came before is the traffic alone
			}
		}
		if _, err := bench.Run(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", scenario, err, context.Canceled)
		}
		cancel()
	}
}

// noSys lets everybody in, and nobody subscribe to what the broker tells of
// itself.
type noSys struct{}

func (noSys) Authenticate(context.Context, *security.Credentials) (security.Result, error) {
	return security.Result{}, nil
}

func (noSys) Authorize(_ context.Context, _ *security.Principal, _ security.Action, topic string) (security.Decision, error) {
	if strings.HasPrefix(topic, "$SYS") {
		return security.Deny, nil
	}
	return security.Allow, nil
}
