package engine

import (
	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/topics"
)

// handlePublish takes an Application Message (3.3.4).
func (c *conn) handlePublish(f codec.Frame) (done bool) {
	l := c.loop
	p := &l.publish
	if err := codec.DecodePublish(p, c.version, f.Flags, f.Body); err != nil {
		c.fail(err)
		return false
	}
	topic := p.TopicName
	if p.TopicAlias != 0 {
		if topic = c.inboundTopic(p); topic == nil {
			return false
		}
	}
	c.current()
	r, allowed, done := c.routeFor(topic)
	if !done {
		return false
	}
	l.stats.PublishesReceived++

	if p.QoS > codec.QoS0 {
		incoming := &c.session.inTransit().incoming
		if p.QoS == codec.QoS2 && incoming.has(p.PacketID) {
			// Sent again: answered again, not delivered again [MQTT-4.3.3-10].
			c.ackPublish(codec.TypePubrec, p.PacketID, codec.Success)
			return true
		}
		// Acknowledgements of this turn have not been written yet, so the
		// Client cannot have counted on them [MQTT-3.3.4-9]. Before MQTT 5
		// nobody tells it a Receive Maximum, and Packet Identifiers are the
		// bound.
		if c.version == codec.V5 && int(c.acksUnsent)+incoming.len >= int(l.engine.limits.ReceiveMaximum) {
			c.protocolError(codec.ReceiveMaximumExceeded, "more PUBLISH packets unacknowledged than Receive Maximum")
			return false
		}
	}
	if !allowed {
		c.refusePublish(p, topic)
		return true
	}
	if r == nil {
		c.refuseTopic(p)
		return true
	}
	if p.QoS > codec.QoS0 && !l.accepts(r) {
		c.refuseOverload(p)
		return true
	}

	pub := publication{
		topic: r.topic, props: l.forwarded(p.ForwardProperties(l.props), p.Raw), payload: p.Payload,
		qos: p.QoS, retain: p.Retain,
		hasExpiry: p.HasMessageExpiryInterval, expiry: p.MessageExpiryInterval,
		published: l.now, from: c.session, read: l.reading,
	}
	l.distribute(&pub, r)
	pub.done(l)

	switch p.QoS {
	case codec.QoS1: // [MQTT-4.3.2-4]
		c.ackPublish(codec.TypePuback, p.PacketID, codec.Success)
	case codec.QoS2: // [MQTT-4.3.3-8]
		c.session.transit.incoming.add(p.PacketID)
		c.ackPublish(codec.TypePubrec, p.PacketID, codec.Success)
	}
	return true
}

// routeFor returns the route of a Topic Name and whether the Client may
// publish there. The route is nil if the topic is refused for its form. It is
// not known while a custom Authorizer is being asked.
func (c *conn) routeFor(topic []byte) (r *route, allowed, known bool) {
	l := c.loop
	if r = c.lastRoute; r != nil && r.topic == string(topic) {
		l.refresh(r)
		return r, c.lastAllowed, true
	}
	if isSys(topic) {
		return nil, false, true
	}
	if r = l.routes.get(topic); r != nil {
		l.refresh(r)
	} else {
		if !l.engine.validTopicName(topic) {
			return nil, true, true
		}
		// A topic that the Client may not publish to gets no place in the
		// cache, or anyone could empty it.
		if c.grant != nil && c.grant.DecideBytes(security.ActionPublish, topic) == security.Deny {
			return nil, false, true
		}
		r = l.routeOf(topic)
	}
	if allowed, known = c.mayPublish(r); known && r.size <= maxLastReceivers {
		c.lastRoute, c.lastAllowed = r, allowed
	}
	return r, allowed, known
}

// ackPublish answers a PUBLISH from the Client.
func (c *conn) ackPublish(t codec.PacketType, id codec.PacketID, code codec.ReasonCode) {
	c.sendAck(t, id, code)
	if t == codec.TypePuback {
		c.acksUnsent++
	}
}

// refuse answers a PUBLISH that is not passed on. QoS 0 has no answer, and
// before MQTT 5 an answer cannot say no.
func (c *conn) refuseWith(p *codec.Publish, code codec.ReasonCode) {
	switch p.QoS {
	case codec.QoS1:
		c.ackPublish(codec.TypePuback, p.PacketID, code)
	case codec.QoS2:
		// With an error the Packet Identifier is free again; 3.1.1 sends
		// PUBREL, which is answered whether or not it is known.
		c.ackPublish(codec.TypePubrec, p.PacketID, code)
	}
}

func (c *conn) refusePublish(p *codec.Publish, topic []byte) {
	c.loop.stats.PublicationsDenied++
	c.loop.engine.deniedPublish(c, topic)
	c.refuseWith(p, codec.NotAuthorized)
}

func (c *conn) refuseTopic(p *codec.Publish) {
	c.loop.stats.TopicsRefused++
	c.refuseWith(p, codec.TopicNameInvalid)
}

// refuseOverload refuses a message for which there is no room. A
// Client that cannot be told keeps the message by losing the connection: it
// sends it again.
func (c *conn) refuseOverload(p *codec.Publish) {
	c.loop.stats.PublicationsRefused++
	if c.version != codec.V5 {
		c.close(CloseQuotaExceeded)
		return
	}
	c.refuseWith(p, codec.QuotaExceeded)
}

// validTopicName checks what the codec does not: length and depth.
func (e *Engine) validTopicName(topic []byte) bool {
	return len(topic) <= e.limits.TopicLength && topics.ValidName(topic) &&
		topics.Levels(stringOf(topic)) <= e.limits.TopicLevels
}
