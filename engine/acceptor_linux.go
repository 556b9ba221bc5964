package engine

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acceptBatch is the number of connections that are accepted in a cycle. It is
// one while there are messages, or more connections that want to be read from than
// are: in the backlog of the socket nobody else waits for them.
const acceptBatch = 8

// acceptor accepts the connections of one port, on the first executor.
type acceptor struct {
	executor *executor
	port     *port
	fd       int32
	delay    time.Duration // after accepting failed
	gone     bool
}

// accept accepts the connections of a port without TLS: a handshake has to be
// on a goroutine, so there is nothing to gain with TLS.
func (r *epollReactor) accept(p *port) (stop func(), ok bool) {
	if p.tls.Load() != nil {
		return nil, false
	}
	fd, ok := takeSocket(p.listener)
	if !ok {
		return nil, false
	}
	a := &acceptor{executor: r.executors[0], port: p, fd: fd}
	a.executor.post(a.begin)
	return func() { r.stopAccepting(a) }, true
}

// stopAccepting returns when the socket is no longer in use.
func (r *epollReactor) stopAccepting(a *acceptor) {
	defer func() { _ = syscall.Close(int(a.fd)) }()
	if !r.stopping.TryRLock() {
		return // the loops have ended
	}
	defer r.stopping.RUnlock()
	ended := make(chan struct{})
	a.executor.post(func() {
		a.pause()
		a.gone = true
		close(ended)
	})
	<-ended
}

// takeSocket takes the socket from a TCP listener, which is closed then. Go's
// own poller would go on to report each connection, to a thread that it wakes
// for that. A listener of another kind is left alone.
func takeSocket(ln net.Listener) (fd int32, ok bool) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return -1, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, false
	}
	taken := -1
	controlled := raw.Control(func(original uintptr) {
		if taken, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return
		}
		// Whoever asked the listener for its File may have made the socket
		// block, and with it all loops.
		if err = unix.SetNonblock(taken, true); err != nil {
			return
		}
		// Connections inherit it: one system call less for each.
		err = unix.SetsockoptInt(taken, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	})
	if controlled != nil || err != nil {
		if taken >= 0 {
			_ = syscall.Close(taken)
		}
		return -1, false
	}
	_ = ln.Close()
	return int32(taken), true
}

func (a *acceptor) begin() {
	if a.gone {
		return
	}
	if err := control(a.executor.hub, unix.EPOLL_CTL_ADD, int(a.fd), unix.EPOLLIN, aboutListener, a.fd); err != nil {
		// The kernel has no memory or no more watches for us: later, maybe.
		a.delay = nextAcceptDelay(a.delay)
		a.port.engine.tell(slog.LevelError, "cannot accept", "listener", a.port.name, "error", err, "retry", a.delay)
		a.pauseFor(a.delay)
		return
	}
	a.executor.acceptors[a.fd] = a
}

func (a *acceptor) pause() {
	if a.executor.acceptors[a.fd] == a {
		delete(a.executor.acceptors, a.fd)
		_ = control(a.executor.hub, unix.EPOLL_CTL_DEL, int(a.fd), 0, aboutListener, a.fd) // it is there
	}
}

// pauseFor leaves Clients in the backlog for a while.
func (a *acceptor) pauseFor(d time.Duration) {
	a.pause()
	time.AfterFunc(d, func() { a.executor.post(a.begin) })
}

// accept takes the connections that wait, up to a bound.
func (a *acceptor) accept() {
	e := a.port.engine
	n := acceptBatch
	if slices.ContainsFunc(a.executor.pollers, (*poller).engaged) {
		n = 1
	}
	for range n {
		var peer syscall.RawSockaddrAny
		fd, errno := rawAccept(a.fd, &peer)
		switch errno {
		case 0:
		case syscall.EAGAIN:
			a.delay = 0 // not before: with few descriptors left every other call fails
			return
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		default:
			// Most often there are no descriptors left.
			a.delay = nextAcceptDelay(a.delay)
			e.tell(slog.LevelWarn, "accept failed", "listener", a.port.name, "error", errno, "retry", a.delay)
			a.pauseFor(a.delay)
			return
		}
		a.take(fd, &peer)
		if wait := a.port.pace.take(time.Now()); wait > 0 {
			e.delayed.Add(1)
			a.pauseFor(wait)
			return
		}
	}
}

// take has the loop with the fewest connections serve one more.
func (a *acceptor) take(fd int32, peer *syscall.RawSockaddrAny) {
	a.executor.reactor.reserve(int(fd))
	p, to := a.port, a.executor.reactor.fewest()
	t := &epollTransport{poller: to, fd: fd}
	t.setPeer(addrPort(peer))
	if reason, ok := p.admit(); !ok {
		rawClose(fd)
		p.gone()
		p.engine.closedEarly(p, t.remoteAddr(), reason, "")
		return
	}
	if to.executor.Load() != a.executor {
		to.post(t, p, nil)
		return
	}
	to.connections.Add(1)
	to.arrivals = append(to.arrivals, arrival{t, p})
}

// addrPort returns what the kernel has said of the other end. Its ports are in the
// order of the network.
func addrPort(sa *syscall.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case syscall.AF_INET:
		v4 := (*syscall.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), networkOrder(v4.Port))
	case syscall.AF_INET6:
		v6 := (*syscall.RawSockaddrInet6)(unsafe.Pointer(sa))
		addr := netip.AddrFrom16(v6.Addr).Unmap()
		if v6.Scope_id != 0 {
			if ifi, err := net.InterfaceByIndex(int(v6.Scope_id)); err == nil {
				addr = addr.WithZone(ifi.Name)
			}
		}
		return netip.AddrPortFrom(addr, networkOrder(v6.Port))
	}
	return netip.AddrPort{}
}

// networkOrder is its own inverse.
func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}
