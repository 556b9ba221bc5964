package custom

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/internal/breaker"
)

func TestDeadServerCostsClientsNoTime(t *testing.T) {
	var up atomic.Bool
	arrived, hold := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if held.Load() {
			arrived <- struct{}{}
			<-hold
		}
		if !up.Load() {
			panic(http.ErrAbortHandler)
		}
		answers(200, "{}")(w, r)
	})
	a, log := newAuthenticator(t, s.URL)
	c := newClock()
	a.now = c.Now
	expect := func(want string, requests int64) {
		t.Helper()
		before := s.requests.Load()
		_, promptly := security.Promptly(a, new(security.Credentials))
		_, err := authenticate(a)
		switch asked := s.requests.Load() > before; {
		case errors.Is(promptly, security.ErrMustWait) != asked:
			t.Fatalf("promptly: %v, and then the server was asked: %v", promptly, asked)
		case !asked && promptly.Error() != err.Error():
			t.Fatalf("promptly: %v, and then %v", promptly, err)
		}
		if kind, _ := ending(err); kind != want || s.requests.Load() != requests {
			t.Fatalf("%v and %d requests so far, want %s and %d", err, s.requests.Load(), want, requests)
		}
	}
	for i := range int64(breaker.Threshold) {
		expect("unavailable", i+1)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "does not answer") {
		t.Errorf("that it is left alone from now on was not logged:\n%s", log)
	}
	for range 100 {
		expect("unavailable", breaker.Threshold) // nobody asks
	}
	c.advance(breaker.Pause)
	expect("unavailable", breaker.Threshold+1) // one tries, in vain
	expect("unavailable", breaker.Threshold+1)

	c.advance(breaker.Pause)
	up.Store(true)
	held.Store(true)
	probe := make(chan error, 1)
	go func() {
		_, err := authenticate(a)
		probe <- err
	}()
	<-arrived
	for range 100 {
		expect("unavailable", breaker.Threshold+2) // one probe at a time
	}
	held.Store(false)
	close(hold)
	if err := <-probe; err != nil {
		t.Errorf("the probe: %v", err)
	}
	expect("granted", breaker.Threshold+3)
	if !strings.Contains(log.String(), "answers again") {
		t.Errorf("that the server is back was not logged:\n%s", log)
	}
}

func TestManyFailuresAreFewLines(t *testing.T) {
	s := newServer(t, answers(400, "no"))
	a, log := newAuthenticator(t, s.URL)
	c := newClock()
	a.now = c.Now
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { _, _ = authenticate(a) })
	}
	wg.Wait()
	c.advance(reportInterval)
	_, _ = authenticate(a)
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), fmt.Sprintf("suppressed=%d", 49)) {
		t.Errorf("%d lines, want one, and one more that counts the rest:\n%s", n, log)
	}
}
