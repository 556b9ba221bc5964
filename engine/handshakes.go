package engine

import (
	"net"
	"sync/atomic"
)

// idleHandshakers is how many goroutines wait for the next handshake when there
// is none. Each keeps a stack of up to 32 KiB, which garbage collection shrinks.
const idleHandshakers = 16

// handshakes runs TLS handshakes on goroutines that stay for the next one. A
// handshake has its stack grown four times, and one that has grown is worth
// keeping: with a goroutine for each, the server's side takes some 5 % more, by
// BenchmarkHandshakeGoroutine of tlsstate.
type handshakes struct {
	engine *Engine
	next   chan handshake // taken by those who wait
	idle   atomic.Int64   // those who wait
}

// handshake is a connection that was accepted and has not shaken hands.
type handshake struct {
	port *port
	nc   net.Conn
}

func (h *handshakes) init(e *Engine) {
	h.engine = e
	h.next = make(chan handshake)
}

// start runs a handshake. Safe for concurrent use.
func (h *handshakes) start(s handshake) {
	select {
	case h.next <- s:
	default:
		h.engine.goroutines.Go(func() { h.run(s) })
	}
}

// run is a goroutine: this handshake, and others while there are any.
func (h *handshakes) run(s handshake) {
	for {
		s.shake()
		s = handshake{} // not to be kept while nothing happens
		if h.idle.Add(1) > idleHandshakers {
			h.idle.Add(-1)
			return
		}
		select {
		case s = <-h.next:
			h.idle.Add(-1)
		case <-h.engine.background.Done():
			return
		}
	}
}

// shake runs the handshake; tlsstate bounds how many of them do anything at a
// time.
func (s handshake) shake() {
	p, e := s.port, s.port.engine
	defer e.containGoroutine()
	left := true
	defer func() {
		if left { // by a panic, of an Authenticator's Warm for one
			p.refuse(s.nc, CloseInternalError, "")
		}
	}()
	t, err := e.handshaker.Handshake(e.background, p.tls.Load().server, s.nc)
	if err != nil {
		left = false
		p.refuse(s.nc, handshakeReason(err), err.Error())
		return
	}
	p.warm(t)
	left = false
	p.enroll(s.nc, t)
}
