package passwords

import (
	"context"
	"sync"
	"time"
)

// hasher hashes passwords, a bounded number at a time, and equal ones once.
type hasher struct {
	slots chan struct{}

	mu      sync.Mutex
	flights map[digest]*flight
}

// flight is a password that is being hashed. Its result is set before done is
// closed.
type flight struct {
	done      chan struct{}
	matches   bool
	abandoned bool // who was to hash it could not wait any longer
}

// matches returns the answer of check, which hashes the password that d
// identifies together with its user. The error is that of ctx, after whose end
// no hash is begun.
func (h *hasher) matches(ctx context.Context, d digest, check func() bool) (bool, error) {
	for {
		f, mine := h.join(d)
		if mine {
			return h.fly(ctx, d, f, check)
		}
		select {
		case <-f.done:
			if !f.abandoned {
				return f.matches, nil
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// join returns the flight of d, and whether it is for the caller to fly it.
func (h *hasher) join(d digest) (f *flight, mine bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f, ok := h.flights[d]; ok {
		return f, false
	}
	if h.flights == nil {
		h.flights = make(map[digest]*flight)
	}
	f = &flight{done: make(chan struct{})}
	h.flights[d] = f
	return f, true
}

func (h *hasher) fly(ctx context.Context, d digest, f *flight, check func() bool) (bool, error) {
	f.abandoned = true
	defer func() {
		h.mu.Lock()
		delete(h.flights, d)
		h.mu.Unlock()
		close(f.done)
	}()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-h.slots }()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	f.matches, f.abandoned = check(), false
	return f.matches, nil
}

// refusals remembers what was wrong a moment ago, of users that exist and
// others alike. It has a fixed number of places, and what comes later takes the
// place of what was there.
type refusals struct {
	mu     sync.Mutex
	places [1024]verified
}

func (r *refusals) place(d digest) *verified {
	return &r.places[(int(d[0])<<8|int(d[1]))%len(r.places)]
}

func (r *refusals) has(d digest, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.place(d)
	return p.digest == d && now.Before(p.until)
}

func (r *refusals) add(d digest, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.place(d) = verified{d, until}
}
