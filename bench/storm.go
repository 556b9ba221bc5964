package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// storm is a run in which Clients connect and disconnect.
type storm struct {
	config Config
	dialer *dialer

	mu       sync.Mutex
	second   Histogram // since the last Sample
	latency  Histogram // before that
	connects uint64
	resumed  uint64 // of those, TLS sessions of before
	failures uint64
	failure  error

	measuring atomic.Bool
	next      atomic.Int64 // number of the next ClientID
}

// runStorm runs Storm. Each of its Clients is a goroutine that may block: what
// costs is the connection, in the kernel and with TLS in the handshake, and
// neither is less on a loop.
func runStorm(ctx context.Context, c Config) (*Result, error) {
	d, err := newDialer(c, rand.Uint32())
	if err != nil {
		return nil, err
	}
	s := &storm{config: c, dialer: d}
	// The first one says what all would say.
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	storming, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	for range c.Connections {
		group.Go(func() {
			for storming.Err() == nil {
				s.once(storming)
			}
		})
	}
	r, err := s.measure(ctx)
	stop()
	group.Wait()
	return r, err
}

// once connects and disconnects one Client, and counts it.
func (s *storm) once(ctx context.Context) {
	began := time.Now()
	c, err := s.dial(ctx)
	took := time.Since(began)
	if err == nil {
		err = c.disconnect()
	}
	if !s.measuring.Load() || ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures++
		s.failure = err
		return
	}
	s.connects++
	if c.resumed() {
		s.resumed++
	}
	s.second.Record(took)
}

func (s *storm) dial(ctx context.Context) (*client, error) {
	// Always a Clean Start: with a ClientID for each connect, Sessions that
	// stay would pile up in the broker.
	return s.dialer.dial(ctx, s.dialer.clientID('c', int(s.next.Add(1))), true)
}

func (s *storm) connect(ctx context.Context) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	return c.disconnect()
}

// measure waits and counts.
func (s *storm) measure(ctx context.Context) (*Result, error) {
	r := newResult(&s.config)
	if err := pause(ctx, s.config.Warmup); err != nil {
		return nil, err
	}
	before, err := usages(s.config.PID)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	s.measuring.Store(true)
	last, counted := began, uint64(0)
	for {
		left := s.config.Duration - time.Since(began)
		if err := pause(ctx, min(left, time.Duration(sampleInterval))); err != nil {
			return nil, err
		}
		s.mu.Lock()
		now := time.Now()
		seconds := now.Sub(last).Seconds()
		sample := Sample{At: now.Sub(began).Seconds(), Operations: float64(s.connects-counted) / seconds}
		last, counted = now, s.connects
		r.add(&s.config, sample, &s.second, &s.latency)
		s.mu.Unlock()
		if now.Sub(began) >= s.config.Duration {
			break
		}
	}
	s.measuring.Store(false)
	after, err := usages(s.config.PID)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Operations, r.Resumed, r.Failures = s.connects, s.resumed, s.failures
	if s.failure != nil {
		r.Failure = s.failure.Error()
	}
	r.Seconds = last.Sub(began).Seconds()
	r.OperationsPerSecond = float64(r.Operations) / r.Seconds
	r.Latency = summarize(&s.latency)
	r.use(before, after)
	return r, nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
