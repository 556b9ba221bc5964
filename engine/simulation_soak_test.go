package engine

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

var simSoak = flag.Duration("soak", 0, "TestSimulationSoak plays programs of random seeds for so long")

// simTotals is what a soak has done.
type simTotals struct {
	mu                                      sync.Mutex
	seeds, operations, received, violations int
}

func (s *simTotals) add(p *simulation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	s.operations += p.operations
	s.received += p.model.received
	s.violations += len(p.model.violations)
}

func (s *simTotals) log(t *testing.T, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%v: %d seeds, %d operations, %d deliveries checked, %d violations",
		took.Round(time.Second), s.seeds, s.operations, s.received, s.violations)
}

// TestSimulationSoak plays programs on all processors, from a seed that nobody
// has chosen, for as long as -soak says. Without the flag it plays one.
func TestSimulationSoak(t *testing.T) {
	start := time.Now()
	end := start.Add(*simSoak)
	first := rand.Uint64() >> 1
	t.Logf("the first seed is %d", first)
	totals := &simTotals{}
	var work sync.WaitGroup
	next, workers := make(chan uint64), runtime.GOMAXPROCS(0)
	for range workers {
		work.Go(func() {
			for seed := range next {
				s := simulate(t, seed, *simSteps, simFault{})
				totals.add(s)
				reportSimulation(t, s)
			}
		})
	}
	minute := time.Now().Add(time.Minute)
	for seed := first; seed == first || time.Now().Before(end); seed++ {
		next <- seed
		if time.Now().After(minute) {
			minute = minute.Add(time.Minute)
			totals.log(t, time.Since(start))
		}
	}
	close(next)
	work.Wait()
	totals.log(t, time.Since(start))
}
