package engine

import (
	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// will is the Will Message of a Session, stored until it is published or
// dropped [MQTT-3.1.2-7].
type will struct {
	msg   *message
	delay int64 // Will Delay Interval in nanoseconds
	from  int64 // when the delay began to run; 0: it has not
}

// newWill keeps the Will of a CONNECT, which is borrowed.
func (l *loop) newWill(w *codec.Will) *will {
	p := publication{
		topic:     string(w.TopicName),
		props:     l.forwarded(w.ForwardProperties(l.props), w.Raw),
		payload:   w.Payload,
		qos:       w.QoS,
		retain:    w.Retain,
		hasExpiry: w.HasMessageExpiryInterval,
		expiry:    w.MessageExpiryInterval,
	}
	return &will{msg: p.keep(l), delay: int64(w.DelayInterval) * 1e9}
}

// due is when the Will is to be published; the delay starts with the first
// call.
func (w *will) due(now int64) int64 {
	if w.from == 0 {
		w.from = now
	}
	return w.from + w.delay
}

func (s *Session) dropWill() {
	if s.will != nil {
		s.loop.release(s.will.msg)
		s.will = nil
	}
}

// publishWill publishes the Will if there is one, and if the Client may still
// publish to its topic: rights can have changed since CONNECT.
func (l *loop) publishWill(s *Session) {
	w := s.will
	if w == nil {
		return
	}
	if l.draining {
		s.dropWill()
		return
	}
	s.will = nil
	m := w.msg
	if s.mayPublishWill(m.topic) {
		var p publication
		p.of(m)
		// The Message Expiry Interval of a Will counts from its publication
		// (3.1.3.2.4).
		p.published = l.now
		p.msg = nil
		p.from = s
		l.stats.WillsPublished++
		l.route(&p)
		p.done(l)
	} else {
		l.stats.PublicationsDenied++
		l.engine.denied(connInfo{clientID: s.clientID}, security.ActionPublish, m.topic, "Will")
	}
	l.release(m)
}

// mayPublishWill asks the policy of the port of now. A custom Authorizer was
// asked at CONNECT and stands by its word; one that came later never gave it.
func (s *Session) mayPublishWill(topic string) bool {
	p := s.port.policy.Load()
	switch {
	case p.table != nil:
		return p.table.Bind(s.principal).Decide(security.ActionPublish, topic) == security.Allow
	case p.custom != nil:
		return p == s.policy
	}
	return true
}
