package engine

import (
	"sync"
	"sync/atomic"
)

// delivery carries one message to its receivers on another loop: one for each
// loop, however many receivers it has there. It owns a reference to msg.
type delivery struct {
	msg       *message
	receivers []receiver // immutable, shared with the route that it came from
	from      *Session   // who published, for No Local
}

// batch is what crosses from one turn of one loop to another loop.
type batch struct {
	next       *batch
	deliveries []delivery
	task       func(*loop) // instead of deliveries
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) release() {
	clear(b.deliveries)
	*b = batch{deliveries: b.deliveries[:0]}
	batches.Put(b)
}

// mailbox is the only way into a loop: a stack of batches that many push and
// the loop takes whole. Pushing is one compare-and-swap and taking one swap,
// for a turn's worth of messages.
//
// It is bounded by its users: depth counts the deliveries that wait, and
// whoever has deliveries looks at it before posting (see loop.overloaded).
type mailbox struct {
	head  atomic.Pointer[batch]
	depth atomic.Int64
	// bell is set from the first push after a take to the next take, so that
	// a loop is woken once for whatever arrives in between.
	bell atomic.Bool
}

// push adds b and reports whether the loop must be woken. Safe for concurrent
// use.
func (m *mailbox) push(b *batch) (wake bool) {
	if n := len(b.deliveries); n > 0 {
		m.depth.Add(int64(n))
	}
	for {
		old := m.head.Load()
		b.next = old
		if m.head.CompareAndSwap(old, b) {
			return !m.bell.Swap(true)
		}
	}
}

// take removes everything and returns it, oldest first.
func (m *mailbox) take() *batch {
	// The bell first: a push after this line rings again, one before it is
	// seen by the swap.
	m.bell.Store(false)
	var oldest *batch
	for b := m.head.Swap(nil); b != nil; {
		next := b.next
		b.next = oldest
		oldest = b
		b = next
	}
	return oldest
}

func (m *mailbox) empty() bool { return m.head.Load() == nil }

// listen is for a loop that had a turn without a take: it has the next push wake
// it, and reports whether it must take before it sleeps. A push rings after it has
// added its batch, so it may have rung in vain for what was taken before.
func (m *mailbox) listen() (more bool) {
	m.bell.Store(false)
	return !m.empty()
}

// post has task run on l in a turn of its own or together with other work.
// Safe for concurrent use. Tasks of one goroutine run in the order posted.
func (l *loop) post(task func(*loop)) {
	b := batches.Get().(*batch)
	b.task = task
	if l.inbox.push(b) {
		l.driver.wake(l)
	}
}

// postDelivery puts msg for receivers on another loop into this turn's batch
// for that loop. It takes a reference of its own.
func (l *loop) postDelivery(to *loop, msg *message, receivers []receiver, from *Session) {
	b := l.outbox[to.index]
	if b == nil {
		b = batches.Get().(*batch)
		l.outbox[to.index] = b
		l.outboxes++
	}
	msg.ref(1)
	b.deliveries = append(b.deliveries, delivery{msg, receivers, from})
}

// sendOutbox pushes what this turn has for other loops: one push and at most
// one wake-up for each.
func (l *loop) sendOutbox() {
	if l.outboxes == 0 {
		return
	}
	l.tellHeld() // before others decide by it whether they have room
	for i, b := range l.outbox {
		if b == nil {
			continue
		}
		l.outbox[i] = nil
		to := l.engine.loops[i]
		if to.inbox.push(b) {
			l.driver.wake(to)
		}
	}
	l.outboxes = 0
}

// drainInbox does what other loops and goroutines have posted, in order.
func (l *loop) drainInbox() {
	for b := l.inbox.take(); b != nil; {
		next := b.next
		if b.task != nil {
			l.runTask(b.task)
		} else {
			l.inbox.depth.Add(-int64(len(b.deliveries)))
			l.runDeliveries(b.deliveries)
		}
		b.release()
		b = next
	}
}

// postSingly has task run on l, like post, but a few at a time: it is about one
// Client, and nobody else should wait for that. There are thousands of them at once
// when the server of an authenticator comes back, or when as many credentials
// expire. Tasks of one goroutine run in the order posted. Safe for concurrent use.
func (l *loop) postSingly(task func(*loop)) {
	b := batches.Get().(*batch)
	b.task = task
	if l.singles.push(b) {
		l.driver.wake(l)
	}
}

// runSingles runs a few tasks of postSingly.
func (l *loop) runSingles() {
	for range l.crowd() {
		if l.takenSingles == nil {
			l.takenSingles = l.singles.take()
		}
		b := l.takenSingles
		if b == nil {
			return
		}
		l.takenSingles = b.next
		l.runTask(b.task)
		b.release()
	}
	if l.takenSingles != nil || l.singles.listen() {
		l.driver.wake(l)
	}
}

func (l *loop) runTask(task func(*loop)) {
	defer l.contain(nil)
	task(l)
}

func (l *loop) runDeliveries(ds []delivery) {
	for i := range ds {
		l.runDelivery(&ds[i])
	}
}

func (l *loop) runDelivery(d *delivery) {
	defer l.contain(nil)
	if d.msg.expired(l.now) {
		// It waited here for too long [MQTT-3.3.2-5].
		l.stats.MessagesExpired += uint64(len(d.receivers))
	} else {
		var p publication
		p.of(d.msg)
		p.from = d.from
		l.deliver(&p, d.receivers)
	}
	l.release(d.msg)
}
