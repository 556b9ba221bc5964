package security

import (
	"context"
	"errors"
	"slices"
)

// Rechecker is implemented by an [Authenticator] that can judge a connected
// Client once more, when its configuration has changed.
type Rechecker interface {
	Authenticator
	// Recheck judges a Client for which this method, or one of its kind with
	// another configuration, gave the Result previous. Of c it has ClientID,
	// Listener, RemoteAddr, ProtocolVersion and PresentedChain: secrets are
	// not kept. It returns the Result that holds from now on, previous if it
	// knows no other; [ErrNotRelevant] when previous is not of its kind; or an
	// error that ends the connection. It never waits for I/O, but may take as
	// long as a certificate verification.
	Recheck(ctx context.Context, c *Credentials, previous Result) (Result, error)
}

// Originator is a [Rechecker] that would answer for Clients of others of its
// kind in the same [Chain], and therefore knows its own.
type Originator interface {
	Rechecker
	// IsOriginOf reports whether r is from this method, or from one that it
	// differs from in no more than what is revoked.
	IsOriginOf(r Result) bool
}

// Recheck implements [Rechecker]. A Client whose method is no longer in the
// Chain is denied, unless a method of the Chain that is no Rechecker may have
// accepted it. The error is always a [*Denied].
func (c *Chain) Recheck(ctx context.Context, cr *Credentials, previous Result) (Result, error) {
	var refused error = errMethodRemoved
	known := true
	methods := c.methods
	if i := slices.IndexFunc(methods, func(m Authenticator) bool {
		o, ok := m.(Originator)
		return ok && o.IsOriginOf(previous)
	}); i >= 0 {
		methods = methods[i : i+1]
	}
	var accepted *Result
	for _, m := range methods {
		r, ok := m.(Rechecker)
		if !ok {
			known = false
			continue
		}
		result, err := r.Recheck(ctx, cr, previous)
		switch {
		case err == nil:
			if _, several := m.(Originator); !several {
				return result, nil
			}
			// It may have come in the place of the Client's own method, and so
			// may the others of its kind: what one revokes is revoked.
			if accepted == nil {
				accepted = &result
			}
		case errors.Is(err, errUntrustedChain):
			refused = errCertificateUntrusted
		case !notRelevant(err):
			return Result{}, final(err)
		}
	}
	if accepted != nil {
		return *accepted, nil
	}
	if !known && previous.Method != MethodX509 {
		return previous, nil
	}
	return Result{}, refused
}

var errMethodRemoved = &Denied{Code: NotAuthorized, Reason: "the method that authenticated the Client is no longer in use"}

// Recheck implements [Rechecker]: it verifies the presented certificates.
func (x *X509) Recheck(ctx context.Context, c *Credentials, previous Result) (Result, error) {
	if previous.Method != MethodX509 {
		return Result{}, ErrNotRelevant
	}
	return x.Authenticate(ctx, c)
}
