package serviceaccount

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirmq/weir/security/internal/breaker"
)

// requests returns how many a server has had.
func (f *fakeServer) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reviews + f.accounts
}

// Each Client of a dead API server would otherwise wait for the whole of its
// time, and others behind it.
func TestADeadAPIServerCostsClientsNoTime(t *testing.T) {
	f := newFakeServer(t)
	approve := f.review
	f.review = func(http.ResponseWriter, *tokenReview) { panic(http.ErrAbortHandler) }
	c := newClock()
	r := f.reviewer(t)
	r.server.now = c.now
	expect := func(reason string, requests int) {
		t.Helper()
		token := tokenFor(t, time.Hour)
		_, err := r.Verify(t.Context(), token)
		if reason == "" {
			if err != nil {
				t.Fatal(err)
			}
		} else {
			expectUnavailable(t, err, reason, token)
		}
		if got := f.requests(); got != requests {
			t.Fatalf("%d requests so far, want %d", got, requests)
		}
	}
	for i := range breaker.Threshold {
		expect("EOF", i+1)
	}
	for range 100 {
		expect("does not answer, and is not asked again yet", breaker.Threshold)
	}
	c.advance(breaker.Pause)
	expect("EOF", breaker.Threshold+1) // one tries, in vain
	expect("is not asked again yet", breaker.Threshold+1)

	f.review = approve
	c.advance(breaker.Pause)
	expect("", breaker.Threshold+3) // a review and a ServiceAccount
	expect("", breaker.Threshold+5)
}

// One that says no is not dead, whatever it says.
func TestAnAPIServerThatRefusesIsAskedOnAndOn(t *testing.T) {
	f := newFakeServer(t)
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError} {
		f.review = func(w http.ResponseWriter, _ *tokenReview) { w.WriteHeader(code) }
		r := f.reviewer(t)
		for range 2 * breaker.Threshold {
			before := f.requests()
			_, err := r.Verify(t.Context(), tokenFor(t, time.Hour))
			expectUnavailable(t, err, "", "")
			if f.requests() == before {
				t.Fatalf("%d: not asked", code)
			}
		}
	}
}

// Whoever comes and goes must not have the API server taken for dead, and one
// whose time is over while it waits for an answer must.
func TestWhatAGivenUpRequestTellsOfTheAPIServer(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithCancelCause(t.Context())
	cancelLate(context.DeadlineExceeded)
	for _, row := range []struct {
		name string
		ctx  context.Context
		err  error
		took time.Duration
		want breaker.Outcome
	}{
		{"an answer", t.Context(), nil, requestTimeout, breaker.Answered},
		{"an answer to one who has gone", gone, nil, 0, breaker.Answered},
		{"no connection", t.Context(), http.ErrServerClosed, 0, breaker.Failed},
		{"too late", t.Context(), context.DeadlineExceeded, requestTimeout, breaker.Failed},
		{"the Client went", gone, context.Canceled, requestTimeout, breaker.Abandoned},
		{"the time of the Client was over", late, context.Canceled, requestTimeout / 2, breaker.Failed},
		{"the Client had hardly any left", late, context.Canceled, requestTimeout / 100, breaker.Abandoned},
	} {
		if got := outcomeOf(row.ctx, row.err, row.took); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

// One who makes key IDs up must not keep those out whose keys are known, while
// the issuer takes its time.
func TestTokensOfUnknownKeysTakeNobodysTurn(t *testing.T) {
	c := newClock()
	s := newSigner(t, "first")
	k := newKeyServer(t, s)
	a := newTestAuthenticator(t, c, Config{Verifier: k.remoteIssuer(t, c), Concurrency: 1})
	if _, err := a.Authenticate(t.Context(), connect(s.sign(nil))); err != nil {
		t.Fatal(err)
	}
	asked, release := make(chan struct{}), make(chan struct{})
	k.answer(func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	c.advance(refetchInterval)
	var waiting sync.WaitGroup
	var refused atomic.Int64
	for range 10 {
		token := newSigner(t, "made up").sign(nil)
		waiting.Go(func() {
			if _, err := a.Authenticate(t.Context(), connect(token)); err == nil {
				t.Error("accepted")
			}
			refused.Add(1)
		})
	}
	<-asked
	began := time.Now()
	for n := range 10 {
		if _, err := a.Authenticate(t.Context(), connect(s.sign(map[string]any{"n": n}))); err != nil {
			t.Error(err)
		}
	}
	// A fetch that is given up ends too.
	if n := refused.Load(); n > 0 && time.Since(began) < requestTimeout/2 {
		t.Errorf("%d had to be refused first", n)
	}
	close(release)
	waiting.Wait()
}

// slow is a Verifier that takes a second, and counts how many it has at once.
type slow struct{ running, most atomic.Int64 }

func (s *slow) Verify(ctx context.Context, _ string) (Identity, error) {
	if n := s.running.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.running.Add(-1)
	select {
	case <-time.After(time.Second): // of the bubble's clock
		return mqttClient(), nil
	case <-ctx.Done():
		return Identity{}, unavailable("given up", ctx.Err())
	}
}

func TestTurnsAreBoundedAndGivenUpWithTheirClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(slow)
		a := newTestAuthenticator(t, newClock(), Config{Verifier: s, Concurrency: 2})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		var accepted atomic.Int64
		for n := range 10 {
			token := unsigned(t, map[string]any{"exp": epoch.Add(time.Hour).Unix(), "n": n})
			all.Go(func() {
				_, err := a.Authenticate(ctx, connect(token))
				if err == nil {
					accepted.Add(1)
					return
				}
				expectUnavailable(t, err, "not verified in time", token)
			})
		}
		all.Wait()
		synctest.Wait()
		if accepted.Load() != 2 || s.most.Load() != 2 || len(a.slots) != 0 || underwayIn(a.flights) != 0 {
			t.Errorf("%d accepted, %d at once; left behind: %d slots, %d under way", accepted.Load(), s.most.Load(), len(a.slots), underwayIn(a.flights))
		}
	})
}

// hostile is a Verifier that panics.
type hostile struct{}

func (hostile) Verify(context.Context, string) (Identity, error) { panic("index of a hostile token") }

func TestAPanicTakesNobodysTurn(t *testing.T) {
	a := newTestAuthenticator(t, newClock(), Config{Verifier: hostile{}, Concurrency: 1})
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = a.Authenticate(t.Context(), connect(tokenFor(t, time.Hour)))
		}()
	}
	if len(a.slots) != 0 {
		t.Errorf("%d slots taken", len(a.slots))
	}
}
