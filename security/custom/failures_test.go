package custom

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/internal/breaker"
	"github.com/weirmq/weir/security/pki"
)

// plainURL returns the URL of a server that answers like ours, without TLS.
func plainURL(t testing.TB) string {
	s := httptest.NewServer(answers(200, "{}"))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http:", "https:", 1)
}

// deadURL returns a URL at which nobody listens.
func deadURL(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "https://" + l.Addr().String()
}

// closesInBody promises more than it sends.
func closesInBody(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"attributes": {}`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// switchesProtocols answers 101 unasked, and then says nothing more.
func switchesProtocols(t testing.TB) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	}
}

func typed(contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		_, _ = io.WriteString(w, "{}")
	}
}

// serves has a server show another certificate.
func serves(t testing.TB, o pki.Options) func(*httptest.Server) {
	leaf, err := testCertificates(t).ca.NewLeaf(o)
	if err != nil {
		t.Fatal(err)
	}
	return func(s *httptest.Server) { s.TLS.Certificates = []tls.Certificate{leaf.TLSCertificate()} }
}

// TestFailures is the table of what a server can do wrong, and of what becomes
// of the Client at CONNECT and at AUTH.
func TestFailures(t *testing.T) {
	const unavailable, denied = "unavailable", "denied 0x87"
	handled := func(h http.HandlerFunc, change ...func(*httptest.Server)) func(testing.TB) string {
		return func(t testing.TB) string { return newServer(t, h, change...).URL }
	}
	elsewhere := newServer(t, answers(200, "{}"))
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	for _, row := range []struct {
		name    string
		url     func(t testing.TB) string
		connect string
		auth    string
		says    string // part of the error
	}{
		{"name that does not resolve", func(testing.TB) string { return "https://no..such..host" }, unavailable, unavailable, "cannot be reached"},
		{"nobody listens", deadURL, unavailable, unavailable, "refused"},
		{"no TLS", plainURL, unavailable, unavailable, "cannot be reached"},
		{"certificate of an unknown CA", func(t testing.TB) string {
			s := httptest.NewUnstartedServer(answers(200, "{}"))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.StartTLS()
			t.Cleanup(s.Close)
			return s.URL
		}, unavailable, unavailable, "unknown authority"},
		{"certificate for another name", handled(answers(200, "{}"), serves(t, pki.Options{CommonName: "other.example"})), unavailable, unavailable, "cannot be reached"},
		{"certificate that has expired", handled(answers(200, "{}"), serves(t, pki.Options{
			CommonName: "x", IPAddresses: loopback, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		})), unavailable, unavailable, "expired"},
		{"demands a client certificate", handled(answers(200, "{}"), requiresCertificate(t)), unavailable, unavailable, "certificate required"},
		{"TLS 1.1 at most", handled(answers(200, "{}"), func(s *httptest.Server) {
			s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}), unavailable, unavailable, "protocol version"},
		{"hangs", handled(hangs), unavailable, unavailable, "did not answer in time"},
		{"hangs in the body", handled(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"attributes"`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), unavailable, unavailable, "did not answer in time"},
		{"switches protocols and hangs", handled(switchesProtocols(t)), unavailable, unavailable, "101"},
		{"closes before the answer", handled(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), unavailable, unavailable, "broke the connection"},
		{"closes in the body", handled(closesInBody), unavailable, unavailable, "in the middle of the answer"},
		{"endless headers", handled(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*maxAnswerHeaderBytes))
			answers(200, "{}")(w, r)
		}), unavailable, unavailable, "broke the connection"},
		{"500", handled(answers(500, `{"reason": 135}`)), unavailable, unavailable, "500"},
		{"503", handled(answers(503, "")), unavailable, unavailable, "503"},
		{"429", handled(answers(429, "")), unavailable, unavailable, "429"},
		{"redirects to one who would grant", handled(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}), unavailable, unavailable, "307"},
		{"204", handled(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), unavailable, unavailable, "204"},
		{"201", handled(answers(201, "{}")), unavailable, unavailable, "201"},

		{"2 MB", handled(answers(200, `{"attributes": {"a": "`+strings.Repeat("a", 2<<20)+`"}}`)), unavailable, unavailable, "more than 64 KiB"},
		{"no body", handled(answers(200, "")), unavailable, unavailable, "not JSON"},
		{"not JSON", handled(answers(200, "granted")), unavailable, unavailable, "not JSON"},
		{"more than JSON", handled(answers(200, `{} {}`)), unavailable, unavailable, "not JSON"},
		{"no object", handled(answers(200, `[]`)), unavailable, unavailable, "not a JSON object"},
		{"attributes that are not strings", handled(answers(200, `{"attributes": {"floor": 1}}`)), unavailable, unavailable, "attributes"},
		{"expiry that is no time", handled(answers(200, `{"expiry": "tomorrow"}`)), unavailable, unavailable, "RFC 3339"},
		{"expiry that is a number", handled(answers(200, `{"expiry": 4102444800}`)), unavailable, unavailable, "expiry"},
		{"HTML", handled(typed("text/html")), unavailable, unavailable, "text/html"},
		{"Content-Type that is none", handled(typed(";")), unavailable, unavailable, "Content-Type"},

		{"expiry in the past", handled(answers(200, `{"expiry": "2001-01-01T00:00:00Z"}`)), denied, denied, "2001-01-01T00:00:00Z"},
		{"403", handled(answers(403, `{"reason": 135, "message": "unknown"}`)), denied, denied, "with reason 135: unknown"},
		{"403 with another reason", handled(answers(403, `{"reason": 134}`)), "denied 0x86", "denied 0x86", "134"},
		{"403 that says welcome", handled(answers(403, `{"reason": 0}`)), denied, denied, "reason 0"},
		{"403 of something in between", handled(answers(403, `<html>`)), denied, denied, "without a reason"},
		{"403 with 2 MB", handled(answers(403, strings.Repeat("x", 2<<20))), unavailable, unavailable, "more than 64 KiB"},

		{"422 without versions", handled(answers(422, `{}`)), unavailable, unavailable, "supportedVersions"},
		{"422 with unknown versions", handled(answers(422, `{"supportedVersions": ["0.6.0", "1"]}`)), unavailable, unavailable, "0.6.0, 1"},
		{"422 for ever", handled(answers(422, `{"supportedVersions": ["0.5.0"]}`)), unavailable, unavailable, "does not"},

		{"400", handled(answers(400, "no password")), unavailable, denied, "400 Bad Request: no password"},
		{"401", handled(answers(401, "")), unavailable, denied, "401"},
		{"404", handled(answers(404, "")), unavailable, denied, "404"},
		{"405", handled(answers(405, "")), unavailable, denied, "405"},
		{"415", handled(answers(415, "")), unavailable, denied, "415"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			timeout := patience
			if strings.HasPrefix(row.name, "hangs") {
				timeout = 100 * time.Millisecond
			}
			a, _ := newAuthenticator(t, row.url(t), within(timeout))
			check := func(packet, want string, err error) {
				t.Helper()
				kind, code := ending(err)
				if kind == "denied" {
					kind = fmt.Sprintf("denied 0x%02X", code)
				}
				if kind != want || !strings.Contains(err.Error(), row.says) {
					t.Errorf("%s: %v\n\twant %s and %q", packet, err, want, row.says)
				}
			}
			result, err := authenticate(a)
			check("CONNECT", row.connect, err)
			again, errAgain := reauthenticate(a)
			check("AUTH", row.auth, errAgain)
			if result.Method != "" || again.Method != "" {
				t.Errorf("it was denied with a Result: %+v, %+v", result, again)
			}
		})
	}
	t.Cleanup(func() {
		if n := elsewhere.requests.Load(); n != 0 {
			t.Errorf("a redirect was followed %d times: credentials went elsewhere", n)
		}
	})
}

func TestContentTypesThatPromiseJSON(t *testing.T) {
	for _, contentType := range []string{"application/json", "Application/JSON; charset=utf-8", "application/problem+json"} {
		s := newServer(t, typed(contentType))
		a, _ := newAuthenticator(t, s.URL)
		if _, err := authenticate(a); err != nil {
			t.Errorf("%s: %v", contentType, err)
		}
	}
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil // net/http would guess one
		_, _ = io.WriteString(w, "{}")
	})
	a, _ := newAuthenticator(t, s.URL)
	if _, err := authenticate(a); err != nil {
		t.Errorf("none: %v", err)
	}
}

func TestVersionIsAgreedOnByOneRetry(t *testing.T) {
	tries := 0
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries == 1 {
			answers(422, `{"supportedVersions": ["0.6.0", "0.5.0"]}`)(w, r)
			return
		}
		if v := r.URL.Query()["api-version"]; len(v) != 1 || v[0] != "0.5.0" {
			t.Errorf("api-version %q", v)
		}
		answers(200, "{}")(w, r)
	})
	a, _ := newAuthenticator(t, s.URL)
	if _, err := authenticate(a); err != nil || tries != 2 {
		t.Errorf("%v after %d requests, want 2", err, tries)
	}
	for versions, want := range map[string]int64{`["0.5.0"]`: 2, `["0.6.0"]`: 1} {
		s := newServer(t, answers(422, `{"supportedVersions": `+versions+`}`))
		a, _ := newAuthenticator(t, s.URL)
		if _, err := authenticate(a); err == nil || s.requests.Load() != want {
			t.Errorf("%s: %v after %d requests, want %d", versions, err, s.requests.Load(), want)
		}
	}
}

// dropping closes the first connections that it accepts.
type dropping struct {
	net.Listener
	drops    int
	accepted atomic.Int64
}

func (l *dropping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.accepted.Add(1) <= int64(l.drops) {
		_ = c.Close()
	}
	return c, err
}

func TestConnectingIsRetriedOnceAndARequestNever(t *testing.T) {
	for _, row := range []struct {
		name        string
		drops       int
		handler     http.HandlerFunc
		granted     bool
		connections int64
		requests    int64
	}{
		{"the first connection fails", 1, answers(200, "{}"), true, 2, 1},
		{"every connection fails", 99, answers(200, "{}"), false, 2, 0},
		{"the request fails", 0, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, 1, 1},
		{"the server cannot", 0, answers(500, ""), false, 1, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var l *dropping
			s := newServer(t, row.handler, func(s *httptest.Server) {
				l = &dropping{Listener: s.Listener, drops: row.drops}
				s.Listener = l
			})
			a, _ := newAuthenticator(t, s.URL)
			_, err := authenticate(a)
			if (err == nil) != row.granted || l.accepted.Load() != row.connections || s.requests.Load() != row.requests {
				t.Errorf("%v after %d connections and %d requests, want %d and %d", err, l.accepted.Load(), s.requests.Load(), row.connections, row.requests)
			}
		})
	}
}

func TestRequestsAtOnceAreBounded(t *testing.T) {
	const most, clients = 3, 100
	var now, peak atomic.Int64
	var first sync.WaitGroup // as many as may be there at once
	first.Add(most)
	var arrived atomic.Int64
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		if arrived.Add(1) <= most {
			first.Done()
			first.Wait()
		}
		answers(200, "{}")(w, r)
	})
	a, _ := newAuthenticator(t, s.URL, func(cfg *Config) { cfg.Concurrency = most })
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			if _, err := authenticate(a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if p, n := peak.Load(), s.connections.Load(); p != most || n != most {
		t.Errorf("%d requests at once on %d connections, want %d of both", p, n, most)
	}
}

func TestWaitingInVainSaysNothingAboutTheServer(t *testing.T) {
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		answers(200, "{}")(w, r)
	})
	a, log := newAuthenticator(t, s.URL, func(cfg *Config) { cfg.Concurrency = 1 })
	done := make(chan error, 1)
	go func() {
		_, err := authenticate(a)
		done <- err
	}()
	<-arrived // so the one slot is taken
	for range 2 * breaker.Threshold {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		_, err := a.Authenticate(ctx, bob())
		cancel()
		if kind, _ := ending(err); kind != "unavailable" || !strings.Contains(err.Error(), "1 requests to answer already") {
			t.Fatalf("%v, want one that says that it is busy", err)
		}
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := authenticate(a); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if log.String() != "" {
		t.Errorf("it was logged:\n%s", log)
	}
}

func TestClientThatGoesSaysNothingAboutTheServer(t *testing.T) {
	var hang atomic.Bool
	hang.Store(true)
	arrived := make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if hang.Load() {
			arrived <- struct{}{}
			hangs(w, r)
			return
		}
		answers(200, "{}")(w, r)
	})
	a, log := newAuthenticator(t, s.URL)
	for range 2 * breaker.Threshold {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-arrived
			cancel()
		}()
		if _, err := a.Authenticate(ctx, bob()); err == nil {
			t.Fatal("it was granted")
		}
		cancel()
	}
	hang.Store(false)
	if _, err := authenticate(a); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if log.String() != "" {
		t.Errorf("it was logged:\n%s", log)
	}
}

func TestChainFallsThroughToTheNextMethodOnlyWithoutAnAnswer(t *testing.T) {
	certificates := testCertificates(t)
	x, err := security.NewX509(security.X509Config{TrustedCAs: certificates.broker.Chain[len(certificates.broker.Chain)-1:]})
	if err != nil {
		t.Fatal(err)
	}
	c := bob()
	c.PresentedChain = certificates.broker.Chain
	for _, row := range []struct {
		name   string
		url    string
		method string
	}{
		{"grants", newServer(t, answers(200, "{}")).URL, Method},
		{"denies", newServer(t, answers(403, `{"reason": 135}`)).URL, ""},
		{"is away", deadURL(t), security.MethodX509},
		{"answers in vain", newServer(t, answers(200, "{")).URL, security.MethodX509},
	} {
		a, _ := newAuthenticator(t, row.url)
		result, err := security.NewChain(a, x).Authenticate(context.Background(), c)
		if result.Method != row.method || (err == nil) != (row.method != "") {
			t.Errorf("the server %s: %q, %v, want %q", row.name, result.Method, err, row.method)
		}
	}
}

// A method that was asked before may leave hardly any time: a server that is
// well must not be left alone for it.
func TestClientWithoutTimeLeftSaysNothingAboutTheServer(t *testing.T) {
	var hang atomic.Bool
	hang.Store(true)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if hang.Load() {
			hangs(w, r)
			return
		}
		answers(200, "{}")(w, r)
	})
	a, log := newAuthenticator(t, s.URL)
	for i := range 4 * breaker.Threshold {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%2)*50*time.Millisecond)
		if _, err := a.Authenticate(ctx, bob()); err == nil {
			t.Fatal("it was granted")
		}
		cancel()
	}
	hang.Store(false)
	if _, err := authenticate(a); err != nil {
		t.Errorf("afterwards: %v\n%s", err, log)
	}
}
