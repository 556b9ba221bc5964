package engine

import (
	"testing"
)

// checkEngine checks what must hold between turns, whatever happened before.
func checkEngine(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.trie.Check(); err != nil {
		t.Error(err)
	}
	if err := e.retained.index.Check(); err != nil {
		t.Error(err)
	}
	stored, mortal := int64(0), int64(0)
	e.retained.index.All(func(_ string, m *message) bool {
		stored += int64(m.size())
		if m.hasExpiry {
			mortal++
		}
		return true
	})
	if n := e.retained.mortal.Load(); n != mortal {
		t.Errorf("retained messages: %d can expire, %d are counted", mortal, n)
	}
	if n := e.retained.bytes.Load(); n != stored {
		t.Errorf("retained messages: %d bytes are stored, %d are counted", stored, n)
	}
	sessions := 0
	for _, l := range e.loops {
		sessions += len(l.sessions)
		checkLoop(t, l)
	}
	checkHeld(t, e)
	if n := e.registry.Size(); n != sessions {
		t.Errorf("Client Identifiers: %d are registered, %d have a Session", n, sessions)
	}
}

// checkHeld counts what is held, and what Subscriptions take.
func checkHeld(t testing.TB, e *Engine) {
	t.Helper()
	messages, filters, counted, toldMessages, toldBytes := int64(0), int64(0), Stats{}, int64(0), e.held.fromStore.Load()
	distinct := make(map[*message]bool)
	hold := func(m *message) {
		if m != nil && e.retained.index.Get(m.topic) != m {
			distinct[m] = true
		}
	}
	for _, l := range e.loops {
		for _, s := range l.sessions {
			messages += int64(s.inTransit().queue.len + s.inTransit().inflight.count + s.inTransit().backlog.len())
			for i := range s.inTransit().queue.len {
				hold(s.inTransit().queue.ring[(s.inTransit().queue.head+i)&(len(s.inTransit().queue.ring)-1)].msg)
			}
			for i := range s.inTransit().inflight.slots {
				hold(s.inTransit().inflight.slots[i].msg)
			}
			for i := range s.inTransit().backlog.len() {
				hold(s.inTransit().backlog.list[s.inTransit().backlog.next+i].msg)
			}
			if s.will != nil {
				hold(s.will.msg)
			}
			for _, sub := range s.subscriptions.all() {
				filters += subscriptionBytes(sub.filter)
			}
		}
		for c := l.conns.first; c != nil; c = c.next {
			if c.admission != nil && c.admission.will != nil {
				hold(c.admission.will.msg)
			}
		}
		counted.add(&l.stats)
		toldMessages += l.toldMessages
		toldBytes += l.toldBytes
	}
	bytes := int64(0)
	for m := range distinct {
		bytes += int64(m.size())
	}
	if n := counted.MessagesWaiting + counted.MessagesInFlight + counted.RetainedWaiting; n != messages {
		t.Errorf("%d messages are held, counted as %d", messages, n)
	}
	if n := counted.BytesHeld + e.held.fromStore.Load(); n != bytes {
		t.Errorf("%d bytes are held, counted as %d", bytes, n)
	}
	if m, b := e.held.messages.Load(), e.held.bytes.Load(); m != toldMessages || b != toldBytes {
		t.Errorf("%d messages and %d bytes were told, and are known as %d and %d", toldMessages, toldBytes, m, b)
	}
	if n := e.filters.Load(); n != filters {
		t.Errorf("Subscriptions take %d bytes, counted as %d", filters, n)
	}
}

func checkLoop(t testing.TB, l *loop) {
	t.Helper()
	if err := l.wheel.Check(); err != nil {
		t.Error(err)
	}
	if len(l.dirty)+len(l.closing)+len(l.leaving)+l.outboxes != 0 || l.inTurn {
		t.Errorf("loop %d: the turn was not finished", l.index)
	}
	conns, subscriptions, waiting := 0, 0, 0
	for c := l.conns.first; c != nil; c = c.next {
		conns++
		if c.loop != l {
			t.Errorf("loop %d has a connection of loop %d", l.index, c.loop.index)
		}
		if c.session != nil && (c.session.conn != c || c.state != stateOpen) {
			t.Errorf("%q: the connection and its Session do not know each other", c.principal.ClientID)
		}
		if r := c.rare; c.state == stateOpen && (c.congested && r == nil ||
			r != nil && !c.congested && !c.waiting && r.deniedAt == 0) {
			t.Errorf("%q: what is rare is kept for nothing, or is not there: %+v", c.principal.ClientID, r)
		}
	}
	if conns != l.conns.len {
		t.Errorf("loop %d: %d connections, counted as %d", l.index, conns, l.conns.len)
	}
	for id, s := range l.sessions {
		subscriptions += s.subscriptions.len()
		waiting += s.inTransit().queue.len
		if home, ok := l.engine.registry.Load(id); !ok || home != l {
			t.Errorf("%q: the Session is not where the registry says", id)
		}
		if s.loop != l || s.ended || s.conn != nil && s.conn.session != s {
			t.Errorf("%q: the Session is not in order", id)
		}
		if n, most := s.inTransit().inflight.count, int(l.engine.limits.Inflight); n > most {
			t.Errorf("%q: %d in flight, more than %d", id, n, most)
		}
		if c := s.conn; c != nil && len(s.inTransit().resend) == 0 && s.inTransit().queue.len > 0 && c.sendQuota > 0 && !c.congested &&
			s.mayFly(s.inTransit().queue.front().msg.size()) {
			t.Errorf("%q: %d messages wait for nothing", id, s.inTransit().queue.len)
		}
	}
	if l.stats.MessagesWaiting != int64(waiting) {
		t.Errorf("loop %d: %d messages wait in Sessions, counted as %d", l.index, waiting, l.stats.MessagesWaiting)
	}
	if l.stats.Sessions != int64(len(l.sessions)) || l.stats.Subscriptions != int64(subscriptions) {
		t.Errorf("loop %d: %d Sessions and %d Subscriptions, counted as %d and %d", l.index,
			len(l.sessions), subscriptions, l.stats.Sessions, l.stats.Subscriptions)
	}
}
