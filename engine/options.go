package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/tlsstate"
)

// Options configures an Engine. The zero value is a broker without listeners
// that serves the program it is embedded in.
type Options struct {
	// Listeners are the ports opened by Run. Apply replaces them later.
	Listeners []Listener

	// Loops is the number of event loops; zero means one for each processor
	// that Go may use. A Session lives on one loop for as long as it exists.
	Loops int

	// Limits bounds what peers can make the engine hold. Zero fields take the
	// defaults that Limits documents.
	Limits Limits

	// SharedSubscriptions is how the members of each Shared Subscription share
	// its messages. The default is SharedRoundRobin.
	SharedSubscriptions SharedStrategy

	// SysInterval is the time between two publications of what the engine
	// tells of itself, as retained messages below "$SYS/broker/": version,
	// uptime, Clients, messages, bytes, Subscriptions and memory, under the
	// names that mosquitto gave them. Who may subscribe there is for each
	// Listener's Authorizer to say; Clients may not publish there whatever it
	// says. Zero means 10 s, and a negative one turns them off.
	SysInterval time.Duration

	// Version is told at "$SYS/broker/version". Empty means that of this
	// module, as the Go command recorded it.
	Version string

	// Logger receives what an operator wants to know: ports, connections that
	// closed and why, refusals, reloads. Nil means slog.Default. It is called
	// from one goroutine of the engine and never from an event loop, so that a
	// slow log cannot delay traffic; only whether a level is enabled is asked
	// from anywhere.
	Logger *slog.Logger

	// Observe, if set, is told of connections that were made, closed or
	// refused, and of actions that were denied. It is called from the same
	// goroutine as Logger: events, and lines for the Logger, that arrive while
	// it is busy are queued up to a bound, then dropped and counted in
	// Stats.EventsDropped.
	Observe func(Event)

	// Handshakes bounds TLS handshakes in progress over all listeners.
	Handshakes tlsstate.Limits
}

// Listener is one port.
type Listener struct {
	// Name identifies the port in logs, events and between calls of Apply: a
	// Listener with the name and address of one that is already open replaces
	// its settings without touching the socket. Empty means Address.
	Name string

	// Address is the TCP address to listen on, as net.Listen takes it.
	Address string

	// Listener, if set, is used instead of listening on Address. It must yield
	// *net.TCPConn or *net.UnixConn. The engine closes it.
	Listener net.Listener

	// Protocol is what is spoken on the port, inside of TLS if there is TLS.
	Protocol Protocol

	// Origins are the web pages whose scripts may connect to a WebSockets port,
	// each as browsers write the Origin of a request, such as
	// "https://dashboard.example.com:8443"; "*" is all of them.
	//
	// Without any, a page may connect to the host that it was loaded from, on
	// whichever port, so that no other page a user visits can reach a broker in
	// the user's network or with the user's client certificate. That is
	// stricter than other brokers are by default. Behind a proxy that sends a
	// Host of its own, and for pages in files, the pages must be listed.
	//
	// Clients that are not browsers send no Origin, and are accepted: this is
	// no substitute for an Authenticator. A change is for new connections.
	Origins []string

	// TLS makes the port speak TLS. A changed configuration is used by new
	// handshakes; live connections keep theirs.
	TLS *tlsstate.Config

	// Authenticator decides who a Client is. Nil accepts everyone, and then
	// Authorizer must be nil too. One that implements security.Immediate, or
	// security.Prompt as long as that can tell, is called on the event loop; any
	// other runs on a goroutine of a bounded pool while the connection waits.
	Authenticator security.Authenticator

	// Authorizer decides what a Client may do. Nil allows everything. A
	// *security.Table decides on the event loop in some nanoseconds; any
	// other Authorizer is asked from a goroutine while the connection waits,
	// and its answers are remembered for the connection. An error is none: it
	// denies the packet, takes the connection or Subscription that was to be
	// confirmed, and is not remembered.
	Authorizer security.Authorizer

	// MaximumConnections is the number of open connections of this port,
	// handshakes included; further ones are closed as soon as they are
	// accepted, with CloseTooManyPortConnections. Zero means that only
	// Limits.Connections bounds them.
	MaximumConnections int

	// ConnectRate is the number of new connections that the port takes a
	// second, after a burst of as many. Beyond it they are not refused: they
	// wait in the operating system's backlog, which is bounded, and beyond
	// that Clients find that the Server does not answer yet. So a thousand
	// Clients that come back at once get in one after another. Stats counts
	// ConnectionsDelayed. Zero means no bound.
	ConnectRate int

	// OnPolicyChange says what happens to connected Clients when Apply brings
	// another Authenticator or Authorizer.
	OnPolicyChange PolicyChange

	// DisconnectExpired has Clients told when their credential ends, by
	// DISCONNECT with Maximum connect time. Without it the Network Connection
	// is closed and nothing said. Either is an abnormal end: the Will is
	// published, and the Session lives on.
	DisconnectExpired bool
}

// Protocol is what is spoken on a port.
type Protocol byte

const (
	// MQTT is MQTT on TCP, or on TLS.
	MQTT Protocol = iota
	// WebSockets is MQTT in binary frames of WebSocket (RFC 6455), with the
	// subprotocol mqtt, at any path (chapter 6 of the MQTT 5.0 standard).
	WebSockets
)

// String returns the spelling that manifests use.
func (p Protocol) String() string {
	if p == WebSockets {
		return "WebSockets"
	}
	return "Mqtt"
}

// anyOrigin is the element of Listener.Origins that allows all.
const anyOrigin = "*"

// PolicyChange is what a new policy does to Clients that are connected.
type PolicyChange byte

const (
	// Reevaluate checks each connected Client against the new policy: one that
	// may no longer connect is closed, Subscriptions that are no longer
	// allowed are removed, everything else goes on.
	Reevaluate PolicyChange = iota
	// Disconnect closes every connection of the port, without a DISCONNECT
	// packet, so that Clients which reconnect by themselves do.
	Disconnect
)

// String returns the spelling that manifests use.
func (p PolicyChange) String() string {
	if p == Disconnect {
		return "Disconnect"
	}
	return "Reevaluate"
}

var (
	// ErrClosed is returned by the methods of an Engine that has stopped.
	ErrClosed = errors.New("engine: closed")
	// ErrNotRunning is returned by methods that need Run to have been called.
	ErrNotRunning = errors.New("engine: not running")
)

// ListenerError says which listener could not be used and why.
type ListenerError struct {
	Name    string
	Address string
	Err     error
}

func (e *ListenerError) Error() string {
	return fmt.Sprintf("engine: listener %s (%s): %v", e.Name, e.Address, e.Err)
}

func (e *ListenerError) Unwrap() error { return e.Err }

func (l *Listener) name() string {
	switch {
	case l.Name != "":
		return l.Name
	case l.Address != "":
		return l.Address
	case l.Listener != nil:
		return l.Listener.Addr().String()
	}
	return ""
}

// validate refuses what would open more than was meant.
func (l *Listener) validate() error {
	fail := func(format string, args ...any) error {
		return &ListenerError{Name: l.name(), Address: l.Address, Err: fmt.Errorf(format, args...)}
	}
	if l.Address == "" && l.Listener == nil {
		return fail("neither Address nor Listener is set")
	}
	if l.Authorizer != nil && l.Authenticator == nil {
		return fail("Authorizer without Authenticator: there would be nobody to authorize")
	}
	if l.Protocol > WebSockets {
		return fail("Protocol %d is unknown", l.Protocol)
	}
	if l.Protocol != WebSockets && len(l.Origins) > 0 {
		return fail("Origins have no effect without Protocol WebSockets")
	}
	for _, origin := range l.Origins {
		if err := CheckOrigin(origin); err != nil {
			return fail("Origins: %w", err)
		}
	}
	if l.MaximumConnections < 0 {
		return fail("MaximumConnections is %d: want 0 for no bound, or more", l.MaximumConnections)
	}
	if l.ConnectRate < 0 {
		return fail("ConnectRate is %d: want 0 for no bound, or more", l.ConnectRate)
	}
	if l.OnPolicyChange > Disconnect {
		return fail("OnPolicyChange %d is unknown", l.OnPolicyChange)
	}
	return nil
}

// withDefaults returns a copy in which every field has its value.
func (o Options) withDefaults() Options {
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.SysInterval = defaultDuration(o.SysInterval, 10*time.Second)
	if o.Version == "" {
		o.Version = moduleVersion()
	}
	o.Limits = o.Limits.WithDefaults()
	return o
}

func validateListeners(ls []Listener) error {
	names := make(map[string]bool, len(ls))
	addresses := make(map[string]string, len(ls))
	for i := range ls {
		l := &ls[i]
		if err := l.validate(); err != nil {
			return err
		}
		if names[l.name()] {
			return &ListenerError{Name: l.name(), Address: l.Address, Err: errors.New("the name is used twice")}
		}
		names[l.name()] = true
		if l.Listener != nil || isEphemeral(l.Address) {
			continue
		}
		if other, ok := addresses[l.Address]; ok {
			return &ListenerError{Name: l.name(), Address: l.Address, Err: fmt.Errorf("the address is already used by listener %s", other)}
		}
		addresses[l.Address] = l.name()
	}
	return nil
}

func isEphemeral(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && (port == "0" || port == "")
}

// defaultDuration returns d, or def when d is zero.
func defaultDuration(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}
