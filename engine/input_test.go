package engine

import (
	"testing"

	"github.com/weirmq/weir/codec"
)

// TestInputOfAllConnectionsIsBounded has Clients stop in the middle of large
// packets, up to the bound and one beyond.
func TestInputOfAllConnectionsIsBounded(t *testing.T) {
	const part = 5000
	e, m := newMemoryEngine(t, Options{Limits: Limits{InputBytes: 2 * part}}, 2)
	p := &port{engine: e, name: "test"}
	p.policy.Store(newPolicy(&Listener{}))
	packet := codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte("t"), Payload: make([]byte, 2*part)})
	client := func(id string) *memoryConn {
		mc := connectClient(t, m, p, id, codec.V5)
		mc.take()
		return mc
	}
	check := func(what string, want int64) {
		t.Helper()
		m.settle()
		if n := e.input.Load(); n != want {
			t.Fatalf("%s: %d bytes are counted, want %d", what, n, want)
		}
	}
	first, second, third, small := client("first"), client("second"), client("third"), client("small")
	first.send(packet[:part])
	second.send(packet[:part])
	check("at the bound", 2*part)
	small.send(packet[:smallInput])
	check("what is small does not count", 2*part)
	third.send(packet[:part])
	check("beyond the bound", 2*part)
	if text, _ := describePacket(codec.V5, third.take()); text != "DISCONNECT rc=0x97 (Quota exceeded)" || !third.closed {
		t.Errorf("the third received %s, closed %v", text, third.closed)
	}
	closed := uint64(0)
	for _, l := range e.loops {
		closed += l.stats.ConnectionsClosed[CloseQuotaExceeded]
	}
	if closed != 1 {
		t.Errorf("%d connections are counted as closed, want 1", closed)
	}
	first.send(packet[part:])
	check("a packet that is complete", part)
	small.send(packet[smallInput:part])
	check("what is small no more", 2*part)
	second.drop()
	small.send(packet[part:])
	check("a connection that ends", 0)
	if first.closed || small.closed {
		t.Error("a connection within the bound was closed")
	}
}
