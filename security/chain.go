package security

import (
	"context"
	"errors"
)

// Chain asks authentication methods in order until one finds the Credentials
// relevant; the answer of that one is final. One that is [Unavailable] counts
// as not relevant. It is safe for concurrent use.
type Chain struct {
	methods []Authenticator
}

// NewChain returns a Chain of methods, none of which may be nil. A Chain of no
// methods denies everyone.
func NewChain(methods ...Authenticator) *Chain {
	return &Chain{methods}
}

// Authenticate implements [Authenticator]. The error is always a [*Denied]
// whose Code is at least 0x80.
func (c *Chain) Authenticate(ctx context.Context, cr *Credentials) (Result, error) {
	return c.judge(cr, func(m Authenticator) (Result, error) { return m.Authenticate(ctx, cr) })
}

// AuthenticatePromptly implements [Prompt]. The error is a [*Denied] as that of
// Authenticate, or [ErrMustWait].
func (c *Chain) AuthenticatePromptly(cr *Credentials) (Result, error) {
	return c.judge(cr, func(m Authenticator) (Result, error) { return Promptly(m, cr) })
}

// judge has ask ask one method after the other.
func (c *Chain) judge(cr *Credentials, ask func(Authenticator) (Result, error)) (Result, error) {
	// A certificate might well be relevant all the same, but the CONNACK would
	// have to name an exchange that no method took part in [MQTT-4.12.0-1].
	if cr.AuthenticationMethod != "" && !c.HandlesAuthenticationMethod(cr.AuthenticationMethod) {
		return Result{}, errBadAuthenticationMethod
	}
	var unavailable *Unavailable
	for _, m := range c.methods {
		result, err := ask(m)
		switch {
		case err == nil:
			return result, nil
		case errors.Is(err, ErrMustWait):
			return Result{}, ErrMustWait
		case isUnavailable(err, &unavailable):
			// Which is not to say that the credentials are bad.
		case !notRelevant(err):
			return Result{}, final(err)
		case errors.Is(err, errUntrustedChain) && !c.trusts(cr):
			// Not some other method's certificate but nobody's: the CA went
			// while the Network Connection was being made. The Client did
			// present a certificate, so the next method must not save it.
			return Result{}, errCertificateUntrusted
		}
	}
	if unavailable != nil {
		return Result{}, &Denied{Code: NotAuthorized, Reason: errNothingRelevant.Reason, Err: unavailable}
	}
	return Result{}, errNothingRelevant
}

// HandlesAuthenticationMethod implements [MethodHandler]: it is true when it
// is true of any method.
func (c *Chain) HandlesAuthenticationMethod(name string) bool {
	for _, m := range c.methods {
		if h, ok := m.(MethodHandler); ok && h.HandlesAuthenticationMethod(name) {
			return true
		}
	}
	return false
}

// Warm implements [Warmer]. Run it on the goroutine of the TLS handshake: the
// verification of the certificates is then done by the time Authenticate asks
// for it on an event loop.
func (c *Chain) Warm(cr *Credentials) {
	for _, m := range c.methods {
		if w, ok := m.(Warmer); ok {
			w.Warm(cr)
		}
	}
}

// trusts reports whether the presented certificates chain to a CA of any X509
// method.
func (c *Chain) trusts(cr *Credentials) bool {
	for _, m := range c.methods {
		if x, ok := m.(*X509); ok && x.trusts(cr.PresentedChain) {
			return true
		}
	}
	return false
}

// Built once, so that a flood of refused Clients costs no memory.
var (
	errBadAuthenticationMethod = &Denied{Code: BadAuthenticationMethod, Reason: "no method of this listener handles the Authentication Method"}
	errCertificateUntrusted    = &Denied{Code: NotAuthorized, Reason: "the client certificate does not chain to a trusted CA"}
	errNothingRelevant         = &Denied{Code: NotAuthorized, Reason: "the Client presented no credential that any method of this listener judges"}
)

// notRelevant reports whether the next method is to be asked. A denial is one
// even if it was caused by another method's ErrNotRelevant.
func notRelevant(err error) bool {
	var d *Denied
	return errors.Is(err, ErrNotRelevant) && !errors.As(err, &d)
}

// isUnavailable reports whether the method could not judge, and sets first to
// the first error that says so. A denial is one whatever its cause.
func isUnavailable(err error, first **Unavailable) bool {
	var d *Denied
	var u *Unavailable
	if errors.As(err, &d) || !errors.As(err, &u) {
		return false
	}
	if *first == nil {
		*first = u
	}
	return true
}

// final makes a *Denied of whatever a method returned instead of a Result.
func final(err error) *Denied {
	var d *Denied
	if !errors.As(err, &d) {
		return &Denied{Code: NotAuthorized, Reason: "the authentication method failed", Err: err}
	}
	if d.Code < 0x80 {
		// A Reason Code below 0x80 would tell the Client that it is welcome.
		return &Denied{Code: NotAuthorized, Reason: d.Reason, Err: d.Err}
	}
	return d
}
