package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/security/internal/quote"
)

func TestTokenReviewOfAGoodToken(t *testing.T) {
	f := newFakeServer(t)
	token := tokenFor(t, time.Hour)
	f.review = func(w http.ResponseWriter, r *tokenReview) {
		if r.APIVersion != "authentication.k8s.io/v1" || r.Kind != "TokenReview" || r.Spec.Token != token ||
			strings.Join(r.Spec.Audiences, " ") != "aio-internal my-audience" {
			t.Errorf("asked with %+v", r)
		}
		f.approve(w, r, "system:serviceaccount:factory:mqtt-client")
	}
	id := must[Identity](t)(f.reviewer(t).Verify(t.Context(), token))
	if id.Username != "system:serviceaccount:factory:mqtt-client" || id.ServiceAccount != "mqtt-client" || id.TokenID != "one" ||
		!id.Expiry.Equal(epoch.Add(time.Hour)) || fmt.Sprint(id.Attributes) != "map[group:sensors]" {
		t.Errorf("got %+v", id)
	}
	for _, bearer := range f.bearers {
		if bearer != "Bearer broker-token-of-ours" {
			t.Errorf("asked as %q", bearer)
		}
	}
}

func TestTokenReviewsThatGrantNothing(t *testing.T) {
	status := func(change func(s *tokenReviewStatus)) func(*fakeServer, http.ResponseWriter, *tokenReview) {
		return func(f *fakeServer, w http.ResponseWriter, r *tokenReview) {
			r.Status.Authenticated, r.Status.Audiences = true, []string{"my-audience"}
			r.Status.User.Username, r.Status.User.UID = "system:serviceaccount:factory:mqtt-client", fakeUID
			change(&r.Status)
			f.answer(w, r)
		}
	}
	for _, row := range []struct {
		name   string
		review func(f *fakeServer, w http.ResponseWriter, r *tokenReview)
		reason string
	}{
		{"not authenticated", status(func(s *tokenReviewStatus) { *s = tokenReviewStatus{Error: "invalid bearer token"} }), "invalid bearer token"},
		{"not authenticated, for all its user", status(func(s *tokenReviewStatus) { s.Authenticated = false }), "does not accept"},
		{"an error that spans lines", status(func(s *tokenReviewStatus) { *s = tokenReviewStatus{Error: "one\ntwo\x1b[31m"} }), "one two [31m"},
		{"an authenticator without audiences", status(func(s *tokenReviewStatus) { s.Audiences = nil }), "another audience"},
		{"an audience that was not asked for", status(func(s *tokenReviewStatus) { s.Audiences = []string{"https://kubernetes"} }), "another audience"},
		{"an administrator", status(func(s *tokenReviewStatus) { s.User.Username = "admin" }), "no service account"},
		{"three parts", status(func(s *tokenReviewStatus) { s.User.Username = "system:serviceaccount:factory" }), "no service account"},
		{"five parts", status(func(s *tokenReviewStatus) { s.User.Username += ":x" }), "no service account"},
		{"an empty namespace", status(func(s *tokenReviewStatus) { s.User.Username = "system:serviceaccount::mqtt-client" }), "no service account"},
		{"a name that would be another path", status(func(s *tokenReviewStatus) { s.User.Username = "system:serviceaccount:factory:../secrets" }), "no service account"},
		{"a node", status(func(s *tokenReviewStatus) { s.User.Username = "system:node:one:two" }), "no service account"},
		{"no uid", status(func(s *tokenReviewStatus) { s.User.UID = "" }), "another has its name"},
		{"another uid", status(func(s *tokenReviewStatus) { s.User.UID = "x" }), "another has its name"},
		{"the token in the error", func(f *fakeServer, w http.ResponseWriter, r *tokenReview) {
			r.Status.Error = "no good: " + r.Spec.Token
			f.answer(w, r)
		}, "no good: TOKEN"},
		{"an error without end", status(func(s *tokenReviewStatus) { *s = tokenReviewStatus{Error: strings.Repeat("x", 10000)} }), "xxx"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFakeServer(t)
			f.review = func(w http.ResponseWriter, r *tokenReview) { row.review(f, w, r) }
			token := tokenFor(t, time.Hour)
			_, err := f.reviewer(t).Verify(t.Context(), token)
			expectDenied(t, err, row.reason, token)
			if len(err.Error()) > quote.Most+200 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestServiceAccountsThatGrantNothing(t *testing.T) {
	for _, row := range []struct {
		name   string
		code   int
		body   string
		denied bool
		reason string
	}{
		{"gone", http.StatusNotFound, `{"kind":"Status","message":"not found"}`, true, "does not exist any more"},
		{"made again under the same name", http.StatusOK, `{"kind":"ServiceAccount","metadata":{"uid":"other"}}`, true, "another has its name"},
		{"without uid", http.StatusOK, `{"kind":"ServiceAccount","metadata":{}}`, true, "another has its name"},
		{"not for Weir to read", http.StatusForbidden, `{"kind":"Status","message":"cannot get"}`, false, "give its account the right to get serviceaccounts"},
		{"something else", http.StatusOK, `{"kind":"Pod","metadata":{"uid":"` + fakeUID + `"}}`, false, "something else than a ServiceAccount"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFakeServer(t)
			f.account = func(w http.ResponseWriter, path string) {
				if path != "/api/v1/namespaces/factory/serviceaccounts/mqtt-client" {
					t.Errorf("asked for %s", path)
				}
				w.WriteHeader(row.code)
				fmt.Fprint(w, row.body)
			}
			token := tokenFor(t, time.Hour)
			_, err := f.reviewer(t).Verify(t.Context(), token)
			if row.denied {
				expectDenied(t, err, row.reason, token)
			} else {
				expectUnavailable(t, err, row.reason, token)
			}
		})
	}
}

func TestAnnotationsOfBothReleasesGiveAttributes(t *testing.T) {
	got := attributesOf(map[string]string{
		"aio-broker-auth/group": "new", "aio-mq-broker-auth/group": "old", "aio-mq-broker-auth/site": "s",
		"aio-broker-auth/": "no name", "aio-broker-auth": "no slash", "kubectl.kubernetes.io/x": "y",
	})
	if fmt.Sprint(got) != "map[group:new site:s]" {
		t.Errorf("got %v", got)
	}
}

func TestAnswersOfAnAPIServerInTrouble(t *testing.T) {
	answer := func(code int, body string) func(http.ResponseWriter, *tokenReview) {
		return func(w http.ResponseWriter, _ *tokenReview) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	for _, row := range []struct {
		name   string
		review func(http.ResponseWriter, *tokenReview)
		reason string
	}{
		{"500", answer(500, `{"kind":"Status","message":"etcd is\ngone"}`), "answers 500: etcd is gone"},
		{"a refusal that quotes the token", func(w http.ResponseWriter, r *tokenReview) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, `{"kind":"Status","message":"%s is no good, nor is broker-token-of-ours"}`, r.Spec.Token)
		}, "TOKEN is no good, nor is TOKEN"},
		{"a refusal that quotes the token beyond what is shown", func(w http.ResponseWriter, r *tokenReview) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, `{"kind":"Status","message":"%s %s"}`, strings.Repeat("x", quote.Most-60), r.Spec.Token)
		}, "xxx TOKEN"},
		{"403", answer(403, `{"kind":"Status","message":"forbidden"}`), "bind its account to the ClusterRole system:auth-delegator"},
		{"401", answer(401, `{"kind":"Status","message":"Unauthorized"}`), "does not know Weir's own credentials"},
		{"404", answer(404, `page not found`), "answers 404"},
		{"400", answer(400, ``), "answers 400"},
		{"503 without Retry-After", answer(503, ``), "answers 503"},
		{"a redirect, which would take the token elsewhere", func(w http.ResponseWriter, _ *tokenReview) {
			w.Header().Set("Location", "https://elsewhere.invalid/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "answers 307"},
		{"a switch of protocols, and then nothing more", func(w http.ResponseWriter, _ *tokenReview) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		}, "answers 101"},
		{"no JSON", answer(201, `<html>`), "something else than the JSON expected"},
		{"other JSON", answer(201, `{"kind":"Status","status":{"authenticated":true}}`), "something else than a TokenReview"},
		{"more JSON", answer(201, `{"kind":"TokenReview","status":{"authenticated":true}}{}`), "something else than the JSON expected"},
		{"the wrong types", answer(201, `{"kind":"TokenReview","status":{"authenticated":"true"}}`), "something else than the JSON expected"},
		{"an answer without end", func(w http.ResponseWriter, _ *tokenReview) {
			w.WriteHeader(http.StatusCreated)
			for range 2 * maxAnswerBytes / 1024 {
				if _, err := w.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		}, "longer than"},
		{"a connection that is cut", func(http.ResponseWriter, *tokenReview) { panic(http.ErrAbortHandler) }, "could not be asked"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFakeServer(t)
			f.review = row.review
			token := tokenFor(t, time.Hour)
			_, err := f.reviewer(t).Verify(t.Context(), token)
			expectUnavailable(t, err, row.reason, token)
			expectSecret(t, err, "broker-token-of-ours")
		})
	}
}

func TestAPIServerThatDoesNotAnswer(t *testing.T) {
	f := newFakeServer(t)
	release := make(chan struct{})
	f.review = func(http.ResponseWriter, *tokenReview) { <-release }
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := f.reviewer(t).Verify(ctx, tokenFor(t, time.Hour))
	expectUnavailable(t, err, "could not be asked", "")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the end of the time given", err)
	}
}

func TestAPIServerOfAnotherCAIsNotAsked(t *testing.T) {
	f, other := newFakeServer(t), newFakeServer(t)
	access := f.access()
	access.server = other.URL
	// httptest has one certificate for all, so the name is what differs.
	access.serverName = "api.invalid"
	r := must[*TokenReviewer](t)(NewTokenReviewer(TokenReviewerConfig{Access: access, Audiences: []string{"a"}}))
	_, err := r.Verify(t.Context(), tokenFor(t, time.Hour))
	expectUnavailable(t, err, "certificate", "")
	if other.reviews != 0 {
		t.Error("it was asked")
	}
}

func TestRetryAfterHoldsBackAllRequests(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	var busy atomic.Bool
	busy.Store(true)
	var resumed time.Time
	f.review = func(w http.ResponseWriter, r *tokenReview) {
		if busy.Swap(false) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		resumed = time.Now()
		f.approve(w, r, "system:serviceaccount:factory:mqtt-client")
	}
	began := time.Now()
	if _, err := f.reviewer(t).Verify(t.Context(), tokenFor(t, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if f.reviews != 2 || resumed.Sub(began) < time.Second {
		t.Errorf("%d reviews, the second after %v", f.reviews, resumed.Sub(began))
	}
}

func TestRetryAfterIsHonoredAfterTheLastAttemptToo(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	reviews := 0
	f.review = func(w http.ResponseWriter, _ *tokenReview) {
		after := "1"
		if reviews++; reviews == maxAttempts {
			after = "10"
		}
		w.Header().Set("Retry-After", after)
		w.WriteHeader(http.StatusTooManyRequests)
	}
	r := f.reviewer(t)
	_, err := r.Verify(t.Context(), tokenFor(t, time.Hour))
	expectUnavailable(t, err, "answers 429", "")
	if wait := time.Until(r.server.resume); reviews != maxAttempts || wait <= 0 {
		t.Errorf("%d reviews, quiet for another %v", reviews, wait)
	}
}

func TestRetryAfterIsGivenUpWithTheClient(t *testing.T) {
	f := newFakeServer(t)
	r := f.reviewer(t)
	r.server.beQuiet(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Verify(ctx, tokenFor(t, time.Hour))
	expectUnavailable(t, err, "could not be asked", "")
	if wait := time.Until(r.server.resume); f.reviews != 0 || wait > maxPause {
		t.Errorf("%d reviews, quiet for another %v", f.reviews, wait)
	}
}

func TestRetryAfterIsANumberOfSeconds(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "65536": 0, "1.5": 0, "Fri, 31 Dec 1999 23:59:59 GMT": 0,
	} {
		if got := retryAfter(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// TestManyClientsAtOnce is a cluster whose Clients all come back at the same
// moment, to an API server that does not answer before it has as many reviews as
// it may have at once.
func TestManyClientsAtOnce(t *testing.T) {
	const clients, tokens, concurrency = 2000, 400, 16
	f := newFakeServer(t)
	var running, most, reviews atomic.Int64
	full := make(chan struct{})
	f.review = func(w http.ResponseWriter, r *tokenReview) {
		n := running.Add(1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		if reviews.Add(1) == concurrency {
			close(full)
		}
		<-full
		running.Add(-1)
		f.approve(w, r, "system:serviceaccount:factory:mqtt-client")
	}
	c := newClock()
	a := newTestAuthenticator(t, c, Config{Verifier: f.reviewer(t), Concurrency: concurrency})
	var all sync.WaitGroup
	var refused atomic.Int64
	for i := range clients {
		token := unsigned(t, map[string]any{"exp": epoch.Add(time.Hour).Unix(), "n": i % tokens})
		all.Go(func() {
			if _, err := a.Authenticate(t.Context(), connect(token)); err != nil {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if refused.Load() > 0 || reviews.Load() != tokens || most.Load() != concurrency {
		t.Errorf("%d refused; %d reviews, want %d; %d at once, want %d", refused.Load(), reviews.Load(), tokens, most.Load(), concurrency)
	}
	if len(a.flights.underway) != 0 || len(a.slots) != 0 {
		t.Errorf("left behind: %d under way, %d slots", len(a.flights.underway), len(a.slots))
	}
}

func TestReviewerConfigIsRefused(t *testing.T) {
	access := Access{server: "https://x"}
	for name, config := range map[string]TokenReviewerConfig{
		"no Access":         {Audiences: []string{"a"}},
		"no audience":       {Access: access},
		"an empty audience": {Access: access, Audiences: []string{"a", ""}},
	} {
		if _, err := NewTokenReviewer(config); err == nil {
			t.Error(name + " is accepted")
		}
	}
}

func TestTokensAreInNothingThatIsPrinted(t *testing.T) {
	access := newFakeServer(t).access()
	text := must[[]byte](t)(json.Marshal([]any{access}))
	for _, printed := range []string{fmt.Sprint(access), fmt.Sprintf("%+v %#v", access, access), string(text)} {
		if strings.Contains(printed, "broker-token") || strings.Contains(printed, "CERTIFICATE") {
			t.Errorf("an Access prints %s", printed)
		}
	}
}

var _ Verifier = (*TokenReviewer)(nil)
