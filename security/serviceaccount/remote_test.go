package serviceaccount

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// keyServer serves a JWK Set over HTTPS.
type keyServer struct {
	*httptest.Server
	serve   atomic.Pointer[http.HandlerFunc]
	fetches atomic.Int64
}

func newKeyServer(t testing.TB, signers ...*signer) *keyServer {
	t.Helper()
	k := new(keyServer)
	k.publish(t, signers...)
	k.Server = newTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		k.fetches.Add(1)
		(*k.serve.Load())(w, r)
	})
	return k
}

func (k *keyServer) answer(f http.HandlerFunc) { k.serve.Store(&f) }

func (k *keyServer) publish(t testing.TB, signers ...*signer) {
	t.Helper()
	text := keySetText(t, signers...)
	k.answer(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(text); err != nil {
			panic(err)
		}
	})
}

func (k *keyServer) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(k.Certificate())
	return pool
}

// keysQuery is in the URL of keys, and in nothing that is shown.
const keysQuery = "swordfish-of-the-issuer"

// remoteIssuer returns an Issuer whose keys are fetched, by the test's clock.
func (k *keyServer) remoteIssuer(t testing.TB, c *clock) *Issuer {
	t.Helper()
	keys := must[*RemoteKeys](t)(NewRemoteKeys(k.URL+"/keys?code="+keysQuery, k.roots()))
	keys.now = c.now
	return newTestIssuer(t, keys, nil)
}

func TestKeysAreRotatedWhileTheyAreUsed(t *testing.T) {
	c := newClock()
	first, second := newSigner(t, "first"), newSigner(t, "second")
	k := newKeyServer(t, first)
	i := k.remoteIssuer(t, c)
	expect := func(s *signer, reason string, fetches int64) {
		t.Helper()
		token := s.sign(nil)
		_, err := i.Verify(t.Context(), token)
		if reason != "" {
			expectDenied(t, err, reason, token)
		} else if err != nil {
			t.Error(err)
		}
		if got := k.fetches.Load(); got != fetches {
			t.Errorf("fetched %d times, want %d", got, fetches)
		}
	}
	expect(first, "", 1)
	expect(first, "", 1)
	k.publish(t, first, second)
	expect(second, "does not have", 1) // it was fetched a moment ago
	c.advance(refetchInterval)
	expect(second, "", 2)
	expect(first, "", 2)
	k.publish(t, second)
	c.advance(keysAge)
	expect(second, "", 3)
	expect(first, "does not have", 3) // withdrawn
}

func TestMadeUpKeyIDsFetchNothingMoreOften(t *testing.T) {
	c := newClock()
	s := newSigner(t, "first")
	k := newKeyServer(t, s)
	i := k.remoteIssuer(t, c)
	for n := range 100 {
		stranger := newSigner(t, string(rune('A'+n)))
		if _, err := i.Verify(t.Context(), stranger.sign(nil)); err == nil {
			t.Fatal("accepted")
		}
	}
	if got := k.fetches.Load(); got != 1 {
		t.Errorf("fetched %d times", got)
	}
}

func TestKeysOutliveTheirServerForADay(t *testing.T) {
	c := newClock()
	s := newSigner(t, "first")
	k := newKeyServer(t, s)
	i := k.remoteIssuer(t, c)
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Fatal(err)
	}
	k.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c.advance(keysExpire - 1)
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Errorf("a moment before: %v", err)
	}
	c.advance(1)
	_, err := i.Verify(t.Context(), s.sign(nil))
	expectUnavailable(t, err, "answers 502", "")
	k.publish(t, s)
	c.advance(refetchInterval)
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Errorf("with the server back: %v", err)
	}
}

func TestKeyServersThatGiveNoKeys(t *testing.T) {
	s := newSigner(t, "first")
	for _, row := range []struct {
		name, reason string
		answer       http.HandlerFunc
	}{
		{"404", "answers 404", http.NotFound},
		{"a redirect", "answers 302", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusFound)
		}},
		{"no JWK Set", "is not a JWK Set", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }},
		{"a body without end", "longer than", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswerBytes+1)) }},
		{"a connection that is cut", "EOF", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newClock()
			k := newKeyServer(t)
			k.answer(row.answer)
			i := k.remoteIssuer(t, c)
			for range 2 {
				_, err := i.Verify(t.Context(), s.sign(nil))
				expectUnavailable(t, err, row.reason, keysQuery)
			}
			// A connection that is cut may be tried again by net/http itself.
			if got := k.fetches.Load(); got > 2 {
				t.Errorf("fetched %d times", got)
			}
		})
	}
}

func TestKeyServerOfAnUnknownCAIsNotBelieved(t *testing.T) {
	s := newSigner(t, "first")
	k := newKeyServer(t, s)
	keys := must[*RemoteKeys](t)(NewRemoteKeys(k.URL, x509.NewCertPool()))
	_, err := newTestIssuer(t, keys, nil).Verify(t.Context(), s.sign(nil))
	expectUnavailable(t, err, "certificate", "")
}

func TestManyTokensWaitForOneFetch(t *testing.T) {
	s := newSigner(t, "first")
	k := newKeyServer(t, s)
	i := k.remoteIssuer(t, newClock())
	token := s.sign(nil)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := i.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := k.fetches.Load(); got != 1 {
		t.Errorf("fetched %d times", got)
	}
}

func TestAnIssuerThatHangsHoldsUpNobodyWhoseKeyIsKnown(t *testing.T) {
	c := newClock()
	s, unknown := newSigner(t, "first"), newSigner(t, "second")
	k := newKeyServer(t, s)
	i := k.remoteIssuer(t, c)
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Fatal(err)
	}
	asked, release := make(chan struct{}), make(chan struct{})
	k.answer(func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	c.advance(refetchInterval)
	var fetching sync.WaitGroup
	fetching.Go(func() {
		if _, err := i.Verify(t.Context(), unknown.sign(nil)); err == nil {
			t.Error("accepted")
		}
	})
	<-asked
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Errorf("while it hangs: %v", err)
	}
	c.advance(keysAge)
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Errorf("while it hangs and the keys are old: %v", err)
	}
	close(release)
	fetching.Wait()
}

func TestWhoeverWaitsForAFetchHonorsItsContext(t *testing.T) {
	s := newSigner(t, "first")
	i := newKeyServer(t, s).remoteIssuer(t, newClock())
	keys := i.config.Keys.(*RemoteKeys)
	keys.turn <- struct{}{} // somebody else fetches
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := i.Verify(ctx, s.sign(nil))
	expectUnavailable(t, err, "not fetched in time", "")
	<-keys.turn
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Errorf("the next Client: %v", err)
	}
}

// One who makes key IDs up and leaves at once must neither have keys fetched
// more often nor keep those who wait from getting them.
func TestAFetchOutlivesTheClientThatBeganIt(t *testing.T) {
	s, stranger := newSigner(t, "first"), newSigner(t, "second")
	k := newKeyServer(t)
	asked, release := make(chan struct{}), make(chan struct{})
	text := keySetText(t, s)
	k.answer(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		_, _ = w.Write(text)
	})
	i := k.remoteIssuer(t, newClock())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel(); close(release) }()
	if _, err := i.Verify(ctx, stranger.sign(nil)); err == nil {
		t.Error("the stranger is accepted")
	}
	for range 10 {
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := i.Verify(gone, stranger.sign(nil)); err == nil {
			t.Error("the stranger is accepted")
		}
	}
	if _, err := i.Verify(t.Context(), s.sign(nil)); err != nil {
		t.Errorf("the next Client: %v", err)
	}
	if got := k.fetches.Load(); got != 1 {
		t.Errorf("fetched %d times", got)
	}
}

// A token signed with a new key must not be called bad because the key could
// not be fetched: in a re-authentication that would end the connection.
func TestAnUnknownKeyIsNoDenialWhileKeysCannotBeFetched(t *testing.T) {
	c := newClock()
	first, second := newSigner(t, "first"), newSigner(t, "second")
	k := newKeyServer(t, first)
	i := k.remoteIssuer(t, c)
	if _, err := i.Verify(t.Context(), first.sign(nil)); err != nil {
		t.Fatal(err)
	}
	k.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c.advance(refetchInterval)
	for range 2 {
		token := second.sign(nil)
		_, err := i.Verify(t.Context(), token)
		expectUnavailable(t, err, "answers 502", token)
	}
	if _, err := i.Verify(t.Context(), first.sign(nil)); err != nil {
		t.Errorf("with a key that is known: %v", err)
	}
	k.publish(t, first)
	c.advance(refetchInterval)
	_, err := i.Verify(t.Context(), second.sign(nil))
	expectDenied(t, err, "does not have", "")
}

func TestKeysAreFetchedByHTTPSAlone(t *testing.T) {
	for _, address := range []string{"", "http://issuer/keys", "file:///keys", "https://", "https://user:secret@issuer/keys", "issuer/keys", "https://\x7f"} {
		if _, err := NewRemoteKeys(address, nil); err == nil {
			t.Errorf("%q is accepted", address)
		} else {
			expectSecret(t, err, "user:secret")
		}
	}
}
