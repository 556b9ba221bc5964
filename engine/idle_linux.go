package engine

import (
	"time"

	"github.com/weirmq/weir/internal/procstat"
)

// machineIdle returns for how many ticks the processors have been idle, all
// together. Where it cannot be known it is as if one always were.
func machineIdle() int64 {
	if n := procstat.Read().Idle; n > 0 {
		return int64(n)
	}
	return int64(time.Duration(time.Now().UnixNano()) / procstat.Tick)
}
