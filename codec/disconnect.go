package codec

// Disconnect is a DISCONNECT packet. Before MQTT 5.0 it is empty, which reads
// as NormalDisconnection.
type Disconnect struct {
	ReasonCode ReasonCode
	Properties Properties
}

// DecodeDisconnect decodes the body of a DISCONNECT packet sent by a Client. d
// borrows body. Whether a Session Expiry Interval may be set depends on that of
// CONNECT and is the caller's to check.
func DecodeDisconnect(d *Disconnect, v Version, body []byte) error {
	return d.decode(v, TypeDisconnect, body)
}

// DecodeDisconnectFromServer is DecodeDisconnect for one sent by a Server, as a
// Client does. It is for MQTT 5.0; a Server sends none before.
func DecodeDisconnectFromServer(d *Disconnect, body []byte) error {
	if err := d.decode(V5, typeDisconnectFromServer, body); err != nil {
		return err
	}
	if d.Properties.Has(PropSessionExpiryInterval) {
		return errServerSessionExpiry // [MQTT-3.14.2-2]
	}
	return nil
}

func (d *Disconnect) decode(v Version, direction PacketType, body []byte) error {
	d.ReasonCode = NormalDisconnection
	d.Properties.Reset()
	r := reader{buf: body}
	if v != V5 || len(body) == 0 {
		return r.end()
	}
	d.ReasonCode = ReasonCode(r.byte())
	if !d.ReasonCode.allowedIn(direction) {
		return errDisconnectReasonCode // [MQTT-3.14.2-1]
	}
	if len(r.buf) == 0 {
		return nil
	}
	raw := r.properties()
	if r.err != nil {
		return r.err
	}
	if err := DecodeProperties(&d.Properties, TypeDisconnect, raw); err != nil {
		return err
	}
	return r.end()
}

// AppendDisconnect appends d as a DISCONNECT packet of MQTT 5.0, in its shortest
// form. For NormalDisconnection without properties that is an empty body, which
// is also the only DISCONNECT of MQTT 3.1.1 and 3.1.
func AppendDisconnect(dst []byte, d *Disconnect) []byte {
	return appendCodeAndProperties(dst, TypeDisconnect, d.ReasonCode, &d.Properties)
}

// appendCodeAndProperties appends a packet whose body is a Reason Code and
// properties, each left out if it can be.
func appendCodeAndProperties(dst []byte, t PacketType, code ReasonCode, p *Properties) []byte {
	start := len(dst)
	dst, mark := beginPacket(dst, t, 0)
	dst = append(dst, byte(code))
	properties := len(dst)
	if dst = appendPropertyList(dst, p); len(dst) > properties+1 {
		return endPacket(dst, mark)
	}
	if code != Success {
		return append(dst[:start], byte(t)<<4, 1, byte(code))
	}
	return append(dst[:start], byte(t)<<4, 0)
}
