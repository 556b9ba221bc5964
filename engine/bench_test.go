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
	mc.send(codec.AppendConnect(nil, &codec.Connect{Version: v, ClientID: []byte(id), CleanStart: true}))
	m.settle()
	f, size, err := codec.ReadFrame(mc.take(), 0)
	if err != nil || size == 0 || f.Type != codec.TypeConnack {
		t.Fatalf("%s: no CONNACK: %v %v", id, f.Type, err)
	}
	return mc
}

func subscribeClient(t testing.TB, m *memoryReactor, mc *memoryConn, v codec.Version, filter string, qos codec.QoS) {
	t.Helper()
	mc.send(codec.AppendSubscribe(nil, v, &codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte(filter), QoS: qos}}}))
	m.settle()
	if f, _, err := codec.ReadFrame(mc.take(), 0); err != nil || f.Type != codec.TypeSuback {
		t.Fatalf("no SUBACK: %v %v", f.Type, err)
	}
}

// engineRun is one PUBLISH (or a window of them) in and out through the whole
// engine, acknowledgements included.
type engineRun struct {
	m        *memoryReactor
	pub, sub *memoryConn
	in       []byte
	acks     []byte
	qos      codec.QoS
}

func newEngineRun(t testing.TB, loops int, v codec.Version, qos codec.QoS, payload, window int) *engineRun {
	e, m := newMemoryEngine(t, Options{}, loops)
	r := &engineRun{m: m, qos: qos}
	r.pub = connectClient(t, m, e.internal, "pub", v)
	r.sub = connectClient(t, m, e.internal, "sub", v)
	subscribeClient(t, m, r.sub, v, "bench/topic", qos)
	p := codec.Publish{TopicName: []byte("bench/topic"), Payload: make([]byte, payload), QoS: qos, PacketID: 7}
	for range window {
		if qos > 0 {
			p.PacketID++
		}
		r.in = codec.AppendPublish(r.in, v, &p)
	}
	r.pub.toPeer = make([]byte, 0, 1<<16)
	r.sub.toPeer = make([]byte, 0, 1<<16)
	return r
}

func (r *engineRun) once(b testing.TB, v codec.Version) {
	r.pub.send(r.in)
	r.m.settle()
	r.acks = r.acks[:0]
	if r.qos == codec.QoS1 {
		out := r.sub.toPeer
		for len(out) > 0 {
			_, size, err := codec.ReadFrame(out, 0)
			if err != nil || size == 0 || size > len(out) {
				b.Fatalf("unreadable output: %v", err)
			}
			o := codec.PacketIDOffset(out[:size])
			r.acks = codec.AppendAck(r.acks, v, codec.TypePuback, codec.PacketID(uint16(out[o])<<8|uint16(out[o+1])), codec.Success)
			out = out[size:]
		}
		r.sub.send(r.acks)
		r.m.settle()
	}
	if len(r.sub.toPeer) == 0 || r.sub.closed || r.pub.closed {
		b.Fatal("nothing was delivered")
	}
	r.sub.toPeer, r.pub.toPeer = r.sub.toPeer[:0], r.pub.toPeer[:0]
}

func BenchmarkEngine(b *testing.B) {
	for _, loops := range []int{1, 2} {
		for _, qos := range []codec.QoS{0, 1} {
			for _, window := range []int{1, 32} {
				b.Run(fmt.Sprintf("loops=%d/qos=%d/window=%d/size=64", loops, qos, window), func(b *testing.B) {
					r := newEngineRun(b, loops, codec.V5, qos, 64, window)
					r.once(b, codec.V5)
					b.ReportAllocs()
					for n := 0; n < b.N; n += window {
						r.once(b, codec.V5)
					}
				})
			}
		}
	}
}
