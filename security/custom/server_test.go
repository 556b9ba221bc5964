package custom

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
)

// patience bounds every wait of a test.
const patience = 30 * time.Second

// certificates are the CA of the server and two leaves below it.
type certificates struct {
	ca             *pki.Authority
	server, broker *pki.Leaf
}

var issued = sync.OnceValues(func() (c certificates, err error) {
	if c.ca, err = pki.NewRoot(pki.Options{CommonName: "Custom Authentication CA"}); err != nil {
		return c, err
	}
	if c.server, err = c.ca.NewLeaf(pki.Options{CommonName: "auth-server", IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}); err != nil {
		return c, err
	}
	c.broker, err = c.ca.NewLeaf(pki.Options{CommonName: "broker"})
	return c, err
})

func testCertificates(t testing.TB) certificates {
	t.Helper()
	c, err := issued()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// server is a custom authentication server that does what a test wants.
type server struct {
	*httptest.Server
	requests    atomic.Int64
	connections atomic.Int64
}

func newServer(t testing.TB, handler http.HandlerFunc, change ...func(*httptest.Server)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		handler(w, r)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{testCertificates(t).server.TLSCertificate()}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	for _, f := range change {
		f(s.Server)
	}
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// answers returns a handler with one answer.
func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangs answers when the one who asks has gone.
func hangs(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then net/http watches the connection
	<-r.Context().Done()
}

// newAuthenticator returns one that asks at url, and what it logs.
func newAuthenticator(t testing.TB, url string, change ...func(*Config)) (*Authenticator, *logs) {
	t.Helper()
	cfg := Config{Endpoint: url, TrustedCAs: []*x509.Certificate{testCertificates(t).ca.Cert}, Timeout: patience}
	for _, f := range change {
		f(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.transport.CloseIdleConnections)
	log := &logs{}
	a.LogTo(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	return a, log
}

func within(d time.Duration) func(*Config) {
	return func(cfg *Config) { cfg.Timeout = d }
}

// logs is what was logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// clock is a clock that moves when told to.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2030, 5, 8, 20, 4, 16, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time           { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(by time.Duration) { c.now.Add(int64(by)) }

// bob is a Client with a User Name and a Password.
func bob() *security.Credentials {
	return &security.Credentials{
		ClientID: "bobs-phone", HasUserName: true, UserName: "bob", Password: []byte("correct horse"),
		RemoteAddr: "192.0.2.7:49152", Listener: "door", ProtocolVersion: 5,
	}
}

// bobAgain is bob in a re-authentication.
func bobAgain() *security.Credentials {
	return &security.Credentials{
		ClientID: "bobs-phone", AuthenticationMethod: "TOKEN", AuthenticationData: []byte("battery staple"),
		RemoteAddr: "192.0.2.7:49152", Listener: "door", ProtocolVersion: 5,
	}
}

// before is the Result that bob connected with.
var before = security.Result{Method: Method, Username: "bob"}

// asked decodes a request.
func asked(t testing.TB, r *http.Request) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		t.Errorf("the request is not JSON: %v", err)
	}
	return body
}

// ending names how a call ended: "granted", "denied 0x87" or "unavailable".
func ending(err error) (kind string, code byte) {
	var denied *security.Denied
	var unavailable *security.Unavailable
	switch {
	case err == nil:
		return "granted", 0
	case errors.As(err, &denied):
		return "denied", denied.Code
	case errors.As(err, &unavailable):
		return "unavailable", 0
	}
	return err.Error(), 0
}

func authenticate(a *Authenticator) (security.Result, error) {
	return a.Authenticate(context.Background(), bob())
}

func reauthenticate(a *Authenticator) (security.Result, error) {
	return a.Reauthenticate(context.Background(), bobAgain(), before)
}
