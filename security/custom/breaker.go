package custom

import (
	"sync"
	"time"
)

const (
	// breakerThreshold is the number of failures in a row that open a breaker:
	// more than a restart of the server or one lost packet makes.
	breakerThreshold = 5

	// breakerPause is the time between two requests that try whether the server
	// is back. A Client that comes meanwhile is told at once.
	breakerPause = 2 * time.Second
)

// outcome is what a request has shown about the server.
type outcome byte

const (
	abandoned outcome = iota // nothing: the Client went away
	answered
	failed
)

// breaker keeps requests from a server that does not answer. It is closed at
// first; breakerThreshold failures in a row open it; from then on it admits one
// request every breakerPause, and the first that is answered closes it. Its
// zero value is ready. Safe for concurrent use.
type breaker struct {
	mu       sync.Mutex
	epoch    uint64    // how often it opened or closed; even: it is closed
	failures int       // in a row, while it is closed
	retryAt  time.Time // when it admits the next, while it is open
	probing  bool      // the one that it admitted is under way
}

// ticket is the permission for one request.
type ticket struct{ epoch uint64 }

// refuses reports whether admit would refuse, without asking for anything.
func (b *breaker) refuses(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shuts(now)
}

func (b *breaker) shuts(now time.Time) bool {
	return b.open() && (b.probing || now.Before(b.retryAt))
}

func (b *breaker) open() bool { return b.epoch%2 == 1 }

// admit gives permission for a request, whose outcome is then due.
func (b *breaker) admit(now time.Time) (ticket, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shuts(now) {
		return ticket{}, false
	}
	b.probing = b.open()
	return ticket{b.epoch}, true
}

// settle takes the outcome of a request, and reports whether it has opened or
// closed the breaker.
func (b *breaker) settle(t ticket, o outcome, now time.Time) (changed, open bool) {
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
	case o == answered && wasOpen:
		b.epoch++
		b.failures = 0
	case o == answered:
		b.failures = 0
	case o == failed && wasOpen:
		b.retryAt = now.Add(breakerPause)
	case o == failed:
		if b.failures++; b.failures == breakerThreshold {
			b.epoch++
			b.retryAt = now.Add(breakerPause)
		}
	}
	return b.open() != wasOpen, b.open()
}
