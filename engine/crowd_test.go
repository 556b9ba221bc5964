package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

func TestCrowdTakesTurnsOneByOneWhileThereAreMessages(t *testing.T) {
	v := newVisiting(t)
	check := func(when string, want int) {
		t.Helper()
		for _, c := range []*memoryConn{v.publisher, v.subscriber} {
			c.conn.loop.begin()
			if got := c.conn.loop.crowd(); got != want {
				t.Errorf("%s: %d, want %d", when, got, want)
			}
			c.conn.loop.end()
		}
	}
	v.m.advance(messagesFollow)
	check("after CONNECT and SUBSCRIBE", maxCrowd)
	v.publish("1")
	v.want("1")
	check("after a message", 1)
	v.m.advance(messagesFollow)
	check("after a while", maxCrowd)
	v.m.apart = true
	v.publish("2")
	v.want("2")
	check("after one that came by mail", 1)
}

// Whoever stays is served between those of a crowd that has to go, whatever for.
func TestCrowdThatHasToGoTakesManyTurns(t *testing.T) {
	const crowd = 10 * maxCrowd
	revoked := &judge{recheck: func(*security.Credentials, security.Result) (security.Result, error) {
		return security.Result{}, errors.New("revoked")
	}}
	change := func(e *Engine, p *port, l Listener) {
		p.onChange.Store(uint32(l.OnPolicyChange))
		p.policy.Store(newPolicy(&l))
		e.recheck(p)
	}
	for _, row := range []struct {
		name   string
		before func(m *memoryReactor) security.Authenticator
		after  func(e *Engine, m *memoryReactor, p *port)
		reason CloseReason
	}{
		{"their credentials expire together",
			func(m *memoryReactor) security.Authenticator { return expiring{m} },
			func(_ *Engine, m *memoryReactor, _ *port) { m.clock += int64(time.Hour) }, CloseCredentialExpired},
		{"they are revoked together",
			func(*memoryReactor) security.Authenticator { return &judge{} },
			func(e *Engine, _ *memoryReactor, p *port) { change(e, p, Listener{Authenticator: revoked}) }, CloseNotAuthenticated},
		{"the policy changes, which disconnects",
			func(*memoryReactor) security.Authenticator { return &judge{} },
			func(e *Engine, _ *memoryReactor, p *port) { change(e, p, Listener{OnPolicyChange: Disconnect}) }, ClosePolicyChanged},
		{"the port demands authentication",
			func(*memoryReactor) security.Authenticator { return nil },
			func(e *Engine, _ *memoryReactor, p *port) { change(e, p, Listener{Authenticator: &judge{}}) }, ClosePolicyChanged},
		{"the port is removed",
			func(*memoryReactor) security.Authenticator { return nil },
			func(e *Engine, _ *memoryReactor, p *port) {
				for _, l := range e.loops {
					l.post(func(l *loop) { l.closePort(p) })
				}
			}, CloseListenerRemoved},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, m := newMemoryEngine(t, Options{}, 1)
			port := &port{engine: e, name: "test"}
			port.policy.Store(newPolicy(&Listener{Authenticator: row.before(m)}))
			l := e.loops[0]
			var clients []*memoryConn
			for i := range crowd {
				clients = append(clients, m.dial(port))
				clients[i].send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: fmt.Append(nil, i), CleanStart: true, HasUserName: true, UserName: []byte("u")}))
			}
			if l.stats.ConnectionsAccepted != crowd {
				t.Fatalf("%d are connected", l.stats.ConnectionsAccepted)
			}
			row.after(e, m, port)
			for l.conns.len > 0 {
				e.goroutines.Wait()
				if m.runnable() == 0 {
					t.Fatalf("%d stay", l.conns.len)
				}
				before := l.conns.len
				m.runOne(0)
				n := before - l.conns.len
				if n > maxCrowd {
					t.Errorf("%d go in one turn, want %d at most", n, maxCrowd)
				}
				for i := 0; n > 0 && i < crowd; i++ {
					clients[i].send(codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte("a")}))
				}
			}
			if n := l.stats.PublishesReceived; n > 0 {
				t.Errorf("%d messages were taken from those who have to go", n)
			}
			if n := l.stats.ConnectionsClosed[row.reason]; n != crowd {
				t.Errorf("%d went because of %v", n, row.reason)
			}
		})
	}
}

// Its loop closes the connections of the port: on another one it would be out of
// reach.
func TestConnectionOfARemovedPortIsNotMoved(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 2)
	port := &port{engine: e, name: "test"}
	port.policy.Store(newPolicy(&Listener{Authenticator: slow{}}))
	connect := func(loop int) *memoryConn {
		m.nextTo = loop
		c := m.dial(port)
		packet := codec.Connect{Version: codec.V5, ClientID: []byte("a")}
		packet.Properties.SetSessionExpiryInterval(60)
		c.send(codec.AppendConnect(nil, &packet))
		e.goroutines.Wait() // it is authenticated, which the loop has not heard
		return c
	}
	first := connect(1)
	m.settle()
	first.drop()
	c := connect(0)
	l := e.loops[0]
	l.lastMessage = m.clock // from now on there is one of each kind in a turn
	l.post(func(l *loop) { l.closePort(port) })
	m.settle()
	if n := l.stats.ConnectionsMoved; n > 0 || l.stats.ConnectionsClosed[CloseListenerRemoved] != 1 || !c.closed {
		t.Errorf("%d moved, %d closed with the port, closed is %v", n, l.stats.ConnectionsClosed[CloseListenerRemoved], c.closed)
	}
}

// slow lets everyone in, on a goroutine.
type slow struct{}

func (slow) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	return security.Result{Username: c.UserName}, nil
}

// It is not taken for one that does not read, which would be told to the operator.
func TestWhoHasToGoIsNotConnectedForAMessage(t *testing.T) {
	v := newVisiting(t)
	c := v.subscriber.conn
	l := c.loop
	l.begin()
	c.dismiss(codec.Success, CloseCredentialExpired, "")
	l.end()
	v.publish("1")
	if n := l.stats.DroppedFor[DropNotConnected]; n != 1 || l.stats.MessagesDropped != 1 || c.state != stateClosing {
		t.Errorf("%d of %d messages were dropped as not connected, state %d", n, l.stats.MessagesDropped, c.state)
	}
	v.want("")
	if !v.subscriber.closed {
		t.Error("it is still there")
	}
}
