package main

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go collects garbage when the heap has doubled, but not below 4 MiB. For a
// broker that is too often while it is small, where a thousand Clients that come
// and go fill the difference, and too late when it is large, where most of the
// heap is Clients that stay: half of the memory would wait to be filled.
const (
	// mostGrowth is how much a small heap may grow.
	mostGrowth = 16 << 20
	// growthShare is the part of a memory limit that it may grow by at most, so
	// that a small gateway has the rest for its Clients.
	growthShare = 8
	// largePercent is by how much a large one may.
	largePercent = 50
	// runtimeLeast is the runtime's own least growth, at 100 %.
	runtimeLeast = 4 << 20
)

// gcTuning reports whether the heap's growth is to be paced, and whether garbage
// is to be collected when little happens. An operator who has set GOGC knows
// better than either, and one who has set GOMEMLIMIT, and no limit here, than the
// former.
func gcTuning(limit amount) (pace, idle bool) {
	idle = os.Getenv("GOGC") == ""
	return idle && (limit > 0 || os.Getenv("GOMEMLIMIT") == ""), idle
}

// paceGC has garbage collected when the heap has grown by what suits its size
// and the limit, which is 0 if there is none, if gcTuning has it so.
func paceGC(limit amount, logger *slog.Logger) {
	growth := uint64(mostGrowth)
	if limit > 0 {
		debug.SetMemoryLimit(int64(limit))
		growth = min(growth, uint64(limit)/growthShare)
		watch := newLimitWatch(limit, logger)
		afterEachGC(watch.look)
	}
	if pace, _ := gcTuning(limit); !pace {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	afterEachGC(func() {
		metrics.Read(live)
		if percent := gcPercent(live[0].Value.Uint64(), growth); percent != set {
			set = percent
			debug.SetGCPercent(percent)
		}
	})
}

// gcPercent returns by how many percent a heap with so many bytes in use may
// grow, in steps so that it seldom changes. A small one may by growth bytes.
func gcPercent(live, growth uint64) int {
	const step = 10
	if live < runtimeLeast {
		return int(growth * 100 / runtimeLeast)
	}
	return max(int(growth*100/live)/step*step, largePercent)
}

// limitWatch says so when the memory limit is too small for what the broker
// holds. The runtime then exceeds it, rather than spend more than half of the
// processors' time on collecting garbage.
type limitWatch struct {
	limit   amount
	logger  *slog.Logger
	samples []metrics.Sample
	told    time.Time
}

// tellLimit is how often it says so at most.
const tellLimit = time.Minute

func newLimitWatch(limit amount, logger *slog.Logger) *limitWatch {
	w := &limitWatch{limit: limit, logger: logger}
	for _, name := range []string{
		"/gc/heap/live:bytes", "/memory/classes/total:bytes", // and of that, not:
		"/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes",
		"/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes",
	} {
		w.samples = append(w.samples, metrics.Sample{Name: name})
	}
	return w
}

// look is called after a garbage collection: what is left is what is needed,
// together with stacks and what else is not heap.
func (w *limitWatch) look() {
	metrics.Read(w.samples)
	needed := int64(0)
	for i, s := range w.samples {
		if n := int64(s.Value.Uint64()); i < 2 {
			needed += n
		} else {
			needed -= n
		}
	}
	w.note(amount(needed), time.Now())
}

func (w *limitWatch) note(needed amount, now time.Time) {
	if needed <= w.limit || !w.told.IsZero() && now.Sub(w.told) < tellLimit {
		return
	}
	w.told = now
	// Not here: a log may block, and finalizers wait for this.
	go w.logger.Warn("the memory limit is too small for what the broker holds, so it takes more, and CPU time for collecting garbage",
		"limit", w.limit.String(), "holds", ((needed + 1<<20 - 1) >> 20 << 20).String())
}

// afterEachGC calls f now, and on a goroutine of the runtime's after each garbage
// collection that begins later. A call ends before the next begins, which stands for
// all collections meanwhile.
func afterEachGC(f func()) {
	type sentinel struct{ *int }
	var arm func()
	arm = func() {
		runtime.SetFinalizer(&sentinel{new(int)}, func(*sentinel) {
			arm() // first, as another may begin before f returns
			f()
		})
	}
	f()
	arm()
}
