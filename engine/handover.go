package engine

import (
	"github.com/weirmq/weir/codec"
)

// A message that came to a Session by a Shared Subscription is the group's: if
// the Session ends before it is delivered, another member gets it (4.8.2). What
// was sent with QoS 2 is not handed over, since it may have arrived
// [MQTT-4.8.2-5]; nor is what the Client has answered, with whatever Reason Code
// [MQTT-4.8.2-6]. A lost connection changes nothing: the Client may come back
// [MQTT-4.8.2-4].

// publishOverhead is the most that a PUBLISH has besides Topic Name, properties
// to forward, Payload and Subscription Identifiers: fixed header, length of the
// Topic Name, Packet Identifier, Property Length, Message Expiry Interval and
// Topic Alias.
const publishOverhead = 5 + 2 + 2 + 4 + 5 + 3

// subscriptionIDSize is the most that one Subscription Identifier takes.
const subscriptionIDSize = 5

// handOver gives what Shared Subscriptions brought to s, which has ended, to
// other members, in order: first what was sent with QoS 1 and not acknowledged.
func (s *Session) handOver() {
	l := s.loop
	t := s.transit
	if t == nil || l.draining { // where they all end
		return
	}
	for _, id := range t.inflight.inOrder(t.resend[:0]) {
		if e := t.inflight.find(codec.PacketID(id)); e.state == awaitPuback && e.receiver.group != nil {
			if !l.handOver(e.msg, e.receiver) {
				l.dropped(DropSessionEnded, 1)
			}
		}
	}
	s.handOverQueued(func(*queued) bool { return true }, func() { l.dropped(DropSessionEnded, 1) })
}

// handOverQueued takes what a Shared Subscription brought, and which is true
// of, out of the queue for other members. It calls dropped for each message
// that none of them gets.
func (s *Session) handOverQueued(which func(*queued) bool, dropped func()) {
	l := s.loop
	waiting := &s.transit.queue
	for n := waiting.len; n > 0; n-- {
		q := waiting.pop()
		if q.receiver.group == nil || !which(&q) {
			waiting.push(q)
			continue
		}
		l.stats.MessagesWaiting--
		if !l.handOver(q.msg, q.receiver) {
			dropped()
		}
		l.release(q.msg)
	}
}

// handOver gives m, which was on its way to from, to another member, unless it
// has expired. It returns false if nobody takes it. The caller keeps its
// reference.
func (l *loop) handOver(m *message, from *receiver) bool {
	if m.expired(l.now) {
		l.stats.MessagesExpired++
		return true
	}
	var p publication
	p.of(m)
	return l.passOn(&p, from)
}

// passOn gives p to a member other than from, which does not take it: one whose
// last connection took packets of that size. It returns false if there is none,
// if from is no member of a Shared Subscription, and if the member is on a loop
// that has enough to do.
func (l *loop) passOn(p *publication, from *receiver) (passed bool) {
	if from.group == nil {
		return false
	}
	g := l.routeOf(bytesOf(p.topic)).find(from)
	if g == nil {
		return false // the last member has left, and what is undelivered goes with it
	}
	choice := l.engine.options.SharedSubscriptions.choose(p, g)
	if !g.members[choice].mayTake(p, from) {
		if choice = g.alternative(choice, p, from); choice < 0 {
			return false
		}
	}
	member := g.members[choice : choice+1]
	to := member[0].session.loop
	if to == l {
		l.deliver(p, member)
		return true
	}
	// Many Sessions may end at once.
	waiting := to.inbox.depth.Load()
	if b := l.outbox[to.index]; b != nil {
		waiting += int64(len(b.deliveries))
	}
	if waiting > 2*maxMailboxMessages {
		return false
	}
	l.mail(p, to, member)
	return true
}

// find returns the group that from is, or was, a member of.
func (r *route) find(from *receiver) *sharedReceivers {
	for i := range r.shared {
		g := r.shared[i].members[0].group
		if g.ShareName == from.group.ShareName && g.Filter == from.group.Filter {
			return &r.shared[i]
		}
	}
	return nil
}

// mayTake reports whether r is another Session than from, and of p's size
// nothing is known that speaks against it.
func (r *receiver) mayTake(p *publication, from *receiver) bool {
	size := publishOverhead + len(p.topic) + len(p.props) + len(p.payload) + subscriptionIDSize*len(r.ids)
	limit := r.session.maximumPacketSize.Load()
	return r.session != from.session && (limit == 0 || size <= int(limit))
}

// alternative returns the next member after start that may take p, one with a
// connection if there is, or -1.
func (g *sharedReceivers) alternative(start int, p *publication, from *receiver) int {
	away := -1
	for i := range g.members {
		at := (start + 1 + i) % len(g.members)
		if !g.members[at].mayTake(p, from) {
			continue
		}
		if g.members[at].session.available.Load() {
			return at
		}
		if away < 0 {
			away = at
		}
	}
	return away
}
