package tlsstate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/weirmq/weir/security/pki"
)

func TestHandshakeAdmitsClientsByDemand(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name        string
		demand      ClientCertificates
		certificate []tls.Certificate
		presented   int // certificates
		chain       int // certificates, from the leaf to the anchor
	}{
		{"not requested, has one", NotRequested, []tls.Certificate{w.client}, 0, 0},
		{"unverified, has none", RequestedUnverified, nil, 0, 0},
		{"unverified, has one", RequestedUnverified, []tls.Certificate{w.client}, 2, 0},
		{"unverified, has one of a stranger", RequestedUnverified, []tls.Certificate{w.stranger}, 2, 0},
		{"if given, has none", VerifiedIfGiven, nil, 0, 0},
		{"if given, has one", VerifiedIfGiven, []tls.Certificate{w.client}, 2, 3},
		{"required, has one", Required, []tls.Certificate{w.client}, 2, 3},
	} {
		for _, version := range versions {
			t.Run(test.name+"/"+version.name, func(t *testing.T) {
				s := newServer(t, w.config(test.demand))
				config := w.clientConfig(version.id)
				// Of a certificate that the server's CAs do not match, crypto/tls
				// would send none.
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(test.certificate) == 0 {
						return new(tls.Certificate), nil
					}
					return &test.certificate[0], nil
				}
				p := mustConnect(t, s, config)

				if got := p.server.State().Version; got != version.id {
					t.Errorf("version is %s", tls.VersionName(got))
				}
				peer := p.server.Peer()
				if len(peer.Presented) != test.presented {
					t.Errorf("%d certificates presented, want %d", len(peer.Presented), test.presented)
				}
				switch {
				case test.chain == 0:
					if len(peer.Chains) != 0 {
						t.Errorf("%d chains, want none", len(peer.Chains))
					}
				case len(peer.Chains) != 1 || len(peer.Chains[0]) != test.chain:
					t.Errorf("chains are %v, want one of %d", peer.Chains, test.chain)
				case peer.Chains[0][0].Subject.CommonName != "thermostat":
					t.Errorf("chain starts with %v", peer.Chains[0][0].Subject)
				}
				if peer.ServerName != "localhost" || peer.Resumed {
					t.Errorf("peer is %+v", peer)
				}
				p.checkTalk(t)
			})
		}
	}
}

// checkTalk fails unless application data passes both ways.
func (p *pair) checkTalk(t *testing.T) {
	t.Helper()
	ping, pong := []byte("\xc0\x00"), []byte("\xd0\x00") // PINGREQ, PINGRESP
	got, err := p.server.Open(nil, p.clientSends(t, ping))
	ok(t, err)
	if !bytes.Equal(got, ping) {
		t.Fatalf("server got %x, want %x", got, ping)
	}
	sealed, err := p.server.Seal(nil, pong)
	ok(t, err)
	got, err = p.clientReceives(sealed)
	ok(t, err)
	if !bytes.Equal(got, pong) {
		t.Fatalf("client got %x, want %x", got, pong)
	}
	if pending := p.server.Pending(nil); len(pending) != 0 {
		t.Fatalf("%d bytes pending", len(pending))
	}
}

func TestAnyCertificateCanBeATrustAnchor(t *testing.T) {
	w := newWorld(t)
	bundle := w.client
	leafOnly := tls.Certificate{Certificate: bundle.Certificate[:1], PrivateKey: bundle.PrivateKey}
	several := w.strangerCA.root.Pool()
	several.AddCert(w.clientCA.root.Cert)
	both := w.clientCA.root.Pool()
	both.AddCert(w.clientCA.intermediate.Cert)

	for _, test := range []struct {
		name        string
		anchors     *x509.CertPool
		certificate tls.Certificate
		chains      []int // lengths, sorted
	}{
		{"root, bundle", w.clientCA.root.Pool(), bundle, []int{3}},
		{"intermediate, bundle", w.clientCA.intermediate.Pool(), bundle, []int{2}},
		{"intermediate, leaf only", w.clientCA.intermediate.Pool(), leafOnly, []int{2}},
		{"two roots, bundle of the first", several, bundle, []int{3}},
		{"two roots, bundle of the second", several, w.stranger, []int{3}},
		{"root and intermediate, leaf only", both, leafOnly, []int{2}},
		{"root and intermediate, bundle", both, bundle, []int{2, 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := w.config(Required)
			c.ClientCAs = test.anchors
			config := w.clientConfig(0)
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &test.certificate, nil
			}
			p := mustConnect(t, newServer(t, c), config)
			var lengths []int
			for _, chain := range p.server.Peer().Chains {
				lengths = append(lengths, len(chain))
			}
			slices.Sort(lengths)
			if !slices.Equal(lengths, test.chains) {
				t.Errorf("chains have lengths %v, want %v", lengths, test.chains)
			}
		})
	}
}

func TestKeysOfEveryKindAreServed(t *testing.T) {
	for _, key := range []string{pki.KeyEC, pki.KeyRSA, pki.KeyEd25519} {
		t.Run(key, func(t *testing.T) {
			root, err := pki.NewRoot(pki.Options{CommonName: "Root CA", Key: key})
			ok(t, err)
			leaf, err := root.NewLeaf(pki.Options{CommonName: "localhost", Key: key})
			ok(t, err)
			s := newServer(t, Config{
				Certificates:       []tls.Certificate{leaf.TLSCertificate()},
				ClientCAs:          root.Pool(),
				ClientCertificates: Required,
			})
			mustConnect(t, s, &tls.Config{
				RootCAs:      root.Pool(),
				ServerName:   "localhost",
				Certificates: []tls.Certificate{leaf.TLSCertificate()},
			}).checkTalk(t)
		})
	}
}

func TestALPNIsAgreedOnWhenOffered(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name          string
		speaks, offer []string
		agreed        string
		cause         Cause
	}{
		{"offered", []string{"mqtt", "http/1.1"}, []string{"mqtt"}, "mqtt", 0},
		{"not offered", []string{"mqtt"}, nil, "", 0},
		{"not spoken", nil, []string{"mqtt"}, "", 0},
		{"another offered", []string{"mqtt"}, []string{"imap"}, "", Other}, // RFC 7301, section 3.2
	} {
		t.Run(test.name, func(t *testing.T) {
			c := w.config(NotRequested)
			c.NextProtos = test.speaks
			config := w.clientConfig(0)
			config.NextProtos = test.offer
			p, err := connect(t, NewHandshaker(Limits{}), newServer(t, c), config)
			if test.cause != 0 {
				wantCause(t, err, test.cause)
				return
			}
			ok(t, err)
			if got := p.server.State().NegotiatedProtocol; got != test.agreed {
				t.Errorf("agreed on %q, want %q", got, test.agreed)
			}
		})
	}
}

func TestServerNameChoosesTheCertificate(t *testing.T) {
	w := newWorld(t)
	c := w.config(NotRequested)
	for _, name := range []string{"a.example", "b.example"} {
		c.Certificates = append(c.Certificates, w.serverCA.leaf(t, pki.Options{CommonName: name, DNSNames: []string{name}}))
	}
	s := newServer(t, c)
	for _, name := range []string{"localhost", "a.example", "b.example"} {
		config := w.clientConfig(0)
		config.ServerName = name // and the client verifies that it got this one
		if got := mustConnect(t, s, config).server.Peer().ServerName; got != name {
			t.Errorf("server saw %q, want %q", got, name)
		}
	}
}

// heldConn holds back what is written once hold is set.
type heldConn struct {
	net.Conn
	hold bool
	held []byte
}

func (h *heldConn) Write(p []byte) (int, error) {
	if h.hold {
		h.held = append(h.held, p...)
		return len(p), nil
	}
	return h.Conn.Write(p)
}

// A TLS 1.3 client may send data right behind its Finished, in one segment.
func TestDataBehindTheHandshakeIsDeliveredByTheFirstOpen(t *testing.T) {
	w := newWorld(t)
	clientEnd, serverEnd := tcpPair(t)
	held := &heldConn{Conn: clientEnd}
	config := w.clientConfig(tls.VersionTLS13, w.client)
	config.VerifyConnection = func(tls.ConnectionState) error { held.hold = true; return nil }
	want := bytes.Repeat([]byte("CONNECT, PUBLISH, "), 20)

	done := make(chan error, 1)
	go func() {
		client := tls.Client(held, config)
		err := client.Handshake()
		if err == nil {
			_, err = client.Write(want)
		}
		if err == nil {
			_, err = clientEnd.Write(held.held)
		}
		done <- err
	}()
	c, err := NewHandshaker(Limits{}).Handshake(context.Background(), newServer(t, w.config(Required)), serverEnd)
	ok(t, err)
	ok(t, <-done)
	if len(c.early) == 0 {
		t.Fatal("the data did not come with the handshake; the test is void")
	}
	got, err := c.Open(nil, nil)
	ok(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, err := c.Open(nil, nil); len(got) != 0 || err != nil {
		t.Errorf("a second time: %q, %v", got, err)
	}
}

func TestHandshakeLeavesNoDeadline(t *testing.T) {
	w := newWorld(t)
	clientEnd, serverEnd := tcpPair(t)
	recorded := &deadlineConn{Conn: serverEnd}
	go tls.Client(clientEnd, w.clientConfig(0)).Handshake()
	_, err := NewHandshaker(Limits{Timeout: time.Minute}).Handshake(context.Background(), newServer(t, w.config(NotRequested)), recorded)
	ok(t, err)
	if recorded.set != 0 {
		t.Errorf("%d deadlines were set", recorded.set)
	}
}

type deadlineConn struct {
	net.Conn
	set int
}

func (d *deadlineConn) SetDeadline(at time.Time) error { d.set++; return d.Conn.SetDeadline(at) }

func TestSlowPeersDoNotHoldTheProcessor(t *testing.T) {
	w := newWorld(t)
	h := NewHandshaker(Limits{Concurrent: 1})
	s := newServer(t, w.config(NotRequested))
	ctx, cancel := context.WithCancel(context.Background())
	hello := clientHello(t, w.clientConfig(0))

	const slow = 10
	results := make(chan error, slow)
	for i := range slow {
		clientEnd, serverEnd := tcpPair(t)
		// Some say nothing, some a part of their ClientHello, some all of it.
		_, err := clientEnd.Write(hello[:len(hello)*min(i, 5)/5])
		ok(t, err)
		go func() {
			_, err := h.Handshake(ctx, s, serverEnd)
			results <- err
		}()
	}
	for h.Pending() < slow {
		runtime.Gosched()
	}
	if _, err := connect(t, h, s, w.clientConfig(0)); err != nil {
		t.Error(err)
	}
	cancel()
	for range slow {
		wantCause(t, <-results, Canceled)
	}
	if h.Pending() != 0 || h.gate.free != 1 {
		t.Errorf("%d pending, %d slots free", h.Pending(), h.gate.free)
	}
}

// clientHello returns the bytes with which a client opens.
func clientHello(tb testing.TB, config *tls.Config) []byte {
	tb.Helper()
	m := new(memoryConn)
	if err := tls.Client(m, config).Handshake(); !errors.Is(err, errWouldBlock) {
		tb.Fatal(err)
	}
	return m.out.Bytes()
}

func TestForgetPeerFreesCertificates(t *testing.T) {
	w := newWorld(t)
	for _, version := range versions {
		for _, resumed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/resumed=%t", version.name, resumed), func(t *testing.T) {
				s := newServer(t, w.config(Required))
				config := w.clientConfig(version.id, w.client)
				config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				if resumed {
					_, err := mustConnect(t, s, config).clientReceives(nil)
					ok(t, err)
				}
				p := mustConnect(t, s, config)
				if p.server.Peer().Resumed != resumed {
					t.Fatalf("resumed is %t; the test is void", p.server.Peer().Resumed)
				}
				leaf := weak.Make(p.server.Peer().Presented[0])
				issuer := weak.Make(p.server.Peer().Chains[0][1])
				p.client = nil // in a resumed session, the client's cache is in this process too
				config.ClientSessionCache.Put(config.ServerName, nil)
				p.server.ForgetPeer()
				runtime.GC()
				runtime.GC()
				if leaf.Value() != nil || issuer.Value() != nil {
					t.Error("the certificates are still held")
				}
				if p.server.Peer() != nil {
					t.Error("the peer is still there")
				}
				if state := p.server.State(); state.Version != version.id || state.PeerCertificates != nil || state.VerifiedChains != nil {
					t.Errorf("state is %+v", state)
				}
			})
		}
	}
}
