package engine

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// threadSlice returns what time slice a thread has that nobody has asked for, 0 if
// the system does not tell.
func threadSlice() uint64 {
	slice := make(chan uint64)
	go func() {
		runtime.LockOSThread()
		if a, err := unix.SchedGetAttr(0, 0); err == nil {
			slice <- a.Runtime
		}
		close(slice)
	}()
	return <-slice
}

func TestOnlyExecutorsRunPromptly(t *testing.T) {
	others := threadSlice()
	want := min(others, promptSlice) // 0 before Linux 6.12, which knows none of single threads
	e, r := startEpoll(t, Options{Loops: 1})
	onPoller(e, r, func(*poller) {
		if a, err := unix.SchedGetAttr(0, 0); err != nil || a.Runtime != want {
			t.Errorf("the executor has slices of %d ns, want %d: %v", a.Runtime, want, err)
		}
	})
	if got := threadSlice(); got != others {
		t.Errorf("others have slices of %d ns now, want %d", got, others)
	}
}
