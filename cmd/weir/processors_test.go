package main

import (
	"runtime"
	"testing"
)

func TestOneGoroutineMoreRunsThanThereAreProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, row := range []struct {
		set  string
		want int
	}{
		{"", before + 1},
		{"7", before}, // the runtime has done that already
	} {
		t.Setenv("GOMAXPROCS", row.set)
		runtime.GOMAXPROCS(before)
		spareProcessor()
		if got := runtime.GOMAXPROCS(0); got != row.want {
			t.Errorf("GOMAXPROCS=%s: %d, want %d", row.set, got, row.want)
		}
	}
}
