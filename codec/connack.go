package codec

// Connack is a CONNACK packet.
type Connack struct {
	SessionPresent bool // false unless ReasonCode is Success [MQTT-3.2.2-6]
	ReasonCode     ReasonCode
	Properties     Properties // not encoded before MQTT 5.0
}

// AppendConnack appends c as a CONNACK packet for a Client of version v. Before
// MQTT 5.0 the Reason Code is sent as [ReasonCode.ReturnCode311]. Session
// Present is sent with Success only [MQTT-3.2.2-6], and not to MQTT 3.1, where
// its byte is reserved.
func AppendConnack(dst []byte, v Version, c *Connack) []byte {
	present := boolByte(c.SessionPresent && c.ReasonCode == Success && v != V31)
	if v != V5 {
		return append(dst, byte(TypeConnack)<<4, 2, present, c.ReasonCode.ReturnCode311())
	}
	dst, mark := beginPacket(dst, TypeConnack, 0)
	dst = append(dst, present, byte(c.ReasonCode))
	return endPacket(appendPropertyList(dst, &c.Properties), mark)
}

// DecodeConnack decodes the body of a CONNACK packet, as a Client does. c
// borrows body. A return code of MQTT 3.1.1 becomes the Reason Code of the same
// meaning.
func DecodeConnack(c *Connack, v Version, body []byte) error {
	c.Properties.Reset()
	r := reader{buf: body}
	flags, code := r.byte(), r.byte()
	if r.err != nil {
		return r.err
	}
	if flags&^1 != 0 {
		return errConnackFlags // [MQTT-3.2.2-1]
	}
	c.SessionPresent = flags == 1 && v != V31 // where the byte is reserved

	if v != V5 {
		if int(code) >= len(reasonCode311) {
			return errReturnCode311
		}
		c.ReasonCode = reasonCode311[code]
	} else {
		c.ReasonCode = ReasonCode(code)
		if !c.ReasonCode.allowedIn(TypeConnack) {
			return errConnackReasonCode // [MQTT-3.2.2-8]
		}
		raw := r.properties()
		if r.err != nil {
			return r.err
		}
		if err := DecodeProperties(&c.Properties, TypeConnack, raw); err != nil {
			return err
		}
	}
	if c.SessionPresent && c.ReasonCode != Success {
		return errSessionPresent // [MQTT-3.2.2-6]
	}
	return r.end()
}
