package security

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// MQTT 5.0 Reason Codes that a denied CONNECT is answered with.
const (
	BadUserNameOrPassword   byte = 0x86
	NotAuthorized           byte = 0x87
	ServerBusy              byte = 0x89
	BadAuthenticationMethod byte = 0x8C
)

// Credentials are all that a Client has shown of itself by the end of its
// CONNECT. Everything in them is borrowed for the duration of the call that
// takes them.
type Credentials struct {
	ClientID    string // Client Identifier as sent; "" asks the Server for one
	HasUserName bool   // whether CONNECT has a User Name
	UserName    string // claimed, not verified
	Password    []byte // nil when CONNECT has none

	AuthenticationMethod string // "" when CONNECT has none
	AuthenticationData   []byte

	// PresentedChain is the certificates of the TLS handshake as the peer sent
	// them, the leaf first. The handshake has proved that the peer holds the
	// leaf's private key, and nothing else about them.
	PresentedChain []*x509.Certificate
	// VerifiedChains is what the TLS handshake built from PresentedChain. It
	// speaks for the CAs of that moment; a method that has CAs of its own
	// verifies PresentedChain again.
	VerifiedChains [][]*x509.Certificate

	RemoteAddr      string // host:port of the peer
	Listener        string // name of the listener that accepted it
	ProtocolVersion byte   // 4 for MQTT 3.1.1, 5 for MQTT 5.0
}

// Result is what a successful authentication established.
type Result struct {
	Method     string     // which method accepted, such as [MethodX509]
	Username   string     // effective user name; "" when the method gives none
	Attributes Attributes // shared, immutable
	Expiry     time.Time  // when the credential ceases to hold; zero: never

	// CredentialID names the credential, such as the jti of a token, so that
	// it can be revoked; "" when it has no name. It is no secret.
	CredentialID string

	// Origin is how an [Originator] knows its Results again. It means nothing
	// to anyone else.
	Origin any

	// Entry names the attribute entry that gave Attributes, "" when none did,
	// and EntryDepth the certificate that matched it: 0 is the leaf, 1 its
	// issuer, and so on. Set by [X509] only.
	Entry      string
	EntryDepth int
	// Hints are near misses worth a line in the log, such as a configured
	// subject written in reverse order. Shared; must not be changed.
	Hints []string
}

// ErrNotRelevant is the answer of an [Authenticator] that found nothing in the
// Credentials it could judge. Test for it with [errors.Is].
var ErrNotRelevant = errors.New("credentials are not relevant to this authentication method")

// Denied refuses a Client. It is final: no other method is asked.
type Denied struct {
	Code   byte   // MQTT 5.0 Reason Code for the CONNACK, at least 0x80
	Reason string // for the log; holds no secret
	Err    error  // what went wrong underneath; nil when the credential itself is to blame
}

// Error implements error.
func (d *Denied) Error() string {
	if d.Err != nil {
		return fmt.Sprintf("authentication denied (0x%02X): %s: %v", d.Code, d.Reason, d.Err)
	}
	return fmt.Sprintf("authentication denied (0x%02X): %s", d.Code, d.Reason)
}

// Unwrap returns d.Err.
func (d *Denied) Unwrap() error { return d.Err }

// Authenticator is one authentication method.
type Authenticator interface {
	// Authenticate judges c. It returns a Result; or [ErrNotRelevant] when c
	// holds nothing this method could judge; or [*Unavailable]; or [*Denied].
	// Callers treat any other error as a denial. It honors the cancellation of ctx, keeps
	// nothing of c, and is safe for concurrent use.
	Authenticate(ctx context.Context, c *Credentials) (Result, error)
}

// Immediate is implemented by an [Authenticator] that may never wait, for I/O
// or otherwise. The caller may then run it on an event loop.
type Immediate interface {
	Authenticator
	// AuthenticatesImmediately reports whether Authenticate never waits. The
	// answer is the same for the life of the value.
	AuthenticatesImmediately() bool
}

// Prompt is implemented by an [Authenticator] that can often tell without waiting:
// from what it remembers, or because it knows that nobody would answer.
type Prompt interface {
	Authenticator
	// AuthenticatePromptly returns what Authenticate would, or [ErrMustWait] if
	// that might wait, for I/O or otherwise, or compute for long. The caller may run
	// it on an event loop. It is safe for concurrent use.
	AuthenticatePromptly(c *Credentials) (Result, error)
}

// ErrMustWait is the answer of a [Prompt] that cannot tell at once, and never that
// of Authenticate. Test for it with [errors.Is].
var ErrMustWait = errors.New("to judge the credentials takes a while")

// Promptly returns what a makes of c, or [ErrMustWait] if it might have to wait for
// that: it need be neither a [Prompt] nor [Immediate].
func Promptly(a Authenticator, c *Credentials) (Result, error) {
	if p, ok := a.(Prompt); ok {
		return p.AuthenticatePromptly(c)
	}
	if i, ok := a.(Immediate); ok && i.AuthenticatesImmediately() {
		return a.Authenticate(context.Background(), c)
	}
	return Result{}, ErrMustWait
}

// MethodHandler is implemented by an [Authenticator] that takes part in the
// enhanced authentication of the MQTT 5.0 standard, section 4.12.
type MethodHandler interface {
	// HandlesAuthenticationMethod reports whether a CONNECT with the
	// Authentication Method name is for this Authenticator.
	HandlesAuthenticationMethod(name string) bool
}

// Warmer is implemented by an [Authenticator] that can do costly work ahead of
// the CONNECT.
type Warmer interface {
	// Warm prepares for Authenticate with the same TLS credentials in c; the
	// CONNECT has not been read yet, so the other fields are empty. It may
	// take as long as a certificate verification and is safe for concurrent use.
	Warm(c *Credentials)
}
