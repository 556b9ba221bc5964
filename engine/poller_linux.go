package engine

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/tlsstate"
)

// poller is the part of the reactor that belongs to one loop: its connections,
// in an epoll instance of its own. Its fields are the loop's, unless they say
// otherwise; which goroutine that is decides the executor.
type poller struct {
	reactor *epollReactor
	loop    *loop
	epoll   int
	alarm   int64
	// What can be read is reported once. So who has not been read from to the end
	// is noted, by slot and in one place at most: passing are those who come, which
	// have no Session yet, and those who go, whose end was reported, and more are
	// others that had more than was read at once.
	passing []int32
	more    []int32
	cycle   uint64 // of the executor, in which it last had events
	events  []unix.EpollEvent
	pieces  []unix.Iovec // scratch of rawWritev

	// transports is by slot, and free the slots that are not taken:
	// descriptors are shared by all loops, so by descriptor each loop would
	// have a table for all connections. An event for one that is closed finds
	// nothing here, or the next connection of that slot, which then has
	// nothing to read: that is harmless.
	transports []*epollTransport
	free       []int32
	// arrivals were accepted on the loop's goroutine, before its turn.
	arrivals []arrival

	// connections is how many there are, those on their way here included.
	connections atomic.Int64
	// rung is set when the loop has something to do besides events.
	rung atomic.Bool
	// executor runs the loop. It may be wrong for whoever is not on it.
	executor atomic.Pointer[executor]

	mu       sync.Mutex
	expected map[*epollTransport]bool // posted, and not here yet
}

type arrival struct {
	transport *epollTransport
	port      *port
}

// pollBatch is the number of events that one turn handles at most.
const pollBatch = 256

func newPoller(r *epollReactor, l *loop) (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &poller{
		reactor: r, loop: l, epoll: epoll,
		events:   make([]unix.EpollEvent, pollBatch),
		expected: make(map[*epollTransport]bool),
	}, nil
}

// release may be called again: a start that failed has done it already.
func (p *poller) release() {
	for _, t := range p.transports {
		if t != nil {
			_ = syscall.Close(int(t.fd))
		}
	}
	for t := range p.expected {
		_ = syscall.Close(int(t.fd))
	}
	for _, a := range p.arrivals {
		_ = syscall.Close(int(a.transport.fd))
	}
	p.transports, p.expected, p.arrivals = nil, nil, nil
	if p.epoll >= 0 {
		_ = syscall.Close(p.epoll)
		p.epoll = -1
	}
}

// wake is safe for concurrent use. The order matters: an executor that takes
// the poller over meanwhile looks at rung before it waits.
func (p *poller) wake() {
	p.rung.Store(true)
	p.executor.Load().wake()
}

// turn handles what epoll_wait returned, and what is due, in one turn of the
// loop. Those who come and go have a turn of their own after it, when what others
// are sent is written.
func (p *poller) turn(events []unix.EpollEvent, buffer []byte) {
	l := p.loop
	l.begin()
	for i, a := range p.arrivals {
		p.arrivals[i] = arrival{}
		p.serve(a.transport, a.port, nil)
	}
	p.arrivals = p.arrivals[:0]
	p.readLater(&p.more, pollBatch, buffer)
	for i := range events {
		if ev := &events[i]; ev.Pad == aboutConnection {
			p.ready(ev.Fd, ev.Events, buffer)
		}
	}
	due := p.alarm != 0 && l.now >= p.alarm
	if due {
		p.alarm = 0
	}
	if p.rung.Swap(false) || due {
		l.due()
	}
	l.end()
	if len(p.passing) > 0 {
		l.begin()
		p.readLater(&p.passing, l.crowd(), buffer)
		l.end()
	}
}

// readLater reads from those who were noted, at most so many, in that order. Who
// has more is noted again, and comes last.
func (p *poller) readLater(noted *[]int32, most int, buffer []byte) {
	n := min(len(*noted), most)
	for i := range n {
		// The connection may have been closed meanwhile, and another one have its
		// slot.
		if t := p.transports[(*noted)[i]]; t != nil && t.noted {
			t.noted = false
			p.read(t.slot, buffer)
		}
	}
	*noted = slices.Delete(*noted, 0, n)
}

// engaged reports whether there is enough to do without more connections.
func (p *poller) engaged() bool { return len(p.passing) > 0 || p.loop.hasMessages() }

// idle reports whether a turn without events would have nothing to do.
func (p *poller) idle(now int64) bool {
	return len(p.arrivals) == 0 && !p.backlog() && !p.rung.Load() && (p.alarm == 0 || now < p.alarm)
}

// backlog reports whether a turn has left something for a later one, when others
// have been looked at.
func (p *poller) backlog() bool {
	return len(p.passing) > 0 || len(p.more) > 0 || p.loop.takenSingles != nil
}

// ready handles a connection that can be read or written.
func (p *poller) ready(slot int32, events uint32, buffer []byte) {
	t := p.transports[slot]
	if t == nil {
		return
	}
	if events&unix.EPOLLOUT != 0 {
		t.drain()
	}
	if events&^unix.EPOLLOUT == 0 {
		return
	}
	t.ended = t.ended || events&^(unix.EPOLLOUT|unix.EPOLLIN) != 0
	if t.noted || t.passing() {
		p.note(t)
		return
	}
	p.read(slot, buffer)
}

// note has a connection read from later. Who is noted already waits for that: a
// peer that never stops is read from once in a turn.
func (p *poller) note(t *epollTransport) {
	if t.noted {
		return
	}
	t.noted = true
	if t.passing() {
		p.passing = append(p.passing, t.slot)
	} else {
		p.more = append(p.more, t.slot)
	}
}

// read reads from a connection once, and handles that. The connection may have
// been closed meanwhile, and another one may have its slot: nothing to read is
// harmless.
func (p *poller) read(slot int32, buffer []byte) {
	t := p.transports[slot]
	if t == nil {
		return
	}
	n, errno := rawRead(t.fd, buffer)
	switch {
	case errno == syscall.EAGAIN:
	case errno == syscall.EINTR:
		p.note(t)
	case errno != 0 || n == 0:
		t.unsent = nil // nobody is going to take it
		p.loop.lost(t.conn)
	default:
		p.loop.receive(t.conn, buffer[:n])
		// If the buffer was not filled nothing was left, and what comes is reported:
		// see epoll(7). The end has been already.
		if (n == len(buffer) || t.ended) && t.fd >= 0 {
			p.note(t)
		}
	}
}

// post has the loop serve a connection of port. Safe for concurrent use.
func (p *poller) post(t *epollTransport, port *port, tc *tlsstate.Conn) {
	p.expect(t)
	p.loop.postSingly(func(*loop) {
		p.arrived(t)
		p.serve(t, port, tc)
	})
}

// expect notes a connection that is posted here, so that its descriptor is not
// lost if the loop ends first. Safe for concurrent use.
func (p *poller) expect(t *epollTransport) {
	p.connections.Add(1)
	p.mu.Lock()
	p.expected[t] = true
	p.mu.Unlock()
}

func (p *poller) arrived(t *epollTransport) {
	p.mu.Lock()
	delete(p.expected, t)
	p.mu.Unlock()
}

// serve begins to serve a connection of port.
func (p *poller) serve(t *epollTransport, port *port, tc *tlsstate.Conn) {
	c := newConn(port, t, tc)
	t.conn = c
	if err := p.add(t); err != nil {
		t.discard()
		port.gone()
		port.engine.closedEarly(port, t.remoteAddr(), CloseConnectionLost, err.Error())
		return
	}
	p.loop.openedInTurn(c)
	switch {
	case p.loop.draining: // since it was posted
		c.disconnect(codec.ServerShuttingDown, CloseServerShuttingDown)
	case port.closed.Load():
		c.close(CloseListenerRemoved)
	case tc != nil:
		// Bytes read during the handshake may hold a whole CONNECT, and no
		// event will announce them.
		p.loop.receive(c, nil)
	}
}

// add has events of t reported. One that comes from another loop may have
// output that waits.
func (p *poller) add(t *epollTransport) error {
	if n := len(p.free); n > 0 {
		t.slot, p.free = p.free[n-1], p.free[:n-1]
	} else {
		t.slot = int32(len(p.transports))
		p.transports = append(p.transports, nil)
	}
	p.transports[t.slot] = t
	t.noted = false
	err := t.watch(unix.EPOLL_CTL_ADD)
	if err != nil {
		p.remove(t)
	}
	return err
}

// remove forgets t, whose events are not reported any more.
func (p *poller) remove(t *epollTransport) {
	p.transports[t.slot] = nil
	p.free = append(p.free, t.slot)
}
