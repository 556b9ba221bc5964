package codec

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// randomPublish returns a valid PUBLISH of a Server, with lengths around those
// where the Remaining Length and Property Length grow.
func randomPublish(rng *rand.Rand) *Publish {
	sizes := []int{0, 1, 7, 8, 60, 118, 127, 128, 200, 16_380, 16_384}
	p := &Publish{
		TopicName: []byte(strings.Repeat("t", 1+rng.IntN(140))),
		Payload:   bytes.Repeat([]byte{'p'}, sizes[rng.IntN(len(sizes))]),
		QoS:       QoS(rng.IntN(3)),
		Retain:    rng.IntN(2) == 1,
	}
	if p.QoS > QoS0 {
		p.PacketID, p.Dup = 1+PacketID(rng.IntN(65_535)), rng.IntN(2) == 1
	}
	if rng.IntN(2) == 1 {
		p.HasMessageExpiryInterval, p.MessageExpiryInterval = true, rng.Uint32()
	}
	if rng.IntN(2) == 1 {
		p.TopicAlias = 1 + uint16(rng.IntN(65_535))
	}
	for range rng.IntN(4) {
		p.SubscriptionIDs = append(p.SubscriptionIDs, 1+SubscriptionID(rng.IntN(1<<(7*(1+rng.IntN(4)))-1)))
	}
	if rng.IntN(2) == 1 {
		var u UserProperties
		for range rng.IntN(12) {
			u = u.Append("name", "value")
		}
		p.Forward = u
	}
	return p
}

func TestPublishRoundTripsAndFillsItsSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var got Publish
	for range 2_000 {
		want := randomPublish(rng)
		for _, v := range []Version{V31, V311, V5} {
			prefix := []byte("before")
			b := AppendPublish(prefix, v, want)
			if !bytes.HasPrefix(b, prefix) {
				t.Fatal("the bytes before the packet changed")
			}
			b = b[len(prefix):]
			if len(b) != PublishSize(v, want) {
				t.Fatalf("%d bytes, PublishSize %d, for %s", len(b), PublishSize(v, want), dump(TypePublish, want))
			}
			f, size, err := ReadFrame(b, 0)
			if err != nil || size != len(b) {
				t.Fatalf("size %d of %d, %v", size, len(b), err)
			}
			if err := DecodePublishFromServer(&got, v, f.Flags, f.Body); err != nil {
				t.Fatalf("%v for %s", err, dump(TypePublish, want))
			}
			sent := *want
			sent.Raw = want.Forward
			if v != V5 {
				sent = Publish{TopicName: want.TopicName, Payload: want.Payload, PacketID: want.PacketID,
					QoS: want.QoS, Dup: want.Dup, Retain: want.Retain}
			}
			if got, want := dump(TypePublish, &got), dump(TypePublish, &sent); got != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
			if want.QoS > QoS0 {
				at := PacketIDOffset(b)
				if id := PacketID(binary.BigEndian.Uint16(b[at:])); id != want.PacketID {
					t.Fatalf("Packet Identifier %d at %d, want %d", id, at, want.PacketID)
				}
			}
		}
	}
}

func TestPublishAtQoS0HasNoPacketIdentifier(t *testing.T) { // [MQTT-2.2.1-2]
	b := AppendPublish(nil, V311, &Publish{TopicName: []byte("t"), PacketID: 7})
	if want := []byte{0x30, 3, 0, 1, 't'}; !bytes.Equal(b, want) {
		t.Errorf("% x, want % x", b, want)
	}
}

// A Publish is decoded into again and again, so nothing may stay behind.
func TestDecodePublishForgetsTheOneBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var used Publish
	for range 2_000 {
		p := randomPublish(rng)
		f, _, _ := ReadFrame(AppendPublish(nil, V5, p), 0)
		var fresh Publish
		if err := DecodePublishFromServer(&fresh, V5, f.Flags, f.Body); err != nil {
			t.Fatal(err)
		}
		if err := DecodePublishFromServer(&used, V5, f.Flags, f.Body); err != nil {
			t.Fatal(err)
		}
		if got, want := dump(TypePublish, &used), dump(TypePublish, &fresh); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		if !bytes.Equal(used.Raw, fresh.Raw) || used.Forward != nil {
			t.Fatalf("Raw or Forward stayed behind: %q, %q", used.Raw, used.Forward)
		}
	}
}

func TestPublishBeforeMQTT5WritesNoProperties(t *testing.T) {
	p := &Publish{TopicName: []byte("t"), Payload: []byte("p"), TopicAlias: 1, HasMessageExpiryInterval: true,
		SubscriptionIDs: []SubscriptionID{1}, Forward: sampleProperty(PropContentType)}
	if got, want := AppendPublish(nil, V311, p), "\x30\x04\x00\x01tp"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPublishBorrowsItsBuffer(t *testing.T) {
	body := []byte("\x00\x01t\x00payload")
	var p Publish
	if err := DecodePublish(&p, V5, 0, body); err != nil {
		t.Fatal(err)
	}
	if &p.TopicName[0] != &body[2] || &p.Payload[0] != &body[4] {
		t.Error("decoding copied")
	}
	if cap(p.TopicName) != len(p.TopicName) {
		t.Error("appending to TopicName would write over the packet")
	}
}
