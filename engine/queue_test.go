package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQueueAgreesWithASlice(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		l := new(loop)
		var q queue
		var naive []*message
		size := func() (n int) {
			for _, m := range naive {
				n += len(m.topic) + len(m.payload)
			}
			return n
		}
		dropped := 0
		growing := r.IntN(3) > 0
		for step := range 2000 {
			switch n := r.IntN(20); {
			case n == 0:
				growing = !growing
			case n == 1 && r.IntN(10) == 0:
				// Some go, the others keep their order.
				keep := func(m *message) bool { return len(m.payload)%3 == 0 }
				for _, m := range naive {
					if !keep(m) {
						dropped++
					}
				}
				naive = slices.DeleteFunc(naive, func(m *message) bool { return !keep(m) })
				q.filter(l, func(m *queued) bool { return keep(m.msg) }, func() { l.dropped(DropRevoked, 1) })
			case n == 2 && r.IntN(50) == 0:
				dropped += len(naive)
				naive = nil
				q.clear(l)
			case growing || n < 8:
				m := testMessage(fmt.Sprint(step), make([]byte, r.IntN(9)))
				q.push(queued{msg: m, retained: step%2 == 0})
				naive = append(naive, m)
			case len(naive) > 0:
				if q.front().msg != naive[0] {
					t.Fatal("the front is not the oldest")
				}
				m := q.pop()
				if m.msg != naive[0] || m.msg.refs.Load() != 1 {
					t.Fatal("pop does not hand over the oldest and its reference")
				}
				naive = naive[1:]
			}
			if q.len != len(naive) || q.bytes != size() {
				t.Fatalf("%d messages of %d bytes, want %d of %d", q.len, q.bytes, len(naive), size())
			}
		}
		if l.stats.MessagesDropped != uint64(dropped) {
			t.Fatalf("%d messages counted as dropped, want %d", l.stats.MessagesDropped, dropped)
		}
	})
}

func TestQueueHoldsNothingOnceItWasLong(t *testing.T) {
	var q queue
	for range 1000 {
		q.push(queued{msg: testMessage("a", nil)})
	}
	for q.len > 0 {
		q.pop()
	}
	if q.ring != nil {
		t.Errorf("an empty queue holds room for %d", len(q.ring))
	}
}

func TestBacklogAgreesWithASlice(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		l := new(loop)
		var b backlog
		var naive []*message
		for step := range 1000 {
			switch n := r.IntN(20); {
			case n < 10:
				m := testMessage(fmt.Sprint(step), nil)
				b.push(queued{msg: m})
				naive = append(naive, m)
			case n == 10 && r.IntN(10) == 0:
				keep := func(m *message) bool { return m.topic[len(m.topic)-1]%2 == 0 }
				naive = slices.DeleteFunc(naive, func(m *message) bool { return !keep(m) })
				b.filter(l, func(q *queued) bool { return keep(q.msg) })
			case n == 11 && r.IntN(50) == 0:
				naive = nil
				b.clear(l)
			case len(naive) > 0:
				if b.front().msg != naive[0] || b.pop().msg != naive[0] {
					t.Fatal("what comes first is not the oldest")
				}
				naive = naive[1:]
			}
			if b.len() != len(naive) {
				t.Fatalf("%d messages, want %d", b.len(), len(naive))
			}
		}
	})
}
