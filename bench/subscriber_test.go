package bench

import (
	"bytes"
	"testing"

	"github.com/weirmq/weir/codec"
)

// FuzzPublishIsCutAsTheCodecCutsIt compares the quick way to a Payload with
// that of the codec, for each PUBLISH that is a valid one.
func FuzzPublishIsCutAsTheCodecCutsIt(f *testing.F) {
	for _, p := range []codec.Publish{
		{TopicName: []byte("a/b"), Payload: []byte("payload")},
		{TopicName: []byte("a"), QoS: codec.QoS2, PacketID: 7, TopicAlias: 3, SubscriptionIDs: []codec.SubscriptionID{1, 300}},
		{TopicName: []byte("a"), Payload: []byte("x"), HasMessageExpiryInterval: true, Forward: bytes.Repeat([]byte{0x26, 0, 1, 'k', 0, 1, 'v'}, 40)},
	} {
		packet := codec.AppendPublish(nil, codec.V5, &p)
		f.Add(packet[0]&0x0F, packet)
		frame, _, _ := codec.ReadFrame(packet, 0)
		f.Add(packet[0]&0x0F, frame.Body)
	}
	f.Fuzz(func(t *testing.T, flags byte, body []byte) {
		var p codec.Publish
		if codec.DecodePublishFromServer(&p, codec.V5, flags&0x0F, body) != nil {
			return
		}
		rest := body
		if !cutString(&rest) {
			t.Fatal("the Topic Name is not found")
		}
		if p.QoS > codec.QoS0 {
			rest = rest[2:]
		}
		if !cutProperties(&rest) || !bytes.Equal(rest, p.Payload) {
			t.Errorf("the Payload is % x, want % x", rest, p.Payload)
		}
	})
}

func TestPublishThatIsCutShortIsRefused(t *testing.T) {
	s := &subscriber{traffic: &traffic{loop: new(loop), config: Config{Version: codec.V5}, dialer: new(dialer)}}
	s.conn = &conn{loop: s.traffic.loop}
	packet := codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte("abc"), QoS: codec.QoS1, PacketID: 1, TopicAlias: 9})
	frame, _, err := codec.ReadFrame(packet, 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(frame.Body) {
		if err := s.packet(codec.Frame{Type: frame.Type, Flags: frame.Flags, Body: frame.Body[:n]}); err == nil {
			t.Errorf("a PUBLISH cut after %d of %d bytes is taken", n, len(frame.Body))
		}
	}
	if err := s.packet(frame); err != nil || s.traffic.foreign != 1 {
		t.Errorf("a message without our header: %v, %d foreign ones", err, s.traffic.foreign)
	}
}
