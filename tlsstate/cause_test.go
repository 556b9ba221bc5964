package tlsstate

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

func wantCause(tb testing.TB, err error, want Cause) {
	tb.Helper()
	var handshake *HandshakeError
	if !errors.As(err, &handshake) {
		tb.Fatalf("error is %v, want a *HandshakeError", err)
	}
	if handshake.Cause != want {
		tb.Fatalf("cause is %v, want %v: %v", handshake.Cause, want, err)
	}
	if errors.Unwrap(err) == nil {
		tb.Fatalf("%v wraps nothing", err)
	}
}

func TestHandshakeFailureNamesItsCause(t *testing.T) {
	w := newWorld(t)
	past := time.Now().Add(-time.Hour)
	expired := w.clientCA.leaf(t, pki.Options{CommonName: "thermostat", NotBefore: past.Add(-time.Hour), NotAfter: past})
	future := w.clientCA.leaf(t, pki.Options{CommonName: "thermostat", NotBefore: time.Now().Add(time.Hour)})
	serverOnly := w.clientCA.leaf(t, pki.Options{CommonName: "thermostat", ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	leafOnly := tls.Certificate{Certificate: w.client.Certificate[:1], PrivateKey: w.client.PrivateKey}
	othersKey := tls.Certificate{Certificate: w.client.Certificate, PrivateKey: w.stranger.PrivateKey}
	notDER := tls.Certificate{Certificate: [][]byte{[]byte("not a certificate")}, PrivateKey: w.client.PrivateKey}

	large, okay := new(big.Int).SetString("1"+strings.Repeat("0", 2100)+"1", 16)
	if !okay {
		t.Fatal("not a number")
	}
	largeRSA := w.issue(t, &rsa.PublicKey{N: large, E: 65537})

	for _, test := range []struct {
		name        string
		demand      ClientCertificates
		certificate *tls.Certificate
		cause       Cause
	}{
		{"untrusted", Required, &w.stranger, BadCertificate},
		{"untrusted, not even asked for", VerifiedIfGiven, &w.stranger, BadCertificate},
		{"expired", Required, &expired, BadCertificate},
		{"not valid yet", Required, &future, BadCertificate},
		{"not for clients", Required, &serverOnly, BadCertificate},
		{"intermediate missing", Required, &leafOnly, BadCertificate},
		{"another's key", Required, &othersKey, BadCertificate},
		{"another's key, unverified", RequestedUnverified, &othersKey, BadCertificate},
		{"not a certificate", RequestedUnverified, &notDER, BadCertificate},
		{"RSA key too large", RequestedUnverified, &largeRSA, BadCertificate},
		{"none", Required, new(tls.Certificate), NoCertificate},
	} {
		for _, version := range versions {
			t.Run(test.name+"/"+version.name, func(t *testing.T) {
				config := w.clientConfig(version.id)
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return test.certificate, nil
				}
				_, err := connect(t, NewHandshaker(Limits{}), newServer(t, w.config(test.demand)), config)
				wantCause(t, err, test.cause)
				var verification *tls.CertificateVerificationError
				if errors.As(err, &verification) && !strings.Contains(err.Error(), `"CN=thermostat"`) {
					t.Errorf("%q does not say whose certificate it was", err)
				}
			})
		}
	}

	t.Run("client too old", func(t *testing.T) {
		c := w.config(NotRequested)
		c.MinVersion = tls.VersionTLS13
		_, err := connect(t, NewHandshaker(Limits{}), newServer(t, c), w.clientConfig(tls.VersionTLS12))
		wantCause(t, err, ClientVersion)
	})
	t.Run("TLS 1.1 by default", func(t *testing.T) {
		_, err := connect(t, NewHandshaker(Limits{}), newServer(t, w.config(NotRequested)), w.clientConfig(tls.VersionTLS11))
		wantCause(t, err, ClientVersion)
	})
	for _, version := range versions {
		t.Run("client distrusts the server/"+version.name, func(t *testing.T) {
			config := w.clientConfig(version.id)
			config.RootCAs = w.strangerCA.root.Pool()
			_, err := connect(t, NewHandshaker(Limits{}), newServer(t, w.config(NotRequested)), config)
			wantCause(t, err, Alerted)
		})
	}
}

// issue makes a client certificate for a key that nobody could use.
func (w *world) issue(tb testing.TB, public any) tls.Certificate {
	tb.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "thermostat"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, w.clientCA.intermediate.Cert, public, w.clientCA.intermediate.Key)
	ok(tb, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: w.client.PrivateKey}
}

// scriptConn is a peer that sends its script and closes.
type scriptConn struct {
	net.Conn // nil: nothing else of it is called
	script   io.Reader
}

func newScriptConn(script string) scriptConn { return scriptConn{script: strings.NewReader(script)} }

func (s scriptConn) Read(p []byte) (int, error)  { return s.script.Read(p) }
func (s scriptConn) Write(p []byte) (int, error) { return len(p), nil }
func (s scriptConn) SetDeadline(time.Time) error { return nil }

func TestPeerThatDoesNotSpeakTLSIsRecognized(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(Required))
	hello := string(clientHello(t, w.clientConfig(0)))
	for _, test := range []struct {
		name, script string
		cause        Cause
		err          error // nil: any
	}{
		{"MQTT 3.1.1 CONNECT", "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", NotTLS, errPlainMQTT},
		{"MQTT 5.0 CONNECT", "\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00", NotTLS, errPlainMQTT},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", NotTLS, nil},
		{"SSL 2 hello", "\x80\x2e\x01\x03\x01\x00\x15", NotTLS, nil},
		{"zeros", strings.Repeat("\x00", 64), NotTLS, nil},
		{"nothing", "", PeerClosed, io.EOF},
		{"cut header", hello[:3], PeerClosed, io.ErrUnexpectedEOF},
		{"cut ClientHello", hello[:100], PeerClosed, io.ErrUnexpectedEOF},
		{"ClientHello only", hello, PeerClosed, io.EOF},
		{"ClientHello damaged", strings.Replace(hello, "localhost", "local\x00\x00\x00\x00", 1)[:44] + strings.Repeat("\xff", len(hello)-44), Other, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewHandshaker(Limits{}).Handshake(context.Background(), s, newScriptConn(test.script))
			wantCause(t, err, test.cause)
			if test.err != nil && !errors.Is(err, test.err) {
				t.Errorf("error is %v, want %v", err, test.err)
			}
			var header tls.RecordHeaderError
			if errors.As(err, &header) && header.Conn != nil {
				t.Error("the error holds on to the connection")
			}
		})
	}
}

func TestPeerThatResetsIsClosed(t *testing.T) {
	w := newWorld(t)
	clientEnd, serverEnd := tcpPair(t)
	_, err := clientEnd.Write(clientHello(t, w.clientConfig(0)))
	ok(t, err)
	ok(t, clientEnd.SetLinger(0))
	ok(t, clientEnd.Close())
	_, err = NewHandshaker(Limits{}).Handshake(context.Background(), newServer(t, w.config(NotRequested)), serverEnd)
	wantCause(t, err, PeerClosed)
}

func TestHandshakeEndsWhenItTakesTooLong(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(NotRequested))
	hello := clientHello(t, w.clientConfig(0))
	for _, test := range []struct {
		name string
		sent []byte
	}{
		{"silent from the start", nil},
		{"silent within the ClientHello", hello[:len(hello)/2]},
		{"silent after the ClientHello", hello},
	} {
		t.Run(test.name, func(t *testing.T) {
			clientEnd, serverEnd := tcpPair(t)
			_, err := clientEnd.Write(test.sent)
			ok(t, err)
			_, err = NewHandshaker(Limits{Timeout: 20 * time.Millisecond}).Handshake(context.Background(), s, serverEnd)
			wantCause(t, err, Timeout)
		})
	}
	t.Run("waiting for the processor", func(t *testing.T) {
		h := NewHandshaker(Limits{Concurrent: 1, Timeout: 20 * time.Millisecond})
		ok(t, h.gate.enter(context.Background(), fresh))
		_, err := h.Handshake(context.Background(), s, newScriptConn(string(hello)))
		wantCause(t, err, Timeout)
	})
	t.Run("by the caller's deadline", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(context.Background(), time.Now())
		defer cancel()
		_, serverEnd := tcpPair(t)
		_, err := NewHandshaker(Limits{}).Handshake(ctx, s, serverEnd)
		wantCause(t, err, Timeout)
	})
	t.Run("by the caller's will", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, serverEnd := tcpPair(t)
		_, err := NewHandshaker(Limits{}).Handshake(ctx, s, serverEnd)
		wantCause(t, err, Canceled)
	})
	t.Run("by the caller's close", func(t *testing.T) {
		_, serverEnd := tcpPair(t)
		ok(t, serverEnd.Close())
		_, err := NewHandshaker(Limits{}).Handshake(context.Background(), s, serverEnd)
		wantCause(t, err, Canceled)
	})
}

func TestHandshakeEndsWhenThePeerSendsTooMuch(t *testing.T) {
	w := newWorld(t)
	for _, version := range versions {
		s := newServer(t, w.config(Required))
		config := w.clientConfig(version.id, w.client)
		_, err := connect(t, NewHandshaker(Limits{Bytes: 1024}), s, config)
		wantCause(t, err, TooManyBytes)
	}
	// What is refused is one byte more than allowed, not one less.
	hello := clientHello(t, w.clientConfig(0))
	_, err := NewHandshaker(Limits{Bytes: len(hello) - 1}).Handshake(context.Background(), newServer(t, w.config(NotRequested)), newScriptConn(string(hello)))
	wantCause(t, err, TooManyBytes)
	p, err := connect(t, NewHandshaker(Limits{Bytes: 4096}), newServer(t, w.config(NotRequested)), w.clientConfig(0))
	ok(t, err)
	p.checkTalk(t)
}

func TestHandshakesBeyondThePendingLimitAreRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(NotRequested))
	h := NewHandshaker(Limits{Pending: 2})
	ctx, cancel := context.WithCancel(context.Background())
	results := make(chan error, 2)
	for range 2 {
		_, serverEnd := tcpPair(t)
		go func() {
			_, err := h.Handshake(ctx, s, serverEnd)
			results <- err
		}()
	}
	for h.Pending() < 2 {
		runtime.Gosched()
	}
	_, err := h.Handshake(ctx, s, nil) // refused before the connection is touched
	wantCause(t, err, TooManyPending)
	cancel()
	wantCause(t, <-results, Canceled)
	wantCause(t, <-results, Canceled)
	_, err = connect(t, h, s, w.clientConfig(0))
	ok(t, err)
}
