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

// bothUsages are what the broker's process and this one have used, and the
// machine's processors have been asked for.
type bothUsages struct {
	server  *usage // nil: not known
	self    usage
	machine machineTime
}

// machineTime is time of all processors, in ticks.
type machineTime struct {
	wanted uint64 // by anything that could run
	stolen uint64 // of wanted: what the machine below a virtual one gave to others
}

// stolenSince returns the share of the time that was wanted.
func (m machineTime) stolenSince(from machineTime) float64 {
	if m.wanted <= from.wanted {
		return 0
	}
	return float64(m.stolen-from.stolen) / float64(m.wanted-from.wanted)
}

func usages(pid int) (b bothUsages, err error) {
	if pid != 0 {
		u, err := processUsage(pid)
		if err != nil {
			return b, err
		}
		b.server = &u
	}
	b.machine = readMachineTime()
	b.self, err = processUsage(os.Getpid())
	return b, err
}

// use writes what was used between two moments.
func (r *Result) use(from, to bothUsages) {
	if from.server != nil {
		r.Server = usageBetween(*from.server, *to.server)
	}
	r.Generator = usageBetween(from.self, to.self)
	r.Stolen = to.machine.stolenSince(from.machine)
	r.divide()
}
