package bench

import (
	"context"
	"math"
	"time"
)

// mark is what has been counted up to a moment.
type mark struct {
	at            int64
	arrived, sent uint64
	used          bothUsages
}

func (t *traffic) mark() (mark, error) {
	used, err := usages(t.config.PID)
	return mark{at: t.clock(), arrived: t.arrived, sent: t.sent, used: used}, err
}

const (
	sampleInterval = int64(time.Second)
	// maxWait bounds how late the end of the context is seen.
	maxWait = 100 * time.Millisecond
)

// measure warms up, measures, and waits for what is on its way.
func (t *traffic) measure(ctx context.Context) (*Result, error) {
	t.start = t.clock()
	// Nothing counts for the latency yet, and there is no end to what is due.
	t.measureFrom, t.measureTo = math.MaxInt64, math.MaxInt64
	for _, p := range t.publishers {
		p.wake()
	}
	t.now = t.start
	t.refill()
	if err := t.flush(); err != nil {
		return nil, err
	}
	r := newResult(&t.config)
	if err := t.until(ctx, t.start+int64(t.config.Warmup), nil); err != nil {
		return nil, err
	}
	t.began = t.clock()
	if t.beside != nil {
		if err := t.calm(ctx, r); err != nil {
			return nil, err
		}
	}
	from, err := t.mark()
	if err != nil {
		return nil, err
	}
	t.measureFrom = from.at
	if t.beside != nil {
		err = t.disturbed(ctx, r)
		t.measureTo = t.clock()
	} else {
		t.measureTo = from.at + int64(t.config.Duration)
		err = t.until(ctx, t.measureTo, r)
	}
	if err != nil {
		return nil, err
	}
	to, err := t.mark()
	if err != nil {
		return nil, err
	}
	t.stopped = true
	if err := t.drain(ctx); err != nil {
		return nil, err
	}
	if t.arrived == 0 && t.sent > 0 {
		return nil, ErrStalled
	}
	t.latency.Merge(&t.second)
	t.conclude(r, from, to)
	return r, nil
}

// until runs the loop until end. With a Result it adds a Sample every second.
func (t *traffic) until(ctx context.Context, end int64, r *Result) error {
	last := t.clock()
	arrived, sent := t.arrived, t.sent
	for {
		now := t.clock()
		if now >= end || now >= last+sampleInterval {
			// What is left of the last second may be too little to count by.
			const least = 0.05
			if seconds := float64(now-last) / 1e9; r != nil && (len(r.Samples) == 0 || seconds > least) {
				r.sample(t, seconds, t.arrived-arrived, t.sent-sent)
			}
			if now >= last+sampleInterval {
				t.revive()
			}
			last, arrived, sent = now, t.arrived, t.sent
		}
		if now >= end {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		wake := min(end, last+sampleInterval, now+int64(maxWait))
		if t.open() {
			wake = min(wake, t.due())
		}
		if err := t.turn(time.Duration(wake-now), t.refill); err != nil {
			return err
		}
	}
}

// revive gives Publishers whose messages have not arrived for a while their
// window back, so that a broker which drops is measured on and not waited for.
// What was dropped is counted as lost at the end. It counts its calls as seconds.
func (t *traffic) revive() {
	if t.open() {
		return
	}
	for _, p := range t.publishers {
		if p.after == p.before && p.outstanding > 0 {
			if p.idle++; time.Duration(p.idle)*time.Duration(sampleInterval) >= t.config.Patience {
				t.stalls++
				p.credit(p.outstanding)
				p.idle = 0
			}
			continue
		}
		p.before, p.idle = p.after, 0
	}
}

// drain waits for what is on its way, as long as some of it arrives now and
// then, and no longer than it took to send.
func (t *traffic) drain(ctx context.Context) error {
	type state struct {
		arrived        uint64
		unacknowledged int
		backlog        int
	}
	progress := func() state { return state{t.arrived, t.unacknowledged, t.backlog} }
	// An open loop's messages may have become due since its last turn. The last
	// turn of all would send them, and nobody wait for them.
	if err := t.turn(0, t.refill); err != nil {
		return err
	}
	patience := int64(t.config.Patience)
	began := t.clock()
	deadline := began + patience + int64(t.config.Warmup+t.config.Duration)
	last, before := began, progress()
	for t.arrived < (t.sent-t.refused)*uint64(t.plan.fan) || t.unacknowledged > 0 || t.backlog > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.turn(maxWait, t.refill); err != nil {
			return err
		}
		if now := progress(); now != before {
			last, before = t.now, now
		}
		if now := t.clock(); now-last > patience || now > deadline {
			break
		}
	}
	// A duplicate would come right behind, if at all; PUBCOMPs are on their way.
	return t.turn(0, t.refill)
}

// conclude writes what was counted.
func (t *traffic) conclude(r *Result, from, to mark) {
	r.Seconds = float64(to.at-from.at) / 1e9
	r.Operations = to.arrived - from.arrived
	r.Latency = summarize(&t.latency)
	r.use(from.used, to.used)
	r.OperationsPerSecond = float64(r.Operations) / r.Seconds
	r.Messages = &Messages{
		Sent:           t.sent,
		SentPerSecond:  float64(to.sent-from.sent) / r.Seconds,
		Received:       t.arrived + t.duplicates,
		Lost:           t.lost() - min(t.refused*uint64(t.plan.fan), t.lost()),
		Duplicates:     t.duplicates,
		Reordered:      t.reordered,
		Refused:        t.refused,
		Unacknowledged: uint64(t.unacknowledged),
		Unsent:         uint64(t.backlog),
		Foreign:        t.foreign,
		Stalls:         t.stalls,
	}
	if t.refused > 0 {
		r.Messages.Refusal = t.refusal.String()
	}
}
