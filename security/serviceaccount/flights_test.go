package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirmq/weir/security"
)

func underwayIn(f *flights) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.underway)
}

func verdictFor(username string) verdict {
	return verdict{result: security.Result{Username: username}}
}

func TestEqualTokensShareOneVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlights()
		runs := 0
		work := func(context.Context) verdict {
			runs++
			time.Sleep(time.Second) // of the bubble's clock
			return verdictFor("shared")
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if v, err := f.do(t.Context(), digest{1}, work); err != nil || v.result.Username != "shared" {
					t.Error(v, err)
				}
			})
		}
		all.Wait()
		if runs != 1 {
			t.Errorf("%d verifications", runs)
		}
	})
}

func TestAVerificationOutlivesTheClientThatBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlights()
		work := func(ctx context.Context) verdict {
			select {
			case <-time.After(time.Second):
				return verdictFor("done")
			case <-ctx.Done():
				return verdict{err: ctx.Err()}
			}
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := f.do(impatient, digest{1}, work); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if v, err := f.do(t.Context(), digest{1}, work); err != nil || v.result.Username != "done" {
				t.Error(v, err)
			}
		})
		all.Wait()
	})
}

func TestAVerificationEndsWithItsLastClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlights()
		var ended atomic.Int64
		work := func(ctx context.Context) verdict {
			<-ctx.Done()
			if cause := context.Cause(ctx); cause != context.DeadlineExceeded {
				t.Errorf("ended because of %v", cause)
			}
			ended.Add(1)
			return verdict{err: ctx.Err()}
		}
		var all sync.WaitGroup
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
			defer cancel()
			for key := range byte(2) {
				all.Go(func() {
					if _, err := f.do(ctx, digest{key}, work); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				})
			}
		}
		time.Sleep(2500 * time.Millisecond) // of the bubble's clock: one Client is left
		synctest.Wait()
		if n := underwayIn(f); n != 2 {
			t.Errorf("%d under way before the last Client went", n)
		}
		all.Wait()
		synctest.Wait()
		if n := underwayIn(f); n != 0 || ended.Load() != 2 {
			t.Errorf("%d under way, %d ended", n, ended.Load())
		}
		// And a newcomer is not handed what was given up.
		if v, err := f.do(t.Context(), digest{0}, func(context.Context) verdict { return verdictFor("new") }); err != nil || v.result.Username != "new" {
			t.Error(v, err)
		}
	})
}

// A Verifier reads what strangers send: its panic must cost nobody but those
// who showed the token, and no slot.
func TestAPanicOfAVerificationIsThatOfItsClients(t *testing.T) {
	f := newFlights()
	for range 2 {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "index of a hostile token") {
					t.Errorf("recovered %v", r)
				}
			}()
			v, err := f.do(t.Context(), digest{1}, func(context.Context) verdict { panic("index of a hostile token") })
			t.Errorf("it returned %+v, %v", v, err)
		}()
	}
	if v, err := f.do(t.Context(), digest{1}, func(context.Context) verdict { return verdictFor("new") }); err != nil || v.result.Username != "new" {
		t.Error(v, err)
	}
	if n := underwayIn(f); n != 0 {
		t.Errorf("%d under way", n)
	}
}
