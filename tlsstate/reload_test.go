package tlsstate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

func TestUpdateChangesTheServerCertificateForNewHandshakesOnly(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(NotRequested))
	old := mustConnect(t, s, w.clientConfig(0))

	c := w.config(NotRequested)
	renewed := w.serverCA.leaf(t, pki.Options{CommonName: "localhost"})
	c.Certificates = []tls.Certificate{renewed}
	ok(t, s.Update(c))

	served := func(p *pair) []byte { return p.client.ConnectionState().PeerCertificates[0].Raw }
	if p := mustConnect(t, s, w.clientConfig(0)); !bytes.Equal(served(p), renewed.Certificate[0]) {
		t.Error("a new client was served the old certificate")
	}
	if !bytes.Equal(served(old), w.server.Certificate[0]) {
		t.Error("the old client was served the new certificate; the test is void")
	}
	old.checkTalk(t)
}

func TestUpdateThatCannotBeServedChangesNothing(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(Required))
	broken := w.config(NotRequested)
	broken.Certificates = nil
	var configErr *ConfigError
	if err := s.Update(broken); !errors.As(err, &configErr) {
		t.Fatalf("error is %v, want a *ConfigError", err)
	}
	mustConnect(t, s, w.clientConfig(0, w.client))
	_, err := connect(t, NewHandshaker(Limits{}), s, w.clientConfig(0))
	wantCause(t, err, NoCertificate)
}

func TestUpdateChangesTheClientCAsForNewHandshakesOnly(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(Required))
	old := mustConnect(t, s, w.clientConfig(0, w.client))

	c := w.config(Required)
	c.ClientCAs = w.strangerCA.root.Pool()
	ok(t, s.Update(c))
	mustConnect(t, s, w.clientConfig(0, w.stranger)).checkTalk(t)
	_, err := connect(t, NewHandshaker(Limits{}), s, sends(w.clientConfig(0), w.client))
	wantCause(t, err, BadCertificate)
	old.checkTalk(t)
}

// sends makes a client send a certificate also when the server's CAs do not
// match, in which case crypto/tls would send none.
func sends(config *tls.Config, certificate tls.Certificate) *tls.Config {
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &certificate, nil
	}
	return config
}

// resumer is a client with a session to resume.
func (w *world) resumer(t *testing.T, s *Server, version uint16) *tls.Config {
	t.Helper()
	config := sends(w.clientConfig(version), w.client)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	_, err := mustConnect(t, s, config).clientReceives(nil) // the ticket
	ok(t, err)
	return config
}

func TestSessionsAreResumedWhileTheClientIsTrusted(t *testing.T) {
	w := newWorld(t)
	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			now := time.Now()
			base := w.config(Required)
			base.Now = func() time.Time { return now }
			s := newServer(t, base)
			connectAgain := func(config *tls.Config) (*pair, error) {
				return connect(t, NewHandshaker(Limits{}), s, config)
			}
			mustResume := func(config *tls.Config, want bool) *Peer {
				t.Helper()
				p, err := connectAgain(config)
				ok(t, err)
				p.checkTalk(t)
				if got := p.server.Peer().Resumed; got != want {
					t.Fatalf("resumed is %t, want %t", got, want)
				}
				return p.server.Peer()
			}

			peer := mustResume(w.resumer(t, s, version.id), true)
			if len(peer.Presented) != 2 || len(peer.Chains) != 1 || len(peer.Chains[0]) != 3 {
				t.Errorf("peer of a resumed session is %+v", peer)
			}

			// A new certificate for the server is no reason to start over.
			client := w.resumer(t, s, version.id)
			ok(t, s.Update(base))
			mustResume(client, true)

			// Other client CAs are, even if the client is trusted by them.
			client = w.resumer(t, s, version.id)
			more := base
			more.ClientCAs = base.ClientCAs.Clone()
			more.ClientCAs.AddCert(w.strangerCA.root.Cert)
			ok(t, s.Update(more))
			mustResume(client, false)

			// So is another demand.
			client = w.resumer(t, s, version.id)
			more.ClientCertificates = VerifiedIfGiven
			ok(t, s.Update(more))
			mustResume(client, false)

			// A client whose CA is gone does not get in by its session.
			client = w.resumer(t, s, version.id)
			gone := base
			gone.ClientCAs = w.strangerCA.root.Pool()
			ok(t, s.Update(gone))
			_, err := connectAgain(client)
			wantCause(t, err, BadCertificate)

			// Nor does one whose certificate has expired since.
			ok(t, s.Update(base))
			leaf, err := x509.ParseCertificate(w.client.Certificate[0])
			ok(t, err)
			now = leaf.NotAfter.Add(-time.Minute)
			client = w.resumer(t, s, version.id)
			client.Time = base.Now
			client.InsecureSkipVerify = true // the server's has expired too
			mustResume(client, true)
			now = leaf.NotAfter.Add(time.Minute)
			_, err = connectAgain(client)
			wantCause(t, err, BadCertificate)
		})
	}
}

// A ClientHello can come between an Update and the change of its ticket keys:
// the handshake began before, with the old keys, and is answered after.
func TestSessionResumedAcrossAnUpdateIsVerifiedAgain(t *testing.T) {
	w := newWorld(t)
	both := w.config(Required)
	both.ClientCAs = w.clientCA.root.Pool()
	both.ClientCAs.AddCert(w.clientCA.intermediate.Cert)

	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			race := func(s *Server, c Config) {
				entry := s.current.Load().entry
				ok(t, s.Update(c))
				next := *s.current.Load()
				next.entry = entry
				s.current.Store(&next)
			}

			s := newServer(t, both)
			client := w.resumer(t, s, version.id)
			gone := both
			gone.ClientCAs = w.strangerCA.root.Pool()
			race(s, gone)
			_, err := connect(t, NewHandshaker(Limits{}), s, client)
			wantCause(t, err, BadCertificate)

			// Only one of the session's chains still holds: no other is reported.
			s = newServer(t, both)
			client = w.resumer(t, s, version.id)
			intermediateOnly := both
			intermediateOnly.ClientCAs = w.clientCA.intermediate.Pool()
			race(s, intermediateOnly)
			p, err := connect(t, NewHandshaker(Limits{}), s, client)
			ok(t, err)
			peer := p.server.Peer()
			if !peer.Resumed {
				t.Fatal("not resumed; the test is void")
			}
			if len(peer.Chains) != 1 || len(peer.Chains[0]) != 2 {
				t.Errorf("chains are %v, want the one to the intermediate", peer.Chains)
			}
		})
	}
}
