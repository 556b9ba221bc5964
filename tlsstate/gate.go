package tlsstate

import (
	"container/list"
	"context"
	"sync"
)

// gate admits a bounded number of handshakes to the processor.
//
// Those that have computed before go first. With one queue for all, a storm of
// new peers would slow every handshake down until all of them ran into their
// time limit together; this way what has been started gets finished, and the
// newest wait. Within either queue, first come, first served.
type gate struct {
	mu      sync.Mutex
	free    int
	waiting [2]list.List // of chan struct{}, closed to admit; indexed by turn
}

// turn is a queue of the gate.
type turn int

const (
	continued turn = iota // has computed before
	fresh                 // has just read its first bytes
)

func newGate(slots int) *gate { return &gate{free: slots} }

// enter waits for a slot. With a nil error the caller holds one and must leave.
func (g *gate) enter(ctx context.Context, t turn) error {
	g.mu.Lock()
	if g.free > 0 {
		// Nobody waits while a slot is free: leave hands slots on.
		g.free--
		g.mu.Unlock()
		return nil
	}
	admitted := make(chan struct{})
	place := g.waiting[t].PushBack(admitted)
	g.mu.Unlock()

	select {
	case <-admitted:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	select {
	case <-admitted: // at the same moment: pass it on
		g.leaveLocked()
	default:
		g.waiting[t].Remove(place)
	}
	g.mu.Unlock()
	return ctx.Err()
}

// leave gives the slot to whoever waits longest, continued ones first.
func (g *gate) leave() {
	g.mu.Lock()
	g.leaveLocked()
	g.mu.Unlock()
}

func (g *gate) leaveLocked() {
	for t := range g.waiting {
		if first := g.waiting[t].Front(); first != nil {
			close(g.waiting[t].Remove(first).(chan struct{}))
			return
		}
	}
	g.free++
}
