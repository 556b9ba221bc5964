package engine

// queued is one message that waits for a Session to be connected, for its
// connection to take more, or for the send quota. It owns a reference to msg.
type queued struct {
	msg      *message
	receiver *receiver
	retained bool // send with RETAIN set, as a new Subscription demands
}

// queue is first in, first out, in a ring that grows. It holds nothing while
// empty, because most Sessions have nothing waiting.
type queue struct {
	ring  []queued // length 0 or a power of two
	head  int
	len   int
	bytes int
}

func (q *queue) push(m queued) {
	if q.len == len(q.ring) {
		ring := make([]queued, max(8, 2*len(q.ring)))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.len)&(len(q.ring)-1)] = m
	q.len++
	q.bytes += m.msg.size()
}

func (q *queue) front() *queued { return &q.ring[q.head] }

// pop removes the front and hands its reference to the caller.
func (q *queue) pop() queued {
	m := q.ring[q.head]
	q.ring[q.head] = queued{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.len--
	q.bytes -= m.msg.size()
	if q.len == 0 && len(q.ring) > 64 {
		q.ring, q.head = nil, 0
	}
	return m
}

// filter removes what keep refuses, and calls removed for each.
func (q *queue) filter(l *loop, keep func(*queued) bool, removed func()) {
	for n := q.len; n > 0; n-- {
		m := q.pop()
		if keep(&m) {
			q.push(m)
			continue
		}
		removed()
		l.stats.MessagesWaiting--
		l.release(m.msg)
	}
}

func (q *queue) clear(l *loop) {
	q.filter(l, func(*queued) bool { return false }, func() { l.dropped(DropSessionEnded, 1) })
	q.ring, q.head = nil, 0
}

// backlog is the retained messages that a SUBSCRIBE found and that have not
// been sent. Unlike the queue it may be as long as the store of retained
// messages; it costs a pointer each.
type backlog struct {
	list []queued
	next int
}

func (b *backlog) len() int { return len(b.list) - b.next }

func (b *backlog) push(m queued) { b.list = append(b.list, m) }

func (b *backlog) front() *queued { return &b.list[b.next] }

func (b *backlog) pop() queued {
	m := b.list[b.next]
	b.list[b.next] = queued{}
	b.next++
	if b.next == len(b.list) {
		b.list, b.next = nil, 0
	}
	return m
}

// filter removes what keep refuses.
func (b *backlog) filter(l *loop, keep func(*queued) bool) {
	for n := b.len(); n > 0; n-- {
		m := b.pop()
		if keep(&m) {
			b.push(m)
			continue
		}
		l.stats.RetainedWaiting--
		l.release(m.msg)
	}
}

func (b *backlog) clear(l *loop) {
	b.filter(l, func(*queued) bool { return false })
}
