package main

import (
	"testing"
	"time"
)

func TestGarbageIsCollectedWhenLittleHappensAndThereIsEnough(t *testing.T) {
	const mib = 1 << 20
	type step struct {
		name string
		heapUse
		want bool
	}
	for _, steps := range [][]step{
		{
			{"at first", heapUse{live: 2 * mib, resident: 3 * mib, allocated: 3 * mib, cpu: 10 * time.Millisecond}, true},
			{"nothing since", heapUse{live: 2 * mib, resident: 2 * mib, allocated: 3 * mib, cpu: 10 * time.Millisecond}, false},
			{"a little since", heapUse{live: 2 * mib, resident: 2*mib + mib/2, allocated: 3*mib + mib/2, cpu: 10 * time.Millisecond}, false},
			{"a storm goes on", heapUse{live: 2 * mib, resident: 20 * mib, allocated: 30 * mib, cpu: 400 * time.Millisecond}, false},
			{"it is over", heapUse{live: 2 * mib, resident: 20 * mib, allocated: 30 * mib, cpu: 401 * time.Millisecond}, true},
		},
		{
			{"Clients come", heapUse{live: 50 * mib, resident: 52 * mib, allocated: 60 * mib, cpu: time.Second}, false},
			{"they are there", heapUse{live: 50 * mib, resident: 52 * mib, allocated: 60 * mib, cpu: time.Second}, false},
			{"they go", heapUse{live: 50 * mib, resident: 52 * mib, allocated: 60 * mib, cpu: 2 * time.Second}, false},
			{"quiet once", heapUse{live: 50 * mib, resident: 52 * mib, allocated: 60 * mib, cpu: 2 * time.Second}, false},
			{"twice", heapUse{live: 50 * mib, resident: 52 * mib, allocated: 60 * mib, cpu: 2 * time.Second}, false},
			{"three times", heapUse{live: 50 * mib, resident: 52 * mib, allocated: 60 * mib, cpu: 2 * time.Second}, false},
			{"for good", heapUse{live: 50 * mib, resident: 52 * mib, allocated: 60 * mib, cpu: 2 * time.Second}, true},
			{"and no more", heapUse{live: 2 * mib, resident: 2 * mib, allocated: 60 * mib, cpu: 2 * time.Second}, false},
		},
		{
			{"a large heap with little garbage", heapUse{live: 100 * mib, resident: 109 * mib, allocated: 200 * mib}, false},
			{"with more", heapUse{live: 100 * mib, resident: 110 * mib, allocated: 201 * mib}, true},
			{"which was not garbage after all", heapUse{live: 100 * mib, resident: 110 * mib, allocated: 201 * mib}, false},
		},
		{
			{"not a byte too many", heapUse{live: mib, resident: mib - 1, allocated: 9 * mib}, false},
		},
	} {
		var w idleWatch
		for _, s := range steps {
			if got := w.worthwhile(s.heapUse); got != s.want {
				t.Errorf("%s: %v, want %v", s.name, got, s.want)
			}
		}
	}
}

func TestHeapIsMeasured(t *testing.T) {
	u := newHeapMeter().read()
	if u.resident == 0 || u.allocated < u.resident/2 || u.cpu <= 0 {
		t.Errorf("%+v", u)
	}
}
