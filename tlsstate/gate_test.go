package tlsstate

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// queue makes a goroutine wait in line and returns once it does.
func (g *gate) queue(t *testing.T, ctx context.Context, turn turn, admitted func(error)) {
	t.Helper()
	waiting := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.waiting[turn].Len()
	}
	before := waiting()
	go func() { admitted(g.enter(ctx, turn)) }()
	for waiting() == before {
		runtime.Gosched()
	}
}

func TestGateAdmitsContinuedFirstAndThenInOrder(t *testing.T) {
	g := newGate(1)
	ctx := context.Background()
	ok(t, g.enter(ctx, fresh))
	admitted := make(chan string, 4)
	for _, w := range []struct {
		name string
		turn turn
	}{{"fresh 1", fresh}, {"continued 1", continued}, {"fresh 2", fresh}, {"continued 2", continued}} {
		g.queue(t, ctx, w.turn, func(err error) {
			ok(t, err)
			admitted <- w.name
		})
	}
	var order []string
	for range 4 {
		g.leave()
		order = append(order, <-admitted)
	}
	if want := []string{"continued 1", "continued 2", "fresh 1", "fresh 2"}; !slices.Equal(order, want) {
		t.Errorf("admitted %v, want %v", order, want)
	}
	g.leave()
	if g.free != 1 {
		t.Errorf("%d slots free", g.free)
	}
}

func TestGateForgetsWhoGaveUp(t *testing.T) {
	g := newGate(1)
	ok(t, g.enter(context.Background(), fresh))
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	g.queue(t, ctx, continued, func(err error) { gone <- err })
	admitted := make(chan error, 1)
	g.queue(t, context.Background(), fresh, func(err error) { admitted <- err })
	cancel()
	if err := <-gone; err != context.Canceled {
		t.Errorf("error is %v", err)
	}
	g.leave()
	ok(t, <-admitted)
}

func TestGateNeverLosesOrInventsASlot(t *testing.T) {
	const slots, goroutines, rounds = 3, 16, 300
	g := newGate(slots)
	var inside, entered atomic.Int64
	var wg sync.WaitGroup
	for id := range uint64(goroutines) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(id, 5))
			for range rounds {
				ctx, cancel := context.WithCancel(context.Background())
				if random.IntN(2) == 0 {
					go cancel() // races with being admitted
				}
				if g.enter(ctx, turn(random.IntN(2))) == nil {
					entered.Add(1)
					if n := inside.Add(1); n > slots {
						t.Errorf("%d inside, %d slots", n, slots)
					}
					runtime.Gosched()
					inside.Add(-1)
					g.leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if g.free != slots || g.waiting[continued].Len()+g.waiting[fresh].Len() != 0 {
		t.Errorf("%d of %d slots are free", g.free, slots)
	}
	if entered.Load() == 0 {
		t.Error("nobody was admitted")
	}
}
