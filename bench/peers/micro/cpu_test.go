package micro

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// repeat times op, in CPU time of the process as well: that is what the report
// compares, because on a machine that others use too it is still the same, and
// because the garbage that op makes is collected by other threads.
func repeat(b *testing.B, op func()) {
	b.Helper()
	b.ReportAllocs()
	runtime.GC() // what came before is not to be collected at the expense of op
	before := cpuTime(b)
	for b.Loop() {
		op()
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime returns how much CPU time the process has taken.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
