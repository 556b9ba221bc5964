package engine

import (
	"encoding/binary"
	"unsafe"

	"github.com/weirmq/weir/codec"
)

// route publishes p: to the receivers of this loop now, to those of others
// in a visit or through their mailboxes, and to the store of retained messages.
func (l *loop) route(p *publication) {
	l.distribute(p, l.routeOf(bytesOf(p.topic)))
}

func (l *loop) distribute(p *publication, r *route) {
	l.lastMessage = l.now
	if limit := l.engine.limits.MaximumMessageExpiry; limit != 0 && (!p.hasExpiry || p.expiry > limit) {
		p.hasExpiry, p.expiry = true, limit
		l.stats.MessageExpiriesReduced++
	}
	if p.retain {
		l.engine.retained.store(p, &l.engine.limits)
	}
	// What is given to a member that does not take it makes r anew, maybe.
	local, remote, shared := r.local, r.remote, r.shared
	if len(local) > 0 {
		l.deliver(p, local)
	}
	for i := range remote {
		l.forward(p, remote[i].loop, remote[i].receivers)
	}
	for i := range shared {
		l.deliverShared(p, &shared[i])
	}
}

// forward gives p to Sessions of another loop.
func (l *loop) forward(p *publication, to *loop, receivers []receiver) {
	if l.mayVisit(to) {
		l.visit(to, p, receivers)
		return
	}
	l.mail(p, to, receivers)
}

// mail sends p to another loop. QoS 0 is dropped when that loop cannot
// keep up or too much is held; QoS 1 and 2 were refused before (see accepts).
func (l *loop) mail(p *publication, to *loop, receivers []receiver) {
	if p.qos == codec.QoS0 && (to.inbox.depth.Load() > maxMailboxMessages || l.full()) {
		l.dropped(DropLoopBusy, len(receivers))
		return
	}
	l.postDelivery(to, p.keep(l), receivers, p.from)
}

// accepts reports whether a publication with QoS 1 or 2 can be taken by all
// whom r leads to: not if one of their loops has too much to do, or if too much
// is held already. It is asked before anyone gets it.
func (l *loop) accepts(r *route) bool {
	if r.size > 0 && l.full() {
		return false
	}
	for i := range r.remote {
		if r.remote[i].loop.inbox.depth.Load() > 2*maxMailboxMessages {
			return false
		}
	}
	for i := range r.shared {
		for j := range r.shared[i].members {
			if r.shared[i].members[j].session.loop.inbox.depth.Load() > 2*maxMailboxMessages {
				return false
			}
		}
	}
	return true
}

// deliver gives p to receivers on this loop.
func (l *loop) deliver(p *publication, receivers []receiver) {
	p.fanout = len(receivers)
	l.frames.reset()
	l.lastMessage = l.now
	for i := range receivers {
		r := &receivers[i]
		if p.from == r.session {
			if r.exceptSelf {
				continue
			}
		} else if r.onlySelf {
			continue
		}
		l.deliverTo(p, r)
	}
}

// deliverTo gives p to one Session of this loop.
func (l *loop) deliverTo(p *publication, r *receiver) {
	s := r.session
	if p.qos == codec.QoS0 || r.qos == codec.QoS0 {
		// QoS 0 is for who is there and takes it.
		c := s.conn
		switch {
		case c == nil || c.state != stateOpen:
			s.dropped(DropNotConnected)
		case !c.room():
			s.dropped(DropCongested)
		case c.appendPublish(p, r, outgoing{retain: p.retain && r.retainAsPublished}):
		case l.passOn(p, r): // it is too large for this member
		default:
			s.dropped(DropTooLarge)
		}
		return
	}
	s.enqueue(p, r)
}

// outgoing is what a PUBLISH for one receiver has of its own.
type outgoing struct {
	id          codec.PacketID
	qos         codec.QoS
	dup, retain bool
}

// appendPublish puts a PUBLISH into the connection's output. It returns false
// if the Client would not take a packet of that size [MQTT-3.1.2-24].
func (c *conn) appendPublish(p *publication, r *receiver, o outgoing) bool {
	l := c.loop
	if p.fanout > 1 && len(r.ids) == 0 && c.aliasesOut == nil {
		return c.appendFrame(p, l.frames.get(p, c.version, o.qos > codec.QoS0, l.now), o)
	}
	q := codec.Publish{
		TopicName: bytesOf(p.topic), Payload: p.payload, Forward: p.props,
		PacketID: o.id, QoS: o.qos, Dup: o.dup, Retain: o.retain,
		SubscriptionIDs: r.ids,
	}
	q.HasMessageExpiryInterval = p.hasExpiry
	if p.hasExpiry {
		q.MessageExpiryInterval, _ = remaining(p.expiry, p.published, l.now)
	}
	fresh := false
	if c.aliasesOut != nil {
		fresh = c.aliasesOut.apply(&q, p.topic)
	}
	if fresh && !c.takes(&q) {
		// It may be small enough without.
		c.aliasesOut.forget(p.topic)
		q.TopicAlias = 0
	}
	if !c.takes(&q) {
		l.stats.MessagesTooLarge++
		return false
	}
	out := c.output()
	if len(p.payload) < lendBytes {
		out.B = codec.AppendPublish(out.B, c.version, &q)
	} else {
		out.B = codec.AppendPublishHeader(out.B, c.version, &q)
		c.appendPayload(p)
	}
	l.stats.PublishesSent++
	return true
}

// takes reports whether q is within the Client's Maximum Packet Size.
func (c *conn) takes(q *codec.Publish) bool {
	return c.maximumPacketSize == 0 || codec.PublishSize(c.version, q) <= int(c.maximumPacketSize)
}

// appendFrame copies an encoded PUBLISH and fills in what differs.
func (c *conn) appendFrame(p *publication, f *frame, o outgoing) bool {
	l := c.loop
	if c.maximumPacketSize != 0 && f.size > int(c.maximumPacketSize) {
		l.stats.MessagesTooLarge++
		return false
	}
	out := c.output()
	start := len(out.B)
	out.B = append(out.B, f.bytes...)
	flags := byte(codec.TypePublish)<<4 | byte(o.qos)<<1
	if o.dup {
		flags |= 8
	}
	if o.retain {
		flags |= 1
	}
	out.B[start] = flags
	if o.qos > codec.QoS0 {
		binary.BigEndian.PutUint16(out.B[start+f.idOffset:], uint16(o.id))
	}
	if f.size > len(f.bytes) {
		c.appendPayload(p)
	}
	l.stats.PublishesSent++
	return true
}

// frame is a PUBLISH encoded once for all receivers of one layout.
type frame struct {
	bytes    []byte // without the payload, if that is large
	size     int    // with it
	idOffset int
	valid    bool
}

// frameCache holds the frames of the publication that is being delivered, one
// for each layout: what differs between receivers otherwise is patched.
type frameCache struct {
	frames [4]frame
}

func (fc *frameCache) reset() {
	for i := range fc.frames {
		f := &fc.frames[i]
		f.valid = false
		if cap(f.bytes) > maxScratch { // for the properties of one message
			f.bytes = nil
		}
	}
}

func (fc *frameCache) get(p *publication, v codec.Version, hasID bool, now int64) *frame {
	i := 0
	if v == codec.V5 {
		i = 1
	}
	q := codec.Publish{TopicName: bytesOf(p.topic), Payload: p.payload, Forward: p.props}
	if hasID {
		i |= 2
		q.QoS, q.PacketID = codec.QoS1, 1
	}
	f := &fc.frames[i]
	if f.valid {
		return f
	}
	q.HasMessageExpiryInterval = p.hasExpiry
	if p.hasExpiry {
		q.MessageExpiryInterval, _ = remaining(p.expiry, p.published, now)
	}
	if len(p.payload) < lendBytes {
		f.bytes = codec.AppendPublish(f.bytes[:0], v, &q)
		f.size = len(f.bytes)
	} else {
		f.bytes = codec.AppendPublishHeader(f.bytes[:0], v, &q)
		f.size = len(f.bytes) + len(p.payload)
	}
	if hasID {
		f.idOffset = codec.PacketIDOffset(f.bytes)
	}
	f.valid = true
	return f
}

// stringOf is b as a string, for as long as b stays unchanged.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf is s as bytes, to be read only.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
