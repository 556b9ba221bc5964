package engine

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

// taken lists the batches that take returned.
func taken(b *batch) (list []*batch) {
	for ; b != nil; b = b.next {
		list = append(list, b)
	}
	return list
}

func TestMailboxAgreesWithASlice(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		var m mailbox
		var naive []*batch
		depth, rung := 0, false
		for range 1000 {
			if r.IntN(4) > 0 {
				b := &batch{deliveries: make([]delivery, r.IntN(3))}
				depth += len(b.deliveries)
				// The first after a take wakes the loop, the others rely on it.
				if wake := m.push(b); wake == rung {
					t.Fatalf("push says wake=%v, with the bell rung=%v", wake, rung)
				}
				rung = true
				naive = append(naive, b)
			} else {
				got := taken(m.take())
				if len(got) != len(naive) {
					t.Fatalf("take returns %d batches, want %d", len(got), len(naive))
				}
				for i, b := range got {
					if b != naive[i] {
						t.Fatalf("batch %d of %d is out of order", i, len(got))
					}
				}
				naive, rung = nil, false
			}
			if m.empty() != (len(naive) == 0) || m.depth.Load() != int64(depth) {
				t.Fatalf("empty=%v and %d deliveries, want %v and %d", m.empty(), m.depth.Load(), len(naive) == 0, depth)
			}
		}
	})
}

// TestMailboxLosesNothingAndWakesForAll has a loop that sleeps until it is
// woken: if a wake-up were lost it would sleep for ever.
func TestMailboxLosesNothingAndWakesForAll(t *testing.T) {
	const producers, each = 8, 5000
	type letter struct{ from, n int }
	var m mailbox
	letters := make(map[*batch]letter)
	var mu sync.Mutex
	bell := make(chan struct{}, producers*each)
	var running sync.WaitGroup
	for from := range producers {
		running.Go(func() {
			for n := range each {
				b := new(batch)
				mu.Lock()
				letters[b] = letter{from, n}
				mu.Unlock()
				if m.push(b) {
					bell <- struct{}{}
				}
			}
		})
	}
	var next [producers]int
	for received := 0; received < producers*each; {
		<-bell
		for _, b := range taken(m.take()) {
			mu.Lock()
			l := letters[b]
			mu.Unlock()
			if l.n != next[l.from] {
				t.Fatalf("producer %d: letter %d comes when %d is due", l.from, l.n, next[l.from])
			}
			next[l.from]++
			received++
		}
	}
	running.Wait()
	if !m.empty() {
		t.Error("more came than was sent")
	}
}

func TestTasksOfOneGoroutineRunInOrderAndAPanicLosesNone(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	l := e.loops[0]
	var ran []int
	for i := range 10 {
		l.post(func(*loop) {
			ran = append(ran, i)
			if i == 3 {
				panic("a task has a bug")
			}
		})
	}
	m.settle()
	for i, n := range ran {
		if i != n {
			t.Fatalf("tasks ran in the order %d", ran)
		}
	}
	if len(ran) != 10 || l.stats.Panics != 1 {
		t.Errorf("%d tasks ran with %d panics, want 10 with 1", len(ran), l.stats.Panics)
	}
}

// TestMessageThatExpiresInTheMailboxIsNotDelivered has a loop come by only when
// the Message Expiry Interval has passed [MQTT-3.3.2-5].
func TestMessageThatExpiresInTheMailboxIsNotDelivered(t *testing.T) {
	for _, row := range []struct {
		name    string
		waits   time.Duration
		expired uint64
	}{
		{"in time", time.Second, 0},
		{"too late", 2 * time.Second, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, m := newMemoryEngine(t, Options{}, 2)
			m.apart = true
			p := &port{engine: e, name: "test"}
			p.policy.Store(newPolicy(&Listener{}))
			publisher, subscriber := m.dial(p), m.dial(p)
			for id, mc := range map[string]*memoryConn{"publisher": publisher, "subscriber": subscriber} {
				mc.send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true}))
			}
			subscriber.send(codec.AppendSubscribe(nil, codec.V5, &codec.Subscribe{
				PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte("a")}},
			}))
			publisher.send(codec.AppendPublish(nil, codec.V5, &codec.Publish{
				TopicName: []byte("a"), HasMessageExpiryInterval: true, MessageExpiryInterval: 2,
			}))
			m.clock += int64(row.waits)
			m.settle()
			s := e.loops[1].stats
			if s.MessagesExpired != row.expired || s.PublishesSent != 1-row.expired {
				t.Errorf("%d messages expired and %d were sent, want %d and %d", s.MessagesExpired, s.PublishesSent, row.expired, 1-row.expired)
			}
		})
	}
}

// A push adds its batch and rings after that. If the loop takes in between, and
// does as much as a turn may, the turn that the ring brings does the rest and takes
// nothing: the next push must ring again all the same.
func TestAnswerWakesTheLoopAfterOneWhoseRingCameLate(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	l := e.loops[0]
	heard := 0
	answer := func() { l.postSingly(func(*loop) { heard++ }) }
	for range 2 * maxCrowd {
		answer()
	}
	m.takeWoken().woken()
	if heard != maxCrowd {
		t.Fatalf("a turn hears %d answers, want %d", heard, maxCrowd)
	}
	if l.singles.bell.Swap(true) { // by the last of them
		t.Fatal("the bell is rung after a turn")
	}
	m.settle()
	answer()
	m.settle()
	if want := 2*maxCrowd + 1; heard != want {
		t.Errorf("%d answers are heard, want %d", heard, want)
	}
}
