package codec

// Version is the Protocol Version (MQTT 3.1.1: Protocol Level) of a Network
// Connection, as it stands in CONNECT.
type Version byte

// The protocol versions this package reads and writes.
const (
	V31  Version = 3 // MQTT 3.1, protocol name MQIsdp
	V311 Version = 4 // MQTT 3.1.1
	V5   Version = 5 // MQTT 5.0
)

// String returns the version's usual name, such as "5.0".
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5.0"
	}
	return "unknown"
}

// PacketType is the MQTT Control Packet type, the high nibble of a packet's
// first byte (table 2-1).
type PacketType byte

// The MQTT Control Packet types.
const (
	TypeConnect     PacketType = 1
	TypeConnack     PacketType = 2
	TypePublish     PacketType = 3
	TypePuback      PacketType = 4
	TypePubrec      PacketType = 5
	TypePubrel      PacketType = 6
	TypePubcomp     PacketType = 7
	TypeSubscribe   PacketType = 8
	TypeSuback      PacketType = 9
	TypeUnsubscribe PacketType = 10
	TypeUnsuback    PacketType = 11
	TypePingreq     PacketType = 12
	TypePingresp    PacketType = 13
	TypeDisconnect  PacketType = 14
	TypeAuth        PacketType = 15
)

// TypeWill is not a packet: it names the Will Properties of a CONNECT to
// [DecodeProperties], since they have a column of their own in table 2-4.
const TypeWill PacketType = 16

var packetTypeNames = [...]string{
	"RESERVED", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
	"SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH", "Will Properties",
}

// String returns the name in the standard's capitals, such as "PUBLISH".
func (t PacketType) String() string {
	if int(t) < len(packetTypeNames) {
		return packetTypeNames[t]
	}
	return "RESERVED"
}

// packetSet is a set of packet types, one bit each.
type packetSet uint32

func packets(types ...PacketType) packetSet {
	var s packetSet
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

func (s packetSet) has(t PacketType) bool { return s>>t&1 != 0 }

// QoS is the Quality of Service level of an Application Message or of a
// Subscription.
type QoS byte

// The QoS levels of section 4.3. The value 3 is reserved and never decoded.
const (
	QoS0 QoS = 0 // at most once
	QoS1 QoS = 1 // at least once
	QoS2 QoS = 2 // exactly once
)

// PacketID is a Packet Identifier. Zero is not a valid one [MQTT-2.2.1-3].
type PacketID uint16

// SubscriptionID is a Subscription Identifier, 1 to [MaxSubscriptionID]. Zero
// means that there is none.
type SubscriptionID uint32

// MaxSubscriptionID is the largest Subscription Identifier.
const MaxSubscriptionID SubscriptionID = maxVariableByteInteger

// MaxPacketSize is the size in bytes of the largest packet MQTT can express:
// one byte, a Remaining Length of four, and the body.
const MaxPacketSize = 1 + 4 + maxVariableByteInteger
