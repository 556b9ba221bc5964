package resource

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/tlsstate"
)

// Snapshot is what the manifests of a directory come to: what is to be served
// and what is not. It never changes, and is safe for concurrent use.
type Snapshot struct {
	catalog         *catalog
	sum             digest
	authentications map[string]*Authentication
	authorizations  map[string]*Authorization
	ports           []*Port
	limits          engine.Limits
	shared          engine.SharedStrategy
	revise          time.Time // when it is to be built again; zero: only when files change
}

// PortState says whether a port is served.
type PortState byte

const (
	// PortClosed is a port that must not open, because of errors.
	PortClosed PortState = iota
	// PortWaiting is a port whose server certificate is missing.
	PortWaiting
	// PortOpen is a port that is served.
	PortOpen
)

// String returns "closed", "waiting" or "open".
func (s PortState) String() string {
	switch s {
	case PortOpen:
		return "open"
	case PortWaiting:
		return "waiting"
	}
	return "closed"
}

// Port is one port of a BrokerListener, with all that it refers to.
type Port struct {
	Name           string // LISTENER:PORT, as engine.Listener has it
	Listener       string
	Number         int
	NodePort       int    // which is listened on too; 0: none
	Address        string // to bind: an IP address, "localhost", or "" for all
	Protocol       engine.Protocol
	Origins        []string         // as engine.Listener has them
	TLS            *tlsstate.Config // nil: plain TCP
	Secret         string           // that holds the server certificate; "" without TLS
	Authentication *Authentication  // nil: everyone is accepted
	Authorization  *Authorization   // nil: everything is allowed
	State          PortState
	Reason         string // why the port is not open, in one sentence

	listener  *listener
	written   *listenerPort
	tlsDigest digest
}

// Authentication is a BrokerAuthentication, ready to use.
type Authentication struct {
	Name              string
	Chain             *security.Chain
	DisconnectExpired bool // as engine.Listener has it

	digest  digest        // of the methods
	methods []builtMethod // in order
	cas     []certificateAuthority
	crls    crlFiles
}

// Authorization is a BrokerAuthorization, ready to use.
type Authorization struct {
	Name           string
	Policy         security.Policy // as written; do not modify
	Table          *security.Table
	OnPolicyChange engine.PolicyChange

	digest digest
}

// Waiting is a port that waits for its server certificate.
type Waiting struct {
	Port   string // LISTENER:PORT
	Secret string
}

// Listeners returns the open ports as the engine takes them. A port that is
// also a node port is two.
func (s *Snapshot) Listeners() []engine.Listener {
	var listeners []engine.Listener
	for _, p := range s.ports {
		if p.State != PortOpen {
			continue
		}
		for _, number := range p.numbers() {
			l := engine.Listener{
				Name:    fmt.Sprintf("%s:%d", p.Listener, number),
				Address: net.JoinHostPort(p.Address, strconv.Itoa(number)),
				TLS:     p.TLS,

				Protocol:           p.Protocol,
				Origins:            p.Origins,
				MaximumConnections: int(p.written.maximum),
				ConnectRate:        int(p.written.rate),
			}
			// A nil pointer in an interface is not a nil interface, and would
			// be taken for an authenticator.
			if p.Authentication != nil {
				l.Authenticator = p.Authentication.Chain
				l.DisconnectExpired = p.Authentication.DisconnectExpired
			}
			if p.Authorization != nil {
				l.Authorizer = p.Authorization.Table
				l.OnPolicyChange = p.Authorization.OnPolicyChange
			}
			listeners = append(listeners, l)
		}
	}
	return listeners
}

// Limits returns the limits that the Broker sets. Fields that it does not set
// are zero, which stands for the engine's defaults.
func (s *Snapshot) Limits() engine.Limits { return s.limits }

// SharedSubscriptions returns how the Broker wants the messages of Shared
// Subscriptions shared.
func (s *Snapshot) SharedSubscriptions() engine.SharedStrategy { return s.shared }

// Waiting returns the ports that wait for their server certificates.
func (s *Snapshot) Waiting() []Waiting {
	var waiting []Waiting
	for _, p := range s.ports {
		if p.State == PortWaiting {
			waiting = append(waiting, Waiting{p.Name, p.Secret})
		}
	}
	return waiting
}

// Ports returns all ports by name of listener and in the order of its
// manifest, whatever their state. Do not modify them.
func (s *Snapshot) Ports() []*Port { return s.ports }

// Port returns the port of a number or node port, whatever its state. Of
// several with the same number it prefers an open one.
func (s *Snapshot) Port(number int) (*Port, bool) {
	var found *Port
	for _, p := range s.ports {
		if (p.Number == number || p.NodePort == number) && (found == nil || p.State > found.State) {
			found = p
		}
	}
	return found, found != nil
}

// numbers returns the ports to listen on.
func (p *Port) numbers() []int {
	if p.NodePort != 0 && p.NodePort != p.Number {
		return []int{p.Number, p.NodePort}
	}
	return []int{p.Number}
}

// close keeps the port from being opened. The first reason stays.
func (p *Port) close(state PortState, format string, args ...any) {
	if p.State != PortOpen {
		return
	}
	p.State, p.Reason = state, fmt.Sprintf(format, args...)
}

// Load reads a directory, and returns what is to be served together with all
// that is wrong. prev is the Snapshot in force, or nil at start: it stands in
// for objects with errors, as the package comment says, and what is unchanged
// since is taken over from it. When the directory cannot be read, prev stays
// in force as a whole.
func Load(dir string, prev *Snapshot) (*Snapshot, Problems) {
	return scanDir(dir).load(prev)
}

// emptySnapshot is what is in force before anything has been loaded.
func emptySnapshot() *Snapshot { return &Snapshot{catalog: &catalog{}} }

func (s *scan) load(prev *Snapshot) (*Snapshot, Problems) {
	if prev == nil {
		prev = emptySnapshot()
	}
	if s.err != nil {
		kept := *prev
		kept.sum = s.sum
		return &kept, Problems{{Problem: fmt.Sprintf("the directory %s: %v", s.dir, s.err)}}
	}
	r := s.parse()
	b := builder{
		prev:    prev,
		catalog: r.decode(prev.catalog),
		snapshot: &Snapshot{
			sum:             s.sum,
			authentications: make(map[string]*Authentication),
			authorizations:  make(map[string]*Authorization),
		},
	}
	b.snapshot.catalog = b.catalog
	b.problems = r.problems
	b.build()
	return b.snapshot, b.problems.sorted()
}
