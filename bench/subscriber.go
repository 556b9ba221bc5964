package bench

import (
	"encoding/binary"

	"github.com/weirmq/weir/codec"
)

// subscriber is a Client that receives.
type subscriber struct {
	traffic *traffic
	index   int32
	conn    *conn
}

func (s *subscriber) String() string { return s.traffic.dialer.clientID('s', int(s.index)) }

// packet implements handler.
func (s *subscriber) packet(f codec.Frame) error {
	switch f.Type {
	case codec.TypePublish:
		return s.publish(f)
	case codec.TypePubrel:
		if len(f.Body) < 2 {
			return &PacketError{f.Type, "it has no Packet Identifier"}
		}
		s.acknowledge(codec.TypePubcomp, codec.PacketID(binary.BigEndian.Uint16(f.Body)))
		return nil
	case codec.TypeDisconnect:
		return disconnected(f)
	}
	return &PacketError{f.Type, "a Subscriber has no use for it"}
}

func (s *subscriber) acknowledge(t codec.PacketType, id codec.PacketID) {
	s.conn.out = codec.AppendAck(s.conn.out, s.traffic.config.Version, t, id, codec.Success)
	s.conn.touch()
}

// publish takes a message. It looks for the Payload and no further: whether the
// rest is as the standard wants it is for other tests to say, and costs time
// that the broker may be short of.
func (s *subscriber) publish(f codec.Frame) error {
	body := f.Body
	if !cutString(&body) {
		return errPublishShort
	}
	qos := codec.QoS(f.Flags >> 1 & 3)
	if qos > codec.QoS0 {
		if len(body) < 2 {
			return errPublishShort
		}
		id := codec.PacketID(binary.BigEndian.Uint16(body))
		body = body[2:]
		s.acknowledge(acceptance(qos), id)
	}
	if s.traffic.config.Version == codec.V5 && !cutProperties(&body) {
		return errPublishShort
	}
	var h header
	if !h.read(body) {
		s.traffic.foreign++
		return nil
	}
	s.traffic.delivered(s, &h)
	return nil
}

// acceptance is what a PUBLISH with QoS 1 or 2 is answered with.
func acceptance(qos codec.QoS) codec.PacketType {
	if qos == codec.QoS2 {
		return codec.TypePubrec
	}
	return codec.TypePuback
}

var errPublishShort = &PacketError{codec.TypePublish, "it ends before its Payload begins"}

// cutString drops a string with its length from the beginning of b.
func cutString(b *[]byte) bool {
	if len(*b) < 2 {
		return false
	}
	end := 2 + int(binary.BigEndian.Uint16(*b))
	if len(*b) < end {
		return false
	}
	*b = (*b)[end:]
	return true
}

// cutProperties drops properties with their length from the beginning of b.
func cutProperties(b *[]byte) bool {
	if len(*b) > 0 && (*b)[0] == 0 {
		*b = (*b)[1:] // there seldom are any
		return true
	}
	length, shift := 0, 0
	for i, digit := range *b {
		length |= int(digit&0x7F) << shift
		if shift += 7; digit < 0x80 {
			end := i + 1 + length
			if len(*b) < end {
				return false
			}
			*b = (*b)[end:]
			return true
		}
		if shift > 21 {
			return false
		}
	}
	return false
}
