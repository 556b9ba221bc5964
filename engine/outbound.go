package engine

import "github.com/weirmq/weir/codec"

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
func (c *conn) output() *buffer {
	if c.out == nil {
		c.out = c.loop.buffers.get()
		if c.ws != nil {
			c.out.B = append(c.out.B, make([]byte, frameHeaderSpace)...)
		}
	}
	if n := len(c.out.B); n >= smallBufferBytes/2 && cap(c.out.B)-n < smallBufferBytes/4 {
		c.loop.buffers.grow(c.out, cap(c.out.B))
	}
	c.markDirty()
	return c.out
}

// flush writes what the turn produced, with one call to the transport and on
// TLS as one sequence of records, on WebSocket in one frame.
func (c *conn) flush() {
	l := c.loop
	c.acksUnsent = 0
	if out := c.out; out != nil {
		c.out = nil
		switch {
		case len(out.loans) > 0:
			c.writeLoans(out)
		case c.ws != nil:
			c.write(sealFrame(out.B))
		default:
			c.write(out.B)
		}
		l.buffers.put(out)
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

// appendPayload adds the large payload of p to the output. Where that is possible
// it is lent and not copied, at most once for all receivers.
func (c *conn) appendPayload(p *publication) {
	l, out := c.loop, c.out
	switch {
	case c.tls != nil || c.ws != nil:
		// It is encrypted, or put into a frame, with the rest.
		l.buffers.grow(out, len(p.payload))
		out.B = append(out.B, p.payload...)
		return
	case p.msg == nil && p.read:
		out.lend(p.payload, nil)
		l.borrowed = true
	default:
		m := p.keep(l)
		m.ref(1)
		out.lend(m.payload, m)
	}
	l.lent += len(p.payload)
}

// settle writes what was lent from the read that has ended, since the next one
// overwrites it. It does so too when much has been lent from elsewhere: what is
// written soon is still in the processor's cache.
func (l *loop) settle() {
	l.reading = false // it is still set after a panic
	l.writeLent()
	for i, to := range l.hosts {
		l.hosts[i] = nil
		to.writeLent()
	}
	l.hosts = l.hosts[:0]
}

func (l *loop) writeLent() {
	if l.borrowed || l.lent >= turnLentBytes {
		l.flush()
		l.borrowed = false
	}
}

// writeLoans sends output with payloads that are elsewhere, and gives them back.
func (c *conn) writeLoans(out *buffer) {
	l := c.loop
	if c.state < stateClosed {
		l.pieces = out.slices(l.pieces[:0])
		l.stats.BytesSent += uint64(out.size())
		if err := c.tr.writev(l.pieces); err != nil {
			c.close(CloseConnectionLost)
		}
		clear(l.pieces)
	}
	for _, loan := range out.loans {
		if loan.msg != nil {
			l.release(loan.msg)
		}
	}
	clear(out.loans)
	l.lent -= out.lent
	out.loans, out.lent = out.loans[:0], 0
}

// room reports whether more may be appended to the output now. Output beyond
// flushBytes is written in the middle of the turn.
func (c *conn) room() bool {
	if c.congested || c.state != stateOpen {
		return false
	}
	if c.out != nil && c.out.size() >= flushBytes {
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
		r := c.needRare()
		r.congestedSince, r.congestedBytes = c.loop.now, n
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
	n, r := c.tr.buffered(), c.rare
	if n < r.congestedBytes {
		r.congestedSince, r.congestedBytes = l.now, n
	}
	if n <= l.engine.limits.OutboundSoftBytes/2 {
		c.congested = false
		c.dropRare()
		c.pump()
		return false
	}
	if l.now-r.congestedSince >= int64(l.engine.limits.SlowConsumerTimeout) {
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
