package engine

import (
	"errors"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/tlsstate"
)

// port is a Listener at work. Its settings are replaced while it is open.
type port struct {
	engine   *Engine
	name     string
	address  string
	listener net.Listener // nil for the Server's own connections
	protocol Protocol
	origins  atomic.Pointer[[]string] // see Listener.Origins
	onChange atomic.Uint32
	// disconnectExpired is Listener.DisconnectExpired.
	disconnectExpired atomic.Bool
	policy            atomic.Pointer[policy]
	tls               atomic.Pointer[portTLS] // nil: plain
	closed            atomic.Bool
	closing           chan struct{} // closed with it, for those who wait

	connections atomic.Int64 // open, handshakes included
	maximum     atomic.Int64 // of them; 0: no bound of the port's own
	pace        tokenBucket  // of accepting

	// spec is what the settings were made from, to tell what has changed.
	// Guarded by Engine.applying.
	spec Listener

	accepting sync.WaitGroup
	stopLoops func() // from accepting; nil where goroutines do that
}

// portTLS is a port's TLS with the configuration that it was made from.
type portTLS struct {
	config *tlsstate.Config
	server *tlsstate.Server
}

// openPort listens.
func (e *Engine) openPort(l Listener) (*port, error) {
	p := &port{engine: e, name: l.name(), address: l.Address, protocol: l.Protocol, spec: l, closing: make(chan struct{})}
	fail := func(err error) (*port, error) {
		return nil, &ListenerError{Name: l.name(), Address: l.Address, Err: err}
	}
	if l.TLS != nil {
		server, err := tlsstate.NewServer(*l.TLS)
		if err != nil {
			return fail(err)
		}
		p.tls.Store(&portTLS{l.TLS, server})
	}
	p.useOrigins(l.Origins)
	p.setBounds(&l)
	p.onChange.Store(uint32(l.OnPolicyChange))
	p.disconnectExpired.Store(l.DisconnectExpired)
	p.policy.Store(newPolicy(&l))
	if p.listener = l.Listener; p.listener == nil {
		// Keep Alive is MQTT's business, so TCP's is off: five system calls
		// less for each connection.
		lc := net.ListenConfig{KeepAlive: -1}
		ln, err := lc.Listen(e.background, "tcp", l.Address)
		if err != nil {
			return fail(err)
		}
		p.listener = ln
	}
	return p, nil
}

// useOrigins decides by a copy: the slice is the caller's.
func (p *port) useOrigins(origins []string) {
	origins = slices.Clone(origins)
	p.origins.Store(&origins)
}

// start accepts connections until the port is closed.
func (p *port) start() {
	var ok bool
	if p.stopLoops, ok = p.engine.reactor.accept(p); !ok {
		for range len(p.engine.loops) {
			p.accepting.Go(p.accept)
		}
	}
	p.engine.tell(slog.LevelInfo, "listener open", "listener", p.name, "address", p.listener.Addr().String(),
		"protocol", p.protocol.String(), "tls", p.tls.Load() != nil, "authentication", p.policy.Load().authenticator != nil, "authorization", p.spec.Authorizer != nil)
}

// accept is one of the goroutines that accept: as many as there are loops, so
// that a loop that is busy holds up only its share.
func (p *port) accept() {
	e := p.engine
	delay := time.Duration(0)
	for {
		nc, err := p.listener.Accept()
		if err != nil {
			if p.closed.Load() || errors.Is(err, net.ErrClosed) {
				return
			}
			// Most often there are no descriptors left. Clients wait in the
			// backlog meanwhile.
			delay = nextAcceptDelay(delay)
			e.tell(slog.LevelWarn, "accept failed", "listener", p.name, "error", err, "retry", delay)
			p.pause(delay)
			continue
		}
		delay = 0
		p.take(nc)
		// One more than the rate allows has been taken already; the next one
		// waits in the backlog.
		if wait := p.pace.take(time.Now()); wait > 0 {
			e.delayed.Add(1)
			p.pause(wait)
		}
	}
}

// pause waits, but not for a port that closes.
func (p *port) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closing:
	}
}

// take takes an accepted connection in, if there is room for it.
func (p *port) take(nc net.Conn) {
	reason, ok := p.admit()
	switch {
	case !ok:
		p.refuse(nc, reason, "")
	case p.tls.Load() == nil:
		p.enroll(nc, nil)
	default:
		p.engine.handshakes.start(handshake{p, nc})
	}
}

// admit counts a connection that was accepted, until gone is called, and
// reports whether there is room for it.
func (p *port) admit() (reason CloseReason, ok bool) {
	open, here := p.engine.connections.Add(1), p.connections.Add(1)
	maximum := p.maximum.Load()
	switch {
	case open > int64(p.engine.limits.Connections):
		return CloseTooManyConnections, false
	case maximum != 0 && here > maximum:
		return CloseTooManyPortConnections, false
	}
	return 0, true
}

// nextAcceptDelay is how long to wait after accepting failed, when last was
// waited before.
func nextAcceptDelay(last time.Duration) time.Duration {
	return min(max(2*last, 5*time.Millisecond), time.Second)
}

// gone takes note of the end of a connection that take or Subscribe counted.
func (p *port) gone() {
	p.engine.connections.Add(-1)
	p.connections.Add(-1)
}

// setBounds takes over what the Listener allows.
func (p *port) setBounds(l *Listener) {
	p.maximum.Store(int64(l.MaximumConnections))
	p.pace.setRate(l.ConnectRate, time.Now())
}

// warm does the certificate's part of authentication here, so that the loop
// finds it in the authenticator's cache.
func (p *port) warm(t *tlsstate.Conn) {
	w, ok := p.policy.Load().authenticator.(security.Warmer)
	peer := t.Peer()
	if !ok || peer == nil || len(peer.Presented) == 0 {
		return
	}
	w.Warm(&security.Credentials{PresentedChain: peer.Presented, VerifiedChains: peer.Chains})
}

// enroll hands a connection to a loop.
func (p *port) enroll(nc net.Conn, t *tlsstate.Conn) {
	remote := nc.RemoteAddr()
	if err := p.engine.reactor.enroll(nc, p, t); err != nil {
		p.gone()
		p.engine.closedEarly(p, remote, CloseConnectionLost, err.Error())
	}
}

// refuse ends a connection that no loop has seen.
func (p *port) refuse(nc net.Conn, reason CloseReason, detail string) {
	remote := nc.RemoteAddr()
	_ = nc.Close()
	p.gone()
	p.engine.closedEarly(p, remote, reason, detail)
}

// stop has the goroutines that accept come to an end.
func (p *port) stop() {
	if p.closed.Swap(true) {
		return
	}
	close(p.closing)
	if p.stopLoops != nil {
		p.stopLoops()
	}
	_ = p.listener.Close()
}

// close stops accepting. Connections are the loops' to close.
func (p *port) close() {
	p.stop()
	p.accepting.Wait()
	p.engine.tell(slog.LevelInfo, "listener closed", "listener", p.name)
}

func handshakeReason(err error) CloseReason {
	var he *tlsstate.HandshakeError
	if !errors.As(err, &he) {
		return CloseHandshakeFailed
	}
	switch he.Cause {
	case tlsstate.Timeout:
		return CloseHandshakeTimeout
	case tlsstate.Canceled:
		return CloseServerShuttingDown
	case tlsstate.TooManyPending, tlsstate.TooManyBytes:
		return CloseHandshakeLimit
	case tlsstate.NotTLS:
		return CloseHandshakeNotTLS
	case tlsstate.BadCertificate, tlsstate.NoCertificate:
		return CloseHandshakeBadCertificate
	case tlsstate.PeerClosed:
		return CloseConnectionLost
	}
	return CloseHandshakeFailed
}

// change takes new settings for an open port, and reports whether connected
// Clients must be judged again.
func (p *port) change(l Listener) (policyChanged bool, err error) {
	old := p.spec
	if !l.sameKind(&old) {
		return false, errReopen
	}
	if l.TLS != nil && l.TLS != old.TLS {
		if err := p.tls.Load().server.Update(*l.TLS); err != nil {
			return false, &ListenerError{Name: p.name, Address: p.address, Err: err}
		}
		p.engine.tell(slog.LevelInfo, "listener uses new TLS settings", "listener", p.name)
	}
	p.useOrigins(l.Origins)
	p.setBounds(&l)
	p.onChange.Store(uint32(l.OnPolicyChange))
	p.disconnectExpired.Store(l.DisconnectExpired)
	policyChanged = !same(l.Authenticator, old.Authenticator) || !same(l.Authorizer, old.Authorizer)
	if policyChanged {
		p.policy.Store(newPolicy(&l))
		p.engine.tell(slog.LevelInfo, "listener uses a new policy", "listener", p.name, "onPolicyChange", l.OnPolicyChange.String())
	}
	p.spec = l
	return policyChanged, nil
}

// sameKind reports whether an open port can take l's settings in place of
// those of o: not if they change what is spoken on it.
func (l *Listener) sameKind(o *Listener) bool {
	return (l.TLS == nil) == (o.TLS == nil) && l.Protocol == o.Protocol
}

// same reports whether two interfaces hold the same value. One that cannot be
// compared, such as a function, never is.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// errReopen says that a change needs the port to be closed and opened again.
var errReopen = errors.New("engine: the port must be opened again")
