package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Go collects garbage when the heap has doubled, but not below 4 MiB. For a
// broker that is too often while it is small, where a thousand Clients that come
// and go fill the difference, and too late when it is large, where most of the
// heap is Clients that stay: half of the memory would wait to be filled.
const (
	// leastGrowth is how much a small heap may grow.
	leastGrowth = 16 << 20
	// largePercent is by how much a large one may.
	largePercent = 50
	// smallPercent is for the smallest. With it the runtime's own minimum, 4 MiB
	// at 100 %, becomes leastGrowth.
	smallPercent = 400
)

// paceGC has garbage collected when the heap has grown by what suits its size.
// An operator who has set GOGC or GOMEMLIMIT knows better.
func paceGC() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	afterEachGC(func() {
		metrics.Read(live)
		if percent := gcPercent(live[0].Value.Uint64()); percent != set {
			set = percent
			debug.SetGCPercent(percent)
		}
	})
}

// gcPercent returns by how many percent a heap with so many bytes in use may
// grow, in steps so that it seldom changes.
func gcPercent(live uint64) int {
	const step = 10
	if live < leastGrowth*100/smallPercent {
		return smallPercent
	}
	return max(int(leastGrowth*100/live)/step*step, largePercent)
}

// afterEachGC calls f on a goroutine of the runtime's, now and after each
// garbage collection.
func afterEachGC(f func()) {
	type sentinel struct{ *int }
	var arm func(*sentinel)
	arm = func(*sentinel) {
		f()
		runtime.SetFinalizer(&sentinel{new(int)}, arm)
	}
	arm(nil)
}
