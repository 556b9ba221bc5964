package main

import (
	"testing"
	"time"
)

func TestGarbageIsCollectedWhenLittleHappensAndThereIsEnough(t *testing.T) {
	const mib = 1 << 20
	const second = time.Second
	// Each step is one quietWindow after the one before, and where a collection
	// is worthwhile it takes as long as the step says, and as much CPU time.
	type step struct {
		name                      string
		live, resident, allocated uint64
		cpu                       time.Duration // since the beginning, without collections
		want                      bool
		took                      time.Duration
	}
	for _, steps := range [][]step{
		{
			{"at first", 2 * mib, 3 * mib, 3 * mib, second / 100, true, 0},
			{"nothing since", 2 * mib, 2 * mib, 3 * mib, second / 100, false, 0},
			{"a little since", 2 * mib, 2*mib + mib/2, 3*mib + mib/2, second / 100, false, 0},
			{"a storm goes on", 2 * mib, 20 * mib, 30 * mib, 4 * second / 10, false, 0},
			{"it is over", 2 * mib, 20 * mib, 30 * mib, 4 * second / 10, true, 0},
		},
		{
			{"Clients come", 50 * mib, 52 * mib, 60 * mib, second, false, 0},
			{"they are there", 50 * mib, 52 * mib, 60 * mib, second, false, 0},
			{"they go", 50 * mib, 52 * mib, 60 * mib, 2 * second, false, 0},
			{"quiet once", 50 * mib, 52 * mib, 60 * mib, 2 * second, false, 0},
			{"twice", 50 * mib, 52 * mib, 60 * mib, 2 * second, false, 0},
			{"three times", 50 * mib, 52 * mib, 60 * mib, 2 * second, false, 0},
			{"for good", 50 * mib, 52 * mib, 60 * mib, 2 * second, true, second / 10},
			{"the collection was no work of Clients", 50 * mib, 50 * mib, 60 * mib, 2 * second, false, 0},
			{"nor is it later", 50 * mib, 50 * mib, 60 * mib, 2 * second, false, 0},
			{"and 2.5 s", 50 * mib, 50 * mib, 60 * mib, 2 * second, false, 0},
			{"after it", 50 * mib, 50 * mib, 60 * mib, 2 * second, false, 0},
			{"there is none", 50 * mib, 50 * mib, 60 * mib, 2 * second, false, 0},
			{"either", 50 * mib, 50 * mib, 60 * mib, 2 * second, false, 0},
		},
		{
			{"a burst ends", 2 * mib, 9 * mib, 9 * mib, 0, true, second / 20},
			{"the next too", 2 * mib, 9 * mib, 19 * mib, 0, false, 0},
			{"and is not collected", 2 * mib, 9 * mib, 29 * mib, 0, true, second / 20},
			{"before twenty times as long has passed", 2 * mib, 9 * mib, 39 * mib, 0, false, 0},
		},
		{
			{"a large heap with little garbage", 100 * mib, 109 * mib, 200 * mib, 0, false, 0},
			{"with more", 100 * mib, 110 * mib, 201 * mib, 0, true, 0},
			{"which was not garbage after all", 100 * mib, 110 * mib, 201 * mib, 0, false, 0},
		},
		{
			{"not a byte too many", mib, mib - 1, 9 * mib, 0, false, 0},
		},
	} {
		var w idleWatch
		var now, collecting time.Duration
		for _, s := range steps {
			now += quietWindow
			u := heapUse{s.live, s.resident, s.allocated, s.cpu + collecting, now}
			if got := w.worthwhile(u); got != s.want {
				t.Errorf("%s: %v, want %v", s.name, got, s.want)
			}
			if s.want {
				now, collecting = now+s.took, collecting+s.took
				w.collected(u, heapUse{s.live, s.live, s.allocated, s.cpu + collecting, now})
			}
		}
	}
}

func TestHeapIsMeasured(t *testing.T) {
	u := newHeapMeter().read()
	if u.resident == 0 || u.allocated < u.resident/2 || u.cpu <= 0 || u.at <= 0 {
		t.Errorf("%+v", u)
	}
}
