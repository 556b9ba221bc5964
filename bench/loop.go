package bench

import (
	"fmt"
	"time"
)

// readBytes is how much one read may bring. It covers what a broker can send
// within a few turns, so that a turn takes one read from each socket.
const readBytes = 256 << 10

// loop drives connections from one thread. Everything below it is its own.
type loop struct {
	poll  *poller
	conns []*conn
	dirty []*conn

	// packets and raw are read buffers, shared because nothing stays in them
	// between reads.
	packets, raw []byte
	longest      int // bytes of a packet that is not complete

	base time.Time
	now  int64 // nanoseconds since base, of the last wakeup or read
}

// newLoop returns a loop for packets of at most longest bytes.
func newLoop(longest int) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{
		poll:    poll,
		packets: make([]byte, readBytes+longest),
		raw:     make([]byte, readBytes),
		longest: longest,
		base:    time.Now(),
	}, nil
}

func (l *loop) clock() int64 { return int64(time.Since(l.base)) }

// add takes over a descriptor that does not block, with what is layered on it.
// early is what was read already; h is told of the packets in it.
func (l *loop) add(fd int, y layers, early []byte, h handler) (*conn, error) {
	c := &conn{loop: l, index: len(l.conns), fd: fd, layers: y, handle: h}
	l.conns = append(l.conns, c)
	if err := l.poll.watch(fd, c.index, false, false); err != nil {
		return nil, err
	}
	c.partial = append(c.partial, early...)
	return c, nil
}

// turn waits for at most d, handles what has happened, and calls refill once;
// then it writes what was appended meanwhile, once for each connection.
func (l *loop) turn(d time.Duration, refill func()) error {
	n, err := l.poll.wait(d)
	if err != nil {
		return err
	}
	l.now = l.clock()
	for i := range n {
		index, readable, writable := l.poll.event(i)
		c := l.conns[index]
		if writable {
			if err := c.flush(); err != nil {
				return c.failed(err)
			}
		}
		if readable {
			if err := c.receive(); err != nil {
				return c.failed(err)
			}
		}
	}
	refill()
	return l.flush()
}

// flush writes for those that are dirty.
func (l *loop) flush() error {
	for _, c := range l.dirty {
		c.dirty = false
		if c.full {
			continue // the poller tells when it is not
		}
		if err := c.flush(); err != nil {
			return c.failed(err)
		}
	}
	l.dirty = l.dirty[:0]
	return nil
}

func (c *conn) failed(err error) error { return fmt.Errorf("bench: %v: %w", c.handle, err) }

// close closes all connections.
func (l *loop) close() {
	for _, c := range l.conns {
		closeSocket(c.fd)
	}
	l.poll.close()
}
