package engine

import (
	"github.com/valyala/bytebufferpool"

	"github.com/weirmq/weir/codec"
)

// maxScratch is the largest scratch buffer a loop keeps.
const maxScratch = 1 << 20

// markDirty has the connection flushed at the end of the turn.
func (c *conn) markDirty() {
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// output returns the buffer to append packets to.
func (c *conn) output() *bytebufferpool.ByteBuffer {
	if c.out == nil {
		c.out = c.loop.buffers.get()
		if c.ws != nil {
			c.out.B = append(c.out.B, make([]byte, frameHeaderSpace)...)
		}
	}
	c.markDirty()
	return c.out
}

// flush writes what the turn produced, with one call to the transport and on
// TLS as one sequence of records, on WebSocket in one frame.
func (c *conn) flush() {
	l := c.loop
	c.acksUnsent = 0
	if c.out != nil {
		b := c.out.B
		if c.ws != nil {
			b = sealFrame(b)
		}
		c.write(b)
		l.buffers.put(c.out)
		c.out = nil
	}
	if c.state == stateOpen {
		c.watchCongestion()
	}
}

// write sends b, sealed if the connection has TLS.
func (c *conn) write(b []byte) {
	l := c.loop
	if c.tls != nil {
		var err error
		if l.sealed, err = c.tls.Seal(l.sealed[:0], b); err != nil {
			c.closeDetail(CloseTLSError, err.Error())
		}
		b = l.sealed
	}
	if len(b) > 0 && c.state < stateClosed {
		l.stats.BytesSent += uint64(len(b))
		if err := c.tr.write(b); err != nil {
			c.close(CloseConnectionLost)
		}
	}
	if cap(l.sealed) > maxScratch {
		l.sealed = nil
	}
}

// room reports whether more may be appended to the output now. Output beyond
// flushBytes is written in the middle of the turn.
func (c *conn) room() bool {
	if c.congested || c.state != stateOpen {
		return false
	}
	if c.out != nil && len(c.out.B) >= flushBytes {
		c.flush()
		return !c.congested && c.state == stateOpen
	}
	return true
}

// watchCongestion begins the slow-consumer policy when the peer has not taken
// what was written.
func (c *conn) watchCongestion() {
	n := c.tr.buffered()
	limits := &c.loop.engine.limits
	switch {
	case n <= limits.OutboundSoftBytes:
	case n > limits.OutboundHardBytes:
		c.disconnectSlow()
	case !c.congested:
		c.congested = true
		c.congestedSince = c.loop.now
		c.congestedBytes = n
		c.loop.congested = append(c.loop.congested, c)
		c.loop.stats.ConnectionsCongested++
	}
}

// pollCongested looks which peers have taken what was waiting for them.
func (l *loop) pollCongested() {
	// Whoever is served here may become congested again and goes on the new
	// list, so the old one must not be the same slice.
	old := l.congested
	l.congested = l.congestedSpare[:0]
	for _, c := range old {
		if l.stillCongested(c) {
			l.congested = append(l.congested, c)
		}
	}
	clear(old)
	l.congestedSpare = old[:0]
}

func (l *loop) stillCongested(c *conn) bool {
	if c.state != stateOpen {
		c.congested = false
		return false
	}
	n := c.tr.buffered()
	if n < c.congestedBytes {
		c.congestedBytes = n
		c.congestedSince = l.now
	}
	if n <= l.engine.limits.OutboundSoftBytes/2 {
		c.congested = false
		c.pump()
		return false
	}
	if l.now-c.congestedSince >= int64(l.engine.limits.SlowConsumerTimeout) {
		c.disconnectSlow()
		c.congested = false
		return false
	}
	return true
}

// disconnectSlow ends a connection whose peer does not read. What waits in the
// transport goes with it, so there is no use in a DISCONNECT packet.
func (c *conn) disconnectSlow() {
	c.close(CloseSlowConsumer)
}

// fits reports whether the packet that begins at start of the output may be sent
// to a Client with this Maximum Packet Size, and takes it back if not
// [MQTT-3.1.2-24] [MQTT-3.1.2-25]. A PUBLISH is measured before it is encoded.
// Of the others only CONNACK, SUBACK and UNSUBACK need to ask: whoever takes
// the 16 bytes of the shortest CONNACK takes all that have no list.
func (c *conn) fits(start int) bool {
	if c.maximumPacketSize == 0 || len(c.out.B)-start <= int(c.maximumPacketSize) {
		return true
	}
	c.out.B = c.out.B[:start]
	return false
}

// sendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP.
func (c *conn) sendAck(t codec.PacketType, id codec.PacketID, code codec.ReasonCode) {
	out := c.output()
	out.B = codec.AppendAck(out.B, c.version, t, id, code)
}
