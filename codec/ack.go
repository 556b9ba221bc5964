package codec

// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP packet.
type Ack struct {
	PacketID       PacketID
	ReasonCode     ReasonCode
	ReasonString   []byte // nil: none
	UserProperties UserProperties
}

// DecodeAck decodes the body of a packet of type t, which is one of PUBACK,
// PUBREC, PUBREL and PUBCOMP. a borrows body.
func DecodeAck(a *Ack, v Version, t PacketType, body []byte) error {
	*a = Ack{}
	r := reader{buf: body}
	a.PacketID = r.packetID()
	// The Reason Code and Property Length may be left out for Success, and the
	// Property Length alone if there are no properties.
	if v != V5 || len(r.buf) == 0 {
		return r.end()
	}
	a.ReasonCode = ReasonCode(r.byte())
	if !a.ReasonCode.allowedIn(t) {
		return ackReasonCodeError(t)
	}
	if len(r.buf) == 0 {
		return nil
	}
	var err error
	a.ReasonString, a.UserProperties, err = r.reasonProperties(t)
	if err != nil {
		return err
	}
	return r.end()
}

// reasonProperties reads a Property Length and the properties of an
// acknowledgement, of which there are two.
func (r *reader) reasonProperties(t PacketType) (reason []byte, user UserProperties, err error) {
	raw := r.properties()
	list := propertyReader{reader: reader{buf: raw, err: r.err}, packet: t}
	var next property
	for list.next(&next) {
		switch next.id {
		case PropReasonString:
			reason = next.data
		case PropUserProperty:
			user = raw
		}
	}
	return reason, user, list.err
}

func ackReasonCodeError(t PacketType) error {
	switch t {
	case TypePuback:
		return errPubackReasonCode
	case TypePubrec:
		return errPubrecReasonCode
	case TypePubrel:
		return errPubrelReasonCode
	}
	return errPubcompReasonCode
}

// ackFlags returns the fixed header flags of an acknowledgement [MQTT-3.6.1-1].
func ackFlags(t PacketType) byte {
	if t == TypePubrel {
		return 0b0010
	}
	return 0
}

// AppendAck appends a packet of type t, which is one of PUBACK, PUBREC, PUBREL
// and PUBCOMP. The Reason Code is left out if it is Success, and before MQTT
// 5.0, where there is none.
func AppendAck(dst []byte, v Version, t PacketType, id PacketID, code ReasonCode) []byte {
	first := byte(t)<<4 | ackFlags(t)
	if v != V5 || code == Success {
		return append(dst, first, 2, byte(id>>8), byte(id))
	}
	return append(dst, first, 3, byte(id>>8), byte(id), byte(code))
}

// AppendAckReason is AppendAck with a Reason String, which is not sent if it is
// empty, nor before MQTT 5.0. The caller sees to it that the Client asked for
// it [MQTT-3.1.2-29] and that the packet is not too large for it.
func AppendAckReason(dst []byte, v Version, t PacketType, id PacketID, code ReasonCode, reason string) []byte {
	if v != V5 || reason == "" {
		return AppendAck(dst, v, t, id, code)
	}
	dst, mark := beginPacket(dst, t, ackFlags(t))
	dst = append(appendPacketID(dst, id), byte(code))
	return endPacket(appendReasonProperties(dst, reason, nil), mark)
}
