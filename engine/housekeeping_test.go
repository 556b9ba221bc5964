package engine

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirmq/weir/codec"
)

func TestKeepHouseSweepsRetainedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, m := newMemoryEngine(t, Options{}, 1)
		e.retained.store(&publication{topic: "a", payload: []byte("x"), hasExpiry: true, expiry: 1}, &e.limits)
		m.clock = int64(2 * time.Second)
		e.goroutines.Go(e.keepHouse)
		synctest.Wait()
		if n := e.retained.index.Len(); n != 1 {
			t.Fatalf("%d retained messages before the first sweep, want 1", n)
		}
		time.Sleep(sweepInterval) // of the bubble
		synctest.Wait()
		if n := e.retained.index.Len(); n != 0 {
			t.Fatalf("%d retained messages after the sweep, want 0", n)
		}
	})
}

// TestSweepLosesNoMessageThatReplacesAnExpiredOne has sweeps race with stores:
// what is stored last, and does not expire, must be there.
func TestSweepLosesNoMessageThatReplacesAnExpiredOne(t *testing.T) {
	e, _ := newMemoryEngine(t, Options{}, 1)
	const topics, rounds = 50, 200
	now := int64(time.Minute)
	store := func(topic int, expires bool) {
		e.retained.store(&publication{
			topic: fmt.Sprint("t/", topic), payload: []byte("x"), qos: codec.QoS0, hasExpiry: expires, expiry: 1,
		}, &e.limits)
	}
	stop := make(chan struct{})
	var sweeper, writers sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				e.retained.sweep(now)
			}
		}
	})
	for w := range 2 {
		writers.Go(func() {
			for range rounds {
				for i := w; i < topics; i += 2 {
					store(i, true)
					store(i, false)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	sweeper.Wait()
	if n := e.retained.index.Len(); n != topics {
		t.Errorf("%d retained messages, want %d", n, topics)
	}
	checkEngine(t, e)
}

func TestSysTopicsCanBeOff(t *testing.T) {
	for _, row := range []struct {
		name     string
		interval time.Duration
		off      bool
	}{
		{"off", -1, true},
		{"by default", 0, false},
		{"every minute", time.Minute, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, m := newMemoryEngine(t, Options{SysInterval: row.interval}, 1)
				e.goroutines.Go(e.keepSys)
				for range 10 {
					time.Sleep(time.Minute) // of the bubble
					synctest.Wait()
					m.settle()
				}
				if n := e.retained.index.Len(); row.off != (n == 0) {
					t.Errorf("%d retained messages", n)
				}
			})
		})
	}
}
