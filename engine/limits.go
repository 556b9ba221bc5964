package engine

import "time"

// Limits bounds what peers can make the engine hold or do. A zero field takes
// the default given with it.
type Limits struct {
	// MaximumPacketSize is the largest Control Packet in bytes that a Client
	// may send, announced in CONNACK. A WebSocket frame may be as long, and 64
	// KiB in any case. Default 16 MiB.
	MaximumPacketSize uint32

	// InputBytes bounds what all connections together hold of packets that are
	// not complete, or wait; up to 4 KiB of a connection do not count. One whose
	// input would be beyond it is closed with Quota exceeded. Default 1 GiB.
	InputBytes int

	// ConnectPacketSize is the largest CONNECT in bytes: it arrives before
	// anybody knows who sends it. Default 256 KiB, which holds every CONNECT
	// whose fields have their full length.
	ConnectPacketSize uint32

	// ConnectTimeout is the time from accepting a connection, or from the end
	// of its TLS handshake, to a complete CONNECT; on a WebSockets port the
	// HTTP request is within it. Default 10 s.
	ConnectTimeout time.Duration

	// AuthenticationTimeout is the time in which authenticators and
	// authorizers that wait must answer. Where the Subscriptions of a Session
	// have to be confirmed it begins anew as long as an authorizer answers
	// something within it. Default 10 s.
	AuthenticationTimeout time.Duration

	// PendingAuthentications is the number of Clients that may wait for an
	// authenticator or authorizer; further ones get Server busy. A custom
	// authorizer is asked about a quarter as many more that are connected when
	// the policy has changed, the others wait for their turn. Default 4096.
	PendingAuthentications int

	// Connections is the number of open connections over all listeners.
	// Default 1,000,000, so that in practice the descriptor limit decides.
	Connections int

	// Sessions is the number of Sessions, connected or not. A Client that needs
	// a new one beyond it is refused with Quota exceeded. Default 1,000,000.
	Sessions int

	// RetainedMessages and RetainedBytes bound the retained messages. One that
	// does not fit is delivered to present Subscriptions, and not kept; it is
	// counted in Stats.RetainedRefused. Defaults 1,000,000 and 1 GiB.
	RetainedMessages int
	RetainedBytes    int

	// ReceiveMaximum is the number of PUBLISH packets with QoS 1 and 2 that a
	// Client may have unacknowledged, announced in CONNACK. Before MQTT 5 there
	// is no such announcement and no such bound. Default 100.
	ReceiveMaximum uint16

	// TopicAliasMaximum is the number of Topic Aliases that a Client may use,
	// announced in CONNACK. Default 32.
	TopicAliasMaximum uint16

	// Inflight caps the PUBLISH packets with QoS 1 and 2 that are
	// unacknowledged by one Client, whatever Receive Maximum it announced.
	// Default 1024.
	Inflight uint16

	// QueuedMessages and QueuedBytes bound what waits for one Session, beyond
	// what is in flight, which QueuedBytes bounds as well. Of the messages that
	// do not fit QueueStrategy drops some, which are counted. Defaults 1000 and
	// 16 MiB.
	QueuedMessages int
	QueuedBytes    int

	// QueueStrategy is what is dropped at these bounds. Default DropNewest.
	QueueStrategy QueueStrategy

	// RetainedBacklog is the number of retained messages that may wait for
	// one Client after SUBSCRIBE. Default 100,000.
	RetainedBacklog int

	// HeldMessages and HeldBytes bound what is kept for all Sessions together.
	// A message counts once for each Session that it waits for or is in flight
	// to; its bytes count once, also in Wills and between loops. Queues take
	// three quarters of either, as if full beyond: the rest is for what flows.
	// At the bound PUBLISH packets with QoS 1 and 2 that somebody would receive
	// are refused with Quota exceeded, and so are Wills. Defaults 10,000,000 and
	// 1 GiB.
	HeldMessages int
	HeldBytes    int

	// Subscriptions is the number of Subscriptions of one Session; further ones
	// are refused with Quota exceeded. Default 10,000.
	Subscriptions int

	// SubscriptionBytes bounds the Subscriptions of all Sessions together: each
	// counts the length of its Topic Filter, 256, and 128 for each level, which
	// is about the memory that it takes. Further ones are refused with Quota
	// exceeded. Default 1 GiB.
	SubscriptionBytes int

	// TopicLength is the length in bytes, and TopicLevels the number of levels,
	// of a Topic Name or Topic Filter, "$share" included. Beyond them it is
	// refused with Topic Name invalid or Topic Filter invalid. Defaults 4096
	// and 128.
	TopicLength int
	TopicLevels int

	// OutboundSoftBytes is how much may wait in a connection's socket buffer
	// of ours before QoS 0 messages for it are dropped and QoS 1 and 2
	// messages wait in the Session. Default 256 KiB.
	OutboundSoftBytes int

	// OutboundHardBytes closes a connection for which more than this waits.
	// Default 32 MiB; at least one packet of MaximumPacketSize fits.
	OutboundHardBytes int

	// SlowConsumerTimeout closes a connection that has been above
	// OutboundSoftBytes for so long without taking anything. Default 60 s.
	SlowConsumerTimeout time.Duration

	// MaximumKeepAlive, in seconds, is the longest Keep Alive a Client may
	// have; a longer one or none is replaced through Server Keep Alive. Zero
	// means no bound.
	MaximumKeepAlive uint16

	// MaximumSessionExpiry, in seconds, bounds the Session Expiry Interval,
	// and is the one that 3.1.1 Sessions without Clean Session get. Zero
	// means no bound.
	MaximumSessionExpiry uint32

	// MaximumMessageExpiry, in seconds, bounds the Message Expiry Interval of
	// every message, retained ones and those without one included. Zero means
	// no bound.
	MaximumMessageExpiry uint32

	// DrainTimeout is the time that Run takes, once its context has ended, to
	// write what waits and close connections. Default 5 s.
	DrainTimeout time.Duration
}

// QueueStrategy is what becomes of a message that does not fit into the queue
// of a Session.
type QueueStrategy byte

const (
	// DropNewest drops the message: the older ones were promised first.
	DropNewest QueueStrategy = iota
	// DropOldest drops the messages at the head of the queue until it fits, for
	// Clients that want the latest. What is in flight stays: it may have arrived.
	DropOldest
)

// String returns "DropNewest" or "DropOldest".
func (s QueueStrategy) String() string {
	if s == DropOldest {
		return "DropOldest"
	}
	return "DropNewest"
}

// What follows protects the engine from itself and is not for operators.
const (
	// maxCarryBytes bounds what is read ahead of a packet that waits for an
	// answer (authenticator, authorizer): past it the connection closes.
	maxCarryBytes = 1 << 20

	// smallInput is how much input of a connection is not counted: the rest of a
	// usual read, so that usual packets cost no shared counter, and are not
	// refused for others' large ones.
	smallInput = 4 << 10

	// maxRoutes bounds each generation of a loop's route cache.
	maxRoutes = 1 << 15

	// maxRouteReceivers bounds the receivers in each generation of a loop's
	// route cache, at 48 bytes each.
	maxRouteReceivers = 1 << 20

	// maxLastReceivers is up to where a connection remembers the route of its
	// last PUBLISH beside the cache. For a larger one a lookup is nothing
	// against the delivery, and every Client's could be another.
	maxLastReceivers = 256

	// maxMailboxMessages is the number of deliveries that may wait for one
	// loop before QoS 0 deliveries from other loops are dropped; at twice
	// that, QoS 1 and 2 publications are refused with Quota exceeded.
	maxMailboxMessages = 1 << 16

	// maxEvents is the number of events that may wait for the Logger.
	maxEvents = 4096

	// dropInterval is how often at most it is said of a Client that messages for
	// it are dropped.
	dropInterval = 10 * time.Second

	// lendBytes is the size from which on a payload is written from where it is: a
	// piece more to write costs as much as some KB to copy.
	lendBytes = 4 << 10

	// turnLentBytes is how much of lent payloads a loop lets gather before it
	// writes all output. With more of it pairs of 16 KB took a tenth more CPU
	// time, and their 99th percentile doubled.
	turnLentBytes = 64 << 10

	// flushBytes is how much output a connection gathers within a turn before
	// it is written in the middle of it, so that one turn cannot gather
	// without bound.
	flushBytes = 256 << 10

	// maxDecisions bounds the answers of a custom Authorizer that are
	// remembered for one connection.
	maxDecisions = 256

	// congestedPoll is how often the loop looks whether a congested connection
	// has drained: the reactor does not say.
	congestedPoll = 5 * time.Millisecond

	// maxKeptFilters is the longest list of Topic Filters whose memory a loop
	// keeps for the next SUBSCRIBE or UNSUBSCRIBE.
	maxKeptFilters = 1024

	// drainGrace is what Run allows loops beyond DrainTimeout, to close the
	// connections that have not taken their output by then.
	drainGrace = time.Second

	// reevaluateChunk is the number of connections re-checked against a new
	// policy before other work of the loop gets its turn.
	reevaluateChunk = 256

	// recheckShare is the part of PendingAuthentications that may wait for an
	// Authorizer's word, in addition, about what connected Clients hold.
	recheckShare = 4
)

// WithDefaults returns the Limits that hold where those of l are zero.
func (l Limits) WithDefaults() Limits {
	def(&l.MaximumPacketSize, 16<<20)
	def(&l.InputBytes, 1<<30)
	def(&l.ConnectPacketSize, 256<<10)
	l.ConnectTimeout = defaultDuration(l.ConnectTimeout, 10*time.Second)
	l.AuthenticationTimeout = defaultDuration(l.AuthenticationTimeout, 10*time.Second)
	def(&l.PendingAuthentications, 4096)
	def(&l.Connections, 1_000_000)
	def(&l.Sessions, 1_000_000)
	def(&l.RetainedMessages, 1_000_000)
	def(&l.RetainedBytes, 1<<30)
	def(&l.ReceiveMaximum, 100)
	def(&l.TopicAliasMaximum, 32)
	def(&l.Inflight, 1024)
	def(&l.QueuedMessages, 1000)
	def(&l.QueuedBytes, 16<<20)
	def(&l.RetainedBacklog, 100_000)
	def(&l.HeldMessages, 10_000_000)
	def(&l.HeldBytes, 1<<30)
	def(&l.Subscriptions, 10_000)
	def(&l.SubscriptionBytes, 1<<30)
	def(&l.TopicLength, 4096)
	def(&l.TopicLevels, 128)
	def(&l.OutboundSoftBytes, 256<<10)
	def(&l.OutboundHardBytes, 32<<20)
	l.OutboundHardBytes = max(l.OutboundHardBytes, l.OutboundSoftBytes+int(l.MaximumPacketSize))
	l.SlowConsumerTimeout = defaultDuration(l.SlowConsumerTimeout, 60*time.Second)
	l.DrainTimeout = defaultDuration(l.DrainTimeout, 5*time.Second)
	l.ConnectPacketSize = min(l.ConnectPacketSize, l.MaximumPacketSize)
	return l
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
