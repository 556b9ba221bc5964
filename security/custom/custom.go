package custom

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/internal/breaker"
)

// Method is the Method of a [security.Result] from this package.
const Method = "Custom"

// Authenticator asks a custom authentication server. Build one with [New].
// Safe for concurrent use. It prints as "[redacted]".
type Authenticator struct {
	settings  Config // with defaults
	url       string
	address   string // the url without its query, for people
	header    http.Header
	transport *http.Transport
	slots     chan struct{} // as many as requests at once
	breaker   breaker.Breaker
	logger    atomic.Pointer[slog.Logger]
	faults    occasion // of logging that the server gave no usable answer
	rejects   occasion // of logging that it rejected a request
	now       func() time.Time
}

// The parts of package security that an Authenticator takes.
var (
	_ security.Reauthenticator = (*Authenticator)(nil)
	_ security.Rechecker       = (*Authenticator)(nil)
	_ security.MethodHandler   = (*Authenticator)(nil)
	_ security.Prompt          = (*Authenticator)(nil)
)

// New returns an Authenticator, or all that is wrong with cfg as [Config.Check]
// does. It keeps cfg's certificates and key, which must not be modified, and
// connects to nothing yet.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = defaultConcurrency
	}
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, err // Check has parsed it
	}
	a := &Authenticator{
		settings:  cfg,
		address:   (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(),
		header:    newHeader(cfg.Headers),
		transport: newTransport(&cfg),
		slots:     make(chan struct{}, cfg.Concurrency),
		now:       time.Now,
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "api-version=" + apiVersion
	a.url = u.String()
	a.LogTo(slog.New(slog.DiscardHandler))
	return a, nil
}

// LogTo has what Clients are not told logged: that the server stopped or began
// to answer, and every few seconds at most why it gave no usable answer. Until
// it is called nothing is logged. Safe for concurrent use.
func (a *Authenticator) LogTo(logger *slog.Logger) { a.logger.Store(logger) }

// String returns "[redacted]".
func (a *Authenticator) String() string { return redacted }

// GoString returns "[redacted]".
func (a *Authenticator) GoString() string { return redacted }

// Address returns the endpoint without its query, for people to read.
func (a *Authenticator) Address() string { return a.address }

// HandlesAuthenticationMethod implements [security.MethodHandler]. It is true
// for every name: only the server knows its own.
func (a *Authenticator) HandlesAuthenticationMethod(string) bool { return true }

// Authenticate implements [security.Authenticator]: all Credentials are
// relevant to the server. The effective user name is that of the CONNECT, for
// which the server has vouched by granting it. The error is a
// [*security.Denied] if the server denied, and a [*security.Unavailable] if it
// gave no answer or one that cannot be used.
func (a *Authenticator) Authenticate(ctx context.Context, c *security.Credentials) (security.Result, error) {
	reply, err := a.ask(ctx, typeConnect, c)
	if err != nil {
		return security.Result{}, err
	}
	if reply.verdict == rejected {
		// A server that judges passwords alone rejects a CONNECT without one,
		// and a later method may well know the Client.
		return security.Result{}, a.unavailable(reply.text)
	}
	return a.conclude(reply, c.UserName, c.ProtocolVersion)
}

// AuthenticatePromptly implements [security.Prompt]: Clients need not wait to be told
// that a server which does not answer is not asked.
func (a *Authenticator) AuthenticatePromptly(*security.Credentials) (security.Result, error) {
	if a.breaker.Refuses(a.now()) {
		return security.Result{}, a.unavailable(leftAlone)
	}
	return security.Result{}, security.ErrMustWait
}

// Reauthenticate implements [security.Reauthenticator]. A request that the
// server rejects as such is a denial: there is no other method to ask.
func (a *Authenticator) Reauthenticate(ctx context.Context, c *security.Credentials, previous security.Result) (security.Result, error) {
	if previous.Method != Method {
		return security.Result{}, security.ErrNotRelevant
	}
	reply, err := a.ask(ctx, typeAuth, c)
	if err != nil {
		return security.Result{}, err
	}
	if reply.verdict == rejected {
		return security.Result{}, a.denied(security.NotAuthorized, reply.text)
	}
	return a.conclude(reply, previous.Username, c.ProtocolVersion)
}

// Recheck implements [security.Rechecker]: whom a server has let in stays who it
// is, since the credentials to ask again with are not kept.
func (a *Authenticator) Recheck(_ context.Context, _ *security.Credentials, previous security.Result) (security.Result, error) {
	if previous.Method != Method {
		return security.Result{}, security.ErrNotRelevant
	}
	return previous, nil
}

// conclude turns an answer that is final into a Result or a Denied.
func (a *Authenticator) conclude(reply answer, username string, version byte) (security.Result, error) {
	switch {
	case reply.verdict != granted:
		return security.Result{}, a.denied(connackReason(reply.reason, version), reply.text)
	case !reply.expiry.IsZero() && !reply.expiry.After(a.now()):
		return security.Result{}, a.denied(security.NotAuthorized, "granted until "+reply.expiry.UTC().Format(time.RFC3339)+", which has passed")
	}
	return security.Result{
		Method:     Method,
		Username:   username,
		Attributes: reply.attributes,
		Expiry:     reply.expiry,
	}, nil
}

func (a *Authenticator) denied(code byte, reason string) error {
	return &security.Denied{Code: code, Reason: "the custom authentication server " + reason}
}

func (a *Authenticator) unavailable(reason string) error {
	return &security.Unavailable{Method: Method, Reason: "the custom authentication server " + a.address + " " + reason}
}

// ask sends one request, when it is its turn, and returns an answer that is
// granted, refused or rejected. Equal requests are not shared: two Clients with
// equal credentials are two Clients, and the server may count them.
func (a *Authenticator) ask(ctx context.Context, packet string, c *security.Credentials) (answer, error) {
	if a.breaker.Refuses(a.now()) { // first: it is what a storm of Clients meets
		return answer{}, a.unavailable(leftAlone)
	}
	timeout := a.settings.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// Half of the time for the turn, so that whoever gets one has the other
	// half for the server: what ends sooner says nothing about it.
	turn, cancelTurn := context.WithTimeout(asking, timeout/2)
	defer cancelTurn()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-turn.Done():
		return answer{}, a.unavailable(fmt.Sprintf("has %d requests to answer already", cap(a.slots)))
	}
	ticket, ok := a.breaker.Admit(a.now())
	if !ok {
		return answer{}, a.unavailable(leftAlone)
	}
	shown, reason := breaker.Abandoned, ""
	defer func() { a.settle(ticket, shown, reason) }() // after a panic too, or no other would be admitted
	// Only now: what waits must not hold two copies of its certificates.
	reply, fault := a.exchange(asking, a.body(packet, c))
	if fault == nil {
		shown = breaker.Answered
		reply.text = a.quote(reply.text, c)
		if reply.verdict == rejected {
			a.logRejection(reply.text)
		}
		return reply, nil
	}
	if ctx.Err() == context.Canceled {
		return answer{}, a.unavailable("was not waited for: the Client has gone")
	}
	reason = a.quote(fault.reason, c)
	switch {
	case !fault.silent:
		shown = breaker.Answered
	case timeout >= a.settings.Timeout/shortTime || asking.Err() == nil:
		shown = breaker.Failed
	}
	a.logFault(reason)
	return answer{}, a.unavailable(reason)
}

// shortTime is the part of the Timeout in which no server needs to answer. A
// method before this one may leave no more, and that is not the server's fault.
const shortTime = 10

// leftAlone is what Clients are refused with while the breaker is open.
const leftAlone = "does not answer, and is not asked again yet"
