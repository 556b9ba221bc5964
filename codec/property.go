package codec

// PropertyID is a Property Identifier. The standard encodes it as a Variable
// Byte Integer, but gives out none that takes more than one byte.
type PropertyID byte

// The Property Identifiers of table 2-4.
const (
	PropPayloadFormatIndicator          PropertyID = 0x01
	PropMessageExpiryInterval           PropertyID = 0x02
	PropContentType                     PropertyID = 0x03
	PropResponseTopic                   PropertyID = 0x08
	PropCorrelationData                 PropertyID = 0x09
	PropSubscriptionIdentifier          PropertyID = 0x0B
	PropSessionExpiryInterval           PropertyID = 0x11
	PropAssignedClientIdentifier        PropertyID = 0x12
	PropServerKeepAlive                 PropertyID = 0x13
	PropAuthenticationMethod            PropertyID = 0x15
	PropAuthenticationData              PropertyID = 0x16
	PropRequestProblemInformation       PropertyID = 0x17
	PropWillDelayInterval               PropertyID = 0x18
	PropRequestResponseInformation      PropertyID = 0x19
	PropResponseInformation             PropertyID = 0x1A
	PropServerReference                 PropertyID = 0x1C
	PropReasonString                    PropertyID = 0x1F
	PropReceiveMaximum                  PropertyID = 0x21
	PropTopicAliasMaximum               PropertyID = 0x22
	PropTopicAlias                      PropertyID = 0x23
	PropMaximumQoS                      PropertyID = 0x24
	PropRetainAvailable                 PropertyID = 0x25
	PropUserProperty                    PropertyID = 0x26
	PropMaximumPacketSize               PropertyID = 0x27
	PropWildcardSubscriptionAvailable   PropertyID = 0x28
	PropSubscriptionIdentifierAvailable PropertyID = 0x29
	PropSharedSubscriptionAvailable     PropertyID = 0x2A
)

// String returns the property's name in table 2-4.
func (id PropertyID) String() string {
	if int(id) < len(propertyTable) && propertyTable[id].kind != kindNone {
		return propertyTable[id].name
	}
	return "reserved Property Identifier"
}

// propertyKind is a property's data type.
type propertyKind byte

const (
	kindNone propertyKind = iota
	kindByte              // every Byte property allows 0 and 1 only
	kindTwoByteInteger
	kindFourByteInteger
	kindVariableByteInteger
	kindString
	kindTopicName // a string in which wildcard characters are not allowed
	kindBinary
	kindStringPair
)

// propertyRule is a row of table 2-4 with what the text adds to it.
type propertyRule struct {
	name    string
	kind    propertyKind
	section string    // where the standard says "not more than once", and for Byte "0 or 1"
	in      packetSet // packets that may contain it
	repeat  packetSet // of those, the ones that may contain it more than once
	zero    error     // the error if its value is 0, where that is not allowed
}

var (
	inMessage = packets(TypePublish, TypeWill)
	inAny     = packets(TypeConnect, TypeConnack, TypePublish, TypeWill, TypePuback, TypePubrec, TypePubrel, TypePubcomp,
		TypeSubscribe, TypeSuback, TypeUnsubscribe, TypeUnsuback, TypeDisconnect, TypeAuth)
)

// propertyTable is everything the package knows about single properties: what
// decoding checks and how the walks over encoded lists find the next one.
var propertyTable = [...]propertyRule{
	PropPayloadFormatIndicator:          {"Payload Format Indicator", kindByte, "3.3.2.3.2", inMessage, 0, nil},
	PropMessageExpiryInterval:           {"Message Expiry Interval", kindFourByteInteger, "3.3.2.3.3", inMessage, 0, nil},
	PropContentType:                     {"Content Type", kindString, "3.3.2.3.9", inMessage, 0, nil},
	PropResponseTopic:                   {"Response Topic", kindTopicName, "3.3.2.3.5", inMessage, 0, nil},
	PropCorrelationData:                 {"Correlation Data", kindBinary, "3.3.2.3.6", inMessage, 0, nil},
	PropSubscriptionIdentifier:          {"Subscription Identifier", kindVariableByteInteger, "3.8.2.1.2", packets(TypePublish, TypeSubscribe), packets(TypePublish), errSubscriptionIDZero},
	PropSessionExpiryInterval:           {"Session Expiry Interval", kindFourByteInteger, "3.1.2.11.2", packets(TypeConnect, TypeConnack, TypeDisconnect), 0, nil},
	PropAssignedClientIdentifier:        {"Assigned Client Identifier", kindString, "3.2.2.3.7", packets(TypeConnack), 0, nil},
	PropServerKeepAlive:                 {"Server Keep Alive", kindTwoByteInteger, "3.2.2.3.14", packets(TypeConnack), 0, nil},
	PropAuthenticationMethod:            {"Authentication Method", kindString, "3.1.2.11.9", packets(TypeConnect, TypeConnack, TypeAuth), 0, nil},
	PropAuthenticationData:              {"Authentication Data", kindBinary, "3.1.2.11.10", packets(TypeConnect, TypeConnack, TypeAuth), 0, nil},
	PropRequestProblemInformation:       {"Request Problem Information", kindByte, "3.1.2.11.7", packets(TypeConnect), 0, nil},
	PropWillDelayInterval:               {"Will Delay Interval", kindFourByteInteger, "3.1.3.2.2", packets(TypeWill), 0, nil},
	PropRequestResponseInformation:      {"Request Response Information", kindByte, "3.1.2.11.6", packets(TypeConnect), 0, nil},
	PropResponseInformation:             {"Response Information", kindString, "3.2.2.3.15", packets(TypeConnack), 0, nil},
	PropServerReference:                 {"Server Reference", kindString, "3.2.2.3.16", packets(TypeConnack, TypeDisconnect), 0, nil},
	PropReasonString:                    {"Reason String", kindString, "3.2.2.3.9", packets(TypeConnack, TypePuback, TypePubrec, TypePubrel, TypePubcomp, TypeSuback, TypeUnsuback, TypeDisconnect, TypeAuth), 0, nil},
	PropReceiveMaximum:                  {"Receive Maximum", kindTwoByteInteger, "3.1.2.11.3", packets(TypeConnect, TypeConnack), 0, errReceiveMaximumZero},
	PropTopicAliasMaximum:               {"Topic Alias Maximum", kindTwoByteInteger, "3.1.2.11.5", packets(TypeConnect, TypeConnack), 0, nil},
	PropTopicAlias:                      {"Topic Alias", kindTwoByteInteger, "3.3.2.3.4", packets(TypePublish), 0, errTopicAliasZero},
	PropMaximumQoS:                      {"Maximum QoS", kindByte, "3.2.2.3.4", packets(TypeConnack), 0, nil},
	PropRetainAvailable:                 {"Retain Available", kindByte, "3.2.2.3.5", packets(TypeConnack), 0, nil},
	PropUserProperty:                    {"User Property", kindStringPair, "3.3.2.3.7", inAny, inAny, nil},
	PropMaximumPacketSize:               {"Maximum Packet Size", kindFourByteInteger, "3.1.2.11.4", packets(TypeConnect, TypeConnack), 0, errMaximumPacketSizeZero},
	PropWildcardSubscriptionAvailable:   {"Wildcard Subscription Available", kindByte, "3.2.2.3.11", packets(TypeConnack), 0, nil},
	PropSubscriptionIdentifierAvailable: {"Subscription Identifier Available", kindByte, "3.2.2.3.12", packets(TypeConnack), 0, nil},
	PropSharedSubscriptionAvailable:     {"Shared Subscription Available", kindByte, "3.2.2.3.13", packets(TypeConnack), 0, nil},
}

// propertyErrors holds the errors that name a property, one of each per row of
// propertyTable, so that they too are made at init.
var propertyErrors = func() (errs [len(propertyTable)]struct{ misplaced, repeated, notBool error }) {
	for id, rule := range propertyTable {
		if rule.kind == kindNone {
			continue
		}
		errs[id].misplaced = malformed("2.2.2.2", rule.name+" is not a property of this packet")
		errs[id].repeated = protocolError(rule.section, rule.name+" is included more than once")
		errs[id].notBool = protocolError(rule.section, rule.name+" is neither 0 nor 1")
	}
	return errs
}()

// propertySet is a set of Property Identifiers, one bit each.
type propertySet uint64

// property is one decoded property. The kind says which fields are set.
type property struct {
	id     PropertyID
	number uint32 // Byte and the integers
	data   []byte // strings, Binary Data, and the name of a User Property
	value  []byte // the value of a User Property
}

// propertyReader walks an encoded property list and checks every rule that
// concerns properties alone.
type propertyReader struct {
	reader
	packet PacketType
	seen   propertySet
}

// next reads the next property into p. It returns false at the end of the list
// and on an error, which is then in r.err.
func (r *propertyReader) next(p *property) bool {
	if len(r.buf) == 0 {
		return false
	}
	id := PropertyID(r.buf[0])
	r.buf = r.buf[1:]
	if int(id) >= len(propertyTable) || propertyTable[id].kind == kindNone {
		r.fail(errPropertyIdentifier)
		return false
	}
	rule := &propertyTable[id]
	if !rule.in.has(r.packet) {
		r.fail(propertyErrors[id].misplaced)
		return false
	}
	if r.seen>>id&1 != 0 && !rule.repeat.has(r.packet) {
		r.fail(propertyErrors[id].repeated)
		return false
	}
	r.seen |= 1 << id

	p.id = id
	switch rule.kind {
	case kindByte:
		if p.number = uint32(r.byte()); p.number > 1 {
			r.fail(propertyErrors[id].notBool)
		}
	case kindTwoByteInteger:
		p.number = uint32(r.uint16())
	case kindFourByteInteger:
		p.number = r.uint32()
	case kindVariableByteInteger:
		p.number = uint32(r.variableByteInteger())
	case kindString:
		p.data = r.string()
	case kindTopicName:
		p.data = r.binary()
		if err := checkTopicName(p.data, errResponseTopicWildcard); err != nil {
			r.fail(err)
		} else if len(p.data) == 0 {
			r.fail(errTopicNameEmpty)
		}
	case kindBinary:
		p.data = r.binary()
	case kindStringPair:
		p.data, p.value = r.string(), r.string() // [MQTT-1.5.7-1]
	}
	if rule.zero != nil && p.number == 0 {
		r.fail(rule.zero)
	}
	return r.err == nil
}

// cutProperty splits an encoded list after its first property. It trusts
// nothing: at anything that next would not accept, it ends the list.
func cutProperty(list []byte) (id PropertyID, encoded, rest []byte) {
	if len(list) == 0 || int(list[0]) >= len(propertyTable) {
		return 0, nil, nil
	}
	id = PropertyID(list[0])
	size := len(list) + 1
	switch propertyTable[id].kind {
	case kindByte:
		size = 2
	case kindTwoByteInteger:
		size = 3
	case kindFourByteInteger:
		size = 5
	case kindVariableByteInteger:
		if _, n, _ := readVariableByteInteger(list[1:]); n > 0 {
			size = 1 + n
		}
	case kindString, kindTopicName, kindBinary:
		size = 1 + stringSize(list[1:])
	case kindStringPair:
		size = 1 + stringSize(list[1:])
		if size < len(list) {
			size += stringSize(list[size:])
		}
	}
	if size > len(list) {
		return 0, nil, nil
	}
	return id, list[:size], list[size:]
}

// stringSize returns the encoded size of the string at the start of b, or more
// than len(b) if it does not end there.
func stringSize(b []byte) int {
	if len(b) < 2 {
		return len(b) + 1
	}
	return 2 + int(b[0])<<8 + int(b[1])
}
