package codec

// Suback is a SUBACK or UNSUBACK packet.
type Suback struct {
	PacketID       PacketID
	ReasonCodes    []ReasonCode // in the order of the Topic Filters; empty in an UNSUBACK before MQTT 5.0
	ReasonString   []byte       // nil: none
	UserProperties UserProperties
}

// AppendSuback appends a SUBACK packet with one Reason Code for each Topic
// Filter, in their order [MQTT-3.9.3-1], and a Reason String unless it is
// empty. Before MQTT 5.0 there is no Reason String, and every failure is 0x80.
// The caller sees to it that a Reason String is wanted [MQTT-3.1.2-29] and
// does not make the packet too large.
func AppendSuback(dst []byte, v Version, id PacketID, codes []ReasonCode, reason string) []byte {
	dst, mark := beginPacket(dst, TypeSuback, 0)
	dst = appendPacketID(dst, id)
	if v == V5 {
		dst = appendReasonProperties(dst, reason, nil)
	}
	for _, code := range codes {
		if v != V5 && code.IsError() {
			code = UnspecifiedError
		}
		dst = append(dst, byte(code))
	}
	return endPacket(dst, mark)
}

// AppendUnsuback appends an UNSUBACK packet with one Reason Code for each Topic
// Filter, in their order [MQTT-3.11.3-1]. Before MQTT 5.0 there are none.
func AppendUnsuback(dst []byte, v Version, id PacketID, codes []ReasonCode) []byte {
	if v != V5 {
		return append(dst, byte(TypeUnsuback)<<4, 2, byte(id>>8), byte(id))
	}
	dst, mark := beginPacket(dst, TypeUnsuback, 0)
	dst = append(appendPacketID(dst, id), 0) // no properties [MQTT-2.2.2-1]
	for _, code := range codes {
		dst = append(dst, byte(code))
	}
	return endPacket(dst, mark)
}

// DecodeSuback decodes the body of a SUBACK packet, as a Client does. s borrows
// body; s.ReasonCodes keeps its array.
func DecodeSuback(s *Suback, v Version, body []byte) error {
	codes, err := s.decode(v, TypeSuback, body)
	if err != nil {
		return err
	}
	if len(codes) == 0 {
		return errSubackEmpty // [MQTT-3.8.4-6]
	}
	for _, b := range codes {
		code := ReasonCode(b)
		if v != V5 && code > GrantedQoS2 && code != UnspecifiedError {
			return errSuback311
		}
		if !code.allowedIn(TypeSuback) {
			return errSubackReasonCode // [MQTT-3.9.3-2]
		}
		s.ReasonCodes = append(s.ReasonCodes, code)
	}
	return nil
}

// DecodeUnsuback decodes the body of an UNSUBACK packet, as a Client does. s
// borrows body; s.ReasonCodes keeps its array.
func DecodeUnsuback(s *Suback, v Version, body []byte) error {
	codes, err := s.decode(v, TypeUnsuback, body)
	if err != nil {
		return err
	}
	if v != V5 {
		if len(codes) > 0 {
			return errTrailingBytes
		}
		return nil
	}
	if len(codes) == 0 {
		return errUnsubackEmpty // [MQTT-3.11.3-1]
	}
	for _, b := range codes {
		code := ReasonCode(b)
		if !code.allowedIn(TypeUnsuback) {
			return errUnsubackReasonCode // [MQTT-3.11.3-2]
		}
		s.ReasonCodes = append(s.ReasonCodes, code)
	}
	return nil
}

// decode reads the Variable Header and returns the Payload.
func (s *Suback) decode(v Version, t PacketType, body []byte) (codes []byte, err error) {
	*s = Suback{ReasonCodes: s.ReasonCodes[:0]}
	r := reader{buf: body}
	s.PacketID = r.packetID()
	if v == V5 && r.err == nil {
		s.ReasonString, s.UserProperties, r.err = r.reasonProperties(t)
	}
	return r.buf, r.err
}
