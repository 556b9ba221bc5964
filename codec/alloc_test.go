//go:build !race

package codec

import "testing"

// allocPackets are packets as they come in, by name.
func allocPackets() (frames map[string]Frame) {
	packets := map[string][]byte{
		"publish": AppendPublish(nil, V5, &Publish{TopicName: []byte("devices/7/temperature"), Payload: make([]byte, 64), QoS: QoS1, PacketID: 1}),
		"properties": AppendPublish(nil, V5, &Publish{TopicName: []byte("devices/7/température"), TopicAlias: 1,
			SubscriptionIDs: []SubscriptionID{1, 2}, Forward: UserProperties(nil).Append("k", "v")}),
		"puback":      AppendAckReason(nil, V5, TypePuback, 1, QuotaExceeded, "why"),
		"subscribe":   AppendSubscribe(nil, V5, &Subscribe{PacketID: 1, SubscriptionID: 3, Subscriptions: []Subscription{{TopicFilter: []byte("a/#")}, {TopicFilter: []byte("b")}}}),
		"suback":      AppendSuback(nil, V5, 1, []ReasonCode{0, 1}, "why"),
		"unsubscribe": AppendUnsubscribe(nil, V5, &Unsubscribe{PacketID: 1, TopicFilters: [][]byte{[]byte("a"), []byte("b")}}),
		"disconnect":  []byte("\xe0\x0a\x00\x08\x11\x00\x00\x00\x05\x1f\x00\x00"),
		"auth":        []byte("\xf0\x06\x18\x04\x15\x00\x01S"),
		"connect": AppendConnect(nil, &Connect{Version: V5, ClientID: []byte("dev-1"), HasUserName: true, UserName: []byte("u"),
			HasWill: true, Will: Will{TopicName: []byte("w")}}),
		"connack": AppendConnack(nil, V5, &Connack{}),
	}
	frames = make(map[string]Frame)
	for name, packet := range packets {
		frames[name], _, _ = ReadFrame(packet, 0)
	}
	return frames
}

func TestNoAllocations(t *testing.T) {
	in := allocPackets()
	var (
		publish     Publish
		ack         Ack
		subscribe   Subscribe
		unsubscribe Unsubscribe
		suback      Suback
		connect     Connect
		connack     Connack
		disconnect  Disconnect
		auth        Auth
		properties  Properties
		err         error

		dst    = make([]byte, 0, 1024)
		codes  = []ReasonCode{0, 1}
		plain  = &Publish{TopicName: []byte("t"), Payload: []byte("p"), QoS: QoS1, PacketID: 1, TopicAlias: 3}
		user   = UserProperties(nil).Append("a", "1").Append("b", "2")
		reason = "why"
		count  int
	)
	connack.Properties.SetReceiveMaximum(10)
	disconnect.Properties.SetServerReference([]byte("other"))
	server := func(name string) Frame { return in[name] }
	bad := []byte("\x00\x02a#\x00")
	badProperty := []byte("\x00\x01a\x02\x01\x02")
	badFrame := []byte{0x00, 0x00}

	for name, f := range map[string]func(){
		"ReadFrame":                   func() { _, _, err = ReadFrame(badFrame[1:], 0) },
		"ReadFrame, error":            func() { _, _, err = ReadFrame(badFrame, 0) },
		"DecodePublish":               func() { err = DecodePublish(&publish, V5, 2, in["publish"].Body) },
		"DecodePublish, properties":   func() { err = DecodePublishFromServer(&publish, V5, 0, in["properties"].Body) },
		"DecodePublish, wildcard":     func() { err = DecodePublish(&publish, V5, 0, bad) },
		"DecodePublish, bad property": func() { err = DecodePublish(&publish, V5, 0, badProperty) },
		"ForwardProperties":           func() { _ = publish.ForwardProperties(dst) },
		"DecodeAck":                   func() { err = DecodeAck(&ack, V5, TypePuback, in["puback"].Body) },
		"DecodeAck, error":            func() { err = DecodeAck(&ack, V5, TypePubrel, in["puback"].Body) },
		"DecodeSubscribe":             func() { err = DecodeSubscribe(&subscribe, V5, in["subscribe"].Body) },
		"DecodeSubscribe, error":      func() { err = DecodeSubscribe(&subscribe, V311, in["subscribe"].Body) },
		"DecodeUnsubscribe":           func() { err = DecodeUnsubscribe(&unsubscribe, V5, in["unsubscribe"].Body) },
		"DecodeSuback":                func() { err = DecodeSuback(&suback, V5, in["suback"].Body) },
		"DecodeDisconnect":            func() { err = DecodeDisconnect(&disconnect, V5, in["disconnect"].Body) },
		"DecodeAuth":                  func() { err = DecodeAuth(&auth, V5, in["auth"].Body) },
		"DecodeConnect":               func() { err = DecodeConnect(&connect, in["connect"].Body) },
		"DecodeConnect, error":        func() { err = DecodeConnect(&connect, in["publish"].Body) },
		"DecodeConnack":               func() { err = DecodeConnack(&connack, V5, server("connack").Body) },
		"DecodeProperties":            func() { err = DecodeProperties(&properties, TypePublish, user) },
		"UserProperties.All": func() {
			for name, value := range user.All {
				count += len(name) + len(value)
			}
		},
		"AppendPublish":    func() { _ = AppendPublish(dst, V5, plain) },
		"AppendAck":        func() { _ = AppendAck(dst, V5, TypePuback, 1, NotAuthorized) },
		"AppendAckReason":  func() { _ = AppendAckReason(dst, V5, TypePuback, 1, NotAuthorized, reason) },
		"AppendConnack":    func() { _ = AppendConnack(dst, V5, &connack) },
		"AppendSuback":     func() { _ = AppendSuback(dst, V5, 1, codes, reason) },
		"AppendUnsuback":   func() { _ = AppendUnsuback(dst, V5, 1, codes) },
		"AppendDisconnect": func() { _ = AppendDisconnect(dst, &disconnect) },
		"AppendPingresp":   func() { _ = AppendPingresp(dst) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	_ = err
}
