package codec

// ReasonCode is the one byte result of an operation. Values below 0x80 are
// success.
type ReasonCode byte

// The Reason Codes of table 2-6, with the names they have there.
const (
	Success                             ReasonCode = 0x00
	NormalDisconnection                 ReasonCode = 0x00 // Success, in DISCONNECT
	GrantedQoS0                         ReasonCode = 0x00 // Success, in SUBACK
	GrantedQoS1                         ReasonCode = 0x01
	GrantedQoS2                         ReasonCode = 0x02
	DisconnectWithWillMessage           ReasonCode = 0x04
	NoMatchingSubscribers               ReasonCode = 0x10
	NoSubscriptionExisted               ReasonCode = 0x11
	ContinueAuthentication              ReasonCode = 0x18
	ReAuthenticate                      ReasonCode = 0x19
	UnspecifiedError                    ReasonCode = 0x80
	MalformedPacket                     ReasonCode = 0x81
	ProtocolError                       ReasonCode = 0x82
	ImplementationSpecificError         ReasonCode = 0x83
	UnsupportedProtocolVersion          ReasonCode = 0x84
	ClientIdentifierNotValid            ReasonCode = 0x85
	BadUserNameOrPassword               ReasonCode = 0x86
	NotAuthorized                       ReasonCode = 0x87
	ServerUnavailable                   ReasonCode = 0x88
	ServerBusy                          ReasonCode = 0x89
	Banned                              ReasonCode = 0x8A
	ServerShuttingDown                  ReasonCode = 0x8B
	BadAuthenticationMethod             ReasonCode = 0x8C
	KeepAliveTimeout                    ReasonCode = 0x8D
	SessionTakenOver                    ReasonCode = 0x8E
	TopicFilterInvalid                  ReasonCode = 0x8F
	TopicNameInvalid                    ReasonCode = 0x90
	PacketIdentifierInUse               ReasonCode = 0x91
	PacketIdentifierNotFound            ReasonCode = 0x92
	ReceiveMaximumExceeded              ReasonCode = 0x93
	TopicAliasInvalid                   ReasonCode = 0x94
	PacketTooLarge                      ReasonCode = 0x95
	MessageRateTooHigh                  ReasonCode = 0x96
	QuotaExceeded                       ReasonCode = 0x97
	AdministrativeAction                ReasonCode = 0x98
	PayloadFormatInvalid                ReasonCode = 0x99
	RetainNotSupported                  ReasonCode = 0x9A
	QoSNotSupported                     ReasonCode = 0x9B
	UseAnotherServer                    ReasonCode = 0x9C
	ServerMoved                         ReasonCode = 0x9D
	SharedSubscriptionsNotSupported     ReasonCode = 0x9E
	ConnectionRateExceeded              ReasonCode = 0x9F
	MaximumConnectTime                  ReasonCode = 0xA0
	SubscriptionIdentifiersNotSupported ReasonCode = 0xA1
	WildcardSubscriptionsNotSupported   ReasonCode = 0xA2
)

// Table 2-6 says which packets may carry a Reason Code; tables 3-10 and 3-11
// say for DISCONNECT and AUTH which side may send it. In the set below the
// plain types stand for a packet sent by a Client and these for one sent by a
// Server.
const (
	typeDisconnectFromServer PacketType = 17
	typeAuthFromServer       PacketType = 18
)

var reasonCodes = [256]struct {
	name    string
	packets packetSet
}{
	Success:                             {"Success", packets(TypeConnack, TypePuback, TypePubrec, TypePubrel, TypePubcomp, TypeUnsuback, typeAuthFromServer, TypeDisconnect, typeDisconnectFromServer, TypeSuback)},
	GrantedQoS1:                         {"Granted QoS 1", packets(TypeSuback)},
	GrantedQoS2:                         {"Granted QoS 2", packets(TypeSuback)},
	DisconnectWithWillMessage:           {"Disconnect with Will Message", packets(TypeDisconnect)},
	NoMatchingSubscribers:               {"No matching subscribers", packets(TypePuback, TypePubrec)},
	NoSubscriptionExisted:               {"No subscription existed", packets(TypeUnsuback)},
	ContinueAuthentication:              {"Continue authentication", packets(TypeAuth, typeAuthFromServer)},
	ReAuthenticate:                      {"Re-authenticate", packets(TypeAuth)},
	UnspecifiedError:                    {"Unspecified error", packets(TypeConnack, TypePuback, TypePubrec, TypeSuback, TypeUnsuback, TypeDisconnect, typeDisconnectFromServer)},
	MalformedPacket:                     {"Malformed Packet", packets(TypeConnack, TypeDisconnect, typeDisconnectFromServer)},
	ProtocolError:                       {"Protocol Error", packets(TypeConnack, TypeDisconnect, typeDisconnectFromServer)},
	ImplementationSpecificError:         {"Implementation specific error", packets(TypeConnack, TypePuback, TypePubrec, TypeSuback, TypeUnsuback, TypeDisconnect, typeDisconnectFromServer)},
	UnsupportedProtocolVersion:          {"Unsupported Protocol Version", packets(TypeConnack)},
	ClientIdentifierNotValid:            {"Client Identifier not valid", packets(TypeConnack)},
	BadUserNameOrPassword:               {"Bad User Name or Password", packets(TypeConnack)},
	NotAuthorized:                       {"Not authorized", packets(TypeConnack, TypePuback, TypePubrec, TypeSuback, TypeUnsuback, typeDisconnectFromServer)},
	ServerUnavailable:                   {"Server unavailable", packets(TypeConnack)},
	ServerBusy:                          {"Server busy", packets(TypeConnack, typeDisconnectFromServer)},
	Banned:                              {"Banned", packets(TypeConnack)},
	ServerShuttingDown:                  {"Server shutting down", packets(typeDisconnectFromServer)},
	BadAuthenticationMethod:             {"Bad authentication method", packets(TypeConnack, TypeDisconnect, typeDisconnectFromServer)},
	KeepAliveTimeout:                    {"Keep Alive timeout", packets(typeDisconnectFromServer)},
	SessionTakenOver:                    {"Session taken over", packets(typeDisconnectFromServer)},
	TopicFilterInvalid:                  {"Topic Filter invalid", packets(TypeSuback, TypeUnsuback, typeDisconnectFromServer)},
	TopicNameInvalid:                    {"Topic Name invalid", packets(TypeConnack, TypePuback, TypePubrec, TypeDisconnect, typeDisconnectFromServer)},
	PacketIdentifierInUse:               {"Packet Identifier in use", packets(TypePuback, TypePubrec, TypeSuback, TypeUnsuback)},
	PacketIdentifierNotFound:            {"Packet Identifier not found", packets(TypePubrel, TypePubcomp)},
	ReceiveMaximumExceeded:              {"Receive Maximum exceeded", packets(TypeDisconnect, typeDisconnectFromServer)},
	TopicAliasInvalid:                   {"Topic Alias invalid", packets(TypeDisconnect, typeDisconnectFromServer)},
	PacketTooLarge:                      {"Packet too large", packets(TypeConnack, TypeDisconnect, typeDisconnectFromServer)},
	MessageRateTooHigh:                  {"Message rate too high", packets(TypeDisconnect, typeDisconnectFromServer)},
	QuotaExceeded:                       {"Quota exceeded", packets(TypeConnack, TypePuback, TypePubrec, TypeSuback, TypeDisconnect, typeDisconnectFromServer)},
	AdministrativeAction:                {"Administrative action", packets(TypeDisconnect, typeDisconnectFromServer)},
	PayloadFormatInvalid:                {"Payload format invalid", packets(TypeConnack, TypePuback, TypePubrec, TypeDisconnect, typeDisconnectFromServer)},
	RetainNotSupported:                  {"Retain not supported", packets(TypeConnack, typeDisconnectFromServer)},
	QoSNotSupported:                     {"QoS not supported", packets(TypeConnack, typeDisconnectFromServer)},
	UseAnotherServer:                    {"Use another server", packets(TypeConnack, typeDisconnectFromServer)},
	ServerMoved:                         {"Server moved", packets(TypeConnack, typeDisconnectFromServer)},
	SharedSubscriptionsNotSupported:     {"Shared Subscriptions not supported", packets(TypeSuback, typeDisconnectFromServer)},
	ConnectionRateExceeded:              {"Connection rate exceeded", packets(TypeConnack, typeDisconnectFromServer)},
	MaximumConnectTime:                  {"Maximum connect time", packets(typeDisconnectFromServer)},
	SubscriptionIdentifiersNotSupported: {"Subscription Identifiers not supported", packets(TypeSuback, typeDisconnectFromServer)},
	WildcardSubscriptionsNotSupported:   {"Wildcard Subscriptions not supported", packets(TypeSuback, typeDisconnectFromServer)},
}

// String returns the name of table 2-6. That of 0x00 is "Success" in every
// packet.
func (c ReasonCode) String() string {
	if name := reasonCodes[c].name; name != "" {
		return name
	}
	return "reserved Reason Code"
}

// IsError reports whether c says that the operation failed.
func (c ReasonCode) IsError() bool { return c >= 0x80 }

// allowedIn reports whether a packet of type t may carry c.
func (c ReasonCode) allowedIn(t PacketType) bool { return reasonCodes[c].packets.has(t) }

// AllowedInConnack reports whether a CONNACK may carry c.
func (c ReasonCode) AllowedInConnack() bool { return c.allowedIn(TypeConnack) }

// AllowedInServerDisconnect reports whether a DISCONNECT sent by a Server may
// carry c.
func (c ReasonCode) AllowedInServerDisconnect() bool { return c.allowedIn(typeDisconnectFromServer) }

// ReturnCode311 returns the CONNACK return code, 0 to 5, that tells an MQTT
// 3.1.1 or 3.1 Client what c tells an MQTT 5.0 Client. A Reason Code with no
// counterpart yields 3, Server unavailable; use [ReasonCode.HasReturnCode311]
// to close without CONNACK instead.
func (c ReasonCode) ReturnCode311() byte {
	switch c {
	case Success:
		return 0
	case UnsupportedProtocolVersion:
		return 1
	case ClientIdentifierNotValid:
		return 2
	case BadUserNameOrPassword:
		return 4
	case NotAuthorized, Banned, BadAuthenticationMethod:
		return 5
	}
	return 3
}

// HasReturnCode311 reports whether one of the CONNACK return codes of MQTT
// 3.1.1 says what c says. If none does, the Server closes the Network
// Connection without a CONNACK [MQTT311-3.2.2-6].
func (c ReasonCode) HasReturnCode311() bool {
	switch c {
	case Success, UnsupportedProtocolVersion, ClientIdentifierNotValid, BadUserNameOrPassword,
		NotAuthorized, Banned, BadAuthenticationMethod,
		ServerUnavailable, ServerBusy, QuotaExceeded, ConnectionRateExceeded, UseAnotherServer, ServerMoved:
		return true
	}
	return false
}

// reasonCode311 is the inverse of ReturnCode311 for decoding a CONNACK.
var reasonCode311 = [...]ReasonCode{
	Success, UnsupportedProtocolVersion, ClientIdentifierNotValid, ServerUnavailable, BadUserNameOrPassword, NotAuthorized,
}
