package codec

import (
	"encoding/binary"
	"slices"
)

// Publish is a PUBLISH packet, decoded or to be encoded.
type Publish struct {
	TopicName []byte // empty only if TopicAlias is not 0
	Payload   []byte
	PacketID  PacketID // 0 at QoS 0
	QoS       QoS
	Dup       bool
	Retain    bool

	// The properties below and Forward are not encoded before MQTT 5.0.

	HasMessageExpiryInterval bool
	MessageExpiryInterval    uint32 // seconds
	TopicAlias               uint16 // 0: none
	SubscriptionIDs          []SubscriptionID

	// Forward holds encoded properties that AppendPublish writes as they are,
	// after those above: Payload Format Indicator, Content Type, Response
	// Topic, Correlation Data, and User Properties. Decoding leaves it empty.
	// See ForwardProperties.
	Forward []byte

	// Raw holds the properties as received, without the Property Length. It is
	// set by decoding and not encoded. DecodeProperties with TypePublish reads
	// those that have no field here.
	Raw []byte

	rawHasHopProperties bool // Raw holds some that ForwardProperties leaves out
}

// DecodePublish decodes a PUBLISH sent by a Client. flags are the frame's flags
// and body its body, which p borrows; p.SubscriptionIDs keeps its array. On
// error, p holds nothing of use.
func DecodePublish(p *Publish, v Version, flags byte, body []byte) error {
	return decodePublish(p, v, false, flags, body)
}

// DecodePublishFromServer is DecodePublish for one sent by a Server, which may
// contain Subscription Identifiers.
func DecodePublishFromServer(p *Publish, v Version, flags byte, body []byte) error {
	return decodePublish(p, v, true, flags, body)
}

func decodePublish(p *Publish, v Version, fromServer bool, flags byte, body []byte) error {
	// Field by field rather than a struct literal: that would be built on the
	// stack first and then copied, which cost a third of the whole function.
	p.QoS, p.Dup, p.Retain = QoS(flags>>1&3), flags&8 != 0, flags&1 != 0
	p.PacketID, p.TopicAlias = 0, 0
	p.HasMessageExpiryInterval, p.MessageExpiryInterval = false, 0
	p.SubscriptionIDs = p.SubscriptionIDs[:0]
	p.Forward, p.Raw, p.rawHasHopProperties = nil, nil, false
	if p.QoS > QoS2 {
		return errPublishQoS3 // [MQTT-3.3.1-4]
	}
	if p.Dup && p.QoS == QoS0 {
		return errPublishDupQoS0 // [MQTT-3.3.1-2]
	}

	if len(body) < 2 {
		return errTruncated
	}
	end := 2 + int(binary.BigEndian.Uint16(body))
	if len(body) < end {
		return errTruncated
	}
	p.TopicName = body[2:end:end]
	if err := checkTopicName(p.TopicName, errTopicNameWildcard); err != nil {
		return err // [MQTT-3.3.2-1] [MQTT-3.3.2-2]
	}
	body = body[end:]

	if p.QoS > QoS0 {
		if len(body) < 2 {
			return errTruncated
		}
		p.PacketID = PacketID(binary.BigEndian.Uint16(body))
		if p.PacketID == 0 {
			return errPacketIDZero // [MQTT-2.2.1-3]
		}
		body = body[2:]
	}

	if v == V5 {
		// Most telemetry carries no properties: one compare spares it the walk.
		if len(body) > 0 && body[0] == 0 {
			body = body[1:]
		} else {
			var err error
			if body, err = p.decodeProperties(body, fromServer); err != nil {
				return err
			}
		}
	}
	p.Payload = body

	// Only now is it known whether a Topic Alias excuses an empty Topic Name.
	if len(p.TopicName) == 0 && p.TopicAlias == 0 {
		if v != V5 {
			return errTopicNameEmpty // [MQTT-4.7.3-1]
		}
		return errPublishNoTopic
	}
	return nil
}

// decodeProperties decodes the properties at the start of body and returns what
// follows them.
func (p *Publish) decodeProperties(body []byte, fromServer bool) (rest []byte, err error) {
	r := propertyReader{reader: reader{buf: body}, packet: TypePublish}
	p.Raw = r.properties()
	rest, r.buf = r.buf, p.Raw
	var next property
	for r.next(&next) {
		switch next.id {
		case PropMessageExpiryInterval:
			p.HasMessageExpiryInterval, p.MessageExpiryInterval = true, next.number
		case PropTopicAlias:
			p.TopicAlias = uint16(next.number)
		case PropSubscriptionIdentifier:
			// At the first, or a Client could have the Server keep an array for
			// as many as fit in a packet.
			if !fromServer {
				return nil, errPublishSubscriptionID // [MQTT-3.3.4-6]
			}
			p.SubscriptionIDs = append(p.SubscriptionIDs, SubscriptionID(next.number))
		}
	}
	p.rawHasHopProperties = r.seen&hopProperties != 0
	return rest, r.err
}

// hopProperties are the properties of a message that concern one hop only, or
// that change on the way. All others are forwarded unaltered [MQTT-3.3.2-4]
// [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20].
const hopProperties propertySet = 1<<PropMessageExpiryInterval | 1<<PropTopicAlias |
	1<<PropSubscriptionIdentifier | 1<<PropWillDelayInterval

// ForwardProperties returns the encoded properties that a Server forwards
// unaltered, for use as Forward. If that is all of Raw it returns Raw itself,
// which is borrowed from the packet; otherwise it gathers them in scratch,
// which it overwrites from its start and may outgrow.
func (p *Publish) ForwardProperties(scratch []byte) []byte {
	if !p.rawHasHopProperties {
		return p.Raw
	}
	return gatherForwardProperties(scratch, p.Raw)
}

func gatherForwardProperties(scratch, raw []byte) []byte {
	scratch = scratch[:0]
	for len(raw) > 0 {
		var id PropertyID
		var encoded []byte
		if id, encoded, raw = cutProperty(raw); hopProperties>>id&1 == 0 {
			scratch = append(scratch, encoded...)
		}
	}
	return scratch
}

// propertiesSize returns the bytes of p's properties without Property Length.
func (p *Publish) propertiesSize() int {
	n := len(p.Forward)
	if p.HasMessageExpiryInterval {
		n += 5
	}
	if p.TopicAlias != 0 {
		n += 3
	}
	for _, id := range p.SubscriptionIDs {
		n += 1 + variableByteIntegerSize(int(id))
	}
	return n
}

// remainingLength returns the Remaining Length and Property Length of p encoded.
func (p *Publish) remainingLength(v Version) (remaining, properties int) {
	remaining = 2 + len(p.TopicName) + len(p.Payload)
	if p.QoS > QoS0 {
		remaining += 2
	}
	if v == V5 {
		properties = p.propertiesSize()
		remaining += variableByteIntegerSize(properties) + properties
	}
	return remaining, properties
}

// PublishSize returns the bytes that AppendPublish adds for p, to compare with
// the receiver's Maximum Packet Size [MQTT-3.1.2-24].
func PublishSize(v Version, p *Publish) int {
	remaining, _ := p.remainingLength(v)
	return 1 + variableByteIntegerSize(remaining) + remaining
}

// AppendPublish appends p as a PUBLISH packet for a receiver of version v. It
// writes no Packet Identifier at QoS 0 [MQTT-2.2.1-2].
func AppendPublish(dst []byte, v Version, p *Publish) []byte {
	return append(appendPublish(dst, v, p, len(p.Payload)), p.Payload...)
}

// AppendPublishHeader appends a PUBLISH as AppendPublish does, but for its
// Payload: the caller sends that from where it is. The header counts it.
func AppendPublishHeader(dst []byte, v Version, p *Publish) []byte {
	return appendPublish(dst, v, p, 0)
}

// appendPublish appends p without its Payload, of which room is made for so many
// bytes.
func appendPublish(dst []byte, v Version, p *Publish, room int) []byte {
	remaining, properties := p.remainingLength(v)
	if len(p.TopicName) > maxStringLength {
		panic("codec: Topic Name of more than 65,535 bytes")
	}
	// With room made once, each append below finds it there. Storing by index
	// instead was a nanosecond faster without properties and slower with them.
	dst = slices.Grow(dst, 1+lengthGap+remaining-len(p.Payload)+room)
	flags := byte(p.QoS)<<1 | boolByte(p.Dup)<<3 | boolByte(p.Retain)
	dst = append(dst, byte(TypePublish)<<4|flags)
	dst = appendVariableByteInteger(dst, remaining)
	dst = append(dst, byte(len(p.TopicName)>>8), byte(len(p.TopicName)))
	dst = append(dst, p.TopicName...)
	if p.QoS > QoS0 {
		dst = appendPacketID(dst, p.PacketID)
	}
	if v == V5 {
		dst = appendVariableByteInteger(dst, properties)
		if properties > 0 {
			dst = p.appendProperties(dst)
		}
	}
	return dst
}

func (p *Publish) appendProperties(dst []byte) []byte {
	if p.HasMessageExpiryInterval {
		dst = appendUint32Property(dst, PropMessageExpiryInterval, p.MessageExpiryInterval)
	}
	if p.TopicAlias != 0 {
		dst = appendUint16Property(dst, PropTopicAlias, p.TopicAlias)
	}
	for _, id := range p.SubscriptionIDs {
		dst = appendSubscriptionID(dst, id)
	}
	return append(dst, p.Forward...)
}

// PacketIDOffset returns where the two bytes of the Packet Identifier stand in
// publish, a whole encoded PUBLISH packet of QoS 1 or 2, so that one encoding
// can be patched for many receivers.
func PacketIDOffset(publish []byte) int {
	topic := 2
	for publish[topic-1] >= 0x80 {
		topic++
	}
	return topic + 2 + int(binary.BigEndian.Uint16(publish[topic:]))
}
