package engine

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirmq/weir/tlsstate"
)

// epollReactor drives the loops with epoll: a goroutine and an epoll instance
// for each. It is what Linux has in place of gnetReactor, for three reasons,
// each of them measured against it:
//
//   - The loops accept. gnet fixes listeners when it starts, so there accepting
//     takes a goroutine, a second descriptor and a wake-up for each connection,
//     which is 40 % of the price of one.
//   - A turn is whatever one epoll_wait returns. gnet reports connections one
//     by one, so there a Subscriber to many is written to once for each of
//     them.
//   - A loop waits in the epoll_wait that it would look for events with. gnet
//     looks first, without waiting, which is a system call more for each
//     message that comes alone.
type epollReactor struct {
	engine  *Engine
	base    time.Time
	pollers []*poller
	running sync.WaitGroup
	// stopping is held for reading by whoever needs the pollers' descriptors to
	// be there, and by shutdown for good. Readers try and never wait: shutdown
	// waits for the loops.
	stopping sync.RWMutex
}

func newEpollReactor(e *Engine) *epollReactor {
	return &epollReactor{engine: e, base: time.Now().Add(-time.Second)}
}

func (r *epollReactor) now() int64 { return int64(time.Since(r.base)) }

func (r *epollReactor) wake(l *loop) { r.pollers[l.index].wake() }

func (r *epollReactor) wakeAt(l *loop, when int64) { r.pollers[l.index].alarm = when }

func (r *epollReactor) start() error {
	for _, l := range r.engine.loops {
		p, err := newPoller(r, l)
		if err != nil {
			r.release()
			return fmt.Errorf("engine: reactor: %w", err)
		}
		r.pollers = append(r.pollers, p)
	}
	for _, p := range r.pollers {
		r.running.Go(p.run)
	}
	return nil
}

func (r *epollReactor) shutdown() {
	r.stopping.Lock()
	for _, p := range r.pollers {
		p.stop.Store(true)
		p.ring() // which does not wait for stopping
	}
	r.running.Wait()
	r.release()
}

func (r *epollReactor) release() {
	for _, p := range r.pollers {
		p.release()
	}
}

// fewest returns the poller with the fewest connections.
func (r *epollReactor) fewest() *poller {
	least := r.pollers[0]
	for _, p := range r.pollers[1:] {
		if p.connections.Load() < least.connections.Load() {
			least = p
		}
	}
	return least
}

// enroll duplicates the descriptor of nc, which Go's own poller has as well.
func (r *epollReactor) enroll(nc net.Conn, p *port, t *tlsstate.Conn) error {
	defer func() { _ = nc.Close() }()
	fd, err := duplicate(nc)
	if err != nil {
		return err
	}
	if !r.stopping.TryRLock() {
		_ = syscall.Close(fd)
		return ErrClosed
	}
	defer r.stopping.RUnlock()
	to := r.fewest()
	tr := &epollTransport{poller: to, fd: int32(fd), remote: nc.RemoteAddr()}
	to.expect(tr)
	to.loop.post(func(*loop) {
		to.arrived(tr)
		to.serve(tr, p, t)
	})
	return nil
}

func duplicate(nc net.Conn) (fd int, err error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("engine: a connection of type %T has no descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlled := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlled != nil {
		return -1, controlled
	}
	return fd, err
}

// poller is the part of the reactor that belongs to one loop. Its fields are
// the loop's, unless they say otherwise.
type poller struct {
	reactor *epollReactor
	loop    *loop
	epoll   int
	bell    int // an eventfd
	alarm   int64
	buffer  []byte

	// transports is by descriptor. An event for one that is closed finds
	// nothing here, or the next connection of that number, which then has
	// nothing to read: that is harmless.
	transports []*epollTransport
	acceptors  map[int32]*acceptor

	// connections is how many there are, those on their way here included.
	connections atomic.Int64

	// asleep is set while the loop waits, or is about to: who clears it rings
	// the bell. rung is set when there is something to do besides events, so
	// that a loop which is awake is woken by a store.
	asleep, rung, stop atomic.Bool

	mu       sync.Mutex
	expected map[*epollTransport]bool // posted, and not here yet
}

const (
	// pollBatch is the number of events that one turn handles at most.
	pollBatch = 256
	// readBytes is how much of one connection is read in one turn.
	readBytes = 128 << 10
)

// What an event is about, in the half of its data that the kernel leaves alone.
const (
	aboutConnection = iota
	aboutListener
	aboutBell
)

func newPoller(r *epollReactor, l *loop) (p *poller, err error) {
	p = &poller{
		reactor: r, loop: l, epoll: -1, bell: -1,
		acceptors: make(map[int32]*acceptor),
		expected:  make(map[*epollTransport]bool),
		buffer:    make([]byte, readBytes),
	}
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if p.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		p.release()
		return nil, err
	}
	// Edge-triggered, it need not be read.
	if err = p.control(unix.EPOLL_CTL_ADD, int32(p.bell), unix.EPOLLIN|unix.EPOLLET, aboutBell); err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

func (p *poller) release() {
	for fd, t := range p.transports {
		if t != nil {
			_ = syscall.Close(fd)
		}
	}
	for t := range p.expected {
		_ = syscall.Close(int(t.fd))
	}
	p.transports, p.expected = nil, nil
	if p.epoll >= 0 {
		_ = syscall.Close(p.epoll)
	}
	if p.bell >= 0 {
		_ = syscall.Close(p.bell)
	}
	p.epoll, p.bell = -1, -1
}

func (p *poller) control(op int, fd int32, events uint32, about int32) error {
	return unix.EpollCtl(p.epoll, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd, Pad: about})
}

// wake is safe for concurrent use.
func (p *poller) wake() {
	p.rung.Store(true)
	if p.asleep.CompareAndSwap(true, false) && p.reactor.stopping.TryRLock() {
		p.ring()
		p.reactor.stopping.RUnlock()
	}
}

func (p *poller) ring() {
	one := [8]byte{1, 1} // any number, in either byte order
	_, _ = rawWrite(int32(p.bell), one[:])
}

// run is the life of a loop.
func (p *poller) run() {
	events := make([]unix.EpollEvent, pollBatch)
	for !p.stop.Load() {
		timeout := p.timeout()
		p.asleep.Store(true)
		if p.rung.Load() {
			timeout = 0
		}
		n, err := unix.EpollWait(p.epoll, events, timeout)
		p.asleep.Store(false)
		if err != nil && err != unix.EINTR {
			p.reactor.engine.log.Error("epoll_wait failed", "loop", p.loop.index, "error", err)
			return
		}
		p.turn(events[:max(n, 0)])
	}
}

// timeout is how long to wait, in milliseconds.
func (p *poller) timeout() int {
	if p.alarm == 0 {
		return -1
	}
	left := p.alarm - p.reactor.now()
	if left <= 0 {
		return 0
	}
	const most = int64(time.Hour)
	return int((min(left, most) + int64(time.Millisecond) - 1) / int64(time.Millisecond))
}

// turn handles what epoll_wait returned, and what is due, in one turn of the
// loop.
func (p *poller) turn(events []unix.EpollEvent) {
	l := p.loop
	l.begin()
	for i := range events {
		switch ev := &events[i]; ev.Pad {
		case aboutConnection:
			p.ready(ev.Fd, ev.Events)
		case aboutListener:
			if a := p.acceptors[ev.Fd]; a != nil {
				a.accept()
			}
		}
	}
	if p.rung.Swap(false) || p.alarm != 0 && l.now >= p.alarm {
		if l.now >= p.alarm {
			p.alarm = 0
		}
		l.due()
	}
	l.end()
}

// ready handles a connection that can be read or written.
func (p *poller) ready(fd int32, events uint32) {
	t := p.at(fd)
	if t == nil {
		return
	}
	if events&unix.EPOLLOUT != 0 {
		t.drain()
	}
	if events&^unix.EPOLLOUT == 0 {
		return
	}
	n, errno := rawRead(fd, p.buffer)
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
	case errno != 0 || n == 0:
		t.waiting, t.sent = nil, 0 // nobody is going to take it
		p.loop.lost(t.conn)
	default:
		p.loop.receive(t.conn, p.buffer[:n])
	}
}

func (p *poller) at(fd int32) *epollTransport {
	if int(fd) >= len(p.transports) {
		return nil
	}
	return p.transports[fd]
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
	if tc != nil {
		// Bytes read during the handshake may hold a whole CONNECT, and no
		// event will announce them.
		p.loop.receive(c, nil)
	}
}

// add has events of t reported.
func (p *poller) add(t *epollTransport) error {
	if err := p.control(unix.EPOLL_CTL_ADD, t.fd, unix.EPOLLIN, aboutConnection); err != nil {
		return err
	}
	for int(t.fd) >= len(p.transports) {
		p.transports = append(p.transports, nil)
		p.transports = p.transports[:cap(p.transports)]
	}
	p.transports[t.fd] = t
	return nil
}
