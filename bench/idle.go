package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// runIdle runs Idle. The connections are descriptors and nothing else: this
// process has no use for what TLS would keep of them.
func runIdle(ctx context.Context, c Config) (*Result, error) {
	d, err := newDialer(c, rand.Uint32())
	if err != nil {
		return nil, err
	}
	before, err := usages(c.PID)
	if err != nil {
		return nil, err
	}
	var ids []string
	descriptors := make([]int, c.Connections)
	defer func() {
		for _, fd := range descriptors {
			if fd != 0 {
				closeSocket(fd)
			}
		}
	}()
	began := time.Now()
	for i := range c.Connections {
		ids = append(ids, d.clientID('i', i))
	}
	err = each(ctx, c.Connections, atOnce, func(ctx context.Context, i int) error {
		client, err := d.dial(ctx, ids[i], d.cleanStart())
		if err != nil {
			return err
		}
		defer client.close()
		if err := client.subscribe(fmt.Sprintf("%s/%d", c.TopicPrefix, i)); err != nil {
			return err
		}
		descriptors[i], err = client.detach()
		return err
	})
	if err != nil {
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
	r.Seconds = c.Duration.Seconds()
	r.use(start, end)
	if r.Server != nil {
		r.Server.RSSBefore = before.server.rss
		r.Server.RSSPerOperation = (float64(end.server.rss) - float64(before.server.rss)) / float64(c.Connections)
	}
	if c.SessionExpiry > 0 {
		return r, d.discard(ctx, ids)
	}
	return r, nil
}
