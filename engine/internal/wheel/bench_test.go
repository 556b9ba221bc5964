package wheel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// quiet is a timer that does nothing when it fires.
type quiet struct{ Timer }

func (*quiet) Fire(int64) {}

// population returns a wheel with timers set at random within the span.
func population(n int, span int64) (*Wheel, []quiet) {
	w, timers := new(Wheel), make([]quiet, n)
	for i := range timers {
		timers[i].Init(&timers[i])
		w.Set(&timers[i].Timer, rand.Int64N(span))
	}
	return w, timers
}

var populations = []struct {
	name string
	n    int
}{{"1k", 1000}, {"100k", 100_000}, {"1M", 1_000_000}}

// Set of a timer that is set already, each time another one: what a packet
// costs to put off the Keep Alive of its Client.
func BenchmarkSet(b *testing.B) {
	for _, size := range populations {
		b.Run("timers="+size.name, func(b *testing.B) {
			w, timers := population(size.n, 90e9)
			i, when := 0, int64(90e9)
			for b.Loop() {
				w.Set(&timers[i].Timer, when)
				when += 1e6
				if i += 7919; i >= len(timers) {
					i %= len(timers)
				}
			}
		})
	}
}

// Set of a timer to the tick it is at already: a Client in the middle of a burst.
func BenchmarkSetSameTick(b *testing.B) {
	w, timers := population(100_000, 90e9)
	for b.Loop() {
		w.Set(&timers[0].Timer, 90e9)
	}
}

func BenchmarkSetCancel(b *testing.B) {
	for _, size := range populations {
		b.Run("timers="+size.name, func(b *testing.B) {
			w, _ := population(size.n, 90e9)
			extra := new(quiet)
			extra.Init(extra)
			for b.Loop() {
				w.Set(&extra.Timer, 30e9)
				w.Cancel(&extra.Timer)
			}
		})
	}
}

// One Advance by one tick, with every timer that fires set again 60 seconds
// later; ns/fire is what one timer costs with all its moves between levels.
func BenchmarkAdvance(b *testing.B) {
	for _, size := range populations {
		b.Run("timers="+size.name, func(b *testing.B) {
			w := new(Wheel)
			timers := make([]again, size.n)
			for i := range timers {
				timers[i] = again{wheel: w}
				timers[i].Init(&timers[i])
				w.Set(&timers[i].Timer, rand.Int64N(60e9))
			}
			now, fired := int64(0), 0
			for b.Loop() {
				now += int64(Tick)
				fired += w.Advance(now)
			}
			if fired > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(fired), "ns/fire")
			}
		})
	}
}

// again is a timer that sets itself when it fires.
type again struct {
	Timer
	wheel *Wheel
}

func (a *again) Fire(now int64) { a.wheel.Set(&a.Timer, now+60e9) }

// A turn of the loop in which nothing is due.
func BenchmarkAdvanceIdle(b *testing.B) {
	w, _ := population(100_000, 90e9)
	extra := int64(0)
	for b.Loop() {
		extra ^= 1
		w.Advance(extra)
	}
}

// One Advance over a long time and the few timers in it.
func BenchmarkAdvanceJump(b *testing.B) {
	for _, hours := range []int64{1, 24, 24 * 365} {
		b.Run(fmt.Sprintf("hours=%d/timers=100", hours), func(b *testing.B) {
			span := hours * 3600e9
			w, timers := population(100, span)
			now := int64(0)
			for b.Loop() {
				now += span
				w.Advance(now)
				b.StopTimer()
				if now > 1<<61 {
					*w, now = Wheel{}, 0
				}
				for i := range timers {
					w.Set(&timers[i].Timer, now+rand.Int64N(span))
				}
				b.StartTimer()
			}
		})
	}
}

func BenchmarkNext(b *testing.B) {
	w, _ := population(100_000, 90e9)
	for b.Loop() {
		w.Next()
	}
}
