package engine

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceptBatch is the number of connections that a loop accepts in a turn.
	acceptBatch = 64
	// acceptSlack is by how many connections more than the loop with the
	// fewest a loop may have and still serve what it accepts itself: handing a
	// connection over costs a wake-up.
	acceptSlack = 8
)

// acceptor accepts the connections of one port on one loop. All loops wait for
// the same socket, and whichever is idle is woken.
type acceptor struct {
	poller *poller
	port   *port
	fd     int32
	delay  time.Duration // after accepting failed
	gone   bool
}

// accept has the loops accept the connections of a port without TLS: a
// handshake has to be on a goroutine, so there is nothing to gain with TLS.
func (r *epollReactor) accept(p *port) (stop func(), ok bool) {
	fd, ok := listeningDescriptor(p.listener)
	if !ok || p.tls.Load() != nil {
		return nil, false
	}
	acceptors := make([]*acceptor, len(r.pollers))
	for i, po := range r.pollers {
		acceptors[i] = &acceptor{poller: po, port: p, fd: fd}
		po.loop.post(func(*loop) { acceptors[i].begin() })
	}
	return func() { r.stopAccepting(acceptors) }, true
}

// stopAccepting returns when no loop uses the socket any more.
func (r *epollReactor) stopAccepting(acceptors []*acceptor) {
	if !r.stopping.TryRLock() {
		return // the loops have ended
	}
	defer r.stopping.RUnlock()
	ended := make(chan struct{}, len(acceptors))
	for _, a := range acceptors {
		a.poller.loop.post(func(*loop) {
			a.pause()
			a.gone = true
			ended <- struct{}{}
		})
	}
	for range acceptors {
		<-ended
	}
}

// listeningDescriptor returns the descriptor of a socket that connections can
// be accepted from. It stays ln's.
func listeningDescriptor(ln net.Listener) (fd int32, ok bool) {
	var raw syscall.RawConn
	var err error
	switch ln := ln.(type) {
	case *net.TCPListener:
		raw, err = ln.SyscallConn()
	case *net.UnixListener:
		raw, err = ln.SyscallConn()
	default:
		return -1, false
	}
	if err != nil {
		return -1, false
	}
	err = raw.Control(func(d uintptr) {
		fd = int32(d)
		if _, tcp := ln.(*net.TCPListener); tcp {
			// Connections inherit it: one system call less for each.
			err = unix.SetsockoptInt(int(d), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
	})
	return fd, err == nil
}

func (a *acceptor) begin() {
	if a.gone {
		return
	}
	if err := a.poller.control(unix.EPOLL_CTL_ADD, a.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, aboutListener); err != nil {
		a.port.engine.log.Error("cannot accept", "listener", a.port.name, "loop", a.poller.loop.index, "error", err)
		return
	}
	a.poller.acceptors[a.fd] = a
}

func (a *acceptor) pause() {
	if a.poller.acceptors[a.fd] == a {
		delete(a.poller.acceptors, a.fd)
		_ = a.poller.control(unix.EPOLL_CTL_DEL, a.fd, 0, aboutListener) // it is there
	}
}

// pauseFor leaves Clients in the backlog for a while.
func (a *acceptor) pauseFor(d time.Duration) {
	a.pause()
	time.AfterFunc(d, func() { a.poller.loop.post(func(*loop) { a.begin() }) })
}

// accept takes the connections that wait, up to a bound.
func (a *acceptor) accept() {
	e := a.port.engine
	for range acceptBatch {
		// Of package syscall: that of unix asks for the protocol, with a system
		// call more.
		fd, sa, err := syscall.Accept4(int(a.fd), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		switch err {
		case nil:
		case syscall.EAGAIN:
			return
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		default:
			// Most often there are no descriptors left.
			a.delay = nextAcceptDelay(a.delay)
			e.log.Warn("accept failed", "listener", a.port.name, "error", err, "retry", a.delay)
			a.pauseFor(a.delay)
			return
		}
		a.delay = 0
		a.take(fd, sa)
		if wait := a.port.pace.take(time.Now()); wait > 0 {
			e.delayed.Add(1)
			a.pauseFor(wait)
			return
		}
	}
}

// take serves a connection here, or on the loop that has much fewer.
func (a *acceptor) take(fd int, sa syscall.Sockaddr) {
	p, here := a.port, a.poller
	t := &epollTransport{fd: int32(fd), peer: addrPort(sa)}
	if !t.peer.IsValid() {
		t.remote = a.port.listener.Addr() // a Unix socket, whose peers have no name
	}
	if reason, ok := p.admit(); !ok {
		_ = syscall.Close(fd)
		p.gone()
		p.engine.closedEarly(p, t.remoteAddr(), reason, "")
		return
	}
	t.poller = here
	if least := here.reactor.fewest(); here.connections.Load() > least.connections.Load()+acceptSlack {
		t.poller = least
		least.expect(t)
		least.loop.post(func(*loop) {
			least.arrived(t)
			least.serve(t, p, nil)
		})
		return
	}
	here.connections.Add(1)
	here.serve(t, p, nil)
}

func addrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				addr = addr.WithZone(ifi.Name)
			}
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port))
	}
	return netip.AddrPort{}
}
