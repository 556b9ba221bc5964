package bench

import (
	"fmt"

	"github.com/weirmq/weir/codec"
)

// conn is one Network Connection on the loop.
type conn struct {
	loop  *loop
	index int
	fd    int
	layers

	partial []byte // the beginning of a packet
	out     []byte // packets that were not sent yet
	wire    []byte // what they are on the wire, being written
	written int    // of wire

	dirty  bool // on the loop's list of those with something in out
	full   bool // the socket takes no more for now
	answer bool // TLS or WebSocket has something to send of its own

	// handle is told of each packet. The frame is borrowed for the call.
	handle handler
}

// handler is a Publisher or a Subscriber.
type handler interface {
	packet(f codec.Frame) error
}

// touch has the loop send what was appended to out, at the end of its turn.
func (c *conn) touch() {
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// unsent returns how many bytes wait for the socket.
func (c *conn) unsent() int { return len(c.out) + len(c.wire) - c.written }

// receive reads once and handles the packets that are complete. Level-triggered
// polling comes back if there is more, and it spares the read that finds nothing.
func (c *conn) receive() error {
	l := c.loop
	var packets []byte
	var ended error
	if c.plain() {
		have := copy(l.packets, c.partial)
		n, err := readSocket(c.fd, l.packets[have:])
		if err != nil || n == 0 {
			return c.ended(n, err)
		}
		packets = l.packets[:have+n]
	} else {
		n, err := readSocket(c.fd, l.raw)
		if err != nil || n == 0 {
			return c.ended(n, err)
		}
		var answer bool
		l.packets, answer, ended = c.open(append(l.packets[:0], c.partial...), l.raw[:n])
		packets = l.packets
		l.packets = l.packets[:cap(l.packets)]
		if answer {
			c.answer = true
			c.touch()
		}
	}
	l.now = l.clock()
	// Why the broker ends a connection may have come with the end.
	if err := c.parse(packets); err != nil {
		return err
	}
	if ended != nil {
		return fmt.Errorf("reading: %w", ended)
	}
	return nil
}

// ended says what a read that brought nothing means.
func (c *conn) ended(n int, err error) error {
	switch {
	case err == errWouldBlock:
		return nil
	case err == nil && n == 0:
		return errClosed
	}
	return err
}

// parse handles the packets in b and keeps what is left of it.
func (c *conn) parse(b []byte) error {
	for len(b) > 0 {
		f, size, err := codec.ReadFrame(b, 0)
		if err != nil {
			return err
		}
		if size == 0 || size > len(b) {
			break
		}
		if err := c.handle.packet(f); err != nil {
			return err
		}
		b = b[size:]
	}
	if len(b) > c.loop.longest {
		return &PacketError{codec.PacketType(b[0] >> 4), "it is longer than any that was published"}
	}
	c.partial = append(c.partial[:0], b...)
	return nil
}

// flush writes what there is, until the socket takes no more.
func (c *conn) flush() error {
	for {
		if c.written == len(c.wire) {
			if len(c.out) == 0 && !c.answer {
				return c.setFull(false)
			}
			c.written, c.answer = 0, false
			if c.plain() {
				c.wire, c.out = c.out, c.wire[:0]
			} else {
				var err error
				if c.wire, err = c.seal(c.wire[:0], c.out); err != nil {
					return err
				}
				c.out = c.out[:0]
			}
		}
		n, err := writeSocket(c.fd, c.wire[c.written:])
		c.written += n
		switch {
		case err != nil && err != errWouldBlock:
			return err
		case c.written < len(c.wire):
			return c.setFull(true)
		case len(c.out) == 0 && !c.answer:
			return c.setFull(false)
		}
	}
}

// setFull notes whether the socket is full, and if so has the loop come back.
func (c *conn) setFull(full bool) error {
	if c.full == full {
		return nil
	}
	c.full = full
	return c.loop.poll.watch(c.fd, c.index, full, true)
}
