package engine

// minFrameLimit is how long a data frame may be whatever Limits has for
// packets: it may hold several of them [MQTT-6.0.0-2].
const minFrameLimit = 64 << 10

// webSocket is the WebSocket protocol of a connection (RFC 6455): it lies
// between the bytes of the network, or those inside of TLS, and the Control
// Packets. It belongs to the connection.
type webSocket struct {
	upgraded bool   // the HTTP request was accepted
	request  []byte // of the HTTP request, while it is incomplete
	frames   frameReader

	// closeCode is what the Close frame gives instead of what fits the close
	// reason. A peer's own Close without a code is answered without one.
	closeCode uint16
	closed    bool // the peer sent a Close frame
}

// newWebSocket returns what a connection of p needs, nil if that is nothing.
func newWebSocket(p *port) *webSocket {
	if p == nil || p.protocol != WebSockets {
		return nil
	}
	w := new(webSocket)
	w.frames.limit = max(uint64(p.engine.limits.MaximumPacketSize), minFrameLimit)
	return w
}

// receiveWebSocket takes bytes of the WebSocket protocol; b is borrowed, and
// overwritten.
func (c *conn) receiveWebSocket(b []byte) {
	w := c.ws
	if !w.upgraded {
		if b = c.upgrade(b); !w.upgraded {
			return
		}
	}
	payload, err := w.frames.read(b)
	if len(payload) > 0 {
		// Keep Alive asks for Control Packets [MQTT-3.1.2-22]: control frames,
		// which libraries send by themselves, say nothing of the Client.
		c.lastReceived = c.loop.now
		c.parse(payload)
	}
	if w.frames.pinged {
		w.frames.pinged = false
		c.pong()
	}
	if err != nil {
		w.closeCode = err.code
		w.closed = err.reason == CloseWebSocketClosed
		c.closeDetail(err.reason, err.detail)
	}
}

// pong answers the last Ping. A peer that pings and does not read gets no more
// answers once as much waits as may wait for anyone.
func (c *conn) pong() {
	if c.state < stateClosing && c.tr.buffered() <= c.loop.engine.limits.OutboundSoftBytes {
		c.writeControlFrame(opPong, c.ws.frames.ping)
	}
}

// writeControlFrame writes a control frame at once, before any output that
// waits for the end of the turn.
func (c *conn) writeControlFrame(opcode byte, payload []byte) {
	l := c.loop
	l.control = append(l.control[:0], finBit|opcode, byte(len(payload)))
	l.control = append(l.control, payload...)
	c.write(l.control)
}
