package bench

import (
	"os"
	"time"
)

// usage is what a process has used since it started.
type usage struct {
	cpu  time.Duration // of all its threads, those that have ended as well
	rss  uint64        // bytes of physical memory, now
	peak uint64        // and at most
}

// bothUsages are what the broker's process and this one have used.
type bothUsages struct {
	server *usage // nil: not known
	self   usage
}

func usages(pid int) (b bothUsages, err error) {
	if pid != 0 {
		u, err := processUsage(pid)
		if err != nil {
			return b, err
		}
		b.server = &u
	}
	b.self, err = processUsage(os.Getpid())
	return b, err
}

// use writes what was used between two moments.
func (r *Result) use(from, to bothUsages) {
	if from.server != nil {
		r.Server = usageBetween(*from.server, *to.server)
	}
	r.Generator = usageBetween(from.self, to.self)
	r.divide()
}
