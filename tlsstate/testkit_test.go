package tlsstate

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

// authority is a root with an intermediate below it, as a manufacturer has.
type authority struct {
	root, intermediate *pki.Authority
}

func newAuthority(tb testing.TB, name string) authority {
	tb.Helper()
	root, err := pki.NewRoot(pki.Options{CommonName: name + " Root CA"})
	ok(tb, err)
	intermediate, err := root.NewIntermediate(pki.Options{CommonName: name + " Intermediate CA"})
	ok(tb, err)
	return authority{root, intermediate}
}

// leaf issues a certificate from the intermediate.
func (a authority) leaf(tb testing.TB, o pki.Options) tls.Certificate {
	tb.Helper()
	leaf, err := a.intermediate.NewLeaf(o)
	ok(tb, err)
	return leaf.TLSCertificate()
}

// world is the certificates that most tests need, made once.
type world struct {
	serverCA, clientCA, strangerCA authority
	server, client, stranger       tls.Certificate
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	worldOnce.Do(func() {
		w := &world{
			serverCA:   newAuthority(tb, "Contoso"),
			clientCA:   newAuthority(tb, "Fabrikam"),
			strangerCA: newAuthority(tb, "Stranger"),
		}
		w.server = w.serverCA.leaf(tb, pki.Options{CommonName: "localhost"})
		w.client = w.clientCA.leaf(tb, pki.Options{CommonName: "thermostat"})
		w.stranger = w.strangerCA.leaf(tb, pki.Options{CommonName: "thermostat"})
		sharedWorld = w
	})
	return sharedWorld
}

var (
	worldOnce   sync.Once
	sharedWorld *world
)

// config is a port's Config that asks for certificates as mode says.
func (w *world) config(mode ClientCertificates) Config {
	return Config{
		Certificates:       []tls.Certificate{w.server},
		ClientCAs:          w.clientCA.root.Pool(),
		ClientCertificates: mode,
	}
}

// clientConfig is a client that trusts the server and speaks just version, or
// any if that is zero.
func (w *world) clientConfig(version uint16, certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		RootCAs:      w.serverCA.root.Pool(),
		ServerName:   "localhost",
		Certificates: certificates,
		MinVersion:   version,
		MaxVersion:   version,
	}
}

func newServer(tb testing.TB, c Config) *Server {
	tb.Helper()
	s, err := NewServer(c)
	ok(tb, err)
	return s
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// tcpPair returns the ends of a loopback connection, closed with the test.
func tcpPair(tb testing.TB) (client, server *net.TCPConn) {
	tb.Helper()
	client, server = dialTCP(tb)
	tb.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

var listenTCP = sync.OnceValues(func() (*net.TCPListener, error) {
	return net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
})

// dialTCP is tcpPair for those who close the ends themselves. One at a time.
func dialTCP(tb testing.TB) (client, server *net.TCPConn) {
	tb.Helper()
	l, err := listenTCP()
	ok(tb, err)
	client, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	ok(tb, err)
	server, err = l.AcceptTCP()
	ok(tb, err)
	return client, server
}

// memoryConn is a client's end that starts on a socket and continues in memory,
// as the server's does.
type memoryConn struct {
	net.Conn // nil once in memory
	in, out  bytes.Buffer
}

func (m *memoryConn) Read(p []byte) (int, error) {
	if m.Conn != nil {
		return m.Conn.Read(p)
	}
	if m.in.Len() == 0 {
		return 0, errWouldBlock
	}
	return m.in.Read(p)
}

func (m *memoryConn) Write(p []byte) (int, error) {
	if m.Conn != nil {
		return m.Conn.Write(p)
	}
	return m.out.Write(p)
}

// pair is a stock client and a Conn, connected by memory after a real handshake.
type pair struct {
	server *Conn
	client *tls.Conn
	wire   *memoryConn // the client's transport
}

// connect makes a pair. The server's error, if any, is returned; the client's
// is not, since in TLS 1.3 it depends on timing.
func connect(tb testing.TB, h *Handshaker, s *Server, client *tls.Config) (*pair, error) {
	tb.Helper()
	clientEnd, serverEnd := dialTCP(tb)
	defer clientEnd.Close()
	defer serverEnd.Close()
	p := &pair{wire: &memoryConn{Conn: clientEnd}}
	p.client = tls.Client(p.wire, client)
	done := make(chan error, 1)
	go func() {
		err := p.client.Handshake()
		if err != nil {
			clientEnd.Close()
		}
		done <- err
	}()
	var err error
	p.server, err = h.Handshake(context.Background(), s, serverEnd)
	// What the server sent at the end of its handshake, such as session
	// tickets, is on its way: close, so that all of it can be awaited.
	serverEnd.CloseWrite()
	clientErr := <-done
	if err != nil {
		return nil, err
	}
	ok(tb, clientErr)
	rest, err := io.ReadAll(clientEnd)
	ok(tb, err)
	p.wire.Conn = nil
	p.wire.in.Write(rest)
	return p, nil
}

// mustConnect is connect for handshakes that must succeed.
func mustConnect(tb testing.TB, s *Server, client *tls.Config) *pair {
	tb.Helper()
	p, err := connect(tb, NewHandshaker(Limits{}), s, client)
	ok(tb, err)
	return p
}

// clientSends returns the ciphertext in which the client sends plaintext.
func (p *pair) clientSends(tb testing.TB, plaintext ...[]byte) []byte {
	tb.Helper()
	for _, b := range plaintext {
		_, err := p.client.Write(b)
		ok(tb, err)
	}
	return bytes.Clone(p.takeClientOutput())
}

func (p *pair) takeClientOutput() []byte { return p.wire.out.Next(p.wire.out.Len()) }

// clientReceives feeds ciphertext to the client and returns what it reads
// until it would block, and the error that kept it from that.
func (p *pair) clientReceives(ciphertext []byte) (plaintext []byte, err error) {
	p.wire.in.Write(ciphertext)
	buf := make([]byte, 32<<10)
	for {
		n, err := p.client.Read(buf)
		plaintext = append(plaintext, buf[:n]...)
		if err == errWouldBlock {
			return plaintext, nil
		}
		if err != nil {
			return plaintext, err
		}
	}
}

// SetWriteDeadline is set around close_notify; memory never blocks.
func (m *memoryConn) SetWriteDeadline(time.Time) error { return nil }
