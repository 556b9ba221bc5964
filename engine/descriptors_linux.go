package engine

import (
	"math"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// descriptorTable keeps the process's table of descriptors larger than is needed.
// Linux doubles it for the first one that it has no room for, and in a process of
// several threads that waits for a grace period of RCU: on the loop that accepts
// a connection 10 to 15 ms, five times on the way to 2,000 of them, in which no
// message went anywhere. So it is asked for more room on a goroutine, when half is
// taken.
type descriptorTable struct {
	half    atomic.Int64 // of the room; ask for more beyond it
	growing atomic.Bool
}

// firstDescriptors is the room that a process begins with. A slot takes 8 bytes.
const firstDescriptors = 2048

// reserve has the table grown, if there is fd, before there is no more room. It
// does not wait. Safe for concurrent use.
func (r *epollReactor) reserve(fd int) {
	d := &r.descriptors
	if half := d.half.Load(); int64(fd) >= half && d.growing.CompareAndSwap(false, true) {
		go func() {
			defer d.growing.Store(false)
			d.half.Store(r.grow(max(2*half, firstDescriptors/2)))
		}()
	}
}

// grow makes room for twice half, and returns half of what there is to be then: at
// the limit of the process, or where it fails, whoever comes later waits.
func (r *epollReactor) grow(half int64) int64 {
	if !r.stopping.TryRLock() {
		return math.MaxInt64 // nobody comes any more
	}
	defer r.stopping.RUnlock()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt64
	}
	room := min(2*half, int64(min(limit.Cur, math.MaxInt64)))
	// The lowest free number from there on. The table does not shrink.
	fd, err := unix.FcntlInt(uintptr(r.executors[0].bell), unix.F_DUPFD_CLOEXEC, int(room-1))
	if err == nil {
		_ = unix.Close(fd)
	}
	if err != nil || room < 2*half {
		return math.MaxInt64
	}
	return half
}
