package engine

import (
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollTransport is a socket in a poller's hands.
type epollTransport struct {
	poller *poller
	conn   *conn
	fd     int32 // -1 once closed: its number may be somebody else's by then

	// waiting is what the peer has not taken yet, the first sent bytes of it
	// excepted. While there is any, EPOLLOUT is asked for.
	waiting []byte
	sent    int

	peer   netip.AddrPort
	remote net.Addr // made of peer when it is asked for
}

func (t *epollTransport) write(b []byte) error {
	if t.fd < 0 {
		return net.ErrClosed
	}
	if len(t.waiting) > 0 {
		t.keep(b)
		return nil
	}
	for len(b) > 0 {
		n, errno := rawWrite(t.fd, b)
		switch {
		case errno == syscall.EAGAIN:
			t.keep(b)
			return control(t.poller.epoll, unix.EPOLL_CTL_MOD, t.fd, unix.EPOLLIN|unix.EPOLLOUT, aboutConnection)
		case errno == syscall.EINTR:
		case errno != 0:
			return errno
		default:
			b = b[n:]
		}
	}
	return nil
}

// keep holds b until the peer takes more.
func (t *epollTransport) keep(b []byte) {
	if t.sent > 0 && len(t.waiting)+len(b) > cap(t.waiting) {
		t.waiting = t.waiting[:copy(t.waiting, t.waiting[t.sent:])]
		t.sent = 0
	}
	t.waiting = append(t.waiting, b...)
}

// drain writes what waits.
func (t *epollTransport) drain() {
	for t.sent < len(t.waiting) {
		n, errno := rawWrite(t.fd, t.waiting[t.sent:])
		switch {
		case errno == syscall.EAGAIN:
			return
		case errno == syscall.EINTR:
		case errno != 0:
			t.poller.loop.lost(t.conn)
			return
		default:
			t.sent += n
		}
	}
	t.waiting, t.sent = nil, 0
	if err := control(t.poller.epoll, unix.EPOLL_CTL_MOD, t.fd, unix.EPOLLIN, aboutConnection); err != nil {
		t.poller.loop.lost(t.conn)
	}
}

func (t *epollTransport) buffered() int { return len(t.waiting) - t.sent }

func (t *epollTransport) close() {
	if t.fd < 0 {
		return
	}
	t.poller.transports[t.fd] = nil
	t.discard()
}

// discard closes a socket that the poller does not have, or no longer.
func (t *epollTransport) discard() {
	t.poller.connections.Add(-1)
	// No other descriptor refers to the socket, so this ends its events too.
	_ = syscall.Close(int(t.fd))
	t.fd, t.waiting, t.sent = -1, nil, 0
}

func (t *epollTransport) remoteAddr() net.Addr {
	if t.remote == nil {
		t.remote = net.TCPAddrFromAddrPort(t.peer)
	}
	return t.remote
}

// move takes the socket from one epoll instance to another.
func (t *epollTransport) move(c *conn, to *loop) {
	from, next := t.poller, t.poller.reactor.pollers[to.index]
	_ = control(from.epoll, unix.EPOLL_CTL_DEL, t.fd, 0, aboutConnection) // it is there
	from.transports[t.fd] = nil
	from.connections.Add(-1)
	t.poller = next
	next.expect(t)
	to.post(func(l *loop) {
		next.arrived(t)
		if err := next.add(t); err != nil {
			t.discard()
			l.neverArrived(c, err)
			return
		}
		l.arrivedInTurn(c)
		if len(t.waiting) > 0 {
			t.drain()
		}
	})
}

// rawRead and rawWrite are read and write on descriptors that never block, so
// that Go's scheduler need not be told about them: it would take a processor
// from a loop, and give it back.
func rawRead(fd int32, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func rawWrite(fd int32, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}
