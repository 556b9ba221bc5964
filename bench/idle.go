package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// runIdle runs Idle.
func runIdle(ctx context.Context, c Config) (*Result, error) {
	d, err := newDialer(c, rand.Uint32())
	if err != nil {
		return nil, err
	}
	// What a broker does once when it has started is nothing that a connection adds.
	if err := pause(ctx, c.Warmup); err != nil {
		return nil, err
	}
	before, err := usages(c.PID)
	if err != nil {
		return nil, err
	}
	crowd := newCrowd(d, c.TopicPrefix, c.Connections)
	defer crowd.close()
	began := time.Now()
	if err := crowd.connectAll(ctx); err != nil {
		return nil, err
	}
	connected := time.Since(began)
	r := newResult(&c)
	r.Operations = uint64(c.Connections)
	r.OperationsPerSecond = float64(c.Connections) / connected.Seconds()
	start, err := usages(c.PID)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, c.Duration); err != nil {
		return nil, err
	}
	end, err := usages(c.PID)
	if err != nil {
		return nil, err
	}
	if gone := crowd.gone(); gone > 0 {
		return nil, fmt.Errorf("bench: %d of %d Clients that were silent: %w", gone, c.Connections, errClosed)
	}
	r.Seconds = c.Duration.Seconds()
	r.use(start, end)
	if r.Server != nil {
		r.Server.RSSBefore = before.server.rss
		r.Server.RSSPerOperation = (float64(end.server.rss) - float64(before.server.rss)) / float64(c.Connections)
	}
	return r, crowd.discard(ctx)
}
