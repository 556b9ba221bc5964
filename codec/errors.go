package codec

// Error is an error of the peer: the Reason Code to send before closing the
// Network Connection [MQTT-4.13.1-1], and the clause that the peer broke.
//
// Every value is made at init. Compare with == or errors.Is; do not modify.
type Error struct {
	// Code is MalformedPacket, ProtocolError, or the more specific Reason Code
	// that the standard gives for this error.
	Code ReasonCode
	// Clause is the normative statement broken, such as "MQTT-3.3.1-4", or the
	// number of the section where the standard states the rule without
	// numbering it. Where MQTT 5.0 and 3.1.1 have the same rule, it is the
	// statement of 5.0.
	Clause string
	// Detail says what was wrong. It never contains data sent by the peer.
	Detail string
}

// Error returns the Reason Code's name, the detail and the clause.
func (e *Error) Error() string {
	return e.Code.String() + ": " + e.Detail + " [" + e.Clause + "]"
}

// Malformed reports whether the packet could not be parsed, as opposed to
// parsed and found to break the protocol (section 1.2).
func (e *Error) Malformed() bool { return e.Code == MalformedPacket }

// malformed and protocolError make the package's errors; nothing else does.
func malformed(clause, detail string) error { return &Error{MalformedPacket, clause, detail} }

func protocolError(clause, detail string) error { return &Error{ProtocolError, clause, detail} }

// Fixed header and framing.
var (
	errPacketTypeReserved  = malformed("2.1.2", "Control Packet type 0 is reserved")
	errFixedHeaderFlags    = malformed("MQTT-2.1.3-1", "reserved flag bits of the fixed header")
	errPubrelFlags         = malformed("MQTT-3.6.1-1", "fixed header flags of PUBREL are not 0010")
	errSubscribeFlags      = malformed("MQTT-3.8.1-1", "fixed header flags of SUBSCRIBE are not 0010")
	errUnsubscribeFlags    = malformed("MQTT-3.10.1-1", "fixed header flags of UNSUBSCRIBE are not 0010")
	errDisconnectFlags     = malformed("MQTT-3.14.1-1", "fixed header flags of DISCONNECT are not 0000")
	errAuthFlags           = malformed("MQTT-3.15.1-1", "fixed header flags of AUTH are not 0000")
	errRemainingLength     = malformed("2.1.4", "Remaining Length of more than four bytes")
	errPacketTooLarge      = error(&Error{PacketTooLarge, "MQTT-3.2.2-15", "packet exceeds the Maximum Packet Size"})
	errTruncated           = malformed("2.1.4", "field extends beyond the end of the packet")
	errTrailingBytes       = malformed("2.1.4", "bytes after the last field")
	errAuthVersion         = malformed("2.1.2", "AUTH does not exist before MQTT 5.0")
	errPacketIDZero        = protocolError("MQTT-2.2.1-3", "Packet Identifier is 0")
	errVariableByteInteger = malformed("1.5.5", "Variable Byte Integer of more than four bytes")
	errVariableByteMinimum = malformed("MQTT-1.5.5-1", "Variable Byte Integer is longer than its value needs")
)

// Text.
var (
	errUTF8              = malformed("MQTT-1.5.4-1", "string is not well-formed UTF-8")
	errNUL               = malformed("MQTT-1.5.4-2", "string contains U+0000")
	errTopicNameWildcard = malformed("MQTT-3.3.2-2", "Topic Name contains a wildcard character")
	errTopicNameEmpty    = malformed("MQTT-4.7.3-1", "Topic Name is empty")
	errTopicFilterEmpty  = malformed("MQTT-4.7.3-1", "Topic Filter is empty")
)

// CONNECT and CONNACK.
var (
	errProtocolName      = error(&Error{UnsupportedProtocolVersion, "MQTT-3.1.2-1", "Protocol Name is neither MQTT nor MQIsdp"})
	errProtocolVersion   = error(&Error{UnsupportedProtocolVersion, "MQTT-3.1.2-2", "Protocol Version is not supported"})
	errConnectReserved   = malformed("MQTT-3.1.2-3", "reserved Connect Flag is set")
	errWillQoSNoWill     = protocolError("MQTT-3.1.2-11", "Will QoS without Will Flag")
	errWillQoS3          = malformed("MQTT-3.1.2-12", "Will QoS is 3")
	errWillRetainNoWill  = protocolError("MQTT-3.1.2-13", "Will Retain without Will Flag")
	errPasswordNoUser    = malformed("MQTT311-3.1.2-22", "Password Flag without User Name Flag")
	errConnackFlags      = malformed("MQTT-3.2.2-1", "reserved Connect Acknowledge Flags are set")
	errSessionPresent    = protocolError("MQTT-3.2.2-6", "Session Present with a Reason Code other than Success")
	errConnackReasonCode = protocolError("MQTT-3.2.2-8", "Reason Code is not for CONNACK")
	errReturnCode311     = protocolError("MQTT311-3.2.2-5", "CONNACK return code is reserved")
)

// PUBLISH and its acknowledgements.
var (
	errPublishDupQoS0          = protocolError("MQTT-3.3.1-2", "DUP is set at QoS 0")
	errPublishQoS3             = malformed("MQTT-3.3.1-4", "QoS is 3")
	errPublishNoTopic          = protocolError("3.3.2.1", "Topic Name is empty and there is no Topic Alias")
	errTopicAliasZero          = error(&Error{TopicAliasInvalid, "MQTT-3.3.2-8", "Topic Alias is 0"})
	errResponseTopicWildcard   = malformed("MQTT-3.3.2-14", "Response Topic contains a wildcard character")
	errPublishSubscriptionID   = protocolError("MQTT-3.3.4-6", "Subscription Identifier in a PUBLISH sent by a Client")
	errPubackReasonCode        = protocolError("MQTT-3.4.2-1", "Reason Code is not for PUBACK")
	errPubrecReasonCode        = protocolError("MQTT-3.5.2-1", "Reason Code is not for PUBREC")
	errPubrelReasonCode        = protocolError("MQTT-3.6.2-1", "Reason Code is not for PUBREL")
	errPubcompReasonCode       = protocolError("MQTT-3.7.2-1", "Reason Code is not for PUBCOMP")
	errSubscriptionIDZero      = protocolError("3.8.2.1.2", "Subscription Identifier is 0")
	errReceiveMaximumZero      = protocolError("3.1.2.11.3", "Receive Maximum is 0")
	errMaximumPacketSizeZero   = protocolError("3.1.2.11.4", "Maximum Packet Size is 0")
	errAuthenticationNoMethod  = protocolError("3.1.2.11.10", "Authentication Data without Authentication Method")
	errPropertyIdentifier      = malformed("2.2.2.2", "Property Identifier is not defined")
	errPropertyLengthTruncated = malformed("2.2.2.1", "Property Length extends beyond the end of the packet")
)

// SUBSCRIBE, UNSUBSCRIBE and their acknowledgements.
var (
	errSubscribeEmpty       = protocolError("MQTT-3.8.3-2", "SUBSCRIBE has no Topic Filter")
	errSubscribeQoS3        = protocolError("3.8.3.1", "Maximum QoS is 3")
	errNoLocalShared        = protocolError("MQTT-3.8.3-4", "No Local on a Shared Subscription")
	errRetainHandling3      = protocolError("3.8.3.1", "Retain Handling is 3")
	errSubscriptionReserved = malformed("MQTT-3.8.3-5", "reserved Subscription Options bits are set")
	errSubscribeOptions311  = malformed("MQTT311-3-8.3-4", "Requested QoS is not 0, 1 or 2")
	errSubackReasonCode     = protocolError("MQTT-3.9.3-2", "Reason Code is not for SUBACK")
	errSuback311            = protocolError("MQTT311-3.9.3-2", "SUBACK return code is reserved")
	errSubackEmpty          = protocolError("MQTT-3.8.4-6", "SUBACK has no Reason Code")
	errUnsubscribeEmpty     = protocolError("MQTT-3.10.3-2", "UNSUBSCRIBE has no Topic Filter")
	errUnsubackReasonCode   = protocolError("MQTT-3.11.3-2", "Reason Code is not for UNSUBACK")
	errUnsubackEmpty        = protocolError("MQTT-3.11.3-1", "UNSUBACK has no Reason Code")
)

// DISCONNECT and AUTH.
var (
	errDisconnectReasonCode = protocolError("MQTT-3.14.2-1", "Reason Code is not for a DISCONNECT from this side")
	errServerSessionExpiry  = protocolError("MQTT-3.14.2-2", "Session Expiry Interval in a DISCONNECT sent by a Server")
	errAuthReasonCode       = protocolError("MQTT-3.15.2-1", "Reason Code is not for an AUTH from this side")
	errAuthNoMethod         = protocolError("3.15.2.2.2", "AUTH has no Authentication Method")
)
