// Package procstat reads what Linux says of all processors together, in the first
// line of /proc/stat: see proc(5).
package procstat

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// Tick is the unit of Times.
const Tick = 10 * time.Millisecond

// Times is what the processors have done since the system started, all together,
// in ticks. The zero Times is what is known where there is no such file, or
// nothing in it, as on systems that only look like Linux.
type Times struct {
	Busy   uint64 // in programs, the kernel and interrupts
	Idle   uint64 // without waiting for disks
	Stolen uint64 // that a virtual machine wanted and did not get
}

// Read returns the Times until now. It takes some 20 us. Safe for concurrent use.
func Read() Times {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Times{}
	}
	return parse(stat)
}

// parse reads "cpu user nice system idle iowait irq softirq steal", of which older
// kernels have less.
func parse(stat []byte) (t Times) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 5 || string(fields[0]) != "cpu" {
		return Times{}
	}
	for i, field := range fields[1:min(len(fields), 9)] { // guests' time is users', too
		ticks, err := strconv.ParseUint(string(field), 10, 64)
		if err != nil {
			return Times{}
		}
		switch i {
		case 3:
			t.Idle = ticks
		case 4: // may go back, says proc(5)
		case 7:
			t.Stolen = ticks
		default:
			t.Busy += ticks
		}
	}
	return t
}
