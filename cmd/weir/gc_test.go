package main

import (
	"runtime"
	"testing"
	"time"
)

func TestSmallHeapsMayGrowMoreThanLargeOnes(t *testing.T) {
	for _, tc := range []struct {
		live uint64
		want int
	}{
		{0, 400},
		{1 << 20, 400},
		{4 << 20, 400},
		{5 << 20, 320},
		{16 << 20, 100},
		{32 << 20, 50},
		{1 << 30, 50},
	} {
		if got := gcPercent(tc.live); got != tc.want {
			t.Errorf("%d MiB in use: %d %%, want %d", tc.live>>20, got, tc.want)
		}
	}
}

func TestWhatFollowsGarbageCollectionsIsCalledAfterEach(t *testing.T) {
	called := make(chan struct{}, 100)
	afterEachGC(func() {
		select {
		case called <- struct{}{}:
		default:
		}
	})
	<-called
	for range 3 {
		runtime.GC()
		select {
		case <-called:
		case <-time.After(time.Minute):
			t.Fatal("not called")
		}
	}
}
