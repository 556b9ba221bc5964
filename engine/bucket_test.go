package engine

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTokenBucketAllowsABurstAndThenTheRate(t *testing.T) {
	now := time.Unix(0, 0)
	var b tokenBucket
	b.setRate(10, now)
	for i := range 10 {
		if wait := b.take(now); wait != 0 {
			t.Fatalf("token %d of the burst: wait %v", i, wait)
		}
	}
	if wait := b.take(now); wait != 100*time.Millisecond {
		t.Fatalf("beyond the burst: wait %v, want 100ms", wait)
	}
	now = now.Add(time.Hour)
	for i := range 10 {
		if wait := b.take(now); wait != 0 {
			t.Fatalf("token %d of the second burst: wait %v", i, wait)
		}
	}
	if b.take(now) == 0 {
		t.Fatal("an hour of rest is worth more than one burst")
	}
}

// TestTokenBucketHoldsItsRate has a few who wait as they are told, as the
// goroutines that accept do, for a simulated while.
func TestTokenBucketHoldsItsRate(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		rate, takers := 1+r.IntN(500), 1+r.IntN(8)
		start := time.Unix(0, 0)
		var b tokenBucket
		b.setRate(rate, start)
		free := make([]time.Time, takers) // when each may take again
		for i := range free {
			free[i] = start
		}
		const seconds = 20
		taken := 0
		for {
			first := 0
			for i := range free {
				if free[i].Before(free[first]) {
					first = i
				}
			}
			now := free[first]
			if now.Sub(start) > seconds*time.Second {
				break
			}
			taken++
			wait := b.take(now)
			if most := time.Duration(takers) * time.Second / time.Duration(rate); wait > most+time.Microsecond {
				t.Fatalf("rate %d, %d takers: wait %v, more than %v", rate, takers, wait, most)
			}
			free[first] = now.Add(wait)
		}
		if least, most := rate*seconds, rate*(seconds+1)+takers+1; taken < least || taken > most {
			t.Errorf("rate %d, %d takers: %d in %d s, want %d to %d", rate, takers, taken, seconds, least, most)
		}
	}
}

func TestTokenBucketTakesANewRate(t *testing.T) {
	now := time.Unix(0, 0)
	var b tokenBucket
	for range 1000 {
		if b.take(now) != 0 {
			t.Fatal("a bucket without a rate makes wait")
		}
	}
	b.setRate(2, now)
	for i, want := range []time.Duration{0, 0, 500 * time.Millisecond} {
		if wait := b.take(now); wait != want {
			t.Errorf("token %d after the rate was set: wait %v, want %v", i, wait, want)
		}
	}
	b.setRate(0, now)
	if b.take(now) != 0 {
		t.Error("a rate that is taken away makes wait")
	}
}
