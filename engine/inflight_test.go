package engine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirmq/weir/codec"
)

// naiveInflight is what inflight is to be: messages in the order of sending.
type naiveInflight struct {
	ids      []codec.PacketID
	messages []*message
}

func (n *naiveInflight) remove(i int) {
	n.ids = slices.Delete(n.ids, i, i+1)
	n.messages = slices.Delete(n.messages, i, i+1)
}

func TestInflightAgreesWithAList(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		l := new(loop)
		f := inflight{last: codec.PacketID(r.Uint32())} // so that some wrap around
		var naive naiveInflight
		most := 1 + r.IntN(300)
		for range 3000 {
			switch n := len(naive.ids); {
			case n < most && r.IntN(5) < 3:
				m := testMessage("a", nil)
				e := f.add(l, inflightMessage{msg: m})
				if e.id == 0 || slices.Contains(naive.ids, e.id) {
					t.Fatalf("Packet Identifier %d is 0 or in use [MQTT-2.2.1-4]", e.id)
				}
				naive.ids, naive.messages = append(naive.ids, e.id), append(naive.messages, m)
			case n > 0:
				// The oldest mostly, as acknowledgements come.
				i := min(r.IntN(n), r.IntN(n), r.IntN(n))
				e := f.find(naive.ids[i])
				if e == nil || e.msg != naive.messages[i] {
					t.Fatalf("Packet Identifier %d is not found", naive.ids[i])
				}
				m := e.msg
				m.ref(1)
				f.remove(l, e)
				if refs := m.refs.Load(); refs != 1 {
					t.Fatalf("%d references are left, not the test's own", refs)
				}
				m.release()
				naive.remove(i)
			}
			if id := codec.PacketID(r.Uint32()); !slices.Contains(naive.ids, id) && f.find(id) != nil {
				t.Fatalf("Packet Identifier %d is found, and not in flight", id)
			}
			if f.count != len(naive.ids) || l.stats.MessagesInFlight != int64(f.count) {
				t.Fatalf("%d in flight, counted as %d and %d", len(naive.ids), f.count, l.stats.MessagesInFlight)
			}
		}
		want := make([]uint16, len(naive.ids))
		for i, id := range naive.ids {
			want[i] = uint16(id)
		}
		if got := f.inOrder(nil); !slices.Equal(got, want) {
			t.Fatalf("in order of sending [MQTT-4.6.0-1]:\n%d\nwant\n%d", got, want)
		}
		f.clear(l)
		if f.count != 0 || len(f.inOrder(nil)) != 0 {
			t.Fatal("clear leaves something")
		}
	})
}

func TestInflightTakesEveryPacketIdentifier(t *testing.T) {
	l := new(loop)
	var f inflight
	var used [1 << 16]bool
	add := func() codec.PacketID {
		id := f.add(l, inflightMessage{}).id
		if id == 0 || used[id] {
			t.Fatalf("Packet Identifier %d is 0 or in use [MQTT-2.2.1-4]", id)
		}
		used[id] = true
		return id
	}
	for range 65535 {
		add()
	}
	for _, id := range []codec.PacketID{1, 65535, 256, 32768} {
		f.remove(l, f.find(id))
		used[id] = false
		if got := add(); got != id {
			t.Fatalf("the only free Packet Identifier is %d, not %d", id, got)
		}
	}
}

func TestInflightUsesIdentifiersInTurn(t *testing.T) {
	l := new(loop)
	var f inflight
	for want := range codec.PacketID(1000) {
		e := f.add(l, inflightMessage{})
		if e.id != want+1 {
			t.Fatalf("Packet Identifier %d, want %d: one that was acknowledged just now may still be on its way", e.id, want+1)
		}
		f.remove(l, e)
	}
}

func TestSetOfPacketIdentifiersAgreesWithAMap(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		var s idSet
		naive := make(map[codec.PacketID]bool)
		for range 2000 {
			id := codec.PacketID(1 + r.IntN(300))
			if r.IntN(10) == 0 {
				id = 0xFFFF
			}
			if got := s.has(id); got != naive[id] {
				t.Fatalf("has %d: %v", id, got)
			}
			if naive[id] {
				s.remove(id)
				delete(naive, id)
			} else {
				s.add(id)
				naive[id] = true
			}
			if s.len != len(naive) {
				t.Fatalf("%d of them, want %d", s.len, len(naive))
			}
		}
		for id := range naive {
			s.remove(id)
		}
		if len(s.blocks) != 0 {
			t.Errorf("%d blocks are left", len(s.blocks))
		}
	})
}
