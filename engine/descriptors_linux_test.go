package engine

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// descriptorSlots returns for how many descriptors the process has room.
func descriptorSlots(t *testing.T) (n int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := bytes.Cut(status, []byte("\nFDSize:"))
	if _, err := fmt.Sscan(string(line), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDescriptorTableGrowsBeforeItIsFull(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	_, r := startEpoll(t, Options{Loops: 1})
	for fd := range int(min(5*firstDescriptors, limit.Cur/4)) { // as if each were a connection
		for r.descriptors.growing.Load() {
			runtime.Gosched()
		}
		if fd%64 == 0 {
			if slots := descriptorSlots(t); slots < 2*fd {
				t.Fatalf("when descriptor %d was opened there was room for %d", fd, slots)
			}
		}
		r.reserve(fd)
	}
	for _, row := range []struct {
		name string
		half int64
	}{
		{"the limit of the process", int64(limit.Cur)},
		{"more than a descriptor can be", math.MaxInt64 / 2},
	} {
		if got := r.grow(row.half); got != math.MaxInt64 {
			t.Errorf("%s: %d more are waited for", row.name, got)
		}
	}
}
