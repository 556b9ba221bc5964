package engine

import (
	"context"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

func TestOnlyAStepOfTheWallClockHasExpiriesLookedAtAgain(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	port := &port{engine: e, name: "test"}
	port.policy.Store(newPolicy(&Listener{Authenticator: expiring{m}}))
	c := m.dial(port)
	c.send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("a"), CleanStart: true, HasUserName: true, UserName: []byte("u")}))
	m.settle()
	for _, tc := range []struct {
		name    string
		step    time.Duration
		expired bool
	}{
		{"the clocks agree", 0, false},
		{"the wall clock drifts", clockStep / 2, false},
		{"it is set back", -time.Hour, false},
		{"it is set ahead", time.Hour, true},
	} {
		m.wallStep = tc.step
		e.watchClock(time.Second+tc.step, time.Second)
		m.advance(time.Second)
		if c.closed != tc.expired {
			t.Errorf("%s: closed is %v", tc.name, c.closed)
		}
	}
}

// Certificates that are to hold for ever say so by the year 9999.
func TestExpiryBeyondTheClockIsWaitedFor(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	port := &port{engine: e, name: "test"}
	port.policy.Store(newPolicy(&Listener{Authenticator: &judge{expiry: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}}))
	c := connectAs(m, port, "a")
	if next, armed := c.conn.loop.wheel.Next(); !armed || next < c.conn.loop.now+int64(365*24*time.Hour) {
		t.Errorf("the timer is due in %v", time.Duration(next-c.conn.loop.now))
	}
}

// expiring gives everyone half an hour.
type expiring struct{ m *memoryReactor }

func (expiring) AuthenticatesImmediately() bool { return true }

func (x expiring) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	return security.Result{Username: c.UserName, Expiry: x.m.wallClock().Add(30 * time.Minute)}, nil
}
