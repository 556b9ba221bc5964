package limits

import "github.com/weirmq/weir/engine"

// row is one limit, of the struct whose fields the table has.
type row struct {
	field    string
	manifest string // of a Broker, below spec; of a port for those of a Listener; "" for none
	peer     string // what a peer sees at the bound
	counters []string
	closed   []engine.CloseReason // counted in Stats.ConnectionsClosed
	sys      string               // below $SYS/broker/
	tests    []string             // CASE of sessions/limits.txt, FILE: CASE, or FILE_test.go: TEST
}

// ours is the limits of engine.Limits, in the order of its fields.
var ours = []row{
	{field: "MaximumPacketSize", manifest: "advanced.clients.maxPacketSizeBytes",
		peer:   "announced in CONNACK; DISCONNECT 0x95 *Packet too large*, 3.1.1 closed",
		closed: []engine.CloseReason{engine.ClosePacketTooLarge}, tests: []string{"MaximumPacketSize"}},
	{field: "InputBytes", manifest: "advanced.limits.inputBytes", peer: "DISCONNECT 0x97 *Quota exceeded*, 3.1.1 closed",
		closed: []engine.CloseReason{engine.CloseQuotaExceeded}, tests: []string{"engine/input_test.go: TestInputOfAllConnectionsIsBounded"}},
	{field: "ConnectPacketSize", manifest: "advanced.limits.connectPacketSize", peer: "closed",
		closed: []engine.CloseReason{engine.ClosePacketTooLarge}, tests: []string{"ConnectPacketSize"}},
	{field: "ConnectTimeout", manifest: "advanced.limits.connectTimeout", peer: "closed",
		closed: []engine.CloseReason{engine.CloseConnectTimeout}, tests: []string{"ConnectTimeout"}},
	{field: "AuthenticationTimeout", manifest: "advanced.limits.authenticationTimeout", peer: "CONNACK 0x87 *Not authorized*; a PUBLISH or SUBSCRIBE is refused so",
		closed: []engine.CloseReason{engine.CloseNotAuthenticated}, counters: []string{"AuthenticationsDenied"}, tests: []string{"engine/testdata/sessions/waiting.txt: An answer that does not come"}},
	{field: "PendingAuthentications", manifest: "advanced.limits.pendingAuthentications", peer: "CONNACK 0x89 *Server busy*; later DISCONNECT 0x97 *Quota exceeded*",
		closed: []engine.CloseReason{engine.CloseNotAuthenticated, engine.CloseQuotaExceeded}, counters: []string{"AuthenticationsRefused"}, tests: []string{"engine/testdata/sessions/waiting.txt: Too many that wait"}},
	{field: "Connections", manifest: "advanced.limits.connections", peer: "closed when accepted",
		closed: []engine.CloseReason{engine.CloseTooManyConnections}, sys: "clients/connected", tests: []string{"engine/badinput_test.go: TestTooManyConnectionsAreRefusedAndTheirPlacesComeBack"}},
	{field: "Sessions", manifest: "advanced.limits.sessions", peer: "CONNACK 0x97 *Quota exceeded*, 3.1.1 *Server unavailable*",
		closed: []engine.CloseReason{engine.CloseQuotaExceeded}, counters: []string{"SessionsRefused"}, sys: "clients/total", tests: []string{"Sessions"}},
	{field: "RetainedMessages", manifest: "advanced.limits.retainedMessages", peer: "nothing: delivered and not kept",
		counters: []string{"RetainedRefused"}, sys: "retained messages/count", tests: []string{"RetainedMessages"}},
	{field: "RetainedBytes", manifest: "advanced.limits.retainedBytes", peer: "nothing: delivered and not kept",
		counters: []string{"RetainedRefused"}, sys: "store/messages/bytes", tests: []string{"RetainedBytes, where one that is replaced makes room"}},
	{field: "ReceiveMaximum", manifest: "advanced.limits.receiveMaximum", peer: "announced in CONNACK; DISCONNECT 0x93 *Receive Maximum exceeded*, 3.1.1 closed",
		closed: []engine.CloseReason{engine.CloseReceiveMaximumExceeded}, tests: []string{"ReceiveMaximum"}},
	{field: "TopicAliasMaximum", manifest: "advanced.limits.topicAliasMaximum", peer: "announced in CONNACK; DISCONNECT 0x94 *Topic Alias invalid*",
		closed: []engine.CloseReason{engine.CloseTopicAliasInvalid}, tests: []string{"TopicAliasMaximum"}},
	{field: "Inflight", manifest: "advanced.clients.maxReceiveMaximum", peer: "further messages wait for acknowledgements",
		counters: []string{"MessagesQueued"}, sys: "messages/inflight", tests: []string{"Inflight"}},
	{field: "QueuedMessages", manifest: "advanced.clients.subscriberQueueLimit.length", peer: "messages are missing, by QueueStrategy",
		counters: []string{"MessagesDropped"}, sys: "publish/messages/dropped", tests: []string{"QueuedMessages"}},
	{field: "QueuedBytes", manifest: "advanced.limits.queuedBytes", peer: "messages are missing, by QueueStrategy",
		counters: []string{"MessagesDropped"}, sys: "publish/messages/dropped", tests: []string{"QueuedBytes in the queue and in flight"}},
	{field: "QueueStrategy", manifest: "advanced.clients.subscriberQueueLimit.strategy", peer: "the newest or the oldest are missing",
		counters: []string{"MessagesDropped", "DroppedFor"}, sys: "publish/messages/dropped", tests: []string{"engine/testdata/sessions/queue_strategy.txt: The oldest"}},
	{field: "RetainedBacklog", manifest: "advanced.limits.retainedBacklog", peer: "retained messages are missing after SUBSCRIBE",
		counters: []string{"MessagesDropped"}, sys: "publish/messages/dropped", tests: []string{"RetainedBacklog"}},
	{field: "HeldMessages", manifest: "advanced.limits.heldMessages", peer: "at three quarters as QueuedMessages; at the bound PUBACK or PUBREC 0x97 *Quota exceeded*, 3.1.1 closed, and the same for a Will in CONNACK",
		closed: []engine.CloseReason{engine.CloseQuotaExceeded}, counters: []string{"MessagesDropped", "PublicationsRefused", "SessionsRefused"}, sys: "publish/messages/refused",
		tests: []string{"HeldMessages: queues take three quarters", "HeldMessages: what a SUBSCRIBE found and the Client has not acknowledged"}},
	{field: "HeldBytes", manifest: "advanced.limits.heldBytes", peer: "as for HeldMessages",
		closed: []engine.CloseReason{engine.CloseQuotaExceeded}, counters: []string{"MessagesDropped", "PublicationsRefused", "SessionsRefused"}, sys: "publish/messages/refused",
		tests: []string{"HeldBytes: a message counts once however many it waits for", "HeldBytes: where all queues are full, DropOldest makes room in its own", "HeldBytes: a Will", "HeldBytes: a retained message that is replaced while it is in flight"}},
	{field: "Subscriptions", manifest: "advanced.limits.subscriptions", peer: "SUBACK 0x97 *Quota exceeded*, 3.1.1 0x80",
		counters: []string{"SubscriptionsRefused"}, sys: "subscriptions/refused", tests: []string{"Subscriptions of a Session"}},
	{field: "SubscriptionBytes", manifest: "advanced.limits.subscriptionBytes", peer: "SUBACK 0x97 *Quota exceeded*, 3.1.1 0x80",
		counters: []string{"SubscriptionsRefused"}, sys: "subscriptions/refused", tests: []string{"SubscriptionBytes of all Sessions"}},
	{field: "TopicLength", manifest: "advanced.limits.topicLength", peer: "PUBACK, PUBREC or CONNACK 0x90 *Topic Name invalid*, SUBACK 0x8F *Topic Filter invalid*; 3.1.1: PUBACK, closed for a Will, 0x80",
		counters: []string{"TopicsRefused"}, tests: []string{"TopicLength of a PUBLISH, with and without a Topic Alias", "TopicLength of a Topic Filter, with $share", "TopicLength and TopicLevels of a Will"}},
	{field: "TopicLevels", manifest: "advanced.limits.topicLevels", peer: "as for TopicLength",
		counters: []string{"TopicsRefused"}, tests: []string{"TopicLevels", "TopicLength and TopicLevels of a Will"}},
	{field: "OutboundSoftBytes", manifest: "advanced.limits.outboundSoftBytes", peer: "QoS 0 messages are missing, QoS 1 and 2 wait",
		counters: []string{"ConnectionsCongested", "MessagesDropped"}, sys: "publish/messages/dropped", tests: []string{"SlowConsumerTimeout"}},
	{field: "OutboundHardBytes", manifest: "advanced.limits.outboundHardBytes", peer: "closed",
		closed: []engine.CloseReason{engine.CloseSlowConsumer}, tests: []string{"OutboundHardBytes"}},
	{field: "SlowConsumerTimeout", manifest: "advanced.limits.slowConsumerTimeout", peer: "closed",
		closed: []engine.CloseReason{engine.CloseSlowConsumer}, tests: []string{"SlowConsumerTimeout"}},
	{field: "MaximumKeepAlive", manifest: "advanced.clients.maxKeepAliveSeconds", peer: "Server Keep Alive in CONNACK; 3.1.1 keeps its own",
		counters: []string{"KeepAlivesReduced"}, tests: []string{"MaximumKeepAlive"}},
	{field: "MaximumSessionExpiry", manifest: "advanced.clients.maxSessionExpirySeconds", peer: "Session Expiry Interval in CONNACK",
		counters: []string{"SessionExpiriesReduced"}, tests: []string{"MaximumSessionExpiry"}},
	{field: "MaximumMessageExpiry", manifest: "advanced.clients.maxMessageExpirySeconds", peer: "a shorter Message Expiry Interval in the PUBLISH received",
		counters: []string{"MessageExpiriesReduced"}, tests: []string{"MaximumMessageExpiry"}},
	{field: "DrainTimeout", manifest: "advanced.limits.drainTimeout", peer: "what it has not read is lost",
		closed: []engine.CloseReason{engine.CloseServerShuttingDown}, tests: []string{"engine/slowconsumer_test.go: TestDrainDoesNotWaitForEverForClientsThatDoNotRead"}},
}

// ofHandshakes is those of tlsstate.Limits, which are engine.Options.Handshakes.
var ofHandshakes = []row{
	{field: "Concurrent", peer: "the handshake takes longer", tests: []string{"engine/badinput_test.go: TestSlowHandshakesHoldUpNobody"}},
	{field: "Pending", peer: "closed", closed: []engine.CloseReason{engine.CloseHandshakeLimit},
		tests: []string{"tlsstate/cause_test.go: TestHandshakesBeyondThePendingLimitAreRefusedAtOnce"}},
	{field: "Timeout", peer: "closed", closed: []engine.CloseReason{engine.CloseHandshakeTimeout}, tests: []string{"engine/badinput_test.go: TestConnectTimeout"}},
	{field: "Bytes", peer: "closed", closed: []engine.CloseReason{engine.CloseHandshakeLimit}, tests: []string{"tlsstate/cause_test.go: TestHandshakeEndsWhenThePeerSendsTooMuch"}},
}

// ofListeners is those of engine.Listener; zero means that there is none.
var ofListeners = []row{
	{field: "MaximumConnections", manifest: "ports[].maxConnections", peer: "closed when accepted",
		closed: []engine.CloseReason{engine.CloseTooManyPortConnections}, tests: []string{"engine/portbounds_test.go: TestAPortHoldsItsMaximumConnectionsAndOthersAreFree"}},
	{field: "ConnectRate", manifest: "ports[].maxConnectsPerSecond", peer: "the connection is accepted later",
		counters: []string{"ConnectionsDelayed"}, tests: []string{"engine/portbounds_test.go: TestConnectRateDelaysAndRefusesNobody", "engine/resource/controller_test.go: TestBoundsOfAPort"}},
}
