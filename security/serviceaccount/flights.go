package serviceaccount

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime/debug"
	"sync"
)

// digest identifies a token.
type digest = [sha256.Size]byte

// flights runs verifications: one for all who wait for the same token at the
// same time.
type flights struct {
	mu       sync.Mutex
	underway map[digest]*flight
}

// flight is one verification. It belongs to those who wait for it: when the
// last of them has given up, it is canceled, with that one's error as the cause.
type flight struct {
	done    chan struct{} // closed once verdict is set, or panicked
	verdict verdict
	waiting int
	cancel  context.CancelCauseFunc

	panicked any // what work panicked with, and where
}

func newFlights() *flights { return &flights{underway: make(map[digest]*flight)} }

// do returns the verdict of work, which it runs on a goroutine of its own
// unless it is already under way for the same key. It returns the error of ctx
// when that ends first. It panics if work does: whoever calls can tell which
// Client that was for, and on its own goroutine it would end the process.
func (f *flights) do(ctx context.Context, key digest, work func(context.Context) verdict) (verdict, error) {
	f.mu.Lock()
	fl := f.underway[key]
	if fl == nil {
		// The Client that happens to be first may go; the others still wait.
		shared, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		fl = &flight{done: make(chan struct{}), cancel: cancel}
		f.underway[key] = fl
		go f.run(shared, key, fl, work)
	}
	fl.waiting++
	f.mu.Unlock()

	select {
	case <-fl.done:
		if fl.panicked != nil {
			panic(fl.panicked)
		}
		return fl.verdict, nil
	case <-ctx.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		if fl.waiting--; fl.waiting == 0 {
			fl.cancel(ctx.Err())
			f.forget(key, fl)
		}
		return verdict{}, ctx.Err()
	}
}

func (f *flights) run(ctx context.Context, key digest, fl *flight, work func(context.Context) verdict) {
	defer func() {
		if r := recover(); r != nil {
			fl.panicked = fmt.Sprintf("verifying a token: %v\n%s", r, debug.Stack())
		}
		fl.cancel(nil)
		f.mu.Lock()
		f.forget(key, fl)
		f.mu.Unlock()
		close(fl.done)
	}()
	fl.verdict = work(ctx)
}

// forget has the next Client start anew. The key may be another flight's by
// now, if this one was given up.
func (f *flights) forget(key digest, fl *flight) {
	if f.underway[key] == fl {
		delete(f.underway, key)
	}
}
