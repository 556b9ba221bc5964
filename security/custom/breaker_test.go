package custom

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, row := range []struct {
		name string
		do   string // a answered, f failed, g gone; A, F, G the same, but the breaker must refuse first; . one breakerPause
		want bool   // whether it is open at the end
	}{
		{"new", "", false},
		{"four failures", "ffff", false},
		{"five failures", "fffff", true},
		{"an answer in between", "ffffaffff", false},
		{"a Client that goes in between", "ffffgf", true},
		{"an answer to the probe", "fffff.a", false},
		{"a closed one counts anew", "fffff.affff", false},
		{"a probe that fails", "fffff.f", true},
		{"a second probe", "fffff.f.a", false},
		{"a probe whose Client goes is followed by another at once", "fffff.ga", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var b breaker
			now := start
			for i, c := range row.do {
				if c == '.' {
					if _, ok := b.admit(now); ok {
						t.Fatalf("step %d: admitted before the pause is over", i)
					}
					now = now.Add(breakerPause)
					continue
				}
				ticket, ok := b.admit(now)
				if !ok {
					t.Fatalf("step %d: refused", i)
				}
				b.settle(ticket, map[rune]outcome{'a': answered, 'f': failed, 'g': abandoned}[c], now)
			}
			if b.open() != row.want {
				t.Errorf("open: %v, want %v", b.open(), row.want)
			}
		})
	}
}

// naiveBreaker remembers everything that happened, and decides by going through
// it.
type naiveBreaker struct{ history []naiveEvent }

type naiveEvent struct {
	at      time.Time
	outcome outcome
	sent    int // the length of history when it was admitted
}

// replay returns whether it is open, since which event it is as it is, and when
// it admits the next request.
func (n *naiveBreaker) replay() (open bool, since int, retryAt time.Time) {
	failures := 0
	for i, e := range n.history {
		if e.sent < since {
			continue
		}
		switch {
		case open && e.outcome == answered:
			open, since, failures = false, i+1, 0
		case open && e.outcome == failed:
			retryAt = e.at.Add(breakerPause)
		case e.outcome == answered:
			failures = 0
		case e.outcome == failed:
			if failures++; failures == breakerThreshold {
				open, since, retryAt = true, i+1, e.at.Add(breakerPause)
			}
		}
	}
	return open, since, retryAt
}

func TestBreakerAgreesWithOneThatRemembersEverything(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b breaker
		n := &naiveBreaker{}
		now := time.Unix(1000, 0)
		type flight struct {
			ticket ticket
			sent   int
		}
		var flying []flight
		probes := make(map[int]bool) // by the length of history when they were sent
		for range 200 {
			open, since, retryAt := n.replay()
			probing := false
			for _, f := range flying {
				probing = probing || open && f.sent >= since && probes[f.sent]
			}
			switch rnd.IntN(5) {
			case 0:
				now = now.Add(time.Duration(rnd.Int64N(int64(breakerPause))))
			case 1, 2:
				want := !open || !probing && !now.Before(retryAt)
				if refuses := b.refuses(now); refuses == want {
					t.Fatalf("refuses: %v, want %v", refuses, !want)
				}
				ticket, ok := b.admit(now)
				if ok != want {
					t.Fatalf("admitted: %v, want %v", ok, want)
				}
				if ok {
					probes[len(n.history)] = open
					flying = append(flying, flight{ticket, len(n.history)})
				}
			default:
				if len(flying) == 0 {
					continue
				}
				i := rnd.IntN(len(flying))
				f := flying[i]
				flying = append(flying[:i], flying[i+1:]...)
				o := []outcome{abandoned, answered, failed, failed, failed, failed}[rnd.IntN(6)]
				n.history = append(n.history, naiveEvent{at: now, outcome: o, sent: f.sent})
				after, _, _ := n.replay()
				if changed, isOpen := b.settle(f.ticket, o, now); changed != (after != open) || isOpen != after {
					t.Fatalf("changed %v to %v, want %v to %v", changed, isOpen, after != open, after)
				}
			}
		}
	}
}

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
		_, err := authenticate(a)
		if kind, _ := ending(err); kind != want || s.requests.Load() != requests {
			t.Fatalf("%v and %d requests so far, want %s and %d", err, s.requests.Load(), want, requests)
		}
	}
	for i := range int64(breakerThreshold) {
		expect("unavailable", i+1)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "does not answer") {
		t.Errorf("that it is left alone from now on was not logged:\n%s", log)
	}
	for range 100 {
		expect("unavailable", breakerThreshold) // nobody asks
	}
	c.advance(breakerPause)
	expect("unavailable", breakerThreshold+1) // one tries, in vain
	expect("unavailable", breakerThreshold+1)

	c.advance(breakerPause)
	up.Store(true)
	held.Store(true)
	probe := make(chan error, 1)
	go func() {
		_, err := authenticate(a)
		probe <- err
	}()
	<-arrived
	for range 100 {
		expect("unavailable", breakerThreshold+2) // one probe at a time
	}
	held.Store(false)
	close(hold)
	if err := <-probe; err != nil {
		t.Errorf("the probe: %v", err)
	}
	expect("granted", breakerThreshold+3)
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
