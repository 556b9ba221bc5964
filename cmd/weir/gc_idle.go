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
	// quietWindow is how long little must have happened, and quietCPU what that
	// is: less than a twentieth of a processor.
	quietWindow = 500 * time.Millisecond
	quietCPU    = quietWindow / 20
	// A collection costs about a millisecond for each MiB in use, so it must
	// bring leastWaste, and wastePercent of what is in use.
	leastWaste   = 1 << 20
	wastePercent = 10
	// settlingWindows is how many quiet windows after busy ones bring a
	// collection in any case: Clients that go, and queues that empty, let go of
	// memory without asking for any, and only a collection finds out.
	settlingWindows = 4
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
		if idle.worthwhile(meter.read()) {
			runtime.GC() // what pools keep outlives one collection
			debug.FreeOSMemory()
		}
	}
}

// heapUse is what idleWatch decides by: bytes, and CPU time of the process.
type heapUse struct {
	live      uint64 // in use when garbage was last collected
	resident  uint64 // objects, dead ones too, and free pages that the system does not have
	allocated uint64 // since the process began
	cpu       time.Duration
}

// idleWatch decides when to collect garbage, from what it is shown in the order
// of time. The zero idleWatch has seen nothing.
type idleWatch struct {
	cpu     time.Duration
	settled uint64 // allocated when the last collection was worthwhile
	busy    bool   // since then
	quiet   int    // windows in a row
}

// worthwhile reports whether little has happened since it was last called, and a
// collection will bring enough. It counts on being obeyed: what the last one has
// not brought, such as free space between objects, the next one will not either.
func (w *idleWatch) worthwhile(u heapUse) bool {
	used := u.cpu - w.cpu
	w.cpu = u.cpu
	if used > quietCPU {
		w.busy, w.quiet = true, 0
		return false
	}
	w.quiet++
	enough := max(leastWaste, u.live*wastePercent/100)
	garbage := u.resident >= u.live+enough && u.allocated-w.settled >= enough
	if !garbage && !(w.busy && w.quiet == settlingWindows) {
		return false
	}
	w.settled = u.allocated
	if w.quiet >= settlingWindows {
		w.busy = false
	}
	return true
}

// heapMeter reads heapUse. It belongs to one goroutine.
type heapMeter struct{ samples []metrics.Sample }

func newHeapMeter() *heapMeter {
	return &heapMeter{[]metrics.Sample{
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
	}
}
