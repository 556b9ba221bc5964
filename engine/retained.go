package engine

import (
	"slices"
	"sync/atomic"

	"github.com/weirmq/weir/topics"
)

// retainedStore is the retained messages of all topics, within bounds. Safe
// for concurrent use.
//
// A stored message is never pooled: loops read it while another one replaces
// it, and none of them knows which is last. The garbage collector does. One that
// leaves the store while it waits somewhere, or is in flight, counts as held
// from then on: the store has the first reference to it.
type retainedStore struct {
	index   *topics.Retained[message]
	held    *holdings
	bytes   atomic.Int64
	refused atomic.Uint64
	expired atomic.Uint64
	// mortal is how many of them have a Message Expiry Interval: without any
	// there is nothing to sweep.
	mortal atomic.Int64
}

// store keeps p as the retained message of its topic [MQTT-3.3.1-5], or
// removes the one there is if p has no payload [MQTT-3.3.1-6] [MQTT-3.3.1-7].
func (s *retainedStore) store(p *publication, limits *Limits) {
	if len(p.payload) == 0 {
		s.forget(s.index.Delete(p.topic))
		return
	}
	size := len(p.topic) + len(p.props) + len(p.payload)
	before, more := s.index.Get(p.topic), int64(size)
	if before != nil {
		more -= int64(before.size()) // whose place it takes
	}
	// Loops that get here together may each overshoot by one message.
	if s.bytes.Load()+more > int64(limits.RetainedBytes) || before == nil && s.index.Len() >= limits.RetainedMessages {
		// The one before would be out of date.
		s.forget(s.index.Delete(p.topic))
		s.refused.Add(1)
		return
	}
	m := &message{
		topic: p.topic, qos: p.qos, retain: true,
		hasExpiry: p.hasExpiry, expiry: p.expiry, published: p.published,
		unpooled: true,
	}
	m.refs.Store(1)
	m.buf = slices.Concat(p.props, p.payload)
	n := len(p.props)
	m.props, m.payload = m.buf[:n:n], m.buf[n:]
	s.bytes.Add(int64(size))
	if m.hasExpiry {
		s.mortal.Add(1)
	}
	s.forget(s.index.Store(p.topic, m))
}

// forget takes note of a message that has left the index.
func (s *retainedStore) forget(m *message) {
	if m == nil {
		return
	}
	s.bytes.Add(-int64(m.size()))
	if m.hasExpiry {
		s.mortal.Add(-1)
	}
	if m.release() == 0 {
		s.held.retained(m.size())
	}
}

// drop removes m, which has expired, unless it was replaced in the meantime.
func (s *retainedStore) drop(m *message) {
	if s.index.Remove(m.topic, m) {
		s.forget(m)
		s.expired.Add(1)
	}
}

// sweep removes what has expired by now. It reads without locks, and holds one
// for each message that it removes, so that loops do not wait for it.
func (s *retainedStore) sweep(now int64) {
	if s.mortal.Load() == 0 {
		return
	}
	s.index.All(func(_ string, m *message) bool {
		if m.expired(now) {
			s.drop(m)
		}
		return true
	})
}

// sendRetained puts the retained messages that match a new Subscription into
// the Session's backlog.
func (s *Session) sendRetained(filter string, o topics.Options) {
	l := s.loop
	if l.engine.retained.index.Len() == 0 {
		return // most often, and what follows allocates
	}
	r := receiverOf(topics.Entry[*Session]{Subscriber: s, Options: o})
	limit := l.engine.limits.RetainedBacklog
	l.engine.retained.index.Match(filter, func(_ string, m *message) bool {
		if m.expired(l.now) {
			l.engine.retained.drop(m)
			return true
		}
		backlog := &s.inTransit().backlog
		if backlog.len() >= limit {
			// Not worth going on: a Client that subscribes again and again
			// would have the whole store walked each time.
			s.dropped(DropRetainedBacklog)
			return false
		}
		if !m.tryRef() {
			return true // it has just been replaced, by one that arrives as any other
		}
		backlog.push(queued{msg: m, receiver: &r, retained: true}) // [MQTT-3.3.1-8]
		l.stats.RetainedWaiting++
		return true
	})
}
