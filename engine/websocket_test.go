package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

// serverFrame is a frame that the Server sent.
type serverFrame struct {
	opcode  byte
	payload []byte
}

// serverFrames takes apart what the Server sent after its HTTP answer, which
// must be frames as a server has to send them.
func serverFrames(t testing.TB, b []byte) (frames []serverFrame) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 2 || b[0]&finBit == 0 || b[0]&reservedBits != 0 || b[1]&maskBit != 0 {
			t.Fatalf("no frame of a server: % x", b[:min(len(b), 20)])
		}
		at, n := 2, int(b[1])
		switch n {
		case 126:
			at, n = 4, int(binary.BigEndian.Uint16(b[2:]))
		case 127:
			at, n = 10, int(binary.BigEndian.Uint64(b[2:]))
		}
		if len(b) < at+n {
			t.Fatalf("a frame is cut: %d bytes of %d", len(b), at+n)
		}
		frames = append(frames, serverFrame{b[0] & opcodeBits, b[at : at+n]})
		b = b[at+n:]
	}
	return frames
}

// dataOf joins the payloads of the data frames.
func dataOf(frames []serverFrame) (data []byte) {
	for _, f := range frames {
		if f.opcode == opBinary {
			data = append(data, f.payload...)
		}
	}
	return data
}

// openWebSocket opens a connection and gets it upgraded.
func openWebSocket(t testing.TB, m *memoryReactor, p *port) *memoryConn {
	t.Helper()
	mc := m.dial(p)
	mc.send([]byte(upgradeHead()))
	if answer := mc.take(); !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) || !bytes.HasSuffix(answer, endOfHead) {
		t.Fatalf("the answer is %q", answer)
	}
	return mc
}

// connectWebSocket gets a Client accepted.
func connectWebSocket(t testing.TB, m *memoryReactor, p *port, id string, keepAlive uint16) *memoryConn {
	t.Helper()
	mc := openWebSocket(t, m, p)
	mc.send(clientFrame(nil, 0x82, codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true, KeepAlive: keepAlive})))
	m.settle()
	frames := serverFrames(t, mc.take())
	if len(frames) != 1 || codec.PacketType(dataOf(frames)[0]>>4) != codec.TypeConnack {
		t.Fatalf("no CONNACK: %v", frames)
	}
	return mc
}

// However the packets lie in frames and the frames in reads, a Client on
// WebSocket is told what it would be told without [MQTT-6.0.0-2] [MQTT311-6.0.0-2].
func TestPacketsInFramesAreThoseOfPlainMQTT(t *testing.T) {
	for i, stream := range splitSeeds() {
		want := playSplit(t, stream, func() int { return len(stream) })
		if want.reason == CloseTLSOnPlainPort {
			continue // on WebSocket there is no such thing
		}
		for _, c := range []struct{ frame, read int }{{1 << 20, 1 << 20}, {1 << 20, 1}, {1, 1 << 20}, {1, 1}, {7, 100}, {130, 3}} {
			e, m := newMemoryEngine(t, Options{Limits: Limits{ReceiveMaximum: 65535, MaximumPacketSize: 1 << 16}}, 2)
			witness := connectClient(t, m, e.internal, "witness", codec.V5)
			subscribeClient(t, m, witness, codec.V5, "#", codec.QoS2)
			client := m.dial(webSocketPort(e))
			before := m.dial(e.internal)
			before.send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V311, ClientID: []byte("a")}))
			m.settle()
			before.drop()
			m.settle()

			wire := []byte(upgradeHead())
			for rest := stream; len(rest) > 0; rest = rest[min(c.frame, len(rest)):] {
				wire = clientFrame(wire, 0x82, rest[:min(c.frame, len(rest))])
			}
			for len(wire) > 0 {
				n := min(c.read, len(wire))
				client.send(bytes.Clone(wire[:n]))
				m.settle()
				wire = wire[n:]
			}
			got := splitRun{closed: client.closed, reason: client.conn.reason}
			client.drop()
			m.settle()
			_, sent, _ := bytes.Cut(client.take(), endOfHead)
			got.client, got.witness = withoutRandom(dataOf(serverFrames(t, sent))), withoutRandom(witness.take())
			if got.closed != want.closed || got.reason != want.reason || !bytes.Equal(got.client, want.client) || !bytes.Equal(got.witness, want.witness) {
				t.Errorf("stream %d in frames of %d and reads of %d:\n%+v, want\n%+v", i, c.frame, c.read, got, want)
			}
			checkEngine(t, e)
		}
	}
}

func TestWebSocketClosesWithAFittingCode(t *testing.T) {
	publish := func(n int) []byte {
		return codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte("t"), Payload: make([]byte, n)})
	}
	send := func(first byte, payload []byte) func(*memoryConn) {
		return func(mc *memoryConn) { mc.send(clientFrame(nil, first, payload)) }
	}
	for _, c := range []struct {
		name   string
		do     func(*memoryConn)
		code   int // -1: no Close frame; 0: one without a code
		reason CloseReason
	}{
		{"DISCONNECT", send(0x82, []byte{0xE0, 0}), 1000, CloseClientDisconnect},
		{"Close without a code", send(0x88, nil), 0, CloseWebSocketClosed},
		{"Close", send(0x88, []byte{0x03, 0xE9}), 1001, CloseWebSocketClosed},
		{"text frame [MQTT-6.0.0-1] [MQTT311-6.0.0-1]", send(0x81, []byte{0xC0, 0}), 1003, CloseWebSocketProtocol},
		{"frame without a mask", func(mc *memoryConn) { mc.send([]byte{0x82, 2, 0xC0, 0}) }, 1002, CloseWebSocketProtocol},
		{"malformed packet", send(0x82, []byte{0, 0}), 1002, CloseMalformedPacket},
		{"packet over MaximumPacketSize", send(0x82, publish(5000)), 1009, ClosePacketTooLarge},
		{"frame over the bound", send(0x82, make([]byte, minFrameLimit+1)), 1009, ClosePacketTooLarge},
		{"Keep Alive", func(mc *memoryConn) { mc.m.advance(16 * time.Second) }, 1008, CloseKeepAliveTimeout},
		{"drain", func(mc *memoryConn) {
			for _, l := range mc.m.loops {
				l.post(func(l *loop) { l.drain(l.now+1, func() {}) })
			}
			mc.m.settle()
		}, 1001, CloseServerShuttingDown},
		{"lost connection", func(mc *memoryConn) { mc.drop() }, -1, CloseConnectionLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, m := newMemoryEngine(t, Options{Limits: Limits{MaximumPacketSize: 4096}}, 1)
			mc := connectWebSocket(t, m, webSocketPort(e), "c", 10)
			c.do(mc)
			m.settle()
			if !mc.closed || mc.conn.reason != c.reason {
				t.Fatalf("closed=%v for %q, want %q", mc.closed, mc.conn.reason, c.reason)
			}
			frames := serverFrames(t, mc.take())
			if c.code < 0 {
				if len(frames) > 0 {
					t.Errorf("frames after the end: %v", frames)
				}
				return
			}
			want := []byte{}
			if c.code > 0 {
				want = binary.BigEndian.AppendUint16(want, uint16(c.code))
			}
			if last := len(frames) - 1; last < 0 || frames[last].opcode != opClose || !bytes.Equal(frames[last].payload, want) {
				t.Errorf("the frames are %v, the last of which should be a Close with %d", frames, c.code)
			}
		})
	}
}

func TestTurnIsOneFrame(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	mc := connectWebSocket(t, m, webSocketPort(e), "c", 0)
	mc.send(clientFrame(nil, 0x82, codec.AppendPingreq(codec.AppendPingreq(nil))))
	frames := serverFrames(t, mc.take())
	if len(frames) != 1 || !bytes.Equal(frames[0].payload, []byte{0xD0, 0, 0xD0, 0}) {
		t.Errorf("the frames are %v", frames)
	}
}

func TestPingIsAnswered(t *testing.T) {
	e, m := newMemoryEngine(t, Options{Limits: Limits{OutboundSoftBytes: 100}}, 1)
	mc := openWebSocket(t, m, webSocketPort(e))
	mc.send(clientFrame(clientFrame(nil, 0x89, []byte("one")), 0x89, []byte("two")))
	mc.send(clientFrame(nil, 0x89, nil))
	if got := fmt.Sprint(serverFrames(t, mc.take())); got != fmt.Sprint([]serverFrame{{opPong, []byte("two")}, {opPong, nil}}) {
		t.Errorf("the frames are %v", got)
	}
	// A peer that does not read cannot have answers heaped up.
	mc.window = 0
	for range 1000 {
		mc.send(clientFrame(nil, 0x89, []byte("0123456789")))
	}
	if n := mc.buffered(); n == 0 || n > 100+maxControlPayload+2 {
		t.Errorf("%d bytes wait for a peer that does not read", n)
	}
}

// [MQTT-3.1.2-22] counts Control Packets.
func TestPingDoesNotKeepAClientAlive(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	mc := connectWebSocket(t, m, webSocketPort(e), "c", 10)
	m.advance(10 * time.Second)
	mc.send(clientFrame(nil, 0x82, codec.AppendPingreq(nil)))
	m.advance(14 * time.Second)
	if mc.closed {
		t.Fatalf("closed for %q", mc.conn.reason)
	}
	mc.send(clientFrame(nil, 0x89, nil))
	m.advance(2 * time.Second)
	if !mc.closed || mc.conn.reason != CloseKeepAliveTimeout {
		t.Errorf("closed=%v for %q", mc.closed, mc.conn.reason)
	}
}

func TestConnectTimeoutCoversTheUpgrade(t *testing.T) {
	e, m := newMemoryEngine(t, Options{Limits: Limits{ConnectTimeout: 5 * time.Second}}, 1)
	silent, slow, upgraded := m.dial(webSocketPort(e)), m.dial(webSocketPort(e)), m.dial(webSocketPort(e))
	m.advance(3 * time.Second)
	slow.send([]byte("GET / HTTP/1.1\r\n"))
	upgraded.send([]byte(upgradeHead()))
	m.advance(3 * time.Second)
	for i, mc := range []*memoryConn{silent, slow, upgraded} {
		if !mc.closed || mc.conn.reason != CloseConnectTimeout {
			t.Errorf("connection %d: closed=%v for %q", i, mc.closed, mc.conn.reason)
		}
	}
	if !strings.HasPrefix(string(upgraded.take()), "HTTP/1.1 101 ") {
		t.Error("the upgrade was not answered")
	}
}

// webSocketRun is a Client that publishes to itself.
type webSocketRun struct {
	m      *memoryReactor
	mc     *memoryConn
	frames []byte
	read   []byte // a copy of frames: it is overwritten
}

func newWebSocketRun(t testing.TB, size, window int) *webSocketRun {
	t.Helper()
	e, m := newMemoryEngine(t, Options{}, 1)
	r := &webSocketRun{m: m, mc: connectWebSocket(t, m, webSocketPort(e), "c", 0)}
	r.mc.send(clientFrame(nil, 0x82, codec.AppendSubscribe(nil, codec.V5, &codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte("t")}}})))
	var packets []byte
	for range window {
		packets = codec.AppendPublish(packets, codec.V5, &codec.Publish{TopicName: []byte("t"), Payload: make([]byte, size)})
	}
	r.frames = clientFrame(clientFrame(nil, 0x89, []byte("ping")), 0x82, packets)
	r.read = make([]byte, len(r.frames))
	r.mc.toPeer = make([]byte, 0, 1<<16)
	return r
}

func (r *webSocketRun) once() {
	r.mc.toPeer = r.mc.toPeer[:0]
	copy(r.read, r.frames)
	r.mc.send(r.read[:len(r.read)/2])
	r.mc.send(r.read[len(r.read)/2:])
	r.m.settle()
}

// Each once is a Ping with its Pong, and a window of PUBLISH packets in a frame
// that comes in two reads and goes out again.
func BenchmarkWebSocket(b *testing.B) {
	for _, c := range []struct{ size, window int }{{64, 1}, {64, 32}, {16 << 10, 1}} {
		b.Run(fmt.Sprintf("window=%d/size=%d", c.window, c.size), func(b *testing.B) {
			r := newWebSocketRun(b, c.size, c.window)
			r.once()
			b.SetBytes(int64(len(r.frames)))
			b.ReportAllocs()
			for n := 0; n < b.N; n += c.window {
				r.once()
			}
		})
	}
}
