package codec

// The methods below set a property and mark it present. []byte arguments are
// borrowed until p is encoded.

// SetPayloadFormatIndicator sets the Payload Format Indicator: 0: unspecified bytes; 1: UTF-8 text.
func (p *Properties) SetPayloadFormatIndicator(v byte) {
	p.PayloadFormatIndicator = v
	p.present |= 1 << PropPayloadFormatIndicator
}

// SetMessageExpiryInterval sets the Message Expiry Interval: seconds.
func (p *Properties) SetMessageExpiryInterval(v uint32) {
	p.MessageExpiryInterval = v
	p.present |= 1 << PropMessageExpiryInterval
}

// SetContentType sets the Content Type.
func (p *Properties) SetContentType(v []byte) {
	p.ContentType = v
	p.present |= 1 << PropContentType
}

// SetResponseTopic sets the Response Topic: a Topic Name.
func (p *Properties) SetResponseTopic(v []byte) {
	p.ResponseTopic = v
	p.present |= 1 << PropResponseTopic
}

// SetCorrelationData sets the Correlation Data.
func (p *Properties) SetCorrelationData(v []byte) {
	p.CorrelationData = v
	p.present |= 1 << PropCorrelationData
}

// SetSessionExpiryInterval sets the Session Expiry Interval: seconds; 0xFFFFFFFF: the Session does not expire.
func (p *Properties) SetSessionExpiryInterval(v uint32) {
	p.SessionExpiryInterval = v
	p.present |= 1 << PropSessionExpiryInterval
}

// SetAssignedClientIdentifier sets the Assigned Client Identifier.
func (p *Properties) SetAssignedClientIdentifier(v []byte) {
	p.AssignedClientIdentifier = v
	p.present |= 1 << PropAssignedClientIdentifier
}

// SetServerKeepAlive sets the Server Keep Alive: seconds.
func (p *Properties) SetServerKeepAlive(v uint16) {
	p.ServerKeepAlive = v
	p.present |= 1 << PropServerKeepAlive
}

// SetAuthenticationMethod sets the Authentication Method.
func (p *Properties) SetAuthenticationMethod(v []byte) {
	p.AuthenticationMethod = v
	p.present |= 1 << PropAuthenticationMethod
}

// SetAuthenticationData sets the Authentication Data.
func (p *Properties) SetAuthenticationData(v []byte) {
	p.AuthenticationData = v
	p.present |= 1 << PropAuthenticationData
}

// SetRequestProblemInformation sets the Request Problem Information.
func (p *Properties) SetRequestProblemInformation(v bool) {
	p.RequestProblemInformation = v
	p.present |= 1 << PropRequestProblemInformation
}

// SetWillDelayInterval sets the Will Delay Interval: seconds.
func (p *Properties) SetWillDelayInterval(v uint32) {
	p.WillDelayInterval = v
	p.present |= 1 << PropWillDelayInterval
}

// SetRequestResponseInformation sets the Request Response Information.
func (p *Properties) SetRequestResponseInformation(v bool) {
	p.RequestResponseInformation = v
	p.present |= 1 << PropRequestResponseInformation
}

// SetResponseInformation sets the Response Information.
func (p *Properties) SetResponseInformation(v []byte) {
	p.ResponseInformation = v
	p.present |= 1 << PropResponseInformation
}

// SetServerReference sets the Server Reference.
func (p *Properties) SetServerReference(v []byte) {
	p.ServerReference = v
	p.present |= 1 << PropServerReference
}

// SetReasonString sets the Reason String.
func (p *Properties) SetReasonString(v []byte) {
	p.ReasonString = v
	p.present |= 1 << PropReasonString
}

// SetReceiveMaximum sets the Receive Maximum.
func (p *Properties) SetReceiveMaximum(v uint16) {
	p.ReceiveMaximum = v
	p.present |= 1 << PropReceiveMaximum
}

// SetTopicAliasMaximum sets the Topic Alias Maximum.
func (p *Properties) SetTopicAliasMaximum(v uint16) {
	p.TopicAliasMaximum = v
	p.present |= 1 << PropTopicAliasMaximum
}

// SetTopicAlias sets the Topic Alias.
func (p *Properties) SetTopicAlias(v uint16) {
	p.TopicAlias = v
	p.present |= 1 << PropTopicAlias
}

// SetMaximumQoS sets the Maximum QoS.
func (p *Properties) SetMaximumQoS(v QoS) {
	p.MaximumQoS = v
	p.present |= 1 << PropMaximumQoS
}

// SetRetainAvailable sets the Retain Available.
func (p *Properties) SetRetainAvailable(v bool) {
	p.RetainAvailable = v
	p.present |= 1 << PropRetainAvailable
}

// SetMaximumPacketSize sets the Maximum Packet Size.
func (p *Properties) SetMaximumPacketSize(v uint32) {
	p.MaximumPacketSize = v
	p.present |= 1 << PropMaximumPacketSize
}

// SetWildcardSubscriptionAvailable sets the Wildcard Subscription Available.
func (p *Properties) SetWildcardSubscriptionAvailable(v bool) {
	p.WildcardSubscriptionAvailable = v
	p.present |= 1 << PropWildcardSubscriptionAvailable
}

// SetSubscriptionIdentifierAvailable sets the Subscription Identifier Available.
func (p *Properties) SetSubscriptionIdentifierAvailable(v bool) {
	p.SubscriptionIdentifierAvailable = v
	p.present |= 1 << PropSubscriptionIdentifierAvailable
}

// SetSharedSubscriptionAvailable sets the Shared Subscription Available.
func (p *Properties) SetSharedSubscriptionAvailable(v bool) {
	p.SharedSubscriptionAvailable = v
	p.present |= 1 << PropSharedSubscriptionAvailable
}

// AddSubscriptionID adds a Subscription Identifier.
func (p *Properties) AddSubscriptionID(id SubscriptionID) {
	p.SubscriptionIDs = append(p.SubscriptionIDs, id)
	p.present |= 1 << PropSubscriptionIdentifier
}

// AddUserProperty adds a User Property after those already there. name and
// value are copied.
func (p *Properties) AddUserProperty(name, value string) {
	p.UserProperties = p.UserProperties.Append(name, value)
	p.present |= 1 << PropUserProperty
}
