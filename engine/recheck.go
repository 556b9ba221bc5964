package engine

import (
	"crypto/x509"
	"errors"
	"unique"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
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
// traffic goes on meanwhile: one after the goroutine that this one needs, if it
// does, so that there are no more of those than loops.
func (l *loop) recheckSome(conns []*conn) {
	n := min(len(conns), reevaluateChunk)
	var again []reauthentication
	for _, c := range conns[:n] {
		if r, ok := l.recheckOne(c); ok {
			again = append(again, r)
		}
	}
	rest := conns[n:]
	switch {
	case len(again) > 0:
		l.reauthenticate(again, rest)
	case len(rest) > 0:
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
		c.dismiss(codec.Success, ClosePolicyChanged, "")
		return r, false
	}
	p := c.port.policy.Load()
	switch {
	case p.authenticator == nil || c.credential != nil && same(p.authenticator, c.credential.authenticator):
	case c.credential == nil:
		c.dismiss(codec.NotAuthorized, ClosePolicyChanged, "the port demands authentication now")
		return r, false
	default:
		// Credentials that were a secret are not kept, so whoever came with one
		// stays who it is until they expire, unless the method knows better.
		if _, ok := p.authenticator.(security.Rechecker); ok {
			return reauthentication{conn: c, policy: p, previous: c.credential.result, certificates: c.credential.certificates, credentials: security.Credentials{
				ClientID: c.principal.ClientID, Listener: c.port.name, RemoteAddr: c.tr.remoteAddr().String(), ProtocolVersion: byte(c.version),
			}}, true
		}
	}
	c.recheckRights()
	return r, false
}

// reauthentication is a connected Client on its way through a new
// authenticator, on a goroutine: a certificate can cost some hundred
// microseconds.
type reauthentication struct {
	conn         *conn
	policy       *policy
	previous     security.Result
	certificates []unique.Handle[string]
	credentials  security.Credentials

	result security.Result
	err    error
}

// reauthenticate has rs judged, and then goes on with the rest.
func (l *loop) reauthenticate(rs []reauthentication, rest []*conn) {
	e := l.engine
	e.goroutines.Go(func() {
		defer e.containGoroutine()
		for i := range rs {
			rs[i].verify(e)
		}
		l.post(func(l *loop) {
			for i := range rs {
				l.reauthenticated(&rs[i])
			}
			l.recheckSome(rest)
		})
	})
}

// verify sets result or err. An authenticator that panics has not vouched for
// the Client, nor does it keep the others from being judged.
func (r *reauthentication) verify(e *Engine) {
	defer e.containGoroutine()
	r.err = errNoAnswer
	chain := make([]*x509.Certificate, len(r.certificates))
	for i, der := range r.certificates {
		cert, err := x509.ParseCertificate([]byte(der.Value()))
		if err != nil {
			r.err = err
			return
		}
		chain[i] = cert
	}
	r.credentials.PresentedChain = chain
	r.result, r.err = r.policy.authenticator.(security.Rechecker).Recheck(e.background, &r.credentials, r.previous)
}

var errNoAnswer = errors.New("the authenticator failed")

func (l *loop) reauthenticated(r *reauthentication) {
	c := r.conn
	defer l.contain(c)
	if c.state != stateOpen || c.port.policy.Load() != r.policy {
		return // gone, or another change is on its way
	}
	if same(r.policy.authenticator, c.credential.authenticator) {
		return // it has re-authenticated meanwhile, and r is about what it had before
	}
	if r.err != nil {
		l.stats.AuthenticationsDenied++
		c.dismiss(codec.NotAuthorized, CloseNotAuthenticated, "no longer authenticated: "+r.err.Error())
		return
	}
	c.authenticated(r.policy.authenticator, r.result)
	c.watchExpiry()
	c.become(r.policy, r.result)
}
