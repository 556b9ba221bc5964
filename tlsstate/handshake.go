package tlsstate

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// Handshaker runs the handshakes of a process within [Limits], for any number
// of ports. Safe for concurrent use.
type Handshaker struct {
	limits  Limits
	pending atomic.Int64
	gate    *gate
}

// NewHandshaker returns a Handshaker bounded by l.
func NewHandshaker(l Limits) *Handshaker {
	l = l.WithDefaults()
	return &Handshaker{limits: l, gate: newGate(l.Concurrent)}
}

// Pending returns how many handshakes are under way. Safe for concurrent use.
func (h *Handshaker) Pending() int { return int(h.pending.Load()) }

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// Handshake runs the server's side of a handshake over nc on the caller's
// goroutine, and may block for [Limits].Timeout or until ctx ends. It does not
// close nc, but a failed handshake leaves it of no further use: the error is a
// [*HandshakeError], the peer has been sent the alert that fits, and nc is the
// caller's to close. nc must honor deadlines set while it is blocked.
//
// On success nc has no deadline and the Conn has no tie to it: nothing is read
// from nc or written to it any more, and the caller may move the descriptor.
// The Conn may hold bytes read beyond the handshake, so call [Conn.Open] once
// without waiting for the peer.
//
// Safe for concurrent use.
func (h *Handshaker) Handshake(ctx context.Context, s *Server, nc net.Conn) (*Conn, error) {
	return h.run(ctx, nc, func(c *Conn) error {
		c.tls = tls.Server(&c.transport, s.current.Load().entry)
		if err := c.tls.Handshake(); err != nil {
			return err
		}
		return c.establish(&s.current.Load().config)
	})
}

// HandshakeClient is [Handshaker.Handshake] for the client's side: the Conn is
// one to the server that config describes, whose ServerName the caller sets.
// [Conn.Peer] then is the server. Safe for concurrent use.
func (h *Handshaker) HandshakeClient(ctx context.Context, config *tls.Config, nc net.Conn) (*Conn, error) {
	return h.run(ctx, nc, func(c *Conn) error {
		c.tls = tls.Client(&c.transport, config)
		if err := c.tls.Handshake(); err != nil {
			return err
		}
		// Not establish: sessions in config's ClientSessionCache share what
		// that empties.
		state := c.tls.ConnectionState()
		c.peer = &Peer{
			Presented:  state.PeerCertificates,
			Chains:     state.VerifiedChains,
			ServerName: state.ServerName,
			Resumed:    state.DidResume,
		}
		return nil
	})
}

// run runs one handshake within the bounds of h.
func (h *Handshaker) run(ctx context.Context, nc net.Conn, handshake func(*Conn) error) (*Conn, error) {
	defer h.pending.Add(-1)
	if h.pending.Add(1) > int64(h.limits.Pending) {
		return nil, &HandshakeError{TooManyPending, errTooManyPending}
	}

	ctx, cancel := context.WithTimeout(ctx, h.limits.Timeout)
	defer cancel()
	// A deadline in the past wakes whoever is blocked in nc, and unlike Close
	// it leaves the descriptor valid for its owner.
	disarm := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(longAgo) })

	w := newWire(ctx, nc, h.gate, h.limits.Bytes)
	c := &Conn{transport: transport{wire: w}}
	err := handshake(c)
	early := w.end()
	if !disarm() && err == nil {
		err = ctx.Err() // too late to undo the deadline
	}
	if err != nil {
		return nil, newHandshakeError(ctx, err)
	}
	c.transport.wire = nil
	c.early = early
	return c, nil
}
