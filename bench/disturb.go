package bench

import (
	"context"
	"errors"
	"math"
	"time"
)

// disturbance is what a run does to the broker beside its traffic, to see what
// that has to suffer: on goroutines, which may block.
type disturbance interface {
	// prepare connects, before anything is measured.
	prepare(ctx context.Context) error
	// disturb returns when it is over.
	disturb(ctx context.Context) error
	// conclude writes what was counted to a Result that is complete otherwise.
	conclude(ctx context.Context, r *Result) error
	// close closes what prepare and disturb have connected.
	close()
}

// newDisturbance returns that of c's scenario, or nil.
func newDisturbance(c *Config, d *dialer) disturbance {
	switch c.Scenario {
	case Reconnect:
		return newReconnect(c, d)
	case Overload:
		return newOverload(c, d)
	}
	return nil
}

// calmTime is how long at most the traffic is measured alone.
const calmTime = 5 * time.Second

// calm measures the latency of the traffic alone. What is on its way at its
// end counts neither for this nor for what follows.
func (t *traffic) calm(ctx context.Context, r *Result) error {
	t.measureFrom = t.clock()
	if err := t.until(ctx, t.measureFrom+int64(min(t.config.Duration, calmTime)), r); err != nil {
		return err
	}
	t.latency.Merge(&t.second)
	r.Before = summarize(&t.latency)
	t.second.Reset()
	t.latency.Reset()
	return nil
}

// disturbed measures until the disturbance is over.
func (t *traffic) disturbed(ctx context.Context, r *Result) error {
	running, over := context.WithCancel(ctx)
	defer over()
	result := make(chan error, 1)
	go func() {
		defer over()
		result <- t.beside.disturb(running)
	}()
	err := t.until(running, math.MaxInt64, r)
	over() // where it was the traffic that failed
	if disturbing := <-result; errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return disturbing
	}
	return err
}
