package bench

import (
	"context"
	"fmt"
)

// crowd is Clients that have a Subscription each and are silent. They are
// descriptors and nothing else: this process has no use for what TLS would keep
// of them.
type crowd struct {
	dialer      *dialer
	prefix      string // of their Topic Filters
	descriptors []int  // 0: not connected
}

func newCrowd(d *dialer, prefix string, n int) *crowd {
	return &crowd{dialer: d, prefix: prefix, descriptors: make([]int, n)}
}

func (c *crowd) id(i int) string { return c.dialer.clientID('i', i) }

// connect connects and subscribes the i-th. Safe for concurrent use with
// different ones.
func (c *crowd) connect(ctx context.Context, i int) error {
	client, err := c.dialer.dial(ctx, c.id(i), c.dialer.cleanStart())
	if err != nil {
		return err
	}
	defer client.close()
	if err := client.subscribe(ctx, fmt.Sprintf("%s/%d", c.prefix, i), c.dialer.config.QoS); err != nil {
		return err
	}
	c.descriptors[i], err = client.detach()
	return err
}

// connectAll connects all of them.
func (c *crowd) connectAll(ctx context.Context) error {
	return each(ctx, len(c.descriptors), atOnce, c.connect)
}

// gone returns how many of those that are connected the broker has left.
func (c *crowd) gone() (n int) {
	for _, fd := range c.descriptors {
		if fd != 0 && socketEnded(fd) {
			n++
		}
	}
	return n
}

// drop ends the connection of the i-th without a word, with an RST, as a
// machine does that has been restarted. It leaves no port in TIME_WAIT either.
func (c *crowd) drop(i int) {
	abortSocket(c.descriptors[i])
	c.descriptors[i] = 0
}

// close closes the connections.
func (c *crowd) close() {
	for _, fd := range c.descriptors {
		if fd != 0 {
			closeSocket(fd)
		}
	}
}

// discard ends the Sessions, if they outlive the connections.
func (c *crowd) discard(ctx context.Context) error {
	if c.dialer.config.SessionExpiry == 0 {
		return nil
	}
	ids := make([]string, len(c.descriptors))
	for i := range ids {
		ids[i] = c.id(i)
	}
	return c.dialer.discard(ctx, ids)
}
