package engine

import (
	"sync"
	"time"
)

// tokenBucket paces what may happen rate times a second, with bursts of as many
// as there are in one second. It is a debt: what has happened is counted, and
// whoever did it waits until it is paid off. Safe for concurrent use.
type tokenBucket struct {
	mu     sync.Mutex
	rate   int // a second; 0: no bound
	tokens float64
	at     time.Time // when tokens was right
}

// setRate changes the rate. A bucket that was without bound begins full.
func (b *tokenBucket) setRate(rate int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rate == b.rate {
		return
	}
	b.fill(now)
	if b.rate == 0 {
		b.tokens = float64(rate)
	}
	b.rate, b.tokens = rate, min(b.tokens, float64(rate))
	b.at = now
}

// take takes a token and returns how long to wait for the next: no longer than
// the tokens take that were taken at the same time.
func (b *tokenBucket) take(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rate == 0 {
		return 0
	}
	b.fill(now)
	b.tokens--
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / float64(b.rate) * float64(time.Second))
}

func (b *tokenBucket) fill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(b.tokens+passed.Seconds()*float64(b.rate), float64(b.rate))
		b.at = now
	}
}
