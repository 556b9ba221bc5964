package bench

import (
	"os"
	"time"

	"github.com/weirmq/weir/internal/procstat"
)

// usage is what a process has used since it started.
type usage struct {
	cpu  time.Duration // of all its threads, those that have ended as well
	rss  uint64        // bytes of physical memory, now
	peak uint64        // and at most
}

// bothUsages are what the broker's process and this one have used, and the
// machine's processors have been asked for.
type bothUsages struct {
	server  *usage // nil: not known
	self    usage
	machine procstat.Times
}

// stolenBetween returns the share of the processors' time that a virtual machine
// did not get, of what it wanted.
func stolenBetween(from, to procstat.Times) float64 {
	stolen := to.Stolen - from.Stolen
	wanted := to.Busy - from.Busy + stolen
	if wanted == 0 {
		return 0
	}
	return float64(stolen) / float64(wanted)
}

func usages(pid int) (b bothUsages, err error) {
	if pid != 0 {
		u, err := processUsage(pid)
		if err != nil {
			return b, err
		}
		b.server = &u
	}
	b.machine = procstat.Read()
	b.self, err = processUsage(os.Getpid())
	return b, err
}

// use writes what was used between two moments.
func (r *Result) use(from, to bothUsages) {
	if from.server != nil {
		r.Server = usageBetween(*from.server, *to.server)
	}
	r.Generator = usageBetween(from.self, to.self)
	r.Stolen = stolenBetween(from.machine, to.machine)
	r.divide()
}
