package engine

import (
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine/internal/wheel"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/topics"
)

// sessionNeverExpires is the Session Expiry Interval that means so
// (3.1.2.11.2).
const sessionNeverExpires = 0xFFFFFFFF

// Session is the state of one Client Identifier: Subscriptions, messages in
// flight and in the queue, the Will. It outlives its Network Connection by the
// Session Expiry Interval.
//
// It lives on one loop from beginning to end: a connection that claims it
// elsewhere is moved to it, never the other way round. So whoever has a
// pointer to a Session knows for good where to post for it, and messages of
// one publisher cannot overtake each other on the way.
//
// Its state changes in few ways, each a method: subscribe, unsubscribe,
// enqueue, send, acknowledge, release, receive (QoS 2), attach, detach, end.
// Only loop, clientID, available, maximumPacketSize, hash and load may be used on
// other loops.
type Session struct {
	loop     *loop
	clientID string
	// available is set while a connection takes messages. Shared
	// subscriptions prefer such members.
	available atomic.Bool
	// maximumPacketSize is that of the last connection, 0 for no bound: which
	// member of a Shared Subscription may get what another one does not take.
	maximumPacketSize atomic.Uint32
	// hash is that of clientID. load is what is in flight and in the queue, for
	// SharedFewestInFlight only.
	hash uint64
	load atomic.Int32

	ended   bool
	version codec.Version
	conn    *conn // nil while disconnected

	subscriptions subscriptions
	transit       *transit // nil as long as there was never anything
	will          *will
	deadline      *deadline // while disconnected, if there is one

	expiryInterval uint32 // seconds

	// Of the last connection: who it was, and by what policy it was admitted.
	port      *port
	policy    *policy
	principal *security.Principal
}

// transit is what is on its way to a Client, or from it, and did not arrive.
// Those that are idle have none.
type transit struct {
	inflight inflight
	queue    queue
	backlog  backlog  // retained messages still to be sent
	incoming idSet    // QoS 2 PUBLISH packets whose PUBREL has not come
	resend   []uint16 // Packet Identifiers to send again, after a reconnect
	drops    *sessionDrops
}

// inTransit returns what is on its way, for more.
func (s *Session) inTransit() *transit {
	if s.transit == nil {
		s.transit = new(transit)
	}
	return s.transit
}

// deadline is when something becomes due that happens to a Session without a
// connection: its Will Delay or the Session Expiry Interval.
type deadline struct {
	timer   wheel.Timer
	expires int64 // the Session; 0: never
}

func newSession(l *loop, clientID string) *Session {
	return &Session{loop: l, clientID: clientID, hash: xxhash.Sum64String(clientID)}
}

// end is the end of the Session: its Will is due at the latest now
// [MQTT-3.1.2-8], its Subscriptions go, what was on its way is dropped, or goes
// to others who share it.
func (s *Session) end() {
	if s.ended {
		return
	}
	s.ended = true
	l := s.loop
	s.cancelDeadline()
	for _, sub := range s.subscriptions.all() {
		l.engine.trie.Unsubscribe(sub.filter, s)
		l.engine.filters.Add(-subscriptionBytes(sub.filter))
	}
	l.stats.Subscriptions -= int64(s.subscriptions.len())
	s.subscriptions.clear()
	// After they are gone: the Session is no member any more of what it shared.
	s.handOver()
	l.publishWill(s)
	if t := s.transit; t != nil {
		t.queue.clear(l)
		t.backlog.clear(l)
		t.inflight.clear(l)
	}
	l.stats.Sessions--
	l.engine.sessions.Add(-1)
	if l.sessions[s.clientID] == s { // not replaced by a new one
		delete(l.sessions, s.clientID)
		l.engine.registry.Delete(s.clientID)
	}
}

// detach ends the association with the connection c, which has closed.
func (s *Session) detach(c *conn) {
	l := s.loop
	s.tellDrops()
	s.conn = nil
	s.available.Store(false)
	if t := s.transit; t != nil {
		t.resend = t.resend[:0]
		s.keepBacklog(t)
	}
	if c.reason == CloseClientDisconnect {
		s.dropWill() // [MQTT-3.14.4-3]
	}
	// The Will Delay is counted from now; without one the Will is due at
	// once, with one when it has passed or the Session ends, whichever is
	// first [MQTT-3.1.3-9].
	if s.will != nil && s.will.delay == 0 {
		l.publishWill(s)
	}
	if s.expiryInterval == 0 {
		s.end()
		return
	}
	s.setDeadline()
}

// keepBacklog puts retained messages with QoS 1 and 2 that were not sent into
// the queue, as far as it takes them: the Subscription that they are for may
// not bring them again.
func (s *Session) keepBacklog(t *transit) {
	for t.backlog.len() > 0 {
		m := t.backlog.pop()
		s.loop.stats.RetainedWaiting--
		if s.expiryInterval == 0 || min(m.msg.qos, m.receiver.qos) == codec.QoS0 || !s.hasRoom(m.msg.size(), 0) {
			s.loop.release(m.msg)
			continue
		}
		t.queue.push(m)
		s.loop.stats.MessagesWaiting++
	}
}

// setDeadline has the Session end when its time has come, and its Will be
// published before if that is due earlier.
func (s *Session) setDeadline() {
	if s.expiryInterval == sessionNeverExpires && s.will == nil {
		return
	}
	s.deadline = new(deadline)
	s.deadline.timer.Init(s)
	if s.expiryInterval != sessionNeverExpires {
		s.deadline.expires = s.loop.now + int64(s.expiryInterval)*1e9
	}
	s.setTimer()
}

func (s *Session) cancelDeadline() {
	if s.deadline != nil {
		s.loop.wheel.Cancel(&s.deadline.timer)
		s.deadline = nil
	}
}

// setTimer sets the timer for what is due first.
func (s *Session) setTimer() {
	due := s.deadline.expires
	if s.will != nil && (due == 0 || s.will.due(s.loop.now) < due) {
		due = s.will.due(s.loop.now)
	}
	if due != 0 {
		s.loop.wheel.Set(&s.deadline.timer, due)
	}
}

// Fire is called by the wheel: the Will Delay has passed, or the Session
// Expiry Interval.
func (s *Session) Fire(now int64) {
	l := s.loop
	defer l.contain(nil)
	if s.conn != nil || s.ended {
		return
	}
	if at := s.deadline.expires; at != 0 && now >= at {
		l.stats.SessionsExpired++
		s.end()
		return
	}
	if s.will != nil && now >= s.will.due(now) {
		l.publishWill(s)
	}
	s.setTimer()
}

// maySubscribeTo reports whether there is room for a Subscription. One that the
// Session has may always be replaced. Loops that ask at the same time may each
// overshoot by one.
func (s *Session) maySubscribeTo(filter string) bool {
	e := s.loop.engine
	return s.subscriptions.len() < e.limits.Subscriptions &&
		e.filters.Load()+subscriptionBytes(filter) <= int64(e.limits.SubscriptionBytes) ||
		s.subscriptions.find(filter) >= 0
}

// subscribe adds a Subscription or replaces its options, and reports whether
// it was there.
func (s *Session) subscribe(filter string, o topics.Options) (existed bool) {
	s.subscriptions.set(filter, o)
	existed = s.loop.engine.trie.Subscribe(filter, s, o)
	if !existed {
		s.loop.stats.Subscriptions++
		s.loop.engine.filters.Add(subscriptionBytes(filter))
	}
	return existed
}

// unsubscribe ends a Subscription and reports whether there was one. What is
// on its way to the Client may still arrive (3.10.4).
func (s *Session) unsubscribe(filter string) (existed bool) {
	if !s.subscriptions.remove(filter) {
		return false
	}
	s.loop.engine.trie.Unsubscribe(filter, s)
	s.loop.stats.Subscriptions--
	s.loop.engine.filters.Add(-subscriptionBytes(filter))
	return true
}

// wants reports whether a Subscription matches the Topic Name.
func (s *Session) wants(topic string) bool {
	for _, sub := range s.subscriptions.all() {
		_, filter, _, _ := topics.ParseShared(sub.filter)
		if topics.Match(filter, topic) {
			return true
		}
	}
	return false
}
