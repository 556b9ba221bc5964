package codec

import "encoding/binary"

// Properties is a decoded property list, or one to encode: every property of
// table 2-4. A field means something only if [Properties.Has] reports its
// identifier; decoding leaves the others zero, and the comments below say what
// the standard makes of an absent one. To encode, use the Set methods, which
// set the field and mark it present; SubscriptionIDs and UserProperties are
// encoded whenever they are not empty.
//
// After decoding, the []byte fields and UserProperties are borrowed from the
// packet. SubscriptionIDs keeps its array from one decoding to the next.
type Properties struct {
	present propertySet

	PayloadFormatIndicator          byte   // 0: unspecified bytes; 1: UTF-8 text
	MessageExpiryInterval           uint32 // seconds
	ContentType                     []byte
	ResponseTopic                   []byte // a Topic Name
	CorrelationData                 []byte
	SessionExpiryInterval           uint32 // seconds; 0xFFFFFFFF: the Session does not expire
	AssignedClientIdentifier        []byte
	ServerKeepAlive                 uint16 // seconds
	AuthenticationMethod            []byte
	AuthenticationData              []byte
	RequestProblemInformation       bool   // absent means true
	WillDelayInterval               uint32 // seconds
	RequestResponseInformation      bool   // absent means false
	ResponseInformation             []byte
	ServerReference                 []byte
	ReasonString                    []byte
	ReceiveMaximum                  uint16 // absent means 65,535
	TopicAliasMaximum               uint16 // absent means 0
	TopicAlias                      uint16
	MaximumQoS                      QoS              // QoS0 or QoS1; absent means QoS2
	RetainAvailable                 bool             // absent means true
	MaximumPacketSize               uint32           // bytes; absent means no limit
	WildcardSubscriptionAvailable   bool             // absent means true
	SubscriptionIdentifierAvailable bool             // absent means true
	SharedSubscriptionAvailable     bool             // absent means true
	SubscriptionIDs                 []SubscriptionID // one in SUBSCRIBE, any number in PUBLISH
	UserProperties                  UserProperties   // encoded as received, in order
}

// Has reports whether the property is present.
func (p *Properties) Has(id PropertyID) bool { return p.present>>id&1 != 0 }

// Reset makes p empty. It keeps the array of SubscriptionIDs.
func (p *Properties) Reset() { *p = Properties{SubscriptionIDs: p.SubscriptionIDs[:0]} }

// DecodeProperties decodes raw, an encoded property list without its Property
// Length, as that of a packet of the given type; [TypeWill] stands for the Will
// Properties of a CONNECT. p borrows raw.
//
// It checks what concerns the list alone: identifiers, types, values, and what
// may be repeated. Subscription Identifiers in a PUBLISH are accepted as from a
// Server.
func DecodeProperties(p *Properties, packet PacketType, raw []byte) error {
	p.Reset()
	if len(raw) == 0 {
		return nil
	}
	r := propertyReader{reader: reader{buf: raw}, packet: packet}
	var next property
	for r.next(&next) {
		p.assign(&next)
	}
	if r.err != nil {
		return r.err
	}
	p.present = r.seen
	if p.Has(PropUserProperty) {
		// Cut off the capacity: adding a property must not write over the packet.
		p.UserProperties = raw[:len(raw):len(raw)]
	}
	if p.Has(PropAuthenticationData) && !p.Has(PropAuthenticationMethod) {
		return errAuthenticationNoMethod
	}
	return nil
}

// assign stores one decoded property in its field.
func (p *Properties) assign(from *property) {
	switch from.id {
	case PropPayloadFormatIndicator:
		p.PayloadFormatIndicator = byte(from.number)
	case PropMessageExpiryInterval:
		p.MessageExpiryInterval = from.number
	case PropContentType:
		p.ContentType = from.data
	case PropResponseTopic:
		p.ResponseTopic = from.data
	case PropCorrelationData:
		p.CorrelationData = from.data
	case PropSessionExpiryInterval:
		p.SessionExpiryInterval = from.number
	case PropAssignedClientIdentifier:
		p.AssignedClientIdentifier = from.data
	case PropServerKeepAlive:
		p.ServerKeepAlive = uint16(from.number)
	case PropAuthenticationMethod:
		p.AuthenticationMethod = from.data
	case PropAuthenticationData:
		p.AuthenticationData = from.data
	case PropRequestProblemInformation:
		p.RequestProblemInformation = from.number == 1
	case PropWillDelayInterval:
		p.WillDelayInterval = from.number
	case PropRequestResponseInformation:
		p.RequestResponseInformation = from.number == 1
	case PropResponseInformation:
		p.ResponseInformation = from.data
	case PropServerReference:
		p.ServerReference = from.data
	case PropReasonString:
		p.ReasonString = from.data
	case PropReceiveMaximum:
		p.ReceiveMaximum = uint16(from.number)
	case PropTopicAliasMaximum:
		p.TopicAliasMaximum = uint16(from.number)
	case PropTopicAlias:
		p.TopicAlias = uint16(from.number)
	case PropMaximumQoS:
		p.MaximumQoS = QoS(from.number)
	case PropRetainAvailable:
		p.RetainAvailable = from.number == 1
	case PropMaximumPacketSize:
		p.MaximumPacketSize = from.number
	case PropWildcardSubscriptionAvailable:
		p.WildcardSubscriptionAvailable = from.number == 1
	case PropSubscriptionIdentifierAvailable:
		p.SubscriptionIdentifierAvailable = from.number == 1
	case PropSharedSubscriptionAvailable:
		p.SharedSubscriptionAvailable = from.number == 1
	case PropSubscriptionIdentifier:
		p.SubscriptionIDs = append(p.SubscriptionIDs, SubscriptionID(from.number))
	}
}

// AppendProperties appends p encoded, without the Property Length. The order is
// that of the identifiers, except that User Properties come last.
func AppendProperties(dst []byte, p *Properties) []byte {
	if p.Has(PropPayloadFormatIndicator) {
		dst = append(dst, byte(PropPayloadFormatIndicator), p.PayloadFormatIndicator)
	}
	if p.Has(PropMessageExpiryInterval) {
		dst = appendUint32Property(dst, PropMessageExpiryInterval, p.MessageExpiryInterval)
	}
	if p.Has(PropContentType) {
		dst = appendStringProperty(dst, PropContentType, p.ContentType)
	}
	if p.Has(PropResponseTopic) {
		dst = appendStringProperty(dst, PropResponseTopic, p.ResponseTopic)
	}
	if p.Has(PropCorrelationData) {
		dst = appendStringProperty(dst, PropCorrelationData, p.CorrelationData)
	}
	for _, id := range p.SubscriptionIDs {
		dst = appendSubscriptionID(dst, id)
	}
	if p.Has(PropSessionExpiryInterval) {
		dst = appendUint32Property(dst, PropSessionExpiryInterval, p.SessionExpiryInterval)
	}
	if p.Has(PropAssignedClientIdentifier) {
		dst = appendStringProperty(dst, PropAssignedClientIdentifier, p.AssignedClientIdentifier)
	}
	if p.Has(PropServerKeepAlive) {
		dst = appendUint16Property(dst, PropServerKeepAlive, p.ServerKeepAlive)
	}
	if p.Has(PropAuthenticationMethod) {
		dst = appendStringProperty(dst, PropAuthenticationMethod, p.AuthenticationMethod)
	}
	if p.Has(PropAuthenticationData) {
		dst = appendStringProperty(dst, PropAuthenticationData, p.AuthenticationData)
	}
	if p.Has(PropRequestProblemInformation) {
		dst = appendBoolProperty(dst, PropRequestProblemInformation, p.RequestProblemInformation)
	}
	if p.Has(PropWillDelayInterval) {
		dst = appendUint32Property(dst, PropWillDelayInterval, p.WillDelayInterval)
	}
	if p.Has(PropRequestResponseInformation) {
		dst = appendBoolProperty(dst, PropRequestResponseInformation, p.RequestResponseInformation)
	}
	if p.Has(PropResponseInformation) {
		dst = appendStringProperty(dst, PropResponseInformation, p.ResponseInformation)
	}
	if p.Has(PropServerReference) {
		dst = appendStringProperty(dst, PropServerReference, p.ServerReference)
	}
	if p.Has(PropReasonString) {
		dst = appendStringProperty(dst, PropReasonString, p.ReasonString)
	}
	if p.Has(PropReceiveMaximum) {
		dst = appendUint16Property(dst, PropReceiveMaximum, p.ReceiveMaximum)
	}
	if p.Has(PropTopicAliasMaximum) {
		dst = appendUint16Property(dst, PropTopicAliasMaximum, p.TopicAliasMaximum)
	}
	if p.Has(PropTopicAlias) {
		dst = appendUint16Property(dst, PropTopicAlias, p.TopicAlias)
	}
	if p.Has(PropMaximumQoS) {
		dst = append(dst, byte(PropMaximumQoS), byte(p.MaximumQoS))
	}
	if p.Has(PropRetainAvailable) {
		dst = appendBoolProperty(dst, PropRetainAvailable, p.RetainAvailable)
	}
	if p.Has(PropMaximumPacketSize) {
		dst = appendUint32Property(dst, PropMaximumPacketSize, p.MaximumPacketSize)
	}
	if p.Has(PropWildcardSubscriptionAvailable) {
		dst = appendBoolProperty(dst, PropWildcardSubscriptionAvailable, p.WildcardSubscriptionAvailable)
	}
	if p.Has(PropSubscriptionIdentifierAvailable) {
		dst = appendBoolProperty(dst, PropSubscriptionIdentifierAvailable, p.SubscriptionIdentifierAvailable)
	}
	if p.Has(PropSharedSubscriptionAvailable) {
		dst = appendBoolProperty(dst, PropSharedSubscriptionAvailable, p.SharedSubscriptionAvailable)
	}
	return p.UserProperties.appendTo(dst)
}

func appendUint16Property(dst []byte, id PropertyID, n uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, byte(id)), n)
}

func appendUint32Property(dst []byte, id PropertyID, n uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(id)), n)
}

func appendBoolProperty(dst []byte, id PropertyID, v bool) []byte {
	return append(dst, byte(id), boolByte(v))
}

func appendStringProperty[T string | []byte](dst []byte, id PropertyID, s T) []byte {
	return appendString(append(dst, byte(id)), s)
}

func appendSubscriptionID(dst []byte, id SubscriptionID) []byte {
	return appendVariableByteInteger(append(dst, byte(PropSubscriptionIdentifier)), int(id))
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}
