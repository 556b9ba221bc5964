package codec

import "testing"

func TestAppendedPackets(t *testing.T) {
	refused := Connack{SessionPresent: true, ReasonCode: NotAuthorized}
	resumed := Connack{SessionPresent: true}
	codes := []ReasonCode{GrantedQoS1, NotAuthorized, QuotaExceeded}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"PUBACK is short for Success", AppendAck(nil, V5, TypePuback, 258, Success), "\x40\x02\x01\x02"},
		{"PUBACK with a Reason Code", AppendAck(nil, V5, TypePuback, 258, NotAuthorized), "\x40\x03\x01\x02\x87"},
		{"PUBACK in MQTT 3.1.1 has no Reason Code", AppendAck(nil, V311, TypePuback, 258, NotAuthorized), "\x40\x02\x01\x02"},
		{"PUBREL has its flag [MQTT-3.6.1-1]", AppendAck(nil, V31, TypePubrel, 1, Success), "\x62\x02\x00\x01"},
		{"PUBREC with Reason String", AppendAckReason(nil, V5, TypePubrec, 1, QuotaExceeded, "no"), "\x50\x09\x00\x01\x97\x05\x1f\x00\x02no"},
		{"PUBREC with empty Reason String", AppendAckReason(nil, V5, TypePubrec, 1, QuotaExceeded, ""), "\x50\x03\x00\x01\x97"},
		{"PUBREL with Reason String", AppendAckReason(nil, V5, TypePubrel, 1, PacketIdentifierNotFound, "no"), "\x62\x09\x00\x01\x92\x05\x1f\x00\x02no"},
		{"PUBREC with Reason String in MQTT 3.1.1", AppendAckReason(nil, V311, TypePubrec, 1, QuotaExceeded, "no"), "\x50\x02\x00\x01"},
		{"CONNACK", AppendConnack(nil, V5, &Connack{}), "\x20\x03\x00\x00\x00"},
		{"CONNACK that refuses has no Session Present [MQTT-3.2.2-6]", AppendConnack(nil, V5, &refused), "\x20\x03\x00\x87\x00"},
		{"CONNACK with Session Present in MQTT 3.1.1", AppendConnack(nil, V311, &resumed), "\x20\x02\x01\x00"},
		{"CONNACK has no Session Present in MQTT 3.1", AppendConnack(nil, V31, &resumed), "\x20\x02\x00\x00"},
		{"CONNACK that refuses in MQTT 3.1.1", AppendConnack(nil, V311, &refused), "\x20\x02\x00\x05"},
		{"SUBACK", AppendSuback(nil, V5, 1, codes, ""), "\x90\x06\x00\x01\x00\x01\x87\x97"},
		{"SUBACK with Reason String", AppendSuback(nil, V5, 1, codes, "no"), "\x90\x0b\x00\x01\x05\x1f\x00\x02no\x01\x87\x97"},
		{"SUBACK in MQTT 3.1.1 has one failure [MQTT311-3.9.3-2]", AppendSuback(nil, V311, 1, codes, "no"), "\x90\x05\x00\x01\x01\x80\x80"},
		{"UNSUBACK", AppendUnsuback(nil, V5, 1, []ReasonCode{Success, NoSubscriptionExisted}), "\xb0\x05\x00\x01\x00\x00\x11"},
		{"UNSUBACK in MQTT 3.1.1 has no Payload", AppendUnsuback(nil, V311, 1, codes), "\xb0\x02\x00\x01"},
		{"DISCONNECT is empty for Normal disconnection", AppendDisconnect(nil, &Disconnect{}), "\xe0\x00"},
		{"DISCONNECT with a Reason Code", AppendDisconnect(nil, &Disconnect{ReasonCode: SessionTakenOver}), "\xe0\x01\x8e"},
		{"SUBSCRIBE in MQTT 3.1.1 has QoS alone", AppendSubscribe(nil, V311, &Subscribe{PacketID: 1, SubscriptionID: 9,
			Subscriptions: []Subscription{{TopicFilter: []byte("a"), QoS: QoS1, NoLocal: true, RetainHandling: 2}}}), "\x82\x06\x00\x01\x00\x01a\x01"},
		{"PINGREQ", AppendPingreq(nil), "\xc0\x00"},
		{"PINGRESP", AppendPingresp(nil), "\xd0\x00"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

// The bodies here end on both sides of where a length takes another byte.
func TestLengthsGrowWithWhatFollows(t *testing.T) {
	for size := range 300 {
		d := Disconnect{ReasonCode: ServerMoved}
		d.Properties.SetServerReference(make([]byte, size))
		for i := range d.Properties.ServerReference {
			d.Properties.ServerReference[i] = 'x'
		}
		b := AppendDisconnect([]byte("before"), &d)
		f, n, err := ReadFrame(b[len("before"):], 0)
		if err != nil || n != len(b)-len("before") || string(b[:6]) != "before" {
			t.Fatalf("Server Reference of %d bytes: %q, %v", size, b, err)
		}
		var got Disconnect
		if err := DecodeDisconnectFromServer(&got, f.Body); err != nil || len(got.Properties.ServerReference) != size {
			t.Fatalf("Server Reference of %d bytes: %d, %v", size, len(got.Properties.ServerReference), err)
		}
	}
}

func TestReturnCode311CoversTheRefusalsThatHaveOne(t *testing.T) {
	want := map[ReasonCode]byte{ // table 3.1 of MQTT 3.1.1
		Success: 0, UnsupportedProtocolVersion: 1, ClientIdentifierNotValid: 2, ServerUnavailable: 3, ServerBusy: 3,
		QuotaExceeded: 3, ConnectionRateExceeded: 3, UseAnotherServer: 3, ServerMoved: 3,
		BadUserNameOrPassword: 4, NotAuthorized: 5, Banned: 5, BadAuthenticationMethod: 5,
	}
	for c := range 256 {
		code := ReasonCode(c)
		n, ok := want[code]
		if code.HasReturnCode311() != ok {
			t.Errorf("%#02x: HasReturnCode311 is %t", c, !ok)
		}
		if ok && code.ReturnCode311() != n {
			t.Errorf("%#02x: return code %d, want %d", c, code.ReturnCode311(), n)
		}
		if code.ReturnCode311() > 5 {
			t.Errorf("%#02x: return code %d is reserved", c, code.ReturnCode311())
		}
	}
}

func TestNamesAreThoseOfTheStandard(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{TypePublish.String(), "PUBLISH"}, {TypeAuth.String(), "AUTH"}, {TypeWill.String(), "Will Properties"},
		{PacketType(0).String(), "RESERVED"}, {PacketType(99).String(), "RESERVED"},
		{NotAuthorized.String(), "Not authorized"}, {ReAuthenticate.String(), "Re-authenticate"},
		{ReasonCode(0xFF).String(), "reserved Reason Code"},
		{PropUserProperty.String(), "User Property"}, {PropertyID(0).String(), "reserved Property Identifier"},
		{PropertyID(0x7F).String(), "reserved Property Identifier"},
		{V31.String(), "3.1"}, {V311.String(), "3.1.1"}, {V5.String(), "5.0"}, {Version(9).String(), "unknown"},
		{errPublishQoS3.Error(), "Malformed Packet: QoS is 3 [MQTT-3.3.1-4]"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
