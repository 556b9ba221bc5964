package engine

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// sealedPeer is the peer's end of a TLS connection in memory.
type sealedPeer struct {
	tls    *tlsstate.Conn
	plain  []byte
	cipher []byte
	// feeds counts the runs of ciphertext that were opened here or given to the
	// engine to open. It is what TLS is known to allocate for.
	feeds int
	err   error // the first one
}

func (s *sealedPeer) seal(b []byte) []byte {
	s.feeds++
	var err error
	s.cipher, err = s.tls.Seal(s.cipher[:0], b)
	s.note(err)
	return s.cipher
}

func (s *sealedPeer) open(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	s.feeds++
	var err error
	s.plain, err = s.tls.Open(s.plain[:0], b)
	s.note(err)
	return s.plain
}

func (s *sealedPeer) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

// dialTLS is dial for a peer that speaks a version of TLS.
func dialTLS(t testing.TB, m *memoryReactor, p *port, version uint16) *memoryConn {
	t.Helper()
	root, err := pki.NewRoot(pki.Options{CommonName: "Root"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := root.NewLeaf(pki.Options{CommonName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := tlsstate.NewServer(tlsstate.Config{Certificates: []tls.Certificate{leaf.TLSCertificate()}})
	if err != nil {
		t.Fatal(err)
	}
	h := tlsstate.NewHandshaker(tlsstate.Limits{})
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	var server *tlsstate.Conn
	done := make(chan error, 1)
	go func() {
		var err error
		server, err = h.Handshake(t.Context(), settings, near)
		done <- err
	}()
	// Without a cache of sessions it is sent no ticket, for which nobody would
	// be there when the handshake is over.
	client, err := h.HandshakeClient(t.Context(), &tls.Config{
		RootCAs: root.Pool(), ServerName: "localhost", MinVersion: version, MaxVersion: version,
	}, far)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return m.dialSealed(p, &sealedPeer{tls: client}, server)
}
