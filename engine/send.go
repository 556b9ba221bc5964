package engine

import "github.com/weirmq/weir/codec"

// enqueue takes a message with QoS 1 or 2: it is sent now if the connection
// takes it, else it waits. What does not fit into the queue is dropped, see
// QueueStrategy.
func (s *Session) enqueue(p *publication, r *receiver) {
	if s.ended {
		// The sender's loop did not know yet.
		if !s.loop.passOn(p, r) {
			s.loop.dropped(DropSessionEnded, 1)
		}
		return
	}
	s.take(p, r)
	s.weigh()
}

func (s *Session) take(p *publication, r *receiver) {
	l := s.loop
	c, t := s.conn, s.inTransit()
	size := len(p.topic) + len(p.props) + len(p.payload)
	if c != nil && c.sendQuota > 0 && t.queue.len == 0 && len(t.resend) == 0 && s.mayFly(size) && c.room() {
		s.send(p, r, min(p.qos, r.qos), p.retain && r.retainAsPublished)
		return
	}
	uncounted := 0
	if p.msg == nil {
		uncounted = size
	}
	if !s.hasRoom(size, uncounted) && !s.makeRoom(size, uncounted) {
		s.dropped(DropQueueFull)
		return
	}
	m := p.keep(l)
	m.ref(1)
	t.queue.push(queued{msg: m, receiver: r, retained: p.retain && r.retainAsPublished})
	l.stats.MessagesQueued++
	l.stats.MessagesWaiting++
}

// hasRoom reports whether the queue takes a message of size bytes, of which so
// many are not counted as held yet.
func (s *Session) hasRoom(size, uncounted int) bool {
	return s.fits(size) && !s.loop.queuesFull(uncounted)
}

// fits reports whether the queue stays within the Session's own bounds with a
// message of size bytes.
func (s *Session) fits(size int) bool {
	limits, q := &s.loop.engine.limits, &s.transit.queue
	return q.len < limits.QueuedMessages && q.bytes+size <= limits.QueuedBytes
}

// makeRoom drops what is oldest in the queue until a message of size bytes
// fits, if that is the strategy. Nothing is dropped for one that never would.
func (s *Session) makeRoom(size, uncounted int) bool {
	l, q := s.loop, &s.transit.queue
	limits := &l.engine.limits
	if limits.QueueStrategy != DropOldest || size > limits.QueuedBytes || q.len == 0 {
		return false
	}
	// Where all queues together are full, this one may not grow: what is
	// dropped must be as much as what comes.
	most := limits.QueuedBytes
	if l.queuesFull(uncounted) {
		if most = q.bytes; size > most {
			return false
		}
		s.dropOldest()
	}
	for q.len > 0 && (!s.fits(size) || q.bytes+size > most) {
		s.dropOldest()
	}
	return true
}

func (s *Session) dropOldest() {
	l := s.loop
	l.release(s.transit.queue.pop().msg)
	l.stats.MessagesWaiting--
	s.dropped(DropDisplaced)
}

// mayFly reports whether a message of size bytes may be put in flight: while
// it is there it is kept, so what is there is bounded as the queue is. One
// message may always.
func (s *Session) mayFly(size int) bool {
	f := &s.transit.inflight
	return f.count == 0 || f.bytes+size <= s.loop.engine.limits.QueuedBytes
}

// send puts a message with QoS 1 or 2 in flight. The caller has seen that
// there is a connection with send quota.
func (s *Session) send(p *publication, r *receiver, qos codec.QoS, retain bool) {
	c := s.conn
	m := p.keep(c.loop)
	m.ref(1)
	entry := inflightMessage{msg: m, receiver: r, qos: qos, retained: retain}
	if qos == codec.QoS2 {
		entry.state = awaitPubrec
	}
	e := s.transit.inflight.add(c.loop, entry)
	if !c.appendPublish(p, r, outgoing{id: e.id, qos: qos, retain: retain}) {
		// Discarded as if it had been sent [MQTT-3.1.2-25], unless another
		// member of a Shared Subscription takes it.
		s.transit.inflight.remove(c.loop, e)
		if !s.loop.passOn(p, r) {
			s.dropped(DropTooLarge)
		}
		return
	}
	c.sendQuota--
}

// pump sends what waits for the Client: first what was in flight when an
// earlier connection ended, then the queue, then retained messages; as long
// as the connection and its send quota take it.
func (c *conn) pump() {
	c.sendWaiting()
	c.session.weigh()
}

func (c *conn) sendWaiting() {
	s, t := c.session, c.session.transit
	if t == nil {
		return
	}
	for c.room() {
		switch {
		case len(t.resend) > 0:
			if !c.sendAgain(codec.PacketID(t.resend[0])) {
				return
			}
			t.resend = t.resend[1:]
		case t.queue.len > 0 && c.sendQuota > 0 && s.mayFly(t.queue.front().msg.size()):
			c.loop.stats.MessagesWaiting--
			c.sendQueued(t.queue.pop())
		case t.backlog.len() > 0:
			m := t.backlog.front()
			if min(m.msg.qos, m.receiver.qos) > codec.QoS0 && (c.sendQuota == 0 || !s.mayFly(m.msg.size())) {
				return
			}
			c.loop.stats.RetainedWaiting--
			c.sendQueued(t.backlog.pop())
		default:
			return
		}
	}
}

// sendQueued sends a message that waited and gives back its reference.
func (c *conn) sendQueued(q queued) {
	l := c.loop
	if q.msg.expired(l.now) {
		l.stats.MessagesExpired++ // [MQTT-3.3.2-5]
	} else {
		var p publication
		p.of(q.msg)
		if qos := min(q.msg.qos, q.receiver.qos); qos > codec.QoS0 {
			c.session.send(&p, q.receiver, qos, q.retained)
		} else if !c.appendPublish(&p, q.receiver, outgoing{retain: q.retained}) {
			c.session.dropped(DropTooLarge)
		}
	}
	l.release(q.msg)
}

// sendAgain repeats a PUBLISH or PUBREL after a reconnect [MQTT-4.4.0-1]. It
// returns false when there is no send quota for it yet.
func (c *conn) sendAgain(id codec.PacketID) bool {
	e := c.session.transit.inflight.find(id)
	if e == nil {
		return true
	}
	// Also for a PUBREL: its PUBCOMP gives a quota back, and one that was not
	// taken would let more PUBLISH packets go than the Client said
	// [MQTT-3.3.4-9], and more of them be in flight than Limits.Inflight.
	if c.sendQuota == 0 {
		return false
	}
	if e.state == awaitPubcomp {
		c.sendAck(codec.TypePubrel, id, codec.Success)
		c.sendQuota--
		return true
	}
	var p publication
	p.of(e.msg)
	if !c.appendPublish(&p, e.receiver, outgoing{id: id, qos: e.qos, dup: true, retain: e.retained}) { // [MQTT-3.3.1-1]
		// What is sent with QoS 2 goes to nobody else [MQTT-4.8.2-5].
		if e.qos == codec.QoS2 || !c.loop.passOn(&p, e.receiver) {
			c.session.dropped(DropTooLarge)
		}
		c.session.transit.inflight.remove(c.loop, e)
		return true
	}
	c.sendQuota--
	return true
}

// restoreQuota gives back one send quota (4.9), up to what it began with.
func (c *conn) restoreQuota() {
	if c.sendQuota < c.receiveMaximum {
		c.sendQuota++
	}
	c.pump()
}
