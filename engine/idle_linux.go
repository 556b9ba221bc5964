package engine

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// tick is the unit of times in /proc/stat, see proc(5).
const tick = 10 * time.Millisecond

// machineIdle returns for how many ticks the processors have been idle, all
// together. Where it cannot be known it is as if one always were.
func machineIdle() int64 {
	if stat, err := os.ReadFile("/proc/stat"); err == nil {
		if n := idleIn(stat); n > 0 {
			return n
		}
	}
	return int64(time.Duration(time.Now().UnixNano()) / tick)
}

// idleIn reads the fourth number of the first line: "cpu user nice system idle".
// It is 0 if there is none, as on systems that only look like Linux.
func idleIn(stat []byte) int64 {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 5 {
		return 0
	}
	n, err := strconv.ParseInt(string(fields[4]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
