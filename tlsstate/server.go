package tlsstate

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the TLS of one port: its [Config], which can be replaced while
// connections are made, and the keys of its session tickets. Safe for
// concurrent use.
type Server struct {
	mu      sync.Mutex // orders Updates
	current atomic.Pointer[settings]
}

// settings is one generation of a Server, immutable once published.
type settings struct {
	config Config
	// forClient answers a ClientHello.
	forClient *tls.Config
	// entry starts a handshake. It owns the session ticket keys, which
	// crypto/tls makes and rotates daily, and it outlives forClient as long as
	// nothing changes about whom the port trusts.
	entry *tls.Config
}

// NewServer returns a Server that speaks as c says. The error is a [*ConfigError].
func NewServer(c Config) (*Server, error) {
	s := new(Server)
	if err := s.Update(c); err != nil {
		return nil, err
	}
	return s, nil
}

// Update replaces the Config. Handshakes whose ClientHello has not been
// answered see it at once; established connections are not touched. When c
// cannot be served, the error is a [*ConfigError] and nothing changes.
//
// A session from before is resumed only if its client certificate chains to
// the ClientCAs of now and has not expired. When the ClientCAs or the demand
// for client certificates change, the session ticket keys change too, so that
// clients are authenticated anew.
func (s *Server) Update(c Config) error {
	if err := c.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	next := &settings{config: c}
	next.forClient = next.config.forClient()
	if old := s.current.Load(); old != nil && sameTrust(&old.config, &c) {
		next.entry = old.entry
	} else {
		next.entry = &tls.Config{
			// Asked at the ClientHello rather than at the start, since a peer
			// may sit on an open connection across an Update.
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return s.current.Load().forClient, nil
			},
			Time: func() time.Time { return s.current.Load().config.now() },
		}
	}
	s.current.Store(next)
	return nil
}

// sameTrust reports whether a and b admit the same client certificates.
func sameTrust(a, b *Config) bool {
	return a.ClientCertificates == b.ClientCertificates && samePool(a.ClientCAs, b.ClientCAs)
}

// samePool compares pools of which either may be nil.
func samePool(a, b *x509.CertPool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}
