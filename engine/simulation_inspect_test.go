package engine

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/weirmq/weir/codec"
)

// simChecks passes what checkEngine finds on to the model.
type simChecks struct {
	testing.TB
	model *simModel
}

func (c simChecks) Helper() {}

func (c simChecks) Error(args ...any) { c.model.fail("%v", args) }

func (c simChecks) Errorf(format string, args ...any) { c.model.fail(format, args...) }

// checkEngine looks at what the engine holds while nothing is under way.
func (s *simulation) checkEngine() {
	checkEngine(simChecks{s.t, s.model}, s.e)
	holders := map[*message]int32{}
	hold := func(m *message) {
		if m != nil && !m.unpooled {
			holders[m]++
		}
	}
	for _, l := range s.e.loops {
		if !l.inbox.empty() || l.inbox.depth.Load() != 0 {
			s.model.fail("loop %d: %d deliveries are left in the mailbox", l.index, l.inbox.depth.Load())
		}
		if l.stats.Panics > 0 {
			s.model.fail("loop %d: %d panics", l.index, l.stats.Panics)
		}
		for _, session := range l.sessions {
			for i := range session.inTransit().queue.len {
				q := &session.inTransit().queue
				hold(q.ring[(q.head+i)&(len(q.ring)-1)].msg)
			}
			for i := range session.inTransit().inflight.slots {
				hold(session.inTransit().inflight.slots[i].msg)
			}
			for _, q := range session.inTransit().backlog.list {
				hold(q.msg)
			}
			if session.will != nil {
				hold(session.will.msg)
			}
		}
	}
	for m, n := range holders {
		if refs := m.refs.Load(); refs != n {
			s.model.fail("a message on %q is held %d times and counted %d times", m.topic, n, refs)
		}
	}
	for _, c := range s.clients {
		s.checkClient(c)
	}
	s.checkDrops()
}

// checkClient demands that nothing waits for a Client that has read and
// acknowledged everything, and that one that is silent is gone.
func (s *simulation) checkClient(c *simClient) {
	if !c.open {
		return
	}
	session := c.link.mc.conn.session
	switch {
	case session == nil:
		s.model.fail("%s: the connection is open and has no Session", c.id)
	case session.inTransit().inflight.count+session.inTransit().queue.len+session.inTransit().backlog.len()+len(session.inTransit().resend)+session.inTransit().incoming.len > 0:
		s.model.fail("%s: of what was acknowledged %d messages are in flight, %d and %d wait, %d are to be released", c.id,
			session.inTransit().inflight.count, session.inTransit().queue.len, session.inTransit().backlog.len(), session.inTransit().incoming.len)
	case len(c.out)+len(c.asked)+len(c.pings) > 0:
		s.model.fail("%s: there are %d PUBLISH, %d SUBSCRIBE or UNSUBSCRIBE and %d PINGREQ packets without an answer [MQTT-3.3.4-1]", c.id,
			len(c.out), len(c.asked), len(c.pings))
	case c.link.keepAlive > 0 && s.m.clock-c.link.deliveredAt > 2*int64(c.link.keepAlive):
		s.model.fail("%s: silent for longer than the Keep Alive [MQTT-3.1.2-22]", c.id)
	}
}

// checkDrops demands that each message that is missing for want of room was
// counted where it was dropped.
func (s *simulation) checkDrops() {
	for id, n := range s.model.missing {
		if l, ok := s.e.registry.Load(id); ok {
			s.missing[l] += uint64(n)
		}
	}
	clear(s.model.missing)
	for l, n := range s.missing {
		if counted := l.stats.MessagesDropped; n > counted {
			s.model.fail("loop %d: %d messages are missing, and %d are counted as dropped", l.index, n, counted)
		}
	}
}

// checkNothingLeft looks at the engine after everybody has gone.
func (s *simulation) checkNothingLeft() {
	s.checkEngine()
	fail := s.model.fail
	if n := s.e.registry.Size(); n != 0 {
		fail("%d Client Identifiers are left", n)
	}
	if n := s.e.trie.Len(); n != 0 {
		fail("%d Subscriptions are left", n)
	}
	if n, b := s.e.retained.index.Len(), s.e.retained.bytes.Load(); n != 0 || b != 0 {
		fail("%d retained messages and %d of their bytes are left", n, b)
	}
	if all, here := s.e.connections.Load(), s.net.port.connections.Load(); all != 0 || here != 0 {
		fail("%d connections are left, %d of them on the port", all, here)
	}
	if n := s.e.sessions.Load(); n != 0 {
		fail("%d Sessions are left", n)
	}
	if n := s.e.waiting.Load(); n != 0 {
		fail("%d connections wait for an answer", n)
	}
	opened, closed := uint64(0), uint64(0)
	for _, l := range s.e.loops {
		if n := l.wheel.Len(); n != 0 {
			fail("loop %d: %d timers are left", l.index, n)
		}
		if l.conns.len != 0 || l.stats.Sessions != 0 || l.stats.Subscriptions != 0 || l.stats.MessagesWaiting != 0 {
			fail("loop %d: %d connections, %d Sessions, %d Subscriptions and %d messages that wait are left", l.index,
				l.conns.len, l.stats.Sessions, l.stats.Subscriptions, l.stats.MessagesWaiting)
		}
		opened += l.stats.ConnectionsOpened
		for _, n := range l.stats.ConnectionsClosed {
			closed += n
		}
	}
	if opened != closed {
		fail("%d connections were opened and %d closed", opened, closed)
	}
}

// simLocal is an in-process Subscription. It has QoS 0, so that its goroutine
// never posts to a loop, and what the loops do does not depend on when it runs.
type simLocal struct {
	sub     *Subscription
	session *simSession
	mu      sync.Mutex
	got     []*Message
}

func (s *simulation) subscribe(filter string) *simLocal {
	l := &simLocal{}
	done := make(chan error, 1)
	go func() {
		var err error
		l.sub, err = s.e.Subscribe(context.Background(), filter, SubscribeOptions{RetainHandling: 2}, func(m *Message) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.got = append(l.got, m)
		})
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				s.t.Fatal(err)
			}
			now := s.model.tick()
			l.session = &simSession{
				client: "engine's own", expiry: sessionNeverExpires, connected: now, checked: now,
				seen: map[*simMessage]bool{}, copies: map[*simMessage]int{}, atLeastOnce: map[*simMessage]int{}, last: map[string]*simMessage{},
				subs: []*simSubscription{{filter: filter, asked: now, made: now, ids: map[codec.SubscriptionID]bool{}}},
			}
			s.model.sessions = append(s.model.sessions, l.session)
			return l
		case <-s.m.signal:
			s.m.settle()
		}
	}
}

// settle tells the model what the handler was given. It works on nil.
func (l *simLocal) settle(s *simulation) {
	if l == nil {
		return
	}
	for l.sub.client.length.Load() > 0 {
		runtime.Gosched()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.got {
		s.model.arrived(l.session, &codec.Publish{Payload: m.Payload, QoS: codec.QoS(m.QoS), Retain: m.Retain}, m.TopicName, false)
	}
	l.got = nil
}

// close ends the Subscription, once. It works on nil.
func (l *simLocal) close(s *simulation) {
	if l == nil || l.session.over {
		return
	}
	l.settle(s)
	l.session.over = true
	l.sub.Close()
	<-l.sub.client.ended
	s.m.settle()
}
