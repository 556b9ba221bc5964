package security

import (
	"context"
	"errors"
	"fmt"
)

// Reauthenticator is implemented by an [Authenticator] whose Clients can
// replace their credential while they are connected, by AUTH with Reason Code
// Re-authenticate (the MQTT 5.0 standard, section 4.12.1).
type Reauthenticator interface {
	Authenticator
	// Reauthenticate judges the Authentication Data of c, which has neither
	// User Name nor Password nor certificates, for a Client that this method
	// or one of its kind has authenticated with the Result previous.
	//
	// It returns the Result that replaces previous. One of another Username
	// ends the connection: who a Client is does not change. It returns
	// [ErrNotRelevant] when previous is not of its kind, [*Unavailable] when
	// the Client may try again, and [*Denied] when it must go. Otherwise it is
	// as Authenticate.
	Reauthenticate(ctx context.Context, c *Credentials, previous Result) (Result, error)
}

// Unavailable is the answer of an [Authenticator] that cannot judge because
// something it depends on does not answer. At CONNECT the next method is asked
// then; in a re-authentication the Client may try again.
//
// A method whose Clients must not be saved by the next one returns [*Denied]
// with the Unavailable as its Err.
type Unavailable struct {
	Method string // such as [MethodX509]
	Reason string // for the log; holds no secret
	Err    error  // what went wrong underneath, or nil
}

// Error implements error.
func (u *Unavailable) Error() string {
	if u.Err != nil {
		return fmt.Sprintf("authentication method %s is unavailable: %s: %v", u.Method, u.Reason, u.Err)
	}
	return fmt.Sprintf("authentication method %s is unavailable: %s", u.Method, u.Reason)
}

// Unwrap returns u.Err.
func (u *Unavailable) Unwrap() error { return u.Err }

// Reauthenticate implements [Reauthenticator]. The error is always a
// [*Denied], or an [*Unavailable] when the Client may try again.
func (c *Chain) Reauthenticate(ctx context.Context, cr *Credentials, previous Result) (Result, error) {
	for _, m := range c.methods {
		r, ok := m.(Reauthenticator)
		if !ok {
			continue
		}
		result, err := r.Reauthenticate(ctx, cr, previous)
		var u *Unavailable
		switch {
		case err == nil:
			return result, nil
		case errors.As(err, &u):
			return Result{}, u
		case !notRelevant(err):
			return Result{}, final(err)
		}
	}
	return Result{}, errNoReauthentication
}

var errNoReauthentication = &Denied{Code: NotAuthorized, Reason: "no method of this listener re-authenticates this Client"}
