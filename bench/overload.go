package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/weirmq/weir/codec"
)

// overload is the disturbance of Overload: pairs of a Publisher and a
// Subscriber that takes half of what comes.
type overload struct {
	config  *Config
	dialer  *dialer
	clients []*slowClient // of each pair the Subscriber, then the Publisher
	monitor *client       // nil: it may not subscribe
	said    int           // how often monitor was told a number
	dropped uint64        // the last of them
	before  uint64        // and that before it began
}

// droppedTopic is where mosquitto, Weir and others say so, every now and then.
const (
	droppedTopic = "$SYS/broker/publish/messages/dropped"
	// droppedInterval is how long the next number takes, with both as they come.
	droppedInterval = 10 * time.Second
)

func newOverload(c *Config, d *dialer) *overload { return &overload{config: c, dialer: d} }

func (o *overload) prepare(ctx context.Context) error {
	for i := range o.config.Slow {
		topic := fmt.Sprintf("%s/slow/%d", o.config.TopicPrefix, i)
		take := float64(o.config.Take)
		o.clients = append(o.clients,
			&slowClient{dialer: o.dialer, id: o.dialer.clientID('t', i), topic: topic, pace: pace{rate: take}, subscriber: true},
			&slowClient{dialer: o.dialer, id: o.dialer.clientID('f', i), topic: topic, pace: pace{rate: 2 * take}})
	}
	if err := each(ctx, len(o.clients), atOnce, func(ctx context.Context, i int) error { return o.clients[i].connect(ctx) }); err != nil {
		return err
	}
	monitor, err := o.dialer.dial(ctx, o.dialer.clientID('m', 0), true)
	if err != nil {
		return err
	}
	o.monitor = monitor
	err = monitor.subscribe(ctx, droppedTopic, codec.QoS0)
	if errors.As(err, new(*RefusedError)) {
		o.monitor = nil // the broker does not tell everybody
		return monitor.disconnect()
	}
	return err
}

func (o *overload) close() {
	for _, c := range o.clients {
		c.close()
	}
	if o.monitor != nil {
		o.monitor.close()
	}
}

// disturb lets all of them do what they are slow at.
func (o *overload) disturb(ctx context.Context) error {
	if err := o.catchUp(ctx); err != nil {
		return err
	}
	o.before = o.dropped
	running, over := context.WithTimeout(ctx, o.config.Duration)
	defer over()
	var group sync.WaitGroup
	for _, c := range o.clients {
		group.Go(func() { c.run(running) })
	}
	group.Wait()
	return ctx.Err()
}

// catchUp reads what the broker has said of messages dropped.
func (o *overload) catchUp(ctx context.Context) error {
	return o.watch(ctx, time.Now().Add(slowTick), math.MaxInt)
}

// watch reads it until a moment, or until the broker has said it so often.
func (o *overload) watch(ctx context.Context, until time.Time, said int) error {
	for o.monitor != nil && o.said < said && time.Now().Before(until) {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := min(time.Until(until), maxWait)
		if err := o.monitor.nc.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		f, err := o.monitor.next()
		if isTimeout(err) {
			continue
		}
		if err != nil {
			return &ConnectError{o.monitor.id, o.config.Broker, err}
		}
		if err := o.note(f); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// note takes a message that the broker tells of itself by.
func (o *overload) note(f codec.Frame) error {
	if f.Type != codec.TypePublish {
		return &PacketError{f.Type, "only PUBLISH was asked for"}
	}
	var m codec.Publish
	if err := codec.DecodePublishFromServer(&m, o.config.Version, f.Flags, f.Body); err != nil {
		return err
	}
	if n, err := strconv.ParseUint(string(m.Payload), 10, 64); err == nil {
		o.said++
		o.dropped = n
	}
	return nil
}

func (o *overload) conclude(ctx context.Context, r *Result) error {
	counts := new(OverloadCounts)
	for _, c := range o.clients {
		if c.subscriber {
			counts.Taken += c.messages
		} else {
			counts.Published += c.messages
		}
		counts.Refused += c.refused
		counts.Closed += c.closed
	}
	if err := o.catchUp(ctx); err != nil {
		return err
	}
	// The next number is the first that has everything in it.
	if err := o.watch(ctx, time.Now().Add(droppedInterval+time.Second), o.said+1); err != nil {
		return err
	}
	if o.said > 0 {
		dropped := o.dropped - o.before
		counts.Dropped = &dropped
	}
	r.Overload = counts
	if o.monitor != nil {
		o.monitor.leave()
	}
	for _, c := range o.clients {
		if c.client != nil {
			c.client.leave()
		}
	}
	r.count(r.Operations+counts.Taken, time.Duration(r.Seconds*float64(time.Second)))
	if o.dialer.cleanStart() {
		return nil
	}
	var ids []string
	for _, c := range o.clients {
		ids = append(ids, c.id)
	}
	return o.dialer.discard(ctx, ids)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
