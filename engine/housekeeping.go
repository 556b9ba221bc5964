package engine

import "time"

// sweepInterval is the time between two sweeps of the retained messages. Until
// one comes by, what has expired takes room and is not sent.
const sweepInterval = 30 * time.Second

// clockInterval is the time between two looks at whether the wall clock was
// set: by as much may a credential outlive its end then.
const clockInterval = 500 * time.Millisecond

// keepHouse does what is due now and then, on a goroutine of its own, until the
// engine stops.
func (e *Engine) keepHouse() {
	defer e.containGoroutine()
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	clock := time.NewTicker(clockInterval)
	defer clock.Stop()
	before := time.Now()
	for {
		select {
		case <-sweep.C:
			e.retained.sweep(e.reactor.now())
		case <-clock.C:
			now := time.Now()
			e.watchClock(now.Round(0).Sub(before.Round(0)), now.Sub(before))
			before = now
		case <-e.background.Done():
			return
		}
	}
}
