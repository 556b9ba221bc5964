package engine

import (
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollTransport is a socket in a poller's hands. There is one for each
// connection, so it is small, 64 bytes, which is a size of Go's allocator: what
// few of them need is behind a pointer.
type epollTransport struct {
	poller *poller
	conn   *conn
	fd     int32 // -1 once closed: its number may be somebody else's by then
	slot   int32 // in poller.transports
	unsent *unsent

	// The address of the other end: ip and port where that is TCP, which take
	// less than a netip.AddrPort; remote where it is not, or ip has a zone.
	remote   *net.Addr
	ip       [16]byte
	ipLength uint8
	port     uint16

	noted bool // is to be read from, see poller.note
	ended bool // the other end was reported to send no more
}

// passing reports whether the connection comes or goes.
func (t *epollTransport) passing() bool { return t.ended || t.conn.state == stateConnecting }

// setPeer notes who is at the other end.
func (t *epollTransport) setPeer(peer netip.AddrPort) {
	if peer.Addr().Zone() != "" {
		var far net.Addr = net.TCPAddrFromAddrPort(peer)
		t.remote = &far
		return
	}
	t.ipLength, t.port = uint8(copy(t.ip[:], peer.Addr().AsSlice())), peer.Port()
}

// maxPieces is how many pieces one system call takes, which is less than the
// IOV_MAX of any kernel, and more than flushBytes of lent payloads.
const maxPieces = 256

// unsent is what the peer has not taken yet: b, the first sent bytes of it
// excepted. While there is any, EPOLLOUT is asked for.
type unsent struct {
	b    []byte
	sent int
}

func (t *epollTransport) write(b []byte) error {
	if t.fd < 0 {
		return net.ErrClosed
	}
	if t.unsent != nil {
		t.unsent.keep(b)
		return nil
	}
	for len(b) > 0 {
		n, errno := rawWrite(t.fd, b)
		switch {
		case errno == syscall.EAGAIN:
			t.unsent = new(unsent)
			t.unsent.keep(b)
			return t.watch(unix.EPOLL_CTL_MOD)
		case errno == syscall.EINTR:
		case errno != 0:
			return errno
		default:
			b = b[n:]
		}
	}
	return nil
}

// writev writes with one system call what lies in several places; only what
// the peer does not take is copied.
func (t *epollTransport) writev(bs [][]byte) error {
	if t.fd < 0 {
		return net.ErrClosed
	}
	n := 0
	if t.unsent == nil {
		var errno syscall.Errno
		if n, errno = t.poller.rawWritev(t.fd, bs); errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
			return errno
		}
	}
	for _, b := range bs {
		if n >= len(b) {
			n -= len(b)
			continue
		}
		if err := t.write(b[n:]); err != nil {
			return err
		}
		n = 0
	}
	return nil
}

// watch has events of the socket reported, once each: otherwise epoll would ask
// the sockets of the last events again when it looks for others, and the hub once
// more, and would report a crowd of newcomers turn after turn. By turns, that took
// 1 to 2 % of the CPU time of all traffic.
func (t *epollTransport) watch(op int) error {
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	if t.unsent != nil {
		events |= unix.EPOLLOUT
	}
	return control(t.poller.epoll, op, int(t.fd), events, aboutConnection, t.slot)
}

// keep holds b until the peer takes more. What was sent is let go of when it is
// half of all: a peer that takes a byte at a time must not have the rest moved
// each time.
func (u *unsent) keep(b []byte) {
	if len(u.b)+len(b) > cap(u.b) && u.sent >= len(u.b)/2 {
		u.b = u.b[:copy(u.b, u.b[u.sent:])]
		u.sent = 0
	}
	u.b = append(u.b, b...)
}

// drain writes what waits.
func (t *epollTransport) drain() {
	u := t.unsent
	if u == nil {
		return
	}
	for u.sent < len(u.b) {
		n, errno := rawWrite(t.fd, u.b[u.sent:])
		switch {
		case errno == syscall.EAGAIN:
			return
		case errno == syscall.EINTR:
		case errno != 0:
			t.poller.loop.lost(t.conn)
			return
		default:
			u.sent += n
		}
	}
	t.unsent = nil
	if err := t.watch(unix.EPOLL_CTL_MOD); err != nil {
		t.poller.loop.lost(t.conn)
	}
}

func (t *epollTransport) buffered() int {
	if t.unsent == nil {
		return 0
	}
	return len(t.unsent.b) - t.unsent.sent
}

func (t *epollTransport) close() {
	if t.fd < 0 {
		return
	}
	t.poller.remove(t)
	t.discard()
}

// discard closes a socket that the poller does not have, or no longer.
func (t *epollTransport) discard() {
	t.poller.connections.Add(-1)
	// No other descriptor refers to the socket, so this ends its events too.
	rawClose(t.fd)
	t.fd, t.unsent = -1, nil
}

// remoteAddr makes what is asked for a few times in the life of a connection.
func (t *epollTransport) remoteAddr() net.Addr {
	if t.remote != nil {
		return *t.remote
	}
	return &net.TCPAddr{IP: append(net.IP(nil), t.ip[:t.ipLength]...), Port: int(t.port)}
}

// move takes the socket from one epoll instance to another.
func (t *epollTransport) move(c *conn, to *loop) {
	from, next := t.poller, t.poller.reactor.pollers[to.index]
	_ = control(from.epoll, unix.EPOLL_CTL_DEL, int(t.fd), 0, aboutConnection, t.slot) // it is there
	from.remove(t)
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
	})
}

// rawRead, rawWrite, rawAccept and rawClose are for descriptors that never block,
// so that Go's scheduler need not be told about them: it would take a processor
// from a loop, and give it back when it has one.
func rawRead(fd int32, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func rawWrite(fd int32, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func rawAccept(fd int32, peer *syscall.RawSockaddrAny) (int32, syscall.Errno) {
	size := uint32(unsafe.Sizeof(*peer))
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(peer)), uintptr(unsafe.Pointer(&size)),
		syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	return int32(n), errno
}

func rawClose(fd int32) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) // whatever it says, the descriptor is free
}

// rawWritev writes up to maxPieces of bs.
func (p *poller) rawWritev(fd int32, bs [][]byte) (int, syscall.Errno) {
	p.pieces = p.pieces[:0]
	for _, b := range bs[:min(len(bs), maxPieces)] {
		piece := unix.Iovec{Base: unsafe.SliceData(b)}
		piece.SetLen(len(b))
		p.pieces = append(p.pieces, piece)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p.pieces))), uintptr(len(p.pieces)))
	clear(p.pieces)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// rawEpollPoll is epoll_wait that does not wait, and for which Go's scheduler need
// not be told anything either.
func rawEpollPoll(epoll int, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
