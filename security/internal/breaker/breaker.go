package breaker

import (
	"sync"
	"time"
)

const (
	// Threshold is the number of failures in a row that open a Breaker: more
	// than a restart of the server or one lost packet makes.
	Threshold = 5

	// Pause is the time between two requests that try whether the server is
	// back. A Client that comes meanwhile is told at once.
	Pause = 2 * time.Second
)

// Outcome is what a request has shown about the server.
type Outcome byte

// The Outcomes.
const (
	Abandoned Outcome = iota // nothing: the Client went away
	Answered
	Failed
)

// Breaker keeps requests from a server that does not answer. It is closed at
// first; Threshold failures in a row open it; from then on it admits one request
// every Pause, and the first that is answered closes it. Its zero value is
// ready. Safe for concurrent use.
type Breaker struct {
	mu       sync.Mutex
	epoch    uint64    // how often it opened or closed; even: it is closed
	failures int       // in a row, while it is closed
	retryAt  time.Time // when it admits the next, while it is open
	probing  bool      // the one that it admitted is under way
}

// Ticket is the permission for one request.
type Ticket struct{ epoch uint64 }

// Refuses reports whether Admit would refuse, without asking for anything.
func (b *Breaker) Refuses(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shuts(now)
}

func (b *Breaker) shuts(now time.Time) bool {
	return b.open() && (b.probing || now.Before(b.retryAt))
}

func (b *Breaker) open() bool { return b.epoch%2 == 1 }

// Admit gives permission for a request, whose outcome is then due.
func (b *Breaker) Admit(now time.Time) (Ticket, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shuts(now) {
		return Ticket{}, false
	}
	b.probing = b.open()
	return Ticket{b.epoch}, true
}

// Settle takes the outcome of a request, and reports whether it has opened or
// closed the breaker.
func (b *Breaker) Settle(t Ticket, o Outcome, now time.Time) (changed, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.epoch != b.epoch {
		return false, b.open() // it was sent before the last change, and tells of a time that is over
	}
	wasOpen := b.open()
	if wasOpen {
		b.probing = false
	}
	switch {
	case o == Answered && wasOpen:
		b.epoch++
		b.failures = 0
	case o == Answered:
		b.failures = 0
	case o == Failed && wasOpen:
		b.retryAt = now.Add(Pause)
	case o == Failed:
		if b.failures++; b.failures == Threshold {
			b.epoch++
			b.retryAt = now.Add(Pause)
		}
	}
	return b.open() != wasOpen, b.open()
}
