package engine

import "github.com/weirmq/weir/codec"

// handleAck moves a QoS 1 or 2 handshake on (4.3.2, 4.3.3).
func (c *conn) handleAck(f codec.Frame) (done bool) {
	a := &c.loop.ack
	if err := codec.DecodeAck(a, c.version, f.Type, f.Body); err != nil {
		c.fail(err)
		return false
	}
	if f.Type == codec.TypePubrel {
		c.handlePubrel(a)
		return true
	}
	var e *inflightMessage
	if t := c.session.transit; t != nil {
		e = t.inflight.find(a.PacketID)
	}
	switch f.Type {
	case codec.TypePuback:
		c.handlePuback(e)
	case codec.TypePubrec:
		c.handlePubrec(a, e)
	default:
		c.handlePubcomp(e)
	}
	return true
}

// handlePuback ends a QoS 1 handshake. One that is not known is left over
// from an earlier connection, and ignored.
func (c *conn) handlePuback(e *inflightMessage) {
	if e == nil {
		return
	}
	if e.state != awaitPuback {
		c.protocolError(codec.ProtocolError, "PUBACK for a PUBLISH with QoS 2")
		return
	}
	c.session.transit.inflight.remove(c.loop, e)
	c.restoreQuota()
}

// handlePubrec is the first half of a QoS 2 handshake.
func (c *conn) handlePubrec(a *codec.Ack, e *inflightMessage) {
	switch {
	case e == nil:
		c.sendAck(codec.TypePubrel, a.PacketID, codec.PacketIdentifierNotFound)
	case e.state == awaitPuback:
		c.protocolError(codec.ProtocolError, "PUBREC for a PUBLISH with QoS 1")
	case a.ReasonCode.IsError():
		c.session.transit.inflight.remove(c.loop, e)
		c.restoreQuota()
	default:
		c.session.transit.inflight.forget(c.loop, e)
		e.state = awaitPubcomp
		c.sendAck(codec.TypePubrel, a.PacketID, codec.Success) // [MQTT-4.3.3-4]
	}
}

// handlePubrel ends a QoS 2 handshake that the Client began.
func (c *conn) handlePubrel(a *codec.Ack) {
	code := codec.Success
	if t := c.session.transit; t != nil && t.incoming.has(a.PacketID) {
		t.incoming.remove(a.PacketID)
	} else {
		code = codec.PacketIdentifierNotFound
	}
	c.sendAck(codec.TypePubcomp, a.PacketID, code) // [MQTT-4.3.3-11]
}

// handlePubcomp ends a QoS 2 handshake that the Server began.
func (c *conn) handlePubcomp(e *inflightMessage) {
	if e == nil {
		return
	}
	if e.state != awaitPubcomp {
		c.protocolError(codec.ProtocolError, "PUBCOMP without PUBREC")
		return
	}
	c.session.transit.inflight.remove(c.loop, e)
	c.restoreQuota()
}
