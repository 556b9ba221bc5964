package bench

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/weirmq/weir/codec"
)

// traffic is a run in which messages flow.
type traffic struct {
	*loop
	config Config
	plan   *plan
	dialer *dialer
	run    uint32

	publishers  []*publisher
	subscribers []*subscriber
	flows       []flow
	ready       []*publisher // those that may be able to publish
	beside      disturbance  // nil: none
	padding     []byte       // a Payload

	// An open loop has message k sent at start + k*interval, by Publisher k
	// modulo their number.
	start    int64
	interval float64 // nanoseconds
	next     int     // k of the next

	// Only messages that were to be sent from measureFrom until measureTo count
	// for the latency.
	measureFrom, measureTo int64
	began                  int64     // when the measurement did
	second                 Histogram // since the last Sample
	latency                Histogram // before that

	sent           uint64
	arrived        uint64 // deliveries, without duplicates
	duplicates     uint64
	reordered      uint64
	foreign        uint64 // messages that are none of this run
	refused        uint64 // messages that the broker did not accept
	refusal        codec.ReasonCode
	unacknowledged int
	stalls         uint64
	backlog        int  // open loop: messages that are due and not sent
	stopped        bool // nothing is published any more, but for the backlog
}

// open reports whether the loop is.
func (t *traffic) open() bool { return t.config.Rate > 0 }

// runTraffic runs a scenario with traffic.
func runTraffic(ctx context.Context, c Config) (*Result, error) {
	run := rand.Uint32()
	d, err := newDialer(c, run)
	if err != nil {
		return nil, err
	}
	p := newPlan(&c)
	longest := 0
	for i := range p.topics {
		longest = max(longest, len(p.topics[i].head))
	}
	const headroom = 1024 // for properties that a broker adds
	l, err := newLoop(longest + c.Size + headroom)
	if err != nil {
		return nil, err
	}
	defer l.close()
	t := &traffic{loop: l, config: c, plan: p, dialer: d, run: run, flows: make([]flow, p.flows), padding: make([]byte, c.Size)}
	for i := range t.padding {
		t.padding[i] = byte('a' + i%26)
	}
	if t.open() {
		t.interval = 1e9 / c.Rate
	}
	t.beside = newDisturbance(&c, d)
	if err := t.connect(ctx); err != nil {
		return nil, err
	}
	if t.beside != nil {
		defer t.beside.close()
		if err := t.beside.prepare(ctx); err != nil {
			return nil, err
		}
	}
	r, err := t.onThread(ctx)
	if err != nil {
		return nil, err
	}
	if t.beside != nil {
		if err := t.beside.conclude(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, t.leave(ctx)
}

// connect makes the connections, those of Subscribers first, and moves them to
// the loop.
func (t *traffic) connect(ctx context.Context) error {
	clients := make([]*client, len(t.plan.filters)+t.config.Publishers)
	subscribers, publishers := clients[:len(t.plan.filters)], clients[len(t.plan.filters):]
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.close()
			}
		}
	}()
	dial := func(role byte, to []*client, then func(ctx context.Context, i int, c *client) error) error {
		return each(ctx, len(to), atOnce, func(ctx context.Context, i int) (err error) {
			if to[i], err = t.dialer.dial(ctx, t.dialer.clientID(role, i), t.dialer.cleanStart()); err != nil {
				return err
			}
			return then(ctx, i, to[i])
		})
	}
	subscribe := func(ctx context.Context, i int, c *client) error {
		return c.subscribe(ctx, t.plan.filters[i], t.config.QoS)
	}
	if err := dial('s', subscribers, subscribe); err != nil {
		return err
	}
	if err := dial('p', publishers, func(context.Context, int, *client) error { return nil }); err != nil {
		return err
	}
	for i, c := range subscribers {
		s := &subscriber{traffic: t, index: int32(i)}
		t.subscribers = append(t.subscribers, s)
		var err error
		if s.conn, err = t.adopt(c, s); err != nil {
			return err
		}
	}
	for i, c := range publishers {
		p := &publisher{traffic: t, index: i, topics: t.plan.publishers[i]}
		t.publishers = append(t.publishers, p)
		var err error
		if p.conn, err = t.adopt(c, p); err != nil {
			return err
		}
		if t.config.QoS > codec.QoS0 {
			quota := c.receiveMaximum
			if !t.open() {
				quota = t.config.Window
				if t.config.Version == codec.V5 {
					quota = min(quota, c.receiveMaximum) // [MQTT-3.3.4-7]
				}
			}
			p.setQuota(quota)
		}
	}
	return nil
}

// adopt moves a connection to the loop.
func (t *traffic) adopt(c *client, h handler) (*conn, error) {
	fd, err := c.detach()
	if err != nil {
		return nil, err
	}
	return t.add(fd, c.layers, c.packets, h)
}

// onThread runs the loop on a thread of its own, which ends with it: what it
// asks of the kernel must not stay with a thread that Go uses again.
func (t *traffic) onThread(ctx context.Context) (r *Result, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		sharpenTimer()
		r, err = t.measure(ctx)
	}()
	<-done
	return r, err
}

// delivered takes a message that has come to s.
func (t *traffic) delivered(s *subscriber, h *header) {
	if h.run != t.run || int(h.topic) >= len(t.plan.topics) {
		t.foreign++
		return
	}
	topic := &t.plan.topics[h.topic]
	index, ours := topic.flow(s.index)
	if !ours || h.sequence >= topic.sent {
		t.foreign++
		return
	}
	p := t.publishers[topic.publisher]
	switch what, skipped := t.flows[index].observe(h.sequence); what {
	case duplicate:
		t.duplicates++
		return
	case late:
		// Its credit was given when it was skipped.
		t.reordered++
	default:
		p.after++
		p.credit(1 + int(skipped))
	}
	t.arrived++
	if h.sent >= t.measureFrom && h.sent < t.measureTo {
		t.second.Record(time.Duration(t.now - h.sent))
	}
}

func (t *traffic) refuse(code codec.ReasonCode) {
	t.refused++
	t.refusal = code
}

// refill has those publish who may.
func (t *traffic) refill() {
	if t.open() {
		// Those that were to be sent before the end are sent, however late it
		// is: without them the broker's last pause would be left out.
		for due := t.due(); due <= t.now && due < t.measureTo; due = t.due() {
			p := t.publishers[t.next%len(t.publishers)]
			p.due++
			p.wake()
			t.next++
			t.backlog++
		}
	}
	for _, p := range t.ready {
		p.ready = false
		if !t.stopped || p.due > 0 {
			p.refill()
		}
	}
	t.ready = t.ready[:0]
	// What the connection does not take yet is tried again with the next
	// acknowledgement, delivery or message that is due.
}

// due returns when the next message of an open loop is to be sent.
func (t *traffic) due() int64 { return t.start + int64(float64(t.next)*t.interval) }

// intended returns when the next message of p is to be sent.
func (t *traffic) intended(p *publisher) int64 {
	k := p.sent*len(t.publishers) + p.index
	return t.start + int64(float64(k)*t.interval)
}

// lost returns how many deliveries of what was sent have not been made.
func (t *traffic) lost() (n uint64) {
	for i := range t.plan.topics {
		topic := &t.plan.topics[i]
		for k := range t.plan.fan {
			n += t.flows[topic.flows+k].lost(topic.sent)
		}
	}
	return n
}

// leave disconnects all Clients.
func (t *traffic) leave(ctx context.Context) error {
	t.stopped = true
	goodbye := t.dialer.goodbye()
	for _, c := range t.conns {
		c.out = append(c.out, goodbye...)
		// The broker may be the first to close, and then there is nobody to tell.
		_ = c.flush()
	}
	if t.dialer.cleanStart() {
		return nil
	}
	var ids []string
	for _, p := range t.publishers {
		ids = append(ids, p.String())
	}
	for _, s := range t.subscribers {
		ids = append(ids, s.String())
	}
	return t.dialer.discard(ctx, ids)
}
