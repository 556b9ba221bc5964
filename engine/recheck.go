package engine

import (
	"context"
	"crypto/x509"
	"unique"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/tlsstate"
)

// recheck judges the connected Clients of a port by its new policy. What
// arrives from them is judged by it already (see conn.current); this is about
// what they hold: the connection, and Subscriptions.
func (e *Engine) recheck(p *port) {
	for _, l := range e.loops {
		l.post(func(l *loop) { l.recheck(p) })
	}
}

func (l *loop) recheck(p *port) {
	var conns []*conn
	for c := l.conns.first; c != nil; c = c.next {
		if c.port == p && c.state == stateOpen {
			conns = append(conns, c)
		}
	}
	l.recheckSome(conns)
}

// recheckSome does a chunk and leaves the rest for a later turn, so that
// traffic goes on meanwhile.
func (l *loop) recheckSome(conns []*conn) {
	n := min(len(conns), reevaluateChunk)
	var again []reauthentication
	for _, c := range conns[:n] {
		if r, ok := l.recheckOne(c); ok {
			again = append(again, r)
		}
	}
	if len(again) > 0 {
		l.reauthenticate(again)
	}
	if rest := conns[n:]; len(rest) > 0 {
		l.post(func(l *loop) { l.recheckSome(rest) })
	}
}

// recheckOne judges one Client, unless it has to be authenticated again first.
func (l *loop) recheckOne(c *conn) (r reauthentication, again bool) {
	defer l.contain(c)
	if c.state != stateOpen {
		return r, false
	}
	if PolicyChange(c.port.onChange.Load()) == Disconnect {
		c.close(ClosePolicyChanged)
		return r, false
	}
	p := c.port.policy.Load()
	switch {
	case p.authenticator == nil || same(p.authenticator, c.authenticator):
	case c.authenticator == nil:
		c.disconnectDetail(codec.NotAuthorized, ClosePolicyChanged, "the port demands authentication now")
		return r, false
	case p.immediate && len(c.certificates) > 0:
		return reauthentication{conn: c, policy: p, certificates: c.certificates, clientID: c.principal.ClientID}, true
	}
	// Credentials that were a secret are not kept, so whoever came with one
	// stays who it is until they expire.
	c.recheckRights()
	return r, false
}

// recheckRights ends what the policy no longer allows.
func (c *conn) recheckRights() {
	c.current()
	switch {
	case c.grant != nil:
		c.applyRights(c.grant.Decide(security.ActionConnect, "") == security.Allow)
	case c.decisions != nil:
		connect := question{security.ActionConnect, ""}
		qs := []question{connect}
		for _, sub := range c.session.subscriptions.all() {
			qs = append(qs, question{security.ActionSubscribe, sub.filter})
		}
		d := c.decisions
		c.askAuthorizer(qs, func() {
			if d == c.decisions {
				c.applyRights(d.answers[connect] == security.Allow)
			}
		})
	}
}

func (c *conn) applyRights(mayConnect bool) {
	if !mayConnect {
		c.loop.engine.denied(c.describe(), security.ActionConnect, "", "no longer allowed")
		// It could not come back, so it may as well know why.
		c.disconnect(codec.NotAuthorized, CloseNotAuthorized)
		return
	}
	c.dropSubscriptions()
}

// reauthentication is the certificate of a connected Client on its way through
// a new authenticator. It is verified on a goroutine: that can cost some
// hundred microseconds each.
type reauthentication struct {
	conn         *conn
	policy       *policy
	certificates []unique.Handle[string]
	clientID     string

	result security.Result
	err    error
}

func (l *loop) reauthenticate(rs []reauthentication) {
	e := l.engine
	e.goroutines.Go(func() {
		defer e.containGoroutine()
		for i := range rs {
			rs[i].verify(e.background)
		}
		l.post(func(l *loop) {
			for i := range rs {
				l.reauthenticated(&rs[i])
			}
		})
	})
}

func (r *reauthentication) verify(ctx context.Context) {
	chain := make([]*x509.Certificate, len(r.certificates))
	for i, der := range r.certificates {
		if chain[i], r.err = x509.ParseCertificate([]byte(der.Value())); r.err != nil {
			return
		}
	}
	r.result, r.err = r.policy.authenticator.Authenticate(ctx, &security.Credentials{ClientID: r.clientID, PresentedChain: chain})
}

func (l *loop) reauthenticated(r *reauthentication) {
	c := r.conn
	defer l.contain(c)
	if c.state != stateOpen || c.port.policy.Load() != r.policy {
		return // gone, or another change is on its way
	}
	if r.err != nil {
		l.stats.AuthenticationsDenied++
		c.disconnectDetail(codec.NotAuthorized, CloseNotAuthenticated, "no longer authenticated: "+r.err.Error())
		return
	}
	c.authenticator = r.policy.authenticator
	c.principal = &security.Principal{ClientID: c.principal.ClientID, Username: r.result.Username, Attributes: r.result.Attributes}
	c.session.principal = c.principal
	c.bind(r.policy)
	c.recheckRights()
}

// keepCertificates notes the Client's certificates for a recheck and lets go
// of their parsed form, which is several times as large. Issuers are shared by
// all Clients that have them.
func (c *conn) keepCertificates(t *tlsstate.Conn) {
	if peer := t.Peer(); peer != nil {
		for _, cert := range peer.Presented {
			c.certificates = append(c.certificates, unique.Make(string(cert.Raw)))
		}
	}
	t.ForgetPeer()
}
