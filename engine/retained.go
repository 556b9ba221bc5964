package engine

import (
	"slices"

	"github.com/weirmq/weir/topics"
)

// retain stores or removes the retained message of p's topic [MQTT-3.3.1-5]
// [MQTT-3.3.1-6]. Safe for concurrent use.
//
// A stored message is never pooled: loops read it while another one replaces
// it, and none of them knows which is last. The garbage collector does.
func (e *Engine) retain(p *publication, now int64) {
	if len(p.payload) == 0 {
		if e.retained.Delete(p.topic) != nil {
			e.retainedCount.Add(-1)
		}
		return
	}
	m := &message{
		topic: p.topic, qos: p.qos, retain: true,
		hasExpiry: p.hasExpiry, expiry: p.expiry, published: p.published,
		unpooled: true,
	}
	m.buf = slices.Concat(p.props, p.payload)
	n := len(p.props)
	m.props, m.payload = m.buf[:n:n], m.buf[n:]
	if e.retained.Store(p.topic, m) == nil {
		e.retainedCount.Add(1)
	}
}

// sendRetained puts the retained messages that match a new Subscription into
// the Session's backlog.
func (s *Session) sendRetained(filter string, o topics.Options) {
	l := s.loop
	r := receiverOf(topics.Entry[*Session]{Subscriber: s, Options: o})
	limit := l.engine.limits.RetainedBacklog
	l.engine.retained.Match(filter, func(name string, m *message) bool {
		if m.expired(l.now) {
			l.engine.dropRetained(name, m)
			return true
		}
		if s.backlog.len() >= limit {
			// Not worth going on: a Client that subscribes again and again
			// would have the whole store walked each time.
			l.stats.MessagesDropped++
			return false
		}
		s.backlog.push(queued{msg: m, receiver: &r, retained: true}) // [MQTT-3.3.1-8]
		return true
	})
}

// dropRetained removes m unless it was replaced in the meantime.
func (e *Engine) dropRetained(name string, m *message) {
	old := e.retained.Delete(name)
	switch {
	case old == nil:
	case old != m:
		if e.retained.Store(name, old) != nil {
			e.retainedCount.Add(-1)
		}
	default:
		e.retainedCount.Add(-1)
	}
}
