package breaker

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, row := range []struct {
		name string
		do   string // a answered, f failed, g gone; . one Pause
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
			var b Breaker
			now := start
			for i, c := range row.do {
				if c == '.' {
					if _, ok := b.Admit(now); ok {
						t.Fatalf("step %d: admitted before the pause is over", i)
					}
					now = now.Add(Pause)
					continue
				}
				ticket, ok := b.Admit(now)
				if !ok {
					t.Fatalf("step %d: refused", i)
				}
				b.Settle(ticket, map[rune]Outcome{'a': Answered, 'f': Failed, 'g': Abandoned}[c], now)
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
	outcome Outcome
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
		case open && e.outcome == Answered:
			open, since, failures = false, i+1, 0
		case open && e.outcome == Failed:
			retryAt = e.at.Add(Pause)
		case e.outcome == Answered:
			failures = 0
		case e.outcome == Failed:
			if failures++; failures == Threshold {
				open, since, retryAt = true, i+1, e.at.Add(Pause)
			}
		}
	}
	return open, since, retryAt
}

func TestBreakerAgreesWithOneThatRemembersEverything(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b Breaker
		n := &naiveBreaker{}
		now := time.Unix(1000, 0)
		type flight struct {
			ticket Ticket
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
				now = now.Add(time.Duration(rnd.Int64N(int64(Pause))))
			case 1, 2:
				want := !open || !probing && !now.Before(retryAt)
				if refuses := b.Refuses(now); refuses == want {
					t.Fatalf("refuses: %v, want %v", refuses, !want)
				}
				ticket, ok := b.Admit(now)
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
				o := []Outcome{Abandoned, Answered, Failed, Failed, Failed, Failed}[rnd.IntN(6)]
				n.history = append(n.history, naiveEvent{at: now, outcome: o, sent: f.sent})
				after, _, _ := n.replay()
				if changed, isOpen := b.Settle(f.ticket, o, now); changed != (after != open) || isOpen != after {
					t.Fatalf("changed %v to %v, want %v to %v", changed, isOpen, after != open, after)
				}
			}
		}
	}
}
