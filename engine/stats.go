package engine

import (
	"context"
)

// Stats counts what the engine has done since it started, and what it holds.
type Stats struct {
	// What there is.
	Connections   int64 // with a CONNACK or on the way to one
	Sessions      int64 // connected or not
	Subscriptions int64
	// MessagesWaiting are those in the queues of Sessions, once for each.
	MessagesWaiting int64
	// MessagesInFlight are sent and not acknowledged, and RetainedWaiting those
	// retained messages that a SUBSCRIBE found and that have not been sent: once
	// for each Session as well.
	MessagesInFlight int64
	RetainedWaiting  int64
	// BytesHeld is the size of what waits and is in flight, of Wills and of what
	// is between loops, each message once; see Limits.HeldBytes.
	BytesHeld         int64
	InputBytes        int64 // as Limits.InputBytes counts them
	SubscriptionBytes int64 // as Limits.SubscriptionBytes counts them
	Retained          int64
	RetainedBytes     int64 // Topic Names, properties and payloads

	ConnectionsOpened     uint64 // accepted, and past the TLS handshake
	ConnectionsAccepted   uint64 // CONNACK with Success
	ConnectionsClosed     [closeReasons]uint64
	ConnectionsDelayed    uint64 // times that accepting waited, see Listener.ConnectRate
	ConnectionsDenied     uint64 // known Clients that may not connect
	ConnectionsMoved      uint64 // to the loop of their Session
	ConnectionsCongested  uint64 // times that one did not take its output
	AuthenticationsDenied uint64
	// AuthenticationsRefused are those of AuthenticationsDenied that found too
	// many waiting.
	AuthenticationsRefused uint64
	Reauthentications      uint64 // AUTH answered with Success
	// ReauthenticationsDeferred are AUTHs that could not be judged, and were
	// answered with Continue authentication.
	ReauthenticationsDeferred uint64

	PacketsReceived      uint64
	BytesReceived        uint64
	BytesSent            uint64
	PublishesReceived    uint64
	PublishesSent        uint64
	PublicationsDenied   uint64
	PublicationsRefused  uint64 // for want of room
	TopicsRefused        uint64 // Topic Names and Topic Filters that are not valid, too long or too deep
	SubscriptionsDenied  uint64
	SubscriptionsRevoked uint64
	SubscriptionsRefused uint64 // for want of room
	SessionsRefused      uint64 // for want of room, with their Wills

	MessagesQueued   uint64     // that had to wait in a Session
	MessagesDropped  uint64     // for a receiver that was not there or did not take them
	DroppedFor       DropCounts // the same by cause
	MessagesExpired  uint64
	RetainedExpired  uint64
	RetainedRefused  uint64 // retained messages that the bounds left no room for
	MessagesTooLarge uint64 // for a receiver's Maximum Packet Size
	WillsPublished   uint64
	SessionsExpired  uint64

	// What was asked for and reduced to a bound: see Limits.MaximumKeepAlive,
	// MaximumSessionExpiry and MaximumMessageExpiry.
	KeepAlivesReduced      uint64
	SessionExpiriesReduced uint64
	MessageExpiriesReduced uint64

	RoutesResolved uint64 // route cache misses
	Panics         uint64 // our bugs, contained
	EventsDropped  uint64
}

// Closed returns how many connections ended for this reason.
func (s *Stats) Closed(r CloseReason) uint64 {
	if r >= closeReasons {
		return 0
	}
	return s.ConnectionsClosed[r]
}

// add sums the counters of loops.
func (s *Stats) add(o *Stats) {
	s.Connections += o.Connections
	s.Sessions += o.Sessions
	s.Subscriptions += o.Subscriptions
	s.MessagesWaiting += o.MessagesWaiting
	s.MessagesInFlight += o.MessagesInFlight
	s.RetainedWaiting += o.RetainedWaiting
	s.BytesHeld += o.BytesHeld
	s.ConnectionsOpened += o.ConnectionsOpened
	s.ConnectionsAccepted += o.ConnectionsAccepted
	for i := range s.ConnectionsClosed {
		s.ConnectionsClosed[i] += o.ConnectionsClosed[i]
	}
	s.ConnectionsDenied += o.ConnectionsDenied
	s.ConnectionsMoved += o.ConnectionsMoved
	s.ConnectionsCongested += o.ConnectionsCongested
	s.AuthenticationsDenied += o.AuthenticationsDenied
	s.AuthenticationsRefused += o.AuthenticationsRefused
	s.Reauthentications += o.Reauthentications
	s.ReauthenticationsDeferred += o.ReauthenticationsDeferred
	s.PacketsReceived += o.PacketsReceived
	s.BytesReceived += o.BytesReceived
	s.BytesSent += o.BytesSent
	s.PublishesReceived += o.PublishesReceived
	s.PublishesSent += o.PublishesSent
	s.PublicationsDenied += o.PublicationsDenied
	s.PublicationsRefused += o.PublicationsRefused
	s.TopicsRefused += o.TopicsRefused
	s.SubscriptionsDenied += o.SubscriptionsDenied
	s.SubscriptionsRevoked += o.SubscriptionsRevoked
	s.SubscriptionsRefused += o.SubscriptionsRefused
	s.SessionsRefused += o.SessionsRefused
	s.MessagesQueued += o.MessagesQueued
	s.MessagesDropped += o.MessagesDropped
	for i := range s.DroppedFor {
		s.DroppedFor[i] += o.DroppedFor[i]
	}
	s.MessagesExpired += o.MessagesExpired
	s.MessagesTooLarge += o.MessagesTooLarge
	s.WillsPublished += o.WillsPublished
	s.SessionsExpired += o.SessionsExpired
	s.KeepAlivesReduced += o.KeepAlivesReduced
	s.SessionExpiriesReduced += o.SessionExpiriesReduced
	s.MessageExpiriesReduced += o.MessageExpiriesReduced
	s.RoutesResolved += o.RoutesResolved
	s.Panics += o.Panics
}

// Stats asks each loop for its counters and sums them up. The loops count
// without synchronization, so that counting costs traffic nothing; the price
// is that this waits for a turn of every loop.
func (e *Engine) Stats(ctx context.Context) (Stats, error) {
	var sum Stats
	answers := make(chan Stats, len(e.loops))
	if err := e.ready(); err != nil {
		return sum, err
	}
	for _, l := range e.loops {
		l.post(func(l *loop) {
			s := l.stats
			s.Connections = int64(l.conns.len)
			answers <- s
		})
	}
	for range e.loops {
		select {
		case s := <-answers:
			sum.add(&s)
		case <-ctx.Done():
			return Stats{}, ctx.Err()
		case <-e.background.Done():
			return Stats{}, ErrClosed
		}
	}
	sum.Retained = int64(e.retained.index.Len())
	sum.RetainedBytes = e.retained.bytes.Load()
	sum.BytesHeld += e.held.fromStore.Load()
	sum.InputBytes = e.input.Load()
	sum.SubscriptionBytes = e.filters.Load()
	sum.ConnectionsDelayed = e.delayed.Load()
	sum.RetainedExpired = e.retained.expired.Load()
	sum.RetainedRefused = e.retained.refused.Load()
	e.early.addTo(&sum)
	sum.Panics += e.panics.Load()
	sum.EventsDropped = e.events.dropped.Load()
	return sum, nil
}
