package serviceaccount

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weirmq/weir/security"
)

// epoch is the time of tests that choose it.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// clock is a time that only a test moves.
type clock struct{ nanoseconds atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanoseconds.Store(epoch.UnixNano())
	return c
}

func (c *clock) now() time.Time           { return time.Unix(0, c.nanoseconds.Load()) }
func (c *clock) advance(by time.Duration) { c.nanoseconds.Add(int64(by)) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// unsigned returns a token with these claims, and a signature of nobody's.
func unsigned(t testing.TB, claims map[string]any) string {
	t.Helper()
	text := must[[]byte](t)(json.Marshal(claims))
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256"}`)) + "." + encode(text) + "." + encode([]byte("secret signature"))
}

// tokenFor returns an unsigned token that ends after d.
func tokenFor(t testing.TB, d time.Duration) string {
	t.Helper()
	return unsigned(t, map[string]any{"exp": epoch.Add(d).Unix(), "jti": "one"})
}

func connect(token string) *security.Credentials {
	return &security.Credentials{AuthenticationMethod: AuthenticationMethod, AuthenticationData: []byte(token), ProtocolVersion: 5}
}

// expectDenied fails the test unless err denies with Not authorized for a
// reason that contains a text, and keeps the token to itself.
func expectDenied(t testing.TB, err error, reason, token string) {
	t.Helper()
	var d *security.Denied
	if !errors.As(err, &d) || d.Code != security.NotAuthorized || !strings.Contains(d.Error(), reason) {
		t.Errorf("error %v, want a denial that says %q", err, reason)
	}
	expectSecret(t, err, token)
}

// expectUnavailable fails the test unless err says that nobody could be asked.
func expectUnavailable(t testing.TB, err error, reason, token string) {
	t.Helper()
	var u *security.Unavailable
	if !errors.As(err, &u) || u.Method != Method || !strings.Contains(u.Error(), reason) {
		t.Errorf("error %v, want an Unavailable that says %q", err, reason)
	}
	expectSecret(t, err, token)
}

// expectSecret fails the test if what is printed of an error has a part of a
// token in it.
func expectSecret(t testing.TB, err error, token string) {
	t.Helper()
	printed := fmt.Sprintf("%v %+v %#v", err, err, err)
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(printed, part) {
			t.Errorf("a part of the token is in the error %v", err)
		}
	}
}

// knowing is a Verifier that gives every token to one account, and counts.
type knowing struct {
	identity Identity
	err      error
	asked    atomic.Int64
}

func (k *knowing) Verify(context.Context, string) (Identity, error) {
	k.asked.Add(1)
	return k.identity, k.err
}

func mqttClient() Identity {
	return Identity{
		Username:       "system:serviceaccount:factory:mqtt-client",
		ServiceAccount: "mqtt-client",
		Attributes:     map[string]string{"group": "sensors"},
		Expiry:         epoch.Add(time.Hour),
		TokenID:        "one",
	}
}

// newTestAuthenticator returns one whose time the test moves.
func newTestAuthenticator(t testing.TB, c *clock, config Config) *Authenticator {
	t.Helper()
	a := must[*Authenticator](t)(New(config))
	a.now = c.now
	return a
}

// fakeServer answers like an API server. What it says is up to the test.
type fakeServer struct {
	*httptest.Server
	mu       sync.Mutex
	review   func(w http.ResponseWriter, r *tokenReview)
	account  func(w http.ResponseWriter, path string)
	bearers  []string // of the requests
	reviews  int
	accounts int
}

const fakeUID = "11111111-2222-3333-4444-555555555555"

func newFakeServer(t testing.TB) *fakeServer {
	t.Helper()
	f := new(fakeServer)
	f.review = func(w http.ResponseWriter, r *tokenReview) {
		f.approve(w, r, "system:serviceaccount:factory:mqtt-client")
	}
	f.account = func(w http.ResponseWriter, _ string) {
		fmt.Fprintf(w, `{"kind":"ServiceAccount","metadata":{"uid":%q,"annotations":{"aio-broker-auth/group":"sensors","other":"x"}}}`, fakeUID)
	}
	f.Server = newTLSServer(t, f.serve)
	return f
}

// newTLSServer starts a server that keeps to itself what Clients do to it.
func newTLSServer(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (f *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.bearers = append(f.bearers, r.Header.Get("Authorization"))
	review, account := f.review, f.account
	if r.URL.Path == tokenReviewPath {
		f.reviews++
	} else {
		f.accounts++
	}
	f.mu.Unlock()
	if r.URL.Path != tokenReviewPath {
		account(w, r.URL.Path)
		return
	}
	var question tokenReview
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil || r.Method != http.MethodPost {
		http.Error(w, "no TokenReview", http.StatusBadRequest)
		return
	}
	review(w, &question)
}

// approve answers that a token is good for the audiences asked.
func (f *fakeServer) approve(w http.ResponseWriter, r *tokenReview, username string) {
	r.Status.Authenticated, r.Status.Audiences = true, r.Spec.Audiences[:1]
	r.Status.User.Username, r.Status.User.UID = username, fakeUID
	f.answer(w, r)
}

func (f *fakeServer) answer(w http.ResponseWriter, r *tokenReview) {
	w.WriteHeader(http.StatusCreated)
	if err := json.NewEncoder(w).Encode(r); err != nil {
		panic(err)
	}
}

func (f *fakeServer) access() Access {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	return Access{server: f.URL, ca: material{data: ca}, token: material{data: []byte("broker-token-of-ours")}}
}

func (f *fakeServer) reviewer(t testing.TB) *TokenReviewer {
	t.Helper()
	return must[*TokenReviewer](t)(NewTokenReviewer(TokenReviewerConfig{Access: f.access(), Audiences: []string{"aio-internal", "my-audience"}}))
}

// signer makes the tokens of an issuer.
type signer struct {
	t         testing.TB
	algorithm jose.SignatureAlgorithm
	key       crypto.Signer
	id        string
}

func newSigner(t testing.TB, id string) *signer {
	t.Helper()
	return &signer{t, jose.ES256, must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), id}
}

func (s *signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.Public(), KeyID: s.id, Use: "sig"}
}

// sign returns a token with the claims of a good one, and those given in their
// place; nil removes one.
func (s *signer) sign(changed map[string]any) string {
	s.t.Helper()
	claims := map[string]any{
		"iss": testIssuer, "aud": []string{"aio-internal", "x"}, "exp": epoch.Add(time.Hour).Unix(), "nbf": epoch.Unix(),
		"sub": "system:serviceaccount:factory:mqtt-client", "jti": "one",
		"kubernetes.io": map[string]any{"namespace": "factory"},
	}
	maps.Copy(claims, changed)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return s.signText(must[[]byte](s.t)(json.Marshal(claims)))
}

func (s *signer) signText(text []byte) string {
	s.t.Helper()
	return signWith(s.t, jose.SigningKey{Algorithm: s.algorithm, Key: s.key}, s.id, text)
}

func signWith(t testing.TB, key jose.SigningKey, id string, text []byte) string {
	t.Helper()
	options := new(jose.SignerOptions).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	signer := must[jose.Signer](t)(jose.NewSigner(key, options))
	jws := must[*jose.JSONWebSignature](t)(signer.Sign(text))
	return must[string](t)(jws.CompactSerialize())
}

const testIssuer = "https://kubernetes.default.svc.cluster.local"

// keySetText returns the JWK Set of signers.
func keySetText(t testing.TB, signers ...*signer) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, s := range signers {
		set.Keys = append(set.Keys, s.public())
	}
	return must[[]byte](t)(json.Marshal(set))
}

func keySetOf(t testing.TB, signers ...*signer) *KeySet {
	t.Helper()
	return must[*KeySet](t)(ParseKeySet(keySetText(t, signers...)))
}
