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

// The loop hears of both in one turn, and of the new credential first.
func TestCredentialThatWasReplacedInTimeDoesNotExpire(t *testing.T) {
	for name, life := range map[string]time.Duration{"by one without an end": 0, "by one that lasts longer": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			e, m := newMemoryEngine(t, Options{}, 1)
			renewed := security.Result{Username: "u"}
			if life > 0 {
				renewed.Expiry = m.wallClock().Add(life)
			}
			port := &port{engine: e, name: "test"}
			port.policy.Store(newPolicy(&Listener{Authenticator: &judge{expiry: m.wallClock().Add(time.Minute), renewed: renewed}}))
			c := connectAs(m, port, "a")
			auth := codec.Auth{ReasonCode: codec.ReAuthenticate}
			auth.Properties.SetAuthenticationMethod([]byte("M"))
			c.send(codec.AppendAuth(nil, &auth))
			e.goroutines.Wait()
			m.clock += int64(time.Hour)
			m.settle()
			if c.closed {
				t.Error("it has ended with the credential before")
			}
			if armed := c.conn.credential.expiry.Armed(); armed != (life > 0) {
				t.Errorf("it is waited for: %v", armed)
			}
			m.advance(2 * time.Hour)
			if c.closed != (life > 0) {
				t.Errorf("at the end of the new one closed is %v", c.closed)
			}
		})
	}
}

// expiring gives everyone half an hour.
type expiring struct{ m *memoryReactor }

func (expiring) AuthenticatesImmediately() bool { return true }

func (x expiring) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	return security.Result{Username: c.UserName, Expiry: x.m.wallClock().Add(30 * time.Minute)}, nil
}
