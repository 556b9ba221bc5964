package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// judge is a method whose answers a test chooses.
type judge struct {
	expiry  time.Time
	recheck func(c *security.Credentials, previous security.Result) (security.Result, error)
	renewed security.Result
}

func (*judge) AuthenticatesImmediately() bool { return true }

func (*judge) HandlesAuthenticationMethod(string) bool { return true }

func (j *judge) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	return security.Result{Username: c.UserName, Expiry: j.expiry}, nil
}

func (j *judge) Recheck(_ context.Context, c *security.Credentials, previous security.Result) (security.Result, error) {
	return j.recheck(c, previous)
}

func (j *judge) Reauthenticate(context.Context, *security.Credentials, security.Result) (security.Result, error) {
	return j.renewed, nil
}

// connectAs connects a Client with an Authentication Method.
func connectAs(m *memoryReactor, p *port, id string) *memoryConn {
	c := m.dial(p)
	packet := codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true, HasUserName: true, UserName: []byte("u")}
	packet.Properties.SetAuthenticationMethod([]byte("M"))
	c.send(codec.AppendConnect(nil, &packet))
	m.settle()
	return c
}

// settleUntil runs the loops, and waits for goroutines, until done.
func (m *memoryReactor) settleUntil(t *testing.T, done func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for m.settle(); !done(); m.settle() {
		select {
		case <-m.signal:
		case <-time.After(time.Millisecond): // the end of a goroutine is told nobody
		case <-limit:
			t.Fatal("it has not happened in 30 seconds")
		}
	}
}

func TestRecheckThatPanicsEndsItsClientAndNoOther(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	port := &port{engine: e, name: "test"}
	port.policy.Store(newPolicy(&Listener{Authenticator: &judge{}}))
	good, bad, gone := connectAs(m, port, "good"), connectAs(m, port, "bad"), connectAs(m, port, "gone")
	port.policy.Store(newPolicy(&Listener{Authenticator: &judge{recheck: func(c *security.Credentials, previous security.Result) (security.Result, error) {
		switch c.ClientID {
		case "bad":
			panic("the method has a bug")
		case "gone":
			return security.Result{}, errors.New("revoked")
		}
		return previous, nil
	}}}))
	e.recheck(port)
	m.settleUntil(t, func() bool { return bad.closed && gone.closed })
	if good.closed {
		t.Error("a Client was disconnected because of another one")
	}
}

func TestRecheckDoesNotUndoAReauthentication(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	port := &port{engine: e, name: "test"}
	begins := m.wallClock()
	port.policy.Store(newPolicy(&Listener{Authenticator: &judge{expiry: begins.Add(time.Minute)}}))
	c := connectAs(m, port, "a")
	asked, answer := make(chan struct{}), make(chan struct{})
	port.policy.Store(newPolicy(&Listener{Authenticator: &judge{
		renewed: security.Result{Username: "u", Expiry: begins.Add(time.Hour)},
		recheck: func(_ *security.Credentials, previous security.Result) (security.Result, error) {
			close(asked)
			<-answer
			return previous, nil
		},
	}}))
	e.recheck(port)
	m.settle()
	<-asked
	auth := codec.Auth{ReasonCode: codec.ReAuthenticate}
	auth.Properties.SetAuthenticationMethod([]byte("M"))
	c.send(codec.AppendAuth(nil, &auth))
	k := c.conn.credential
	m.settleUntil(t, func() bool { return !k.renewal.pending })
	close(answer)
	e.goroutines.Wait()
	m.advance(30 * time.Minute)
	if c.closed {
		t.Error("the new credential was replaced by the one before")
	}
}

func TestRenewalKeepsNoAuthenticationData(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	port := &port{engine: e, name: "test"}
	port.policy.Store(newPolicy(&Listener{Authenticator: &judge{renewed: security.Result{Username: "u"}}}))
	c := connectAs(m, port, "a")
	auth := codec.Auth{ReasonCode: codec.ReAuthenticate}
	auth.Properties.SetAuthenticationMethod([]byte("M"))
	auth.Properties.SetAuthenticationData([]byte("a token"))
	packet := codec.AppendAuth(nil, &auth)
	c.send(append(packet, packet...))
	k := c.conn.credential
	if !k.renewal.hasNext {
		t.Fatal("the second AUTH does not wait for the first one's answer")
	}
	m.settleUntil(t, func() bool { return !k.renewal.pending && !k.renewal.hasNext })
	if cap(k.renewal.next) != 0 {
		t.Error("Authentication Data was kept after it had been judged")
	}
}
