package engine

import (
	"fmt"
	"strings"
)

// DropCause is why a message did not go to one of its receivers.
type DropCause byte

const (
	// DropNotConnected: the message had QoS 0 for this receiver, and the Client
	// was not there.
	DropNotConnected DropCause = iota
	// DropCongested: it had QoS 0, and the Client takes less than there is.
	DropCongested
	// DropQueueFull: the queue of the Session, or all queues together, had no
	// room; see Limits.QueuedMessages, QueuedBytes, HeldMessages and HeldBytes.
	DropQueueFull
	// DropDisplaced: it made room for a newer one, see DropOldest.
	DropDisplaced
	// DropTooLarge: the Client's Maximum Packet Size is smaller, and no other
	// member of the Shared Subscription took it.
	DropTooLarge
	// DropRevoked: the Client may no longer have the Subscription that it waited
	// for.
	DropRevoked
	// DropRetainedBacklog: a SUBSCRIBE found more retained messages than
	// Limits.RetainedBacklog.
	DropRetainedBacklog
	// DropSessionEnded: the Session that it waited in ended.
	DropSessionEnded
	// DropLoopBusy: it had QoS 0, and the receiver's event loop could not keep
	// up.
	DropLoopBusy

	dropCauses
)

var dropCauseNames = [dropCauses]string{
	"not connected", "congested", "queue full", "displaced", "too large",
	"revoked", "retained backlog", "session ended", "loop busy",
}

func (c DropCause) String() string {
	if c >= dropCauses {
		return "unknown"
	}
	return dropCauseNames[c]
}

// DropCounts is how many messages were dropped for each cause.
type DropCounts [dropCauses]uint64

// Of returns how many were dropped for this cause.
func (d *DropCounts) Of(c DropCause) uint64 {
	if c >= dropCauses {
		return 0
	}
	return d[c]
}

// String lists the causes for which any were dropped.
func (d *DropCounts) String() string {
	var b strings.Builder
	for cause, n := range d {
		if n == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %d", DropCause(cause), n)
	}
	return b.String()
}

// sessionDrops is what a Session lost. Most lose nothing and have none.
type sessionDrops struct {
	counts DropCounts
	untold bool  // something of counts
	told   int64 // loop time of the last event
}

// dropped counts n messages that nobody is told of: the Session is gone, or
// belongs to another loop.
func (l *loop) dropped(cause DropCause, n int) {
	l.stats.MessagesDropped += uint64(n)
	l.stats.DroppedFor[cause] += uint64(n)
}

// dropped counts a message, and says so, once in dropInterval at most. That
// there is nobody to take QoS 0 is no news.
func (s *Session) dropped(cause DropCause) {
	s.loop.dropped(cause, 1)
	if cause == DropNotConnected {
		return
	}
	t := s.inTransit()
	if t.drops == nil {
		t.drops = new(sessionDrops)
	}
	d := t.drops
	d.counts[cause]++
	d.untold = true
	if d.told == 0 || s.loop.now-d.told >= int64(dropInterval) {
		s.tellDrops()
	}
}

// tellDrops says what has been dropped for the Session so far, if that is news.
func (s *Session) tellDrops() {
	if s.transit == nil || s.transit.drops == nil || !s.transit.drops.untold {
		return
	}
	d := s.transit.drops
	d.untold, d.told = false, s.loop.now
	s.loop.engine.droppedMessages(s, d.counts)
}
