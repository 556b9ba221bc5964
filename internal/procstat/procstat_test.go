package procstat

import (
	"runtime"
	"testing"
)

func TestTimesAreTheFirstLineOfProcStat(t *testing.T) {
	for text, want := range map[string]Times{
		"cpu  1 2 4 4000 800 16 32 64 128 256\ncpu0 1 2 3 4\n": {Busy: 55, Idle: 4000, Stolen: 64},
		"cpu  10 20 30 4242": {Busy: 60, Idle: 4242},
		"cpu":                {},
		"":                   {},
		"intr 1 2 3 4 5":     {},
		"cpu 1 2 3 x 5":      {},
	} {
		if got := parse([]byte(text)); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if runtime.GOOS == "linux" && Read().Idle == 0 {
		t.Error("this machine was never idle")
	}
}
