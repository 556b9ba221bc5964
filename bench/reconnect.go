package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// reconnect is the disturbance of Reconnect.
type reconnect struct {
	config *Config
	crowd  *crowd

	storms []StormRound
	spent  time.Duration // until all were back, over all storms

	mu       sync.Mutex
	failures uint64
	failure  error
}

func newReconnect(c *Config, d *dialer) *reconnect {
	// One level deeper than the traffic, whose messages are not for them.
	return &reconnect{config: c, crowd: newCrowd(d, c.TopicPrefix+"/idle", c.Connections)}
}

func (s *reconnect) prepare(ctx context.Context) error { return s.crowd.connectAll(ctx) }

func (s *reconnect) close() { s.crowd.close() }

// disturb drops Clients and has them all reconnect at once, again and again.
// They take turns.
func (s *reconnect) disturb(ctx context.Context) error {
	next := 0
	for range s.config.Storms {
		n := s.config.Dropped
		who := func(i int) int { return (next + i) % s.config.Connections }
		began := time.Now()
		for i := range n {
			s.crowd.drop(who(i))
		}
		if err := each(ctx, n, n, func(ctx context.Context, i int) error { return s.again(ctx, who(i)) }); err != nil {
			return err
		}
		took := time.Since(began)
		s.spent += took
		if err := pause(ctx, s.config.Duration-took); err != nil {
			return err
		}
		round := StormRound{Seconds: took.Seconds()}
		if s.config.PID != 0 {
			used, err := processUsage(s.config.PID)
			if err != nil {
				return err
			}
			round.RSS = used.rss
		}
		s.storms = append(s.storms, round)
		next = who(n)
	}
	return nil
}

// maxAttempts is how often a Client tries to come back.
const maxAttempts = 5

// again connects the i-th Client, at one of maxAttempts attempts, as a device
// would.
func (s *reconnect) again(ctx context.Context, i int) error {
	for attempt := 1; ; attempt++ {
		err := s.crowd.connect(ctx, i)
		if err == nil || ctx.Err() != nil {
			return err
		}
		s.mu.Lock()
		s.failures++
		s.failure = err
		s.mu.Unlock()
		if attempt == maxAttempts {
			return fmt.Errorf("after %d attempts: %w", attempt, err)
		}
	}
}

func (s *reconnect) conclude(ctx context.Context, r *Result) error {
	r.Storms = s.storms
	r.Failures = s.failures
	if s.failure != nil {
		r.Failure = s.failure.Error()
	}
	r.count(uint64(s.config.Storms*s.config.Dropped), s.spent)
	return s.crowd.discard(ctx)
}
