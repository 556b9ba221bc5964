package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// clientFrame appends a masked frame, its length in the shortest form.
func clientFrame(dst []byte, first byte, payload []byte) []byte {
	dst = append(dst, first)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, maskBit|byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, maskBit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, maskBit|127), uint64(n))
	}
	mask := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	dst = append(dst, mask[:]...)
	for i, b := range payload {
		dst = append(dst, b^mask[i&3])
	}
	return dst
}

// outcome is what came of a stream of frames.
type outcome struct {
	payload []byte
	ping    []byte // the last
	pinged  bool
	failed  bool
	code    uint16
	reason  CloseReason
}

func (o outcome) String() string {
	return fmt.Sprintf("payload %x, ping %v %x, failed=%v with %d and %q", o.payload, o.pinged, o.ping, o.failed, o.code, o.reason)
}

func (o outcome) equal(p outcome) bool {
	return bytes.Equal(o.payload, p.payload) && o.pinged == p.pinged && bytes.Equal(o.ping, p.ping) &&
		o.failed == p.failed && o.code == p.code && o.reason == p.reason
}

const testFrameLimit = 1000

// readSplit gives the stream to a frameReader in reads of the given lengths.
func readSplit(stream []byte, lengths func() int) (o outcome) {
	r := frameReader{limit: testFrameLimit}
	for len(stream) > 0 {
		n := min(max(lengths(), 1), len(stream))
		payload, err := r.read(bytes.Clone(stream[:n]))
		stream = stream[n:]
		o.payload = append(o.payload, payload...)
		if err != nil {
			o.failed, o.code, o.reason = true, err.code, err.reason
			break
		}
	}
	o.ping, o.pinged = r.ping, r.pinged
	return o
}

// readNaively is the oracle: it looks at one frame after another, in a stream
// that is there as a whole, and unmasks byte by byte.
func readNaively(b []byte) (o outcome) {
	fail := func(code uint16) outcome {
		o.failed, o.code, o.reason = true, code, CloseWebSocketProtocol
		return o
	}
	within := false
	for len(b) >= 2 {
		fin, opcode, length := b[0]>>7 == 1, b[0]%16, uint64(b[1]%128)
		switch {
		case b[0]/16%8 != 0 || b[1] < 128:
			return fail(1002)
		case opcode == 1:
			return fail(1003)
		case opcode == 0 && !within, opcode == 2 && within, opcode > 2 && opcode < 8, opcode > 10:
			return fail(1002)
		case opcode >= 8 && (!fin || length > 125):
			return fail(1002)
		}
		at := uint64(2)
		if length >= 126 {
			size := 2
			if length == 127 {
				size = 8
			}
			if len(b) < 2+size+4 {
				return o
			}
			length = 0
			for _, x := range b[2 : 2+size] {
				length = length<<8 | uint64(x)
			}
			if size == 2 && length < 126 || size == 8 && (length < 65536 || length>>63 == 1) {
				return fail(1002)
			}
			at += uint64(size)
		}
		if uint64(len(b)) < at+4 {
			return o
		}
		mask := b[at : at+4]
		at += 4
		if opcode < 8 && length > testFrameLimit {
			o.failed, o.code, o.reason = true, 1009, ClosePacketTooLarge
			return o
		}
		var payload []byte
		for i := range length {
			if at+i == uint64(len(b)) {
				break
			}
			payload = append(payload, b[at+i]^mask[i%4])
		}
		complete := uint64(len(payload)) == length
		switch {
		case opcode < 8:
			o.payload = append(o.payload, payload...)
			within = !fin
		case !complete:
		case opcode == 9:
			o.ping, o.pinged = payload, true
		case opcode == 8 && length == 0:
			o.failed, o.reason = true, CloseWebSocketClosed
			return o
		case opcode == 8 && length == 1:
			return fail(1002)
		case opcode == 8:
			code := uint16(payload[0])<<8 | uint16(payload[1])
			if code < 1000 || code > 1014 && code < 3000 || code > 4999 || code >= 1004 && code <= 1006 {
				return fail(1002)
			}
			if !utf8.Valid(payload[2:]) {
				return fail(1007)
			}
			o.failed, o.code, o.reason = true, code, CloseWebSocketClosed
			return o
		}
		if !complete {
			return o
		}
		b = b[at+length:]
	}
	return o
}

func TestFramesAreTakenApart(t *testing.T) {
	data := func(n int) []byte { return bytes.Repeat([]byte("mqtt"), n/4) }
	f := func(first byte, payload string) []byte { return clientFrame(nil, first, []byte(payload)) }
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	closed := func(code uint16) outcome { return outcome{failed: true, code: code, reason: CloseWebSocketClosed} }
	refused := func(code uint16) outcome { return outcome{failed: true, code: code, reason: CloseWebSocketProtocol} }
	for _, c := range []struct {
		name   string
		stream []byte
		want   outcome
	}{
		{"binary", f(0x82, "abc"), outcome{payload: []byte("abc")}},
		{"empty binary", f(0x82, ""), outcome{}},
		{"two binary frames [MQTT-6.0.0-2] [MQTT311-6.0.0-2]", join(f(0x82, "abc"), f(0x82, "def")), outcome{payload: []byte("abcdef")}},
		{"length in two bytes", clientFrame(nil, 0x82, data(200)), outcome{payload: data(200)}},
		{"fragments, a Ping between them", join(f(0x02, "a"), f(0x89, "p"), f(0x00, "b"), f(0x80, "c")), outcome{payload: []byte("abc"), pinged: true, ping: []byte("p")}},
		{"of two Pings the last is answered", join(f(0x89, "first"), f(0x89, "2nd")), outcome{pinged: true, ping: []byte("2nd")}},
		{"Pong that nobody asked for", join(f(0x8A, "x"), f(0x82, "a")), outcome{payload: []byte("a")}},
		{"frame in which the stream ends", f(0x82, "abcdef")[:9], outcome{payload: []byte("abc")}},
		{"Close without a code", join(f(0x88, ""), f(0x82, "late")), closed(0)},
		{"Close with code and reason", f(0x88, "\x03\xE8bye"), closed(1000)},
		{"Close with a code of an application", f(0x88, "\x0F\xA0"), closed(4000)},
		{"data before Close", join(f(0x82, "a"), f(0x88, "\x03\xE9")), outcome{payload: []byte("a"), failed: true, code: 1001, reason: CloseWebSocketClosed}},
		{"text [MQTT-6.0.0-1] [MQTT311-6.0.0-1]", f(0x81, "abc"), refused(1003)},
		{"unmasked", []byte{0x82, 1, 'a'}, refused(1002)},
		{"RSV1", f(0xC2, "a"), refused(1002)},
		{"RSV3", f(0x92, "a"), refused(1002)},
		{"opcode 3", f(0x83, "a"), refused(1002)},
		{"opcode 11", f(0x8B, "a"), refused(1002)},
		{"continuation without a beginning", f(0x80, "a"), refused(1002)},
		{"message within a message", join(f(0x02, "a"), f(0x82, "b")), outcome{payload: []byte("a"), failed: true, code: 1002, reason: CloseWebSocketProtocol}},
		{"fragmented Ping", f(0x09, "a"), refused(1002)},
		{"Ping of 125 bytes", clientFrame(nil, 0x89, data(124)), outcome{pinged: true, ping: data(124)}},
		{"Ping of 126 bytes", clientFrame(nil, 0x89, data(128)), refused(1002)},
		{"Close with half a code", f(0x88, "\x03"), refused(1002)},
		{"Close with code 1005", f(0x88, "\x03\xED"), refused(1002)},
		{"Close with code 2000", f(0x88, "\x07\xD0"), refused(1002)},
		{"Close with a reason that is not UTF-8", f(0x88, "\x03\xE8\xFF"), refused(1007)},
		{"length of two bytes that fits into seven bits", []byte{0x82, 0xFE, 0, 125, 1, 2, 3, 4}, refused(1002)},
		{"length of eight bytes that fits into two", []byte{0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4}, refused(1002)},
		{"length of 64 bits", []byte{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, refused(1002)},
		{"frame at the limit", clientFrame(nil, 0x82, data(testFrameLimit)), outcome{payload: data(testFrameLimit)}},
		{"frame over the limit", clientFrame(nil, 0x82, data(testFrameLimit+4)), outcome{failed: true, code: 1009, reason: ClosePacketTooLarge}},
		{"frame far over the limit", []byte{0x82, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, outcome{failed: true, code: 1009, reason: ClosePacketTooLarge}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := readSplit(c.stream, func() int { return len(c.stream) }); !got.equal(c.want) {
				t.Errorf("in one read: %v, want %v", got, c.want)
			}
			if got := readNaively(c.stream); !got.equal(c.want) {
				t.Errorf("the oracle: %v, want %v", got, c.want)
			}
			for n := range len(c.stream) {
				if got := readSplit(c.stream, func() int { return n }); !got.equal(c.want) {
					t.Fatalf("%d bytes at a time: %v, want %v", max(n, 1), got, c.want)
				}
			}
		})
	}
}

// randomFrames is a stream of frames that are mostly allowed.
func randomFrames(r *rand.Rand) (stream []byte) {
	within := false
	for range r.IntN(8) {
		payload := make([]byte, r.IntN(40))
		if r.IntN(4) == 0 {
			payload = make([]byte, r.IntN(600))
		}
		for i := range payload {
			payload[i] = byte(r.Uint32())
		}
		first := byte(opBinary)
		if within {
			first = opContinuation
		}
		switch r.IntN(6) {
		case 0:
			first, payload = finBit|opPing, payload[:min(len(payload), 125)]
		case 1:
			within = true
		default:
			first, within = first|finBit, false
		}
		if r.IntN(12) == 0 {
			first, payload = byte(r.Uint32()), payload[:min(len(payload), 125)]
		}
		stream = clientFrame(stream, first, payload)
	}
	return stream
}

func TestFramesAgreeWithTheNaiveReader(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		stream := randomFrames(r)
		want := readNaively(stream)
		if got := readSplit(stream, func() int { return 1 + r.IntN(50) }); !got.equal(want) {
			t.Fatalf("%x:\n%v, want\n%v", stream, got, want)
		}
	}
}

// FuzzWebSocketFrames reads any stream in any pieces. The oracle has it as a
// whole and unmasks byte by byte.
func FuzzWebSocketFrames(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f.Add(randomFrames(r), []byte{1, 2, 3, 250, 7})
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		want := readNaively(stream)
		got := readSplit(stream, func() int {
			if len(cuts) == 0 {
				return len(stream)
			}
			n := int(cuts[0])
			cuts = cuts[1:]
			return n
		})
		if !got.equal(want) {
			t.Fatalf("%v, want\n%v", got, want)
		}
	})
}

func TestSealedFramesHaveTheShortestHeader(t *testing.T) {
	for _, c := range []struct {
		payload int
		header  []byte
	}{
		{0, []byte{0x82, 0}},
		{125, []byte{0x82, 125}},
		{126, []byte{0x82, 126, 0, 126}},
		{0xFFFF, []byte{0x82, 126, 0xFF, 0xFF}},
		{0x10000, []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		got := sealFrame(make([]byte, frameHeaderSpace+c.payload))
		if !bytes.HasPrefix(got, c.header) || len(got) != len(c.header)+c.payload {
			t.Errorf("%d bytes: a frame of %d that begins with % x, want % x", c.payload, len(got), got[:min(len(got), 10)], c.header)
		}
	}
}
