package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

var propertyHolders = []PacketType{
	TypeConnect, TypeConnack, TypePublish, TypePuback, TypePubrec, TypePubrel, TypePubcomp, TypeSubscribe, TypeSuback,
	TypeUnsubscribe, TypeUnsuback, TypeDisconnect, TypeAuth, TypeWill,
}

// tableOf24 is table 2-4 as the standard prints it, written independently of
// propertyTable: for each identifier the packets that may contain it.
var tableOf24 = map[PropertyID][]PacketType{
	0x01: {TypePublish, TypeWill}, 0x02: {TypePublish, TypeWill}, 0x03: {TypePublish, TypeWill},
	0x08: {TypePublish, TypeWill}, 0x09: {TypePublish, TypeWill},
	0x0B: {TypePublish, TypeSubscribe},
	0x11: {TypeConnect, TypeConnack, TypeDisconnect},
	0x12: {TypeConnack}, 0x13: {TypeConnack},
	0x15: {TypeConnect, TypeConnack, TypeAuth}, 0x16: {TypeConnect, TypeConnack, TypeAuth},
	0x17: {TypeConnect}, 0x18: {TypeWill}, 0x19: {TypeConnect}, 0x1A: {TypeConnack},
	0x1C: {TypeConnack, TypeDisconnect},
	0x1F: {TypeConnack, TypePuback, TypePubrec, TypePubrel, TypePubcomp, TypeSuback, TypeUnsuback, TypeDisconnect, TypeAuth},
	0x21: {TypeConnect, TypeConnack}, 0x22: {TypeConnect, TypeConnack},
	0x23: {TypePublish}, 0x24: {TypeConnack}, 0x25: {TypeConnack},
	0x26: {TypeConnect, TypeConnack, TypePublish, TypeWill, TypePuback, TypePubrec, TypePubrel, TypePubcomp,
		TypeSubscribe, TypeSuback, TypeUnsubscribe, TypeUnsuback, TypeDisconnect, TypeAuth},
	0x27: {TypeConnect, TypeConnack}, 0x28: {TypeConnack}, 0x29: {TypeConnack}, 0x2A: {TypeConnack},
}

// sampleProperty returns a valid encoding of a property.
func sampleProperty(id PropertyID) []byte {
	value := map[propertyKind]string{
		kindByte: "\x01", kindTwoByteInteger: "\x00\x07", kindFourByteInteger: "\x00\x00\x00\x07",
		kindVariableByteInteger: "\x07", kindString: "\x00\x01s", kindTopicName: "\x00\x01t", kindBinary: "\x00\x01b",
		kindStringPair: "\x00\x01n\x00\x01v",
	}[propertyTable[id].kind]
	return append([]byte{byte(id)}, value...)
}

func TestPropertiesAreAllowedWhereTable24SaysSo(t *testing.T) {
	for id := range PropertyID(255) {
		for _, packet := range propertyHolders {
			var raw []byte
			if int(id) < len(propertyTable) {
				raw = sampleProperty(id)
			} else {
				raw = []byte{byte(id), 0, 0, 0, 0}
			}
			if id == PropAuthenticationData {
				raw = append(sampleProperty(PropAuthenticationMethod), raw...)
			}
			var p Properties
			err := DecodeProperties(&p, packet, raw)
			if allowed := slices.Contains(tableOf24[id], packet); allowed != (err == nil) {
				t.Errorf("%#02x in %s: %v", byte(id), packet, err)
			} else if !allowed && !err.(*Error).Malformed() {
				t.Errorf("%#02x in %s: %v, want a Malformed Packet (section 2.2.2.2)", byte(id), packet, err)
			} else if allowed && !p.Has(id) {
				t.Errorf("%s in %s is decoded but not present", id, packet)
			}
		}
	}
}

func TestOnlyTwoPropertiesMayBeRepeated(t *testing.T) {
	for id, holders := range tableOf24 {
		for _, packet := range holders {
			raw := bytes.Repeat(sampleProperty(id), 2)
			if id == PropAuthenticationData {
				raw = append(sampleProperty(PropAuthenticationMethod), raw...)
			}
			var p Properties
			err := DecodeProperties(&p, packet, raw)
			mayRepeat := id == PropUserProperty || id == PropSubscriptionIdentifier && packet == TypePublish
			if mayRepeat != (err == nil) {
				t.Errorf("two of %s in %s: %v", id, packet, err)
			} else if !mayRepeat && err.(*Error).Code != ProtocolError {
				t.Errorf("two of %s in %s: %v, want a Protocol Error", id, packet, err)
			}
		}
	}
}

func TestBytePropertiesTakeNothingButZeroAndOne(t *testing.T) {
	for id, rule := range propertyTable {
		if rule.kind != kindByte {
			continue
		}
		packet := tableOf24[PropertyID(id)][0]
		for v := range 256 {
			var p Properties
			err := DecodeProperties(&p, packet, []byte{byte(id), byte(v)})
			if (v <= 1) != (err == nil) || err != nil && err.(*Error).Code != ProtocolError {
				t.Errorf("%s = %d: %v", rule.name, v, err)
			}
		}
	}
}

func TestPropertiesCutShortAreMalformed(t *testing.T) {
	for id, holders := range tableOf24 {
		raw := sampleProperty(id)
		for cut := 1; cut < len(raw); cut++ {
			var p Properties
			if err := DecodeProperties(&p, holders[0], raw[:cut:cut]); err == nil || !err.(*Error).Malformed() {
				t.Errorf("%s cut to %d bytes: %v", id, cut, err)
			}
		}
	}
}

// randomProperties sets a random choice of the properties that packet allows.
func randomProperties(rng *rand.Rand, packet PacketType) *Properties {
	p := new(Properties)
	text := func() []byte { return fmt.Append(nil, rng.IntN(1000)) }
	flag := func() bool { return rng.IntN(2) == 1 }
	set := map[PropertyID]func(){
		PropPayloadFormatIndicator:          func() { p.SetPayloadFormatIndicator(byte(rng.IntN(2))) },
		PropMessageExpiryInterval:           func() { p.SetMessageExpiryInterval(rng.Uint32()) },
		PropContentType:                     func() { p.SetContentType(text()) },
		PropResponseTopic:                   func() { p.SetResponseTopic(text()) },
		PropCorrelationData:                 func() { p.SetCorrelationData(text()) },
		PropSessionExpiryInterval:           func() { p.SetSessionExpiryInterval(rng.Uint32()) },
		PropAssignedClientIdentifier:        func() { p.SetAssignedClientIdentifier(text()) },
		PropServerKeepAlive:                 func() { p.SetServerKeepAlive(uint16(rng.Uint32())) },
		PropAuthenticationMethod:            func() { p.SetAuthenticationMethod(text()) },
		PropAuthenticationData:              func() { p.SetAuthenticationMethod(text()); p.SetAuthenticationData(text()) },
		PropRequestProblemInformation:       func() { p.SetRequestProblemInformation(flag()) },
		PropWillDelayInterval:               func() { p.SetWillDelayInterval(rng.Uint32()) },
		PropRequestResponseInformation:      func() { p.SetRequestResponseInformation(flag()) },
		PropResponseInformation:             func() { p.SetResponseInformation(text()) },
		PropServerReference:                 func() { p.SetServerReference(text()) },
		PropReasonString:                    func() { p.SetReasonString(text()) },
		PropReceiveMaximum:                  func() { p.SetReceiveMaximum(1 + uint16(rng.IntN(65535))) },
		PropTopicAliasMaximum:               func() { p.SetTopicAliasMaximum(uint16(rng.Uint32())) },
		PropTopicAlias:                      func() { p.SetTopicAlias(1 + uint16(rng.IntN(65535))) },
		PropMaximumQoS:                      func() { p.SetMaximumQoS(QoS(rng.IntN(2))) },
		PropRetainAvailable:                 func() { p.SetRetainAvailable(flag()) },
		PropMaximumPacketSize:               func() { p.SetMaximumPacketSize(1 + uint32(rng.IntN(1<<30))) },
		PropWildcardSubscriptionAvailable:   func() { p.SetWildcardSubscriptionAvailable(flag()) },
		PropSubscriptionIdentifierAvailable: func() { p.SetSubscriptionIdentifierAvailable(flag()) },
		PropSharedSubscriptionAvailable:     func() { p.SetSharedSubscriptionAvailable(flag()) },
		PropUserProperty:                    func() { p.AddUserProperty(string(text()), string(text())) },
		PropSubscriptionIdentifier: func() {
			p.AddSubscriptionID(1 + SubscriptionID(rng.IntN(1<<(7*(1+rng.IntN(4)))-1)))
		},
	}
	for id := range PropertyID(len(propertyTable)) {
		if !slices.Contains(tableOf24[id], packet) || rng.IntN(3) == 0 {
			continue
		}
		set[id]()
		for propertyTable[id].repeat.has(packet) && rng.IntN(2) == 0 {
			set[id]()
		}
	}
	return p
}

func TestPropertiesRoundTripInEveryPacket(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var got Properties
	for range 5_000 {
		packet := propertyHolders[rng.IntN(len(propertyHolders))]
		want := randomProperties(rng, packet)
		raw := AppendProperties(nil, want)
		if err := DecodeProperties(&got, packet, raw); err != nil {
			t.Fatalf("%s % x: %v", packet, raw, err)
		}
		if got, want := dumpProperties(&got), dumpProperties(want); got != want {
			t.Fatalf("%s\ngot  %s\nwant %s", packet, got, want)
		}
	}
}

func dumpProperties(p *Properties) string {
	d := new(dumper)
	d.properties(p)
	return d.String()
}

// What is forwarded is what a reader of all properties would find, without the
// ones that belong to this hop, and the User Properties in their order.
func TestForwardPropertiesLeavesOutTheHopsOwn(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	scratch := make([]byte, 0, 16)
	for range 5_000 {
		all := randomProperties(rng, TypePublish)
		raw := AppendProperties(nil, all)
		body := append([]byte{0, 1, 't'}, appendVariableByteInteger(nil, len(raw))...)
		body = append(body, raw...)
		var p Publish
		if err := DecodePublishFromServer(&p, V5, 0, body); err != nil {
			t.Fatal(err)
		}
		scratch = p.ForwardProperties(scratch)
		var forwarded Properties
		if err := DecodeProperties(&forwarded, TypePublish, scratch); err != nil {
			t.Fatal(err)
		}
		want := *all
		want.present &^= 1<<PropMessageExpiryInterval | 1<<PropTopicAlias | 1<<PropSubscriptionIdentifier
		if got, want := dumpProperties(&forwarded), dumpProperties(&want); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

func TestForwardPropertiesReturnsRawIfAllIsForwarded(t *testing.T) {
	body := []byte("\x00\x01t\x05\x03\x00\x02ab")
	var p Publish
	if err := DecodePublish(&p, V5, 0, body); err != nil {
		t.Fatal(err)
	}
	if got := p.ForwardProperties(make([]byte, 0, 64)); &got[0] != &body[4] {
		t.Error("the properties were copied")
	}
}

func TestWillForwardPropertiesReturnsRawIfAllIsForwarded(t *testing.T) {
	c := Connect{Version: V5, HasWill: true, Will: Will{TopicName: []byte("t")}}
	c.Will.Properties.SetContentType([]byte("text/plain"))
	f, _, err := ReadFrame(AppendConnect(nil, &c), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got Connect
	if err := DecodeConnect(&got, f.Body); err != nil {
		t.Fatal(err)
	}
	if raw := got.Will.ForwardProperties(make([]byte, 0, 64)); len(raw) == 0 || &raw[0] != &got.Will.Raw[0] {
		t.Errorf("the properties were copied: %q", raw)
	}
}

func TestWillForwardPropertiesLeavesOutDelayAndExpiry(t *testing.T) {
	c := Connect{Version: V5, HasWill: true, Will: Will{TopicName: []byte("t")}}
	c.Will.Properties.SetWillDelayInterval(5)
	c.Will.Properties.SetMessageExpiryInterval(60)
	c.Will.Properties.SetContentType([]byte("text/plain"))
	c.Will.Properties.AddUserProperty("k", "v")
	f, _, err := ReadFrame(AppendConnect(nil, &c), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got Connect
	if err := DecodeConnect(&got, f.Body); err != nil {
		t.Fatal(err)
	}
	w := &got.Will
	if w.DelayInterval != 5 || !w.HasMessageExpiryInterval || w.MessageExpiryInterval != 60 {
		t.Errorf("Will = %+v", w)
	}
	if want := "\x03\x00\x0atext/plain\x26\x00\x01k\x00\x01v"; string(w.ForwardProperties(nil)) != want {
		t.Errorf("forwarded %q, want %q", w.ForwardProperties(nil), want)
	}
}

func TestAddUserPropertyDoesNotWriteOverThePacket(t *testing.T) {
	buf := []byte("\x26\x00\x01k\x00\x01vDO NOT TOUCH")
	var p Properties
	if err := DecodeProperties(&p, TypePublish, buf[:7]); err != nil {
		t.Fatal(err)
	}
	p.AddUserProperty("a", "b")
	if string(buf[7:]) != "DO NOT TOUCH" || p.UserProperties.Len() != 2 {
		t.Errorf("buf = %q, %d User Properties", buf, p.UserProperties.Len())
	}
}

func TestUserPropertiesStopWhenAsked(t *testing.T) {
	u := UserProperties(nil).Append("a", "1").Append("b", "2")
	for name, value := range u.All {
		if string(name) != "a" || string(value) != "1" {
			t.Errorf("first is %q = %q", name, value)
		}
		break
	}
}

// The walk that iterators use is fed by callers too, not only by decoding.
func TestCutPropertyEndsOnRubbish(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		list := make([]byte, rng.IntN(12))
		for i := range list {
			list[i] = byte(rng.IntN(0x30))
		}
		n := 0
		for rest := list; len(rest) > 0; n++ {
			_, encoded, next := cutProperty(rest)
			if len(encoded)+len(next) != len(rest) && len(next) > 0 {
				t.Fatalf("% x: lost bytes", list)
			}
			rest = next
		}
		if n > len(list) || UserProperties(list).Len() > n {
			t.Fatalf("% x: %d steps", list, n)
		}
	}
}
