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

// expiring gives everyone half an hour.
type expiring struct{ m *memoryReactor }

func (expiring) AuthenticatesImmediately() bool { return true }

func (x expiring) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	return security.Result{Username: c.UserName, Expiry: x.m.wallClock().Add(30 * time.Minute)}, nil
}
