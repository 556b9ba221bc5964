package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/internal/procstat"
)

// Loops that go from one executor to another, and back, whenever they can lose
// nothing and no wake-up: every message arrives, in order, and each is waited
// for.
func TestLoopsMoveBetweenExecutorsUnderTraffic(t *testing.T) {
	e, err := New(Options{Loops: 4, SysInterval: -1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	r, ok := e.reactor.(*epollReactor)
	if !ok {
		t.Skip("-reactor=gnet: executors are the other reactor's") // CI runs both
	}
	var spreads, gathers atomic.Int64
	r.window = time.Millisecond
	r.placement = func(x *executor, _ float64) move {
		switch {
		case len(x.pollers) > 1 && rand.IntN(2) == 0:
			spreads.Add(1)
			return spread
		case x.index > 0 && rand.IntN(2) == 0:
			gathers.Add(1)
			return gather
		}
		return stay
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-e.Started()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	connect := func(id string) *codectest.Conn {
		return codectest.Dial(t, e.Addr("p").String(), codectest.Options{Timeout: time.Minute, Connect: &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true}})
	}
	var publishers, subscribers []*codectest.Conn
	for i := range 8 {
		s := connect(fmt.Sprint("s", i))
		s.Send(codec.AppendSubscribe(nil, codec.V5, &codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: fmt.Appendf(nil, "t/%d", i), QoS: codec.QoS1}}}))
		s.NextOf(codec.TypeSuback)
		publishers, subscribers = append(publishers, connect(fmt.Sprint("p", i))), append(subscribers, s)
	}
	for n := 0; n < 200 || spreads.Load() < 100 || gathers.Load() < 100; n++ {
		for i, p := range publishers {
			p.Send(codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: fmt.Appendf(nil, "t/%d", i), QoS: codec.QoS1, PacketID: 1, Payload: fmt.Append(nil, n)}))
		}
		for i, s := range subscribers {
			got := s.NextPublish()
			if string(got.Payload) != fmt.Sprint(n) {
				t.Fatalf("subscriber %d received %s in place of %d", i, got.Payload, n)
			}
			s.Send(codec.AppendAck(nil, codec.V5, codec.TypePuback, got.PacketID, codec.Success))
			publishers[i].NextOf(codec.TypePuback)
		}
	}
}

func TestPlacementFollowsLoadAndSpareProcessors(t *testing.T) {
	r := &epollReactor{}
	first, second := &executor{reactor: r}, &executor{reactor: r, index: 1}
	r.executors = []*executor{first, second}
	first.pollers, second.pollers = make([]*poller, 2), make([]*poller, 1)
	idle := int64(0)
	r.idle = func() int64 { return idle }
	windows := func(x *executor, n int, busy float64, idleTicks int64) (last move) {
		for range n {
			x.since += int64(loadWindow)
			idle += idleTicks
			last = x.place(busy)
		}
		return last
	}
	const whole = int64(loadWindow / procstat.Tick) // one processor
	for _, tc := range []struct {
		name string
		do   func() move
		want move
	}{
		{"busy for a moment", func() move { return windows(first, hotWindows, 1, whole) }, stay},
		{"busy on, with a processor to spare", func() move { return windows(first, 1, 1, whole) }, spread},
		{"busy, with none to spare", func() move { return windows(first, hotWindows+1, 1, whole/10) }, stay},
		{"neither", func() move { return windows(first, 20, 0.5, whole) }, stay},
		{"busy with one loop", func() move { return windows(second, 20, 1, whole) }, stay},
		{"idle for a moment", func() move { return windows(second, coldWindows-1, 0, whole) }, stay},
		{"idle on, and so is the first", func() move { return windows(second, 1, 0, whole) }, gather},
		{"idle, and the first is not", func() move {
			first.load.Store(900)
			first.loadAt.Store(second.since + int64(time.Minute))
			return windows(second, 20, 0, whole)
		}, stay},
		{"the first is idle itself", func() move { return windows(first, 20, 0, whole) }, stay},
	} {
		if got := tc.do(); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// Where the kernel has no more watches loops stay where they are, and go on.
func TestLoopsThatCannotBeGivenStay(t *testing.T) {
	e, r := startEpoll(t, Options{Loops: 2, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	first, other := r.executors[0], r.executors[1]
	onExecutor := func(f func()) {
		done := make(chan struct{})
		first.post(func() { f(); close(done) })
		<-done
	}
	onExecutor(func() {
		r.placement = func(*executor, float64) move { return stay }
		hub := other.hub
		other.hub = -1
		first.giveHalf()
		other.hub = hub
		if len(first.pollers) != 2 || other.running.Load() {
			t.Errorf("%d loops stay, and the other executor runs: %v", len(first.pollers), other.running.Load())
		}
	})
	for i := range 4 {
		connectTo(t, e.Addr("p").String(), fmt.Sprint("c", i))
	}
	onExecutor(func() {
		first.giveHalf()
		if len(first.pollers) != 1 || !other.running.Load() {
			t.Errorf("%d loops stay, and the other executor runs: %v", len(first.pollers), other.running.Load())
		}
	})
	for i := range 4 {
		connectTo(t, e.Addr("p").String(), fmt.Sprint("d", i))
	}
}
