package engine

import (
	"fmt"
	"testing"

	"github.com/weirmq/weir/codec"
)

// connectClient opens a connection and gets it accepted.
func connectClient(t testing.TB, m *memoryReactor, p *port, id string, v codec.Version) *memoryConn {
	t.Helper()
	mc := m.dial(p)
	connectOn(t, mc, id, v)
	return mc
}

// connectOn gets a connection that is open accepted.
func connectOn(t testing.TB, mc *memoryConn, id string, v codec.Version) {
	t.Helper()
	mc.send(codec.AppendConnect(nil, &codec.Connect{Version: v, ClientID: []byte(id), CleanStart: true}))
	mc.m.settle()
	f, size, err := codec.ReadFrame(mc.read(), 0)
	if err != nil || size == 0 || f.Type != codec.TypeConnack {
		t.Fatalf("%s: no CONNACK: %v %v", id, f.Type, err)
	}
}

func subscribeClient(t testing.TB, m *memoryReactor, mc *memoryConn, v codec.Version, filter string, qos codec.QoS) {
	t.Helper()
	mc.send(codec.AppendSubscribe(nil, v, &codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte(filter), QoS: qos}}}))
	m.settle()
	if f, _, err := codec.ReadFrame(mc.read(), 0); err != nil || f.Type != codec.TypeSuback {
		t.Fatalf("no SUBACK: %v %v", f.Type, err)
	}
}

// runConfig is what an engineRun consists of.
type runConfig struct {
	loops     int
	apart     bool // run by a goroutine each
	version   codec.Version
	qos       codec.QoS
	payload   int    // bytes of each message
	window    int    // PUBLISH packets in one read
	receivers int    // of each message
	topics    int    // that are published to in turn
	policy    string // as in conversations; "": none
	// tls is the version of TLS that all of them speak; 0: none.
	tls uint16
}

// engineRun is a window of PUBLISH packets in and out through the whole
// engine, acknowledgements included.
type engineRun struct {
	runConfig
	m    *memoryReactor
	pub  *memoryConn
	subs []*memoryConn
	in   [][]byte // a window of PUBLISH packets by topic
	turn int
	acks []byte
}

func newEngineRun(t testing.TB, c runConfig) *engineRun {
	t.Helper()
	c.topics, c.receivers = max(c.topics, 1), max(c.receivers, 1)
	e, m := newMemoryEngine(t, Options{}, c.loops)
	m.apart = c.apart
	p := &port{engine: e, name: "run"}
	p.policy.Store(newPolicy(&Listener{}))
	if c.policy != "" {
		p.policy.Store(newPolicy(&Listener{Authenticator: testAuthenticator, Authorizer: compilePolicy(t, c.policy)}))
	}
	connect := func(id string) *memoryConn {
		if c.tls == 0 {
			return connectClient(t, m, p, id, c.version)
		}
		mc := dialTLS(t, m, p, c.tls)
		connectOn(t, mc, id, c.version)
		return mc
	}
	r := &engineRun{runConfig: c, m: m, pub: connect("pub")}
	for i := range c.receivers {
		sub := connect(fmt.Sprint("sub", i))
		subscribeClient(t, m, sub, c.version, "bench/+", c.qos)
		sub.toPeer = make([]byte, 0, 1<<16)
		r.subs = append(r.subs, sub)
	}
	r.pub.toPeer = make([]byte, 0, 1<<16)
	for i := range c.topics {
		q := codec.Publish{TopicName: fmt.Append(nil, "bench/", i), Payload: make([]byte, c.payload), QoS: c.qos, PacketID: 7}
		var in []byte
		for range c.window {
			if c.qos > codec.QoS0 {
				q.PacketID++
			}
			in = codec.AppendPublish(in, c.version, &q)
		}
		r.in = append(r.in, in)
	}
	return r
}

// once publishes a window, and ends every handshake that comes of it.
func (r *engineRun) once(t testing.TB) {
	r.pub.send(r.in[r.turn%len(r.in)])
	r.turn++
	r.m.settle()
	delivered := 0
	for _, sub := range r.subs {
		delivered += r.answer(t, sub)
	}
	r.answer(t, r.pub)
	if delivered != r.receivers*r.window {
		t.Fatalf("%d messages were delivered, want %d", delivered, r.receivers*r.window)
	}
}

// answer reads what a Client got, and acknowledges it until nothing more
// comes. It returns the number of messages.
func (r *engineRun) answer(t testing.TB, mc *memoryConn) (messages int) {
	for len(mc.toPeer) > 0 {
		r.acks = r.acks[:0]
		for out := mc.read(); len(out) > 0; {
			f, size, err := codec.ReadFrame(out, 0)
			if err != nil || size == 0 || size > len(out) {
				t.Fatalf("unreadable output: %v", err)
			}
			if f.Type == codec.TypePublish {
				messages++
			}
			r.acks = r.appendAnswer(r.acks, f, out[:size])
			out = out[size:]
		}
		if len(r.acks) > 0 {
			mc.send(r.acks)
			r.m.settle()
		}
	}
	return messages
}

func (r *engineRun) appendAnswer(dst []byte, f codec.Frame, packet []byte) []byte {
	answers := [...]codec.PacketType{
		codec.TypePubrec: codec.TypePubrel, codec.TypePubrel: codec.TypePubcomp, codec.TypeAuth: 0,
	}
	answer, id := answers[f.Type], f.Body
	if f.Type == codec.TypePublish {
		switch f.Flags >> 1 & 3 {
		case 1:
			answer, id = codec.TypePuback, packet[codec.PacketIDOffset(packet):]
		case 2:
			answer, id = codec.TypePubrec, packet[codec.PacketIDOffset(packet):]
		}
	}
	if answer == 0 {
		return dst
	}
	return codec.AppendAck(dst, r.version, answer, codec.PacketID(uint16(id[0])<<8|uint16(id[1])), codec.Success)
}

func BenchmarkEngine(b *testing.B) {
	for _, loops := range []struct {
		name  string
		n     int
		apart bool
	}{{"1", 1, false}, {"2-together", 2, false}, {"2-apart", 2, true}} {
		for _, qos := range []codec.QoS{0, 1, 2} {
			for _, window := range []int{1, 32} {
				b.Run(fmt.Sprintf("loops=%s/qos=%d/window=%d/size=64", loops.name, qos, window), func(b *testing.B) {
					r := newEngineRun(b, runConfig{loops: loops.n, apart: loops.apart, version: codec.V5, qos: qos, payload: 64, window: window})
					r.once(b)
					b.ReportAllocs()
					for n := 0; n < b.N; n += window {
						r.once(b)
					}
				})
			}
		}
	}
}

func BenchmarkEngineFanOut(b *testing.B) {
	for _, qos := range []codec.QoS{0, 1} {
		b.Run(fmt.Sprintf("receivers=50/qos=%d/size=64", qos), func(b *testing.B) {
			r := newEngineRun(b, runConfig{loops: 1, version: codec.V5, qos: qos, payload: 64, window: 1, receivers: 50})
			r.once(b)
			b.ReportAllocs()
			for n := 0; n < b.N; n += r.receivers {
				r.once(b)
			}
		})
	}
}
