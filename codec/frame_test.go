package codec

import (
	"bytes"
	"testing"
)

func TestReadFrameKnowsTheFlagsOfEveryType(t *testing.T) {
	// Table 2-2, by the high nibble.
	flags := map[PacketType]byte{TypePubrel: 2, TypeSubscribe: 2, TypeUnsubscribe: 2}
	for first := range 256 {
		typ := PacketType(first >> 4)
		valid := typ == TypePublish || typ != 0 && byte(first&0x0F) == flags[typ]
		f, size, err := ReadFrame([]byte{byte(first), 0}, 0)
		switch {
		case valid && (err != nil || size != 2 || f.Type != typ || f.Flags != byte(first&0x0F)):
			t.Errorf("%#02x: %+v, %d, %v", first, f, size, err)
		case !valid && (err == nil || !err.(*Error).Malformed()):
			t.Errorf("%#02x: %v, want a Malformed Packet", first, err)
		}
		// The first byte alone is enough to refuse it.
		if _, _, early := ReadFrame([]byte{byte(first)}, 0); early != err {
			t.Errorf("%#02x: %v with one byte, %v with two", first, early, err)
		}
	}
}

func TestRemainingLengthRoundTripsAtItsEdges(t *testing.T) {
	// The edges are those of table 2-1 in section 1.5.5.
	edges := map[int][]byte{
		0: {0x00}, 127: {0x7F}, 128: {0x80, 0x01}, 16_383: {0xFF, 0x7F}, 16_384: {0x80, 0x80, 0x01},
		2_097_151: {0xFF, 0xFF, 0x7F}, 2_097_152: {0x80, 0x80, 0x80, 0x01}, 268_435_455: {0xFF, 0xFF, 0xFF, 0x7F},
	}
	for n, want := range edges {
		got := appendFixedHeader(nil, TypePublish, 0, n)
		if !bytes.Equal(got[1:], want) || variableByteIntegerSize(n) != len(want) {
			t.Errorf("%d is encoded as % x, want % x", n, got[1:], want)
		}
		if _, size, err := ReadFrame(got, 0); err != nil || size != len(got)+n {
			t.Errorf("%d: size %d, %v", n, size, err)
		}
		value, read, err := readVariableByteInteger(want)
		if value != n || read != len(want) || err != nil {
			t.Errorf("% x is decoded as %d, %d, %v", want, value, read, err)
		}
	}
}

func TestReadFrameRefusesLargePacketsByTheirHeader(t *testing.T) {
	header := appendFixedHeader(nil, TypePublish, 0, 1000) // 3 bytes
	for maximum, want := range map[uint32]error{0: nil, 1002: errPacketTooLarge, 1003: nil} {
		if _, size, err := ReadFrame(header, maximum); err != want || size != 1003 {
			t.Errorf("Maximum Packet Size %d: size %d, %v", maximum, size, err)
		}
	}
}

func TestReadFrameLendsNoMoreThanTheBody(t *testing.T) {
	f, _, err := ReadFrame([]byte{0x40, 2, 0, 1, 0x40, 2, 0, 2}, 0)
	if err != nil || len(f.Body) != 2 || cap(f.Body) != 2 {
		t.Errorf("body of %d bytes, capacity %d, %v", len(f.Body), cap(f.Body), err)
	}
}

func TestOversizedValuesPanicInsteadOfCorruptingTheStream(t *testing.T) {
	for name, f := range map[string]func(){
		"Client Identifier of 65,536 bytes":     func() { AppendConnect(nil, &Connect{Version: V5, ClientID: make([]byte, 65_536)}) },
		"Topic Name of 65,536 bytes":            func() { AppendPublish(nil, V5, &Publish{TopicName: make([]byte, 65_536)}) },
		"Subscription Identifier of five bytes": func() { AppendSubscribe(nil, V5, &Subscribe{SubscriptionID: MaxSubscriptionID + 1}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
