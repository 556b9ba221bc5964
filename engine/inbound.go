package engine

import (
	"errors"
	"io"

	"github.com/weirmq/weir/codec"
)

// receive takes bytes from the network; b is borrowed, and may be overwritten.
func (c *conn) receive(b []byte) {
	l := c.loop
	if c.state >= stateClosing {
		return
	}
	l.stats.BytesReceived += uint64(len(b))
	if c.tls == nil {
		c.receivePlain(b)
		return
	}
	plain, err := c.tls.Open(l.plain[:0], b)
	l.plain = plain[:0]
	c.receivePlain(plain)
	if l.sealed = c.tls.Pending(l.sealed[:0]); len(l.sealed) > 0 {
		_ = c.tr.write(l.sealed) // an alert, mostly: the connection is over
	}
	switch {
	case err == nil || c.state >= stateClosing:
	case errors.Is(err, io.EOF):
		c.close(CloseConnectionLost)
	default:
		c.closeDetail(CloseTLSError, err.Error())
	}
	if cap(l.plain) > maxScratch {
		l.plain = nil
	}
}

// receivePlain takes bytes that are not encrypted, or not any more.
func (c *conn) receivePlain(b []byte) {
	if c.ws != nil {
		c.receiveWebSocket(b)
		return
	}
	c.lastReceived = c.loop.now
	c.parse(b)
}

// parse splits b into packets and handles them, together with what was left
// over before. What is left now is carried to the next time.
func (c *conn) parse(b []byte) {
	// Of what comes only the end of the cut packet is copied: of a read of many
	// large packets one, where all of them would be twice.
	for c.carry != nil && !c.waiting && len(b) > 0 {
		n := min(c.missing(), len(b))
		c.append(b[:n])
		b = b[n:]
		c.keep(c.handlePackets(c.carry.B))
	}
	if c.carry == nil {
		c.loop.reading = true
		b = c.handlePackets(b)
		c.loop.reading = false
		c.keep(b)
		return
	}
	if c.readsTooFar(len(b)) {
		c.disconnect(codec.QuotaExceeded, CloseQuotaExceeded)
		return
	}
	c.append(b)
	c.countInput()
}

// handlePackets handles the packets of b and returns what is left.
func (c *conn) handlePackets(b []byte) (rest []byte) {
	for len(b) > 0 && !c.waiting && c.state < stateClosing {
		n, ok := c.nextPacket(b)
		if !ok {
			break
		}
		b = b[n:]
	}
	return b
}

// readsTooFar reports whether more bytes than maxCarryBytes would be carried
// behind a packet that waits, with n more. The packet itself may be larger than
// that, but for CONNECT, which is not carried while it waits.
func (c *conn) readsTooFar(n int) bool {
	if !c.waiting {
		return false
	}
	n += len(c.carry.B)
	if n > maxCarryBytes && c.state == stateOpen {
		_, size, _ := codec.ReadFrame(c.carry.B, c.packetLimit())
		n -= size
	}
	return n > maxCarryBytes
}

// append adds b to what is carried.
func (c *conn) append(b []byte) {
	c.loop.buffers.grow(c.carry, len(b))
	c.carry.B = append(c.carry.B, b...)
}

// missing is how many bytes the carried packet needs to be complete. Before its
// length is known that is one, of four at most.
func (c *conn) missing() int {
	_, size, _ := codec.ReadFrame(c.carry.B, c.packetLimit()) // without error the last time, too
	if size == 0 {
		return 1
	}
	return size - len(c.carry.B)
}

// resume goes on with the packets that arrived while the connection waited.
func (c *conn) resume() {
	if c.carry != nil && !c.waiting && c.state < stateClosing {
		c.loop.reading = false // of what another connection has sent
		c.keep(c.handlePackets(c.carry.B))
	}
}

// keep carries rest, which may be a window on the carry itself.
func (c *conn) keep(rest []byte) {
	c.carryOver(rest)
	c.countInput()
}

// countInput counts what is carried, if that is much, and closes the connection
// if all together carry too much.
func (c *conn) countInput() {
	n := 0
	if c.carry != nil && len(c.carry.B) > smallInput {
		n = len(c.carry.B)
	}
	more := n - int(c.counted)
	if more == 0 {
		return
	}
	c.counted = uint32(n)
	e := c.loop.engine
	if e.input.Add(int64(more)) > int64(e.limits.InputBytes) && more > 0 {
		c.disconnectDetail(codec.QuotaExceeded, CloseQuotaExceeded, "no room for more input")
		c.keep(nil)
	}
}

func (c *conn) carryOver(rest []byte) {
	switch {
	case c.state >= stateClosing || len(rest) == 0:
		if c.carry != nil {
			c.loop.buffers.put(c.carry)
			c.carry = nil
		}
	case c.carry != nil:
		n := copy(c.carry.B, rest)
		c.carry.B = c.carry.B[:n]
	default:
		c.carry = c.loop.buffers.get()
		c.append(rest)
		if c.readsTooFar(0) {
			c.disconnect(codec.QuotaExceeded, CloseQuotaExceeded)
		}
	}
}

// nextPacket handles the first packet of b and returns its size. It is not ok when
// the packet is incomplete, in error, or must wait for an answer; then it has
// not been consumed.
func (c *conn) nextPacket(b []byte) (size int, ok bool) {
	f, size, err := codec.ReadFrame(b, c.packetLimit())
	if err != nil {
		if c.state == stateConnecting && looksLikeTLS(b) {
			c.close(CloseTLSOnPlainPort)
			return 0, false
		}
		c.fail(err)
		return 0, false
	}
	if size == 0 || size > len(b) {
		return 0, false
	}
	c.loop.stats.PacketsReceived++
	return size, c.handle(f)
}

// packetLimit is how large a packet of the peer may be now.
func (c *conn) packetLimit() uint32 {
	if c.state == stateConnecting {
		return c.loop.engine.limits.ConnectPacketSize
	}
	return c.loop.engine.limits.MaximumPacketSize
}

// looksLikeTLS recognizes the record type of a ClientHello. No Control Packet
// begins like that, so the first byte, which may come alone, is enough.
func looksLikeTLS(b []byte) bool { return b[0] == 0x16 }

// handle reacts to one Control Packet. It returns false if the packet has to
// be handled again, because it needs an answer that is not there yet; nothing
// has been done with it then.
func (c *conn) handle(f codec.Frame) (done bool) {
	if f.Type == codec.TypePublish && c.state == stateOpen {
		return c.handlePublish(f)
	}
	if c.state == stateConnecting {
		if f.Type != codec.TypeConnect {
			c.closeDetail(CloseProtocolError, "first packet is "+f.Type.String()) // [MQTT-3.1.0-1]
			return false
		}
		return c.handleConnect(f)
	}
	switch f.Type {
	case codec.TypePuback, codec.TypePubrec, codec.TypePubrel, codec.TypePubcomp:
		return c.handleAck(f)
	case codec.TypeSubscribe:
		return c.handleSubscribe(f)
	case codec.TypeUnsubscribe:
		return c.handleUnsubscribe(f)
	case codec.TypePingreq:
		return c.handlePingreq(f)
	case codec.TypeDisconnect:
		return c.handleDisconnect(f)
	case codec.TypeAuth:
		return c.handleAuth(f)
	case codec.TypeConnect:
		c.protocolError(codec.ProtocolError, "second CONNECT") // [MQTT-3.1.0-2]
	default:
		c.protocolError(codec.ProtocolError, f.Type.String()+" comes from a Server only")
	}
	return false
}
