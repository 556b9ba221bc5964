package codec

import "bytes"

// Subscribe is a SUBSCRIBE packet.
type Subscribe struct {
	PacketID       PacketID
	SubscriptionID SubscriptionID // 0: none; not encoded before MQTT 5.0
	Subscriptions  []Subscription
	UserProperties UserProperties // not encoded before MQTT 5.0
}

// Subscription is a Topic Filter with its Subscription Options. Before MQTT 5.0
// there is only QoS.
type Subscription struct {
	TopicFilter       []byte
	QoS               QoS // the Maximum QoS asked for
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte // 0: send retained messages; 1: only for a new subscription; 2: never
}

// The Subscription Options (section 3.8.3.1).
const (
	optionQoS               = 0x03 // two bits
	optionNoLocal           = 0x04
	optionRetainAsPublished = 0x08
	optionRetainHandling    = 0x30 // two bits
	optionReserved          = 0xC0

	optionRetainHandlingShift = 4
)

// DecodeSubscribe decodes the body of a SUBSCRIBE packet. s borrows body;
// s.Subscriptions keeps its array, which can grow to ten times the size of the
// largest body decoded. Topic Filters are checked to be text and not empty;
// their syntax is left to the caller, who can refuse them one by one.
func DecodeSubscribe(s *Subscribe, v Version, body []byte) error {
	*s = Subscribe{Subscriptions: s.Subscriptions[:0]}
	r := reader{buf: body}
	s.PacketID = r.packetID()
	if v == V5 && r.err == nil {
		raw := r.properties()
		list := propertyReader{reader: reader{buf: raw, err: r.err}, packet: TypeSubscribe}
		var next property
		for list.next(&next) {
			switch next.id {
			case PropSubscriptionIdentifier:
				s.SubscriptionID = SubscriptionID(next.number)
			case PropUserProperty:
				s.UserProperties = raw
			}
		}
		r.err = list.err
	}
	if r.err != nil {
		return r.err
	}
	if len(r.buf) == 0 {
		return errSubscribeEmpty // [MQTT-3.8.3-2]
	}
	for len(r.buf) > 0 {
		filter, options := r.topicFilter(), r.byte() // [MQTT-3.8.3-1]
		if r.err != nil {
			return r.err
		}
		sub, err := decodeSubscription(v, filter, options)
		if err != nil {
			return err
		}
		s.Subscriptions = append(s.Subscriptions, sub)
	}
	return nil
}

func decodeSubscription(v Version, filter []byte, options byte) (Subscription, error) {
	s := Subscription{TopicFilter: filter, QoS: QoS(options & optionQoS)}
	if v != V5 {
		if options > byte(QoS2) {
			return s, errSubscribeOptions311 // [MQTT311-3-8.3-4]
		}
		return s, nil
	}
	if options&optionReserved != 0 {
		return s, errSubscriptionReserved // [MQTT-3.8.3-5]
	}
	if s.QoS > QoS2 {
		return s, errSubscribeQoS3
	}
	s.NoLocal = options&optionNoLocal != 0
	s.RetainAsPublished = options&optionRetainAsPublished != 0
	s.RetainHandling = options & optionRetainHandling >> optionRetainHandlingShift
	if s.RetainHandling == 3 {
		return s, errRetainHandling3
	}
	if s.NoLocal && bytes.HasPrefix(filter, []byte("$share/")) {
		return s, errNoLocalShared // [MQTT-3.8.3-4]
	}
	return s, nil
}

// AppendSubscribe appends s as a SUBSCRIBE packet, as a Client does.
func AppendSubscribe(dst []byte, v Version, s *Subscribe) []byte {
	dst, mark := beginPacket(dst, TypeSubscribe, 0b0010)
	dst = appendPacketID(dst, s.PacketID)
	if v == V5 {
		var properties int
		dst, properties = beginLength(dst)
		if s.SubscriptionID != 0 {
			dst = appendSubscriptionID(dst, s.SubscriptionID)
		}
		dst = endLength(s.UserProperties.appendTo(dst), properties)
	}
	for i := range s.Subscriptions {
		sub := &s.Subscriptions[i]
		dst = append(appendString(dst, sub.TopicFilter), sub.options(v))
	}
	return endPacket(dst, mark)
}

func (s *Subscription) options(v Version) byte {
	options := byte(s.QoS)
	if v != V5 {
		return options
	}
	if s.NoLocal {
		options |= optionNoLocal
	}
	if s.RetainAsPublished {
		options |= optionRetainAsPublished
	}
	return options | s.RetainHandling<<optionRetainHandlingShift
}
