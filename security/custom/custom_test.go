package custom

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/weirmq/weir/security"
)

func TestRequestSaysWhatTheClientShowed(t *testing.T) {
	leaf := testCertificates(t).broker
	certs := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Cert.Raw})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testCertificates(t).ca.Cert.Raw}))
	type object = map[string]any
	for _, row := range []struct {
		name   string
		change func(*Config)
		auth   bool // AUTH and not CONNECT
		c      security.Credentials
		want   object
	}{
		{"nobody", nil, false, security.Credentials{ProtocolVersion: 4}, object{"type": "connect"}},
		{
			"user name and password", nil, false,
			security.Credentials{HasUserName: true, UserName: "bob", Password: []byte("\x00pass\xff")},
			object{"type": "connect", "username": "bob", "password": "AHBhc3P/"},
		},
		{
			"what is empty is not what is missing", nil, false,
			security.Credentials{HasUserName: true, Password: []byte{}},
			object{"type": "connect", "username": "", "password": ""},
		},
		{
			"a password alone, as MQTT 5.0 permits", nil, false,
			security.Credentials{Password: []byte("p")},
			object{"type": "connect", "password": "cA=="},
		},
		{
			"certificates, leaf first", nil, false,
			security.Credentials{PresentedChain: []*x509.Certificate{leaf.Cert, testCertificates(t).ca.Cert}},
			object{"type": "connect", "certs": certs},
		},
		{
			"enhanced authentication", nil, false,
			security.Credentials{AuthenticationMethod: "TOKEN", AuthenticationData: []byte{0xfb, 0xff}},
			object{"type": "connect", "enhancedAuthentication": object{"method": "TOKEN", "data": "+/8="}},
		},
		{
			"enhanced authentication without data", nil, false,
			security.Credentials{AuthenticationMethod: "TOKEN"},
			object{"type": "connect", "enhancedAuthentication": object{"method": "TOKEN"}},
		},
		{
			"Authentication Method in base64 for servers that want it", func(cfg *Config) { cfg.Base64Method = true }, false,
			security.Credentials{AuthenticationMethod: "TOKEN", AuthenticationData: []byte("x")},
			object{"type": "connect", "enhancedAuthentication": object{"method": "VE9LRU4=", "data": "eA=="}},
		},
		{
			"AUTH", nil, true, *bobAgain(),
			object{"type": "auth", "enhancedAuthentication": object{"method": "TOKEN", "data": "YmF0dGVyeSBzdGFwbGU="}},
		},
		{
			"AUTH has no other credential, whatever is there", nil, true,
			security.Credentials{AuthenticationMethod: "TOKEN", HasUserName: true, UserName: "bob", Password: []byte("p"), PresentedChain: leaf.Chain},
			object{"type": "auth", "enhancedAuthentication": object{"method": "TOKEN"}},
		},
		{
			"Client information at CONNECT", func(cfg *Config) { cfg.ClientInformation = true }, false, *bob(),
			object{
				"type": "connect", "username": "bob", "password": "Y29ycmVjdCBob3JzZQ==", "clientId": "bobs-phone",
				"remoteAddr": "192.0.2.7:49152", "protocolVersion": 5.0, "listener": "door",
			},
		},
		{
			"Client information at AUTH", func(cfg *Config) { cfg.ClientInformation = true }, true, *bobAgain(),
			object{
				"type": "auth", "enhancedAuthentication": object{"method": "TOKEN", "data": "YmF0dGVyeSBzdGFwbGU="}, "clientId": "bobs-phone",
				"remoteAddr": "192.0.2.7:49152", "protocolVersion": 5.0, "listener": "door",
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got object
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				got = asked(t, r)
				answers(200, "{}")(w, r)
			})
			change := []func(*Config){}
			if row.change != nil {
				change = append(change, row.change)
			}
			a, _ := newAuthenticator(t, s.URL, change...)
			var err error
			if row.auth {
				_, err = a.Reauthenticate(context.Background(), &row.c, before)
			} else {
				_, err = a.Authenticate(context.Background(), &row.c)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("the server was asked\n\t%v, want\n\t%v", got, row.want)
			}
		})
	}
}

func TestRequestGoesToTheEndpointWithVersionAndHeaders(t *testing.T) {
	for _, row := range []struct{ name, endpoint, want string }{
		{"no path", "", "/?api-version=0.5.0"},
		{"root", "/", "/?api-version=0.5.0"},
		{"a path of its own", "/auth/v1", "/auth/v1?api-version=0.5.0"},
		{"a query of its own", "/f?code=a%20b", "/f?code=a%20b&api-version=0.5.0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got *http.Request
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				answers(200, "{}")(w, r)
			})
			a, _ := newAuthenticator(t, s.URL+row.endpoint, func(cfg *Config) {
				cfg.Headers = map[string]string{"header_key": "header_value", "User-Agent": "gateway"}
			})
			if _, err := authenticate(a); err != nil {
				t.Fatal(err)
			}
			if got.Method != http.MethodPost || got.URL.RequestURI() != row.want || got.Header.Get("Content-Type") != "application/json" ||
				got.Header.Get("header_key") != "header_value" || got.UserAgent() != "gateway" || got.Header.Get("Idempotency-Key") != "" {
				t.Errorf("got %s %s with %v, want POST %s", got.Method, got.URL, got.Header, row.want)
			}
		})
	}
}

func TestGrantBecomesAResult(t *testing.T) {
	s := newServer(t, answers(200, `{"expiry": "2099-05-08T20:04:16+02:00", "attributes": {"floor": "1", "site": "north"}, "more": [1]}`))
	a, _ := newAuthenticator(t, s.URL)
	want := security.Result{
		Method: "Custom", Username: "bob", Expiry: time.Date(2099, 5, 8, 18, 4, 16, 0, time.UTC),
		Attributes: security.NewAttributes(map[string]string{"floor": "1", "site": "north"}),
	}
	for name, ask := range map[string]func(*Authenticator) (security.Result, error){"CONNECT": authenticate, "AUTH": reauthenticate} {
		got, err := ask(a)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !got.Expiry.Equal(want.Expiry) || !got.Attributes.Equal(want.Attributes) || got.Method != want.Method || got.Username != want.Username {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	// An anonymous Client has no user name that anybody could have vouched for.
	if got, err := a.Authenticate(context.Background(), &security.Credentials{ProtocolVersion: 5}); err != nil || got.Username != "" {
		t.Errorf("without a User Name: %+v, %v", got, err)
	}
}

func TestOnlyItsOwnClientsAuthenticateAgain(t *testing.T) {
	s := newServer(t, answers(200, "{}"))
	a, _ := newAuthenticator(t, s.URL)
	_, err := a.Reauthenticate(context.Background(), bobAgain(), security.Result{Method: security.MethodX509, Username: "bob"})
	if !errors.Is(err, security.ErrNotRelevant) || s.requests.Load() != 0 {
		t.Errorf("%v after %d requests, want %v after none", err, s.requests.Load(), security.ErrNotRelevant)
	}
}

// A Chain lets a Client stay whose method it does not know: it must know this
// one, or those of a method that was removed beside it would stay too.
func TestRecheckKeepsItsOwnClientsAndNobodyElses(t *testing.T) {
	a, _ := newAuthenticator(t, "https://127.0.0.1:1")
	chain := security.NewChain(a)
	if r, err := chain.Recheck(context.Background(), &security.Credentials{}, before); err != nil || r.Username != "bob" || r.Method != Method {
		t.Errorf("its own: %+v, %v", r, err)
	}
	for _, method := range []string{"PasswordFile", "ServiceAccountToken", security.MethodX509} {
		r, err := chain.Recheck(context.Background(), &security.Credentials{}, security.Result{Method: method, Username: "bob"})
		if kind, code := ending(err); kind != "denied" || code != security.NotAuthorized || r.Method != "" {
			t.Errorf("%s, which is no longer in the chain: %+v, %v", method, r, err)
		}
	}
}

func TestEveryAuthenticationMethodIsForTheServer(t *testing.T) {
	a, _ := newAuthenticator(t, "https://127.0.0.1:1")
	for _, name := range []string{"K8S-SAT", "SCRAM-SHA-1", ""} {
		if !a.HandlesAuthenticationMethod(name) {
			t.Errorf("%q is not for it", name)
		}
	}
	if _, err := security.Promptly(a, new(security.Credentials)); !errors.Is(err, security.ErrMustWait) {
		t.Errorf("without the server it says %v", err)
	}
}

// requiresCertificate has the server demand a certificate of its CA.
func requiresCertificate(t testing.TB) func(*httptest.Server) {
	return func(s *httptest.Server) {
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		s.TLS.ClientCAs = testCertificates(t).ca.Pool()
	}
}

func TestServerSeesTheClientCertificate(t *testing.T) {
	var subject string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		subject = r.TLS.PeerCertificates[0].Subject.CommonName
		answers(200, "{}")(w, r)
	}, requiresCertificate(t))
	certificate := testCertificates(t).broker.TLSCertificate()
	a, _ := newAuthenticator(t, s.URL, func(cfg *Config) { cfg.Certificate = &certificate })
	if _, err := authenticate(a); err != nil || subject != "broker" {
		t.Errorf("the server saw %q: %v", subject, err)
	}
	without, _ := newAuthenticator(t, s.URL)
	if _, err := authenticate(without); err == nil || s.requests.Load() != 1 {
		t.Errorf("without a certificate: %v, and %d requests in all, want 1", err, s.requests.Load())
	} else if kind, _ := ending(err); kind != "unavailable" {
		t.Errorf("without a certificate: %v, want unavailable", err)
	}
}

func TestConnectionIsReused(t *testing.T) {
	s := newServer(t, answers(200, "{}"))
	a, _ := newAuthenticator(t, s.URL)
	for range 20 {
		if _, err := authenticate(a); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests, want 1", n)
	}
	// A server that restarts closes them, which costs no Client anything.
	s.CloseClientConnections()
	if _, err := authenticate(a); err != nil {
		t.Errorf("after the server has closed its connections: %v", err)
	}
}
