package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// processUsage reads what the process pid has used.
func processUsage(pid int) (u usage, err error) {
	// The ticks of /proc/PID/stat are 10 ms, and the sum over its threads
	// forgets those that have ended. The clock of the process is neither: see
	// clock_getcpuclockid(3) for how its number is made.
	clock := ^uint32(pid)<<3 | cpuClockSched
	var t syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return u, fmt.Errorf("bench: the CPU time of process %d cannot be read: %w", pid, errno)
	}
	u.cpu = time.Duration(t.Nano())
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, fmt.Errorf("bench: the memory of process %d cannot be read: %w", pid, err)
	}
	u.rss, u.peak = statusBytes(status, "VmRSS:"), statusBytes(status, "VmHWM:")
	return u, nil
}

// cpuClockSched is the kind of process clock that counts nanoseconds.
const cpuClockSched = 2

// statusBytes returns the value of a line of /proc/PID/status that is in kB,
// or 0.
func statusBytes(status []byte, name string) uint64 {
	_, rest, _ := bytes.Cut(status, []byte("\n"+name))
	line, _, _ := bytes.Cut(rest, []byte(" kB"))
	kilobytes, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
