package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// What a burst leaves behind, Go keeps: garbage until the heap has grown enough
// to be worth collecting, which on an idle broker takes two minutes, and free
// pages for long after. On a gateway others could use it meanwhile.
const (
	// quietWindow is how long little must have happened, and quietShare what that
	// is, as a part of a processor.
	quietWindow = 500 * time.Millisecond
	quietShare  = 20
	// A collection goes through all that is in use, so it must bring leastWaste,
	// and wastePercent of what is in use.
	leastWaste   = 1 << 20
	wastePercent = 10
	// settlingWindows is how many quiet windows after busy ones bring a
	// collection in any case: Clients that go, and queues that empty, let go of
	// memory without asking for any, and only a collection finds out.
	settlingWindows = 4
	// restShare is how many times as long as a collection took there is none
	// after it, so that Clients who are busy and quiet by turns cannot have one
	// for each turn.
	restShare = 20
)

// giveBack returns memory to the system whenever little happens, until ctx ends.
func giveBack(ctx context.Context) error {
	ticker := time.NewTicker(quietWindow)
	defer ticker.Stop()
	meter := newHeapMeter()
	var idle idleWatch
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if before := meter.read(); idle.worthwhile(before) {
			runtime.GC() // what pools keep outlives one collection
			debug.FreeOSMemory()
			idle.collected(before, meter.read())
		}
	}
}

// heapUse is what idleWatch decides by: bytes, and times.
type heapUse struct {
	live      uint64        // in use when garbage was last collected
	resident  uint64        // objects, dead ones too, and free pages that the system does not have
	allocated uint64        // since the process began
	cpu       time.Duration // of the process
	at        time.Duration // on any clock that does not go back
}

// idleWatch decides when to collect garbage, from what it is shown in the order
// of time. The zero idleWatch has seen nothing.
type idleWatch struct {
	cpu, at time.Duration // when it last looked
	settled uint64        // allocated when the last collection ended
	rest    time.Duration // until then there is no other
	busy    bool          // since the last one
	quiet   int           // windows in a row
}

// worthwhile reports whether little has happened since it was last called, and a
// collection will bring enough. If so it wants to be told of it by collected:
// what that one has not brought, such as free space between objects, the next
// one will not either.
func (w *idleWatch) worthwhile(u heapUse) bool {
	calm := u.cpu-w.cpu <= (u.at-w.at)/quietShare
	w.cpu, w.at = u.cpu, u.at
	if !calm {
		w.busy, w.quiet = true, 0
		return false
	}
	w.quiet++
	if u.at < w.rest {
		return false
	}
	enough := max(leastWaste, u.live*wastePercent/100)
	garbage := u.resident >= u.live+enough && u.allocated-w.settled >= enough
	return garbage || w.busy && w.quiet >= settlingWindows
}

// collected is told what there was before and after a collection, whose own work
// must not pass for the Clients'.
func (w *idleWatch) collected(before, after heapUse) {
	w.cpu, w.at, w.settled = after.cpu, after.at, after.allocated
	w.rest = after.at + restShare*max(after.at-before.at, after.cpu-before.cpu)
	if w.quiet >= settlingWindows {
		w.busy = false
	}
}

// heapMeter reads heapUse. It belongs to one goroutine.
type heapMeter struct {
	began   time.Time
	samples []metrics.Sample
}

func newHeapMeter() *heapMeter {
	return &heapMeter{time.Now(), []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}}
}

func (m *heapMeter) read() heapUse {
	metrics.Read(m.samples)
	value := func(i int) uint64 { return m.samples[i].Value.Uint64() }
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru) // which everyone may know of themselves
	return heapUse{
		live:      value(0),
		resident:  value(1) + value(2),
		allocated: value(3),
		cpu:       time.Duration(ru.Utime.Nano() + ru.Stime.Nano()),
		at:        time.Since(m.began),
	}
}
