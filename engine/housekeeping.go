package engine

import "time"

// sweepInterval is the time between two sweeps of the retained messages. Until
// one comes by, what has expired takes room and is not sent.
const sweepInterval = 30 * time.Second

// keepHouse does what is due now and then, on a goroutine of its own, until the
// engine stops.
func (e *Engine) keepHouse() {
	defer e.containGoroutine()
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-sweep.C:
			e.retained.sweep(e.reactor.now())
		case <-e.background.Done():
			return
		}
	}
}
