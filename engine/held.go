package engine

import "sync/atomic"

// holdings is what is kept for all Sessions together, see Limits.HeldMessages
// and Limits.HeldBytes. Loops count for themselves, without synchronization,
// and tell what has changed by more than a little: so messages that come and go
// cost nobody a shared counter.
type holdings struct {
	messages atomic.Int64
	bytes    atomic.Int64
	// fromStore is what of bytes came from the store of retained messages.
	fromStore atomic.Int64

	maxMessages, maxBytes     int64
	slackMessages, slackBytes int64 // what a loop need not tell
}

// init sets the bounds. What all loops together leave untold is at most a
// sixteenth of them.
func (h *holdings) init(limits *Limits, loops int) {
	h.maxMessages, h.maxBytes = int64(limits.HeldMessages), int64(limits.HeldBytes)
	h.slackMessages = min(1<<10, h.maxMessages/int64(16*loops))
	h.slackBytes = min(64<<10, h.maxBytes/int64(16*loops))
}

// retained takes over a message that is retained no more, and in use.
func (h *holdings) retained(size int) {
	h.fromStore.Add(int64(size))
	h.bytes.Add(int64(size))
}

// full reports whether no more is to be taken in.
func (h *holdings) full() bool {
	return h.messages.Load() >= h.maxMessages || h.bytes.Load() >= h.maxBytes
}

// queuesFull reports whether queues must not grow by one message, of which so
// many bytes do not count yet.
func (h *holdings) queuesFull(uncounted int) bool {
	return h.messages.Load() >= h.maxMessages-h.maxMessages/4 || h.bytes.Load()+int64(uncounted) > h.maxBytes-h.maxBytes/4
}

// tellHeld tells the engine what this loop holds, if that has changed enough.
func (l *loop) tellHeld() {
	h := &l.engine.held
	messages := l.stats.MessagesWaiting + l.stats.MessagesInFlight + l.stats.RetainedWaiting
	if d := messages - l.toldMessages; d > h.slackMessages || d < -h.slackMessages {
		h.messages.Add(d)
		l.toldMessages = messages
	}
	if d := l.stats.BytesHeld - l.toldBytes; d > h.slackBytes || d < -h.slackBytes {
		h.bytes.Add(d)
		l.toldBytes = l.stats.BytesHeld
	}
}

// full reports whether the engine holds as many messages as it may.
func (l *loop) full() bool {
	l.tellHeld()
	return l.engine.held.full()
}

// queuesFull reports whether the engine holds so much that a message which
// would have to wait is dropped.
func (l *loop) queuesFull(uncounted int) bool {
	l.tellHeld()
	return l.engine.held.queuesFull(uncounted)
}

// release gives back one reference to m.
func (l *loop) release(m *message) { l.stats.BytesHeld -= int64(m.release()) }
