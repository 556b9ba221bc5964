package engine

import (
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirmq/weir/internal/procstat"
)

// executor is a goroutine that runs loops. There could be one for each, and
// there is when there is work for all: but loops that have little to do are
// cheaper to run on one thread, where a message from one to another wakes
// nobody. So all loops begin on the first executor, an executor that is busy
// gives half of its loops to another one if the machine has a processor to
// spare, and one that is idle gives its loops back. What belongs to a loop
// never changes.
//
// It waits for a hub, an epoll instance that reports those of its pollers with
// events. For an engine of one loop that would be a detour, so there the hub is
// the poller's own instance.
type executor struct {
	reactor *epollReactor
	index   int
	hub     int
	bell    int // an eventfd
	pollers []*poller
	events  []unix.EpollEvent
	cycles  uint64 // that there were
	buffer  []byte // what a connection is read into

	// acceptors is by descriptor, on the first executor only.
	acceptors map[int32]*acceptor

	// asleep is set while the executor waits, or is about to: who clears it
	// rings the bell.
	asleep, stop atomic.Bool
	// running is set from when the goroutine is started until it gives its loops
	// away.
	running atomic.Bool

	mu    sync.Mutex
	tasks []func() // to run between turns

	// How it was spent, to decide on placement.
	since     int64 // the beginning of the window
	waited    int64 // in it
	hot, cold int   // windows in a row
	idleTicks int64 // of the machine, when it became hot
	hotSince  int64
	load      atomic.Int64 // of the last window, per mille
	loadAt    atomic.Int64
}

const (
	// readBytes is how much of one connection is read in one turn.
	readBytes = 128 << 10
	// passes is how often loops answer each other before events are looked at.
	passes = 4

	// loadWindow is what the load is measured over.
	loadWindow = 100 * time.Millisecond
	hotLoad    = 0.85
	coldLoad   = 0.30
	hotWindows = 2
	// coldWindows is longer: spreading helps now, and gathering has time.
	coldWindows = 5
)

// move is a decision about placement.
type move byte

const (
	stay move = iota
	spread
	gather
)

func newExecutor(r *epollReactor, index int) (x *executor, err error) {
	x = &executor{
		reactor: r, index: index, hub: -1, bell: -1,
		events:    make([]unix.EpollEvent, pollBatch),
		buffer:    make([]byte, readBytes),
		acceptors: make(map[int32]*acceptor),
	}
	if len(r.engine.loops) == 1 {
		x.hub = r.pollers[0].epoll
	} else if x.hub, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if x.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		// Edge-triggered, it need not be read.
		err = control(x.hub, unix.EPOLL_CTL_ADD, x.bell, unix.EPOLLIN|unix.EPOLLET, aboutBell, 0)
	}
	if err != nil {
		x.release()
		return nil, err
	}
	return x, nil
}

func (x *executor) release() {
	if x.bell >= 0 {
		_ = syscall.Close(x.bell)
	}
	if x.hub >= 0 && len(x.reactor.engine.loops) > 1 {
		_ = syscall.Close(x.hub)
	}
	x.bell, x.hub = -1, -1
}

// wake is safe for concurrent use.
func (x *executor) wake() {
	if x.asleep.CompareAndSwap(true, false) && x.reactor.stopping.TryRLock() {
		x.ring()
		x.reactor.stopping.RUnlock()
	}
}

func (x *executor) ring() {
	// Exactly 1, in the byte order of the machine: an eventfd whose counter is
	// full rings no more.
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = rawWrite(int32(x.bell), one[:])
}

// post has task run on the executor between turns. Safe for concurrent use.
func (x *executor) post(task func()) {
	x.mu.Lock()
	x.tasks = append(x.tasks, task)
	x.mu.Unlock()
	x.wake()
}

func (x *executor) runTasks() {
	x.mu.Lock()
	tasks := x.tasks
	x.tasks = nil
	x.mu.Unlock()
	for _, task := range tasks {
		task()
	}
}

// run is the goroutine. It ends when the reactor stops or the executor has no
// loops left.
func (x *executor) run() {
	promptThread()
	r := x.reactor
	x.since, x.waited, x.hot, x.cold = r.now(), 0, 0, 0
	now := x.since
	for !x.stop.Load() {
		x.runTasks()
		timeout := x.timeout(now)
		x.asleep.Store(true)
		if x.pending(now) {
			timeout = 0
		}
		n, err := x.wait(timeout)
		x.asleep.Store(false)
		if err != nil && err != unix.EINTR {
			r.engine.tell(slog.LevelError, "epoll_wait failed", "executor", x.index, "error", err)
			return
		}
		before := now
		now = r.now()
		if timeout != 0 {
			x.waited += now - before
		}
		x.cycle(x.events[:max(n, 0)], now)
		now = r.now()
		if now-x.since >= int64(r.window) && !x.balance(now) {
			return
		}
	}
}

// wait waits for events for so many milliseconds. Where that is none it keeps Go's
// processor, which it would have to wait for otherwise.
func (x *executor) wait(timeout int) (n int, err error) {
	if timeout != 0 {
		return unix.EpollWait(x.hub, x.events, timeout)
	}
	n, errno := rawEpollPoll(x.hub, x.events)
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}

// timeout is how long to wait, in milliseconds.
func (x *executor) timeout(now int64) int {
	next := now + int64(time.Hour)
	if x.index > 0 {
		next = now + int64(x.reactor.window) // to find out that it is idle
	}
	for _, p := range x.pollers {
		if p.alarm != 0 {
			next = min(next, p.alarm)
		}
	}
	if next <= now {
		return 0
	}
	return int((next - now + int64(time.Millisecond) - 1) / int64(time.Millisecond))
}

// pending reports whether there is something to do besides events.
func (x *executor) pending(now int64) bool {
	x.mu.Lock()
	tasks := len(x.tasks)
	x.mu.Unlock()
	return tasks > 0 || slices.ContainsFunc(x.pollers, func(p *poller) bool { return !p.idle(now) })
}

// cycle runs a turn of each loop that has something to do.
func (x *executor) cycle(events []unix.EpollEvent, now int64) {
	x.cycles++
	direct := len(x.reactor.pollers) == 1
	for i := range events {
		switch ev := &events[i]; ev.Pad {
		case aboutListener:
			if a := x.acceptors[ev.Fd]; a != nil {
				a.accept()
			}
		case aboutPoller:
			p := x.reactor.pollers[ev.Fd]
			if p.executor.Load() != x {
				continue // it was given, and is not taken yet
			}
			if n, errno := rawEpollPoll(p.epoll, p.events); errno == 0 {
				p.cycle = x.cycles
				p.turn(p.events[:n], x.buffer)
			}
		}
	}
	if direct && len(events) > 0 {
		x.pollers[0].cycle = x.cycles
		x.pollers[0].turn(events, x.buffer)
	}
	for pass := range passes {
		quiet := true
		for _, p := range x.pollers {
			// What a turn has left waits until others were looked at.
			if !p.idle(now) && (!p.backlog() || pass == 0 && p.cycle != x.cycles) {
				p.turn(nil, x.buffer)
				quiet = false
			}
		}
		if quiet {
			return
		}
	}
}

// watch has the hub report pollers, or fails and reports none of them. Safe for
// concurrent use.
func (x *executor) watch(pollers []*poller) error {
	if len(x.reactor.pollers) == 1 {
		return nil // the hub is the poller's own
	}
	for i, p := range pollers {
		if err := control(x.hub, unix.EPOLL_CTL_ADD, p.epoll, unix.EPOLLIN, aboutPoller, int32(p.loop.index)); err != nil {
			x.ignore(pollers[:i])
			return err
		}
	}
	return nil
}

// ignore ends watch.
func (x *executor) ignore(pollers []*poller) {
	for _, p := range pollers {
		_ = control(x.hub, unix.EPOLL_CTL_DEL, p.epoll, 0, aboutPoller, 0) // it is there
	}
}

// take takes over pollers that are watched, and that nobody runs.
func (x *executor) take(pollers []*poller) {
	for _, p := range pollers {
		p.executor.Store(x)
	}
	x.pollers = append(x.pollers, pollers...)
}

// give stops running the pollers from n on, which to watches from now on and is
// to take. It fails where the kernel has no more watches for us, and then they
// stay.
func (x *executor) give(n int, to *executor) (given []*poller, err error) {
	given = slices.Clone(x.pollers[n:])
	if err := to.watch(given); err != nil {
		return nil, err
	}
	x.ignore(given)
	x.pollers = slices.Delete(x.pollers, n, len(x.pollers))
	return given, nil
}

// balance ends a window, and returns false if the executor has given its loops
// away.
func (x *executor) balance(now int64) (goOn bool) {
	elapsed := now - x.since
	busy := 1 - float64(x.waited)/float64(elapsed)
	x.since, x.waited = now, 0
	x.load.Store(int64(busy * 1000))
	x.loadAt.Store(now)
	switch x.reactor.placement(x, busy) {
	case spread:
		x.giveHalf()
	case gather:
		first := x.reactor.executors[0]
		if given, err := x.give(0, first); err == nil {
			x.running.Store(false)
			first.post(func() { first.take(given) })
			return false
		}
	}
	return true
}

// place decides by what the machine has to spare.
func (x *executor) place(busy float64) move {
	now := x.since
	switch {
	case busy >= hotLoad:
		x.cold = 0
		if len(x.pollers) == 1 {
			return stay
		}
		// Asking costs some 20 us, every third window while it is hot.
		if x.hot++; x.hot == 1 {
			x.idleTicks, x.hotSince = x.reactor.idle(), now
		}
		if x.hot > hotWindows {
			x.hot = 0
			// With no processor to spare another thread only gets in the way.
			if idle := time.Duration(x.reactor.idle()-x.idleTicks) * procstat.Tick; int64(idle) >= (now-x.hotSince)/2 {
				return spread
			}
		}
	case busy < coldLoad:
		x.hot = 0
		x.cold++
		if x.index > 0 && x.cold >= coldWindows && x.reactor.executors[0].isCold(now) {
			return gather
		}
	default:
		x.hot, x.cold = 0, 0
	}
	return stay
}

// isCold reports whether the executor has little to do. Safe for concurrent use.
func (x *executor) isCold(now int64) bool {
	return x.load.Load() < coldLoad*1000 || now-x.loadAt.Load() > 2*int64(loadWindow)
}

// giveHalf has another executor run half of the loops, if one is free.
func (x *executor) giveHalf() {
	for _, other := range x.reactor.executors {
		if len(x.pollers) > 1 && other.running.CompareAndSwap(false, true) {
			given, err := x.give(len(x.pollers)/2, other)
			if err != nil {
				other.running.Store(false)
				return
			}
			other.take(given)
			x.reactor.running.Go(other.run)
			return
		}
	}
}
