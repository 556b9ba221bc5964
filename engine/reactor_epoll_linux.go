package engine

import (
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirmq/weir/tlsstate"
)

// epollReactor drives the loops with epoll. It is what Linux has in place of
// gnetReactor, for four reasons. By `weir bench storm` and `weir bench pairs
// --window 1` on two cores, a connection made and ended costs 0.7 of the CPU
// that it does with gnet, and so does a message that comes alone.
//
//   - The loops accept. gnet fixes listeners when it starts, so there accepting
//     takes a goroutine, a second descriptor and a wake-up for each connection:
//     16 system calls in place of 9.
//   - A turn is whatever one epoll_wait returns. gnet reports connections one
//     by one, so there a Subscriber to many is written to once for each of
//     them.
//   - A loop waits in the epoll_wait that it would look for events with. gnet
//     looks first, without waiting, which is a system call more for each
//     message that comes alone.
//   - Loops that have little to do share a thread, see executor. A message from
//     one loop to another then costs no wake-up.
type epollReactor struct {
	engine    *Engine
	base      time.Time
	pollers   []*poller   // by loop
	executors []*executor // as many; the first one always runs
	running   sync.WaitGroup
	// stopping is held for reading by whoever needs the descriptors to be
	// there, and by shutdown for good. Readers try and never wait: shutdown
	// waits for the loops.
	stopping sync.RWMutex

	descriptors descriptorTable

	// How loops are spread over executors, decided once in a window; tests
	// replace it.
	window    time.Duration
	placement func(x *executor, busy float64) move
	idle      func() int64
}

func newEpollReactor(e *Engine) *epollReactor {
	return &epollReactor{
		engine: e, base: time.Now().Add(-time.Second),
		window: loadWindow, placement: (*executor).place, idle: machineIdle,
	}
}

func (r *epollReactor) now() int64 { return int64(time.Since(r.base)) }

func (r *epollReactor) wake(l *loop) { r.pollers[l.index].wake() }

func (r *epollReactor) wakeAt(l *loop, when int64) { r.pollers[l.index].alarm = when }

// together relies on an executor that gives some of its loops away having had them
// taken before it runs those that it keeps, see giveHalf.
func (r *epollReactor) together(l, other *loop) bool {
	return r.pollers[l.index].executor.Load() == r.pollers[other.index].executor.Load()
}

func (r *epollReactor) start() error {
	for i, l := range r.engine.loops {
		p, err := newPoller(r, l)
		if err == nil {
			r.pollers = append(r.pollers, p)
			var x *executor
			if x, err = newExecutor(r, i); err == nil {
				r.executors = append(r.executors, x)
			}
		}
		if err != nil {
			r.release()
			return fmt.Errorf("engine: reactor: %w", err)
		}
	}
	first := r.executors[0]
	if err := first.watch(r.pollers); err != nil {
		r.release()
		return fmt.Errorf("engine: reactor: %w", err)
	}
	r.reserve(0)
	first.take(r.pollers)
	first.running.Store(true)
	r.running.Go(first.run)
	return nil
}

func (r *epollReactor) shutdown() {
	r.stopping.Lock()
	for _, x := range r.executors {
		x.stop.Store(true)
		x.ring() // which does not wait for stopping
	}
	r.running.Wait()
	r.release()
}

func (r *epollReactor) release() {
	for _, p := range r.pollers {
		p.release()
	}
	for _, x := range r.executors {
		x.release()
	}
}

// fewest returns the poller with the fewest connections.
func (r *epollReactor) fewest() *poller {
	least := r.pollers[0]
	for _, p := range r.pollers[1:] {
		if p.connections.Load() < least.connections.Load() {
			least = p
		}
	}
	return least
}

// enroll duplicates the descriptor of nc, which Go's own poller has as well.
func (r *epollReactor) enroll(nc net.Conn, p *port, t *tlsstate.Conn) error {
	defer func() { _ = nc.Close() }()
	fd, err := duplicate(nc)
	if err != nil {
		return err
	}
	if !r.stopping.TryRLock() {
		_ = syscall.Close(fd)
		return ErrClosed
	}
	defer r.stopping.RUnlock()
	r.reserve(fd)
	to := r.fewest()
	tr := &epollTransport{poller: to, fd: int32(fd)}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		tr.setPeer(tcp.AddrPort())
	} else if far := nc.RemoteAddr(); far != nil {
		tr.remote = &far
	}
	to.post(tr, p, t)
	return nil
}

func duplicate(nc net.Conn) (fd int, err error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("engine: a connection of type %T has no descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlled := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlled != nil {
		return -1, controlled
	}
	return fd, err
}

// control adds, changes or removes what an epoll instance reports of fd. An
// event says what it is about, and which one of those it is.
func control(epoll, op, fd int, events uint32, about, which int32) error {
	return unix.EpollCtl(epoll, op, fd, &unix.EpollEvent{Events: events, Fd: which, Pad: about})
}

// What an event is about, in the half of its data that the kernel leaves alone.
const (
	aboutConnection = iota // by its slot
	aboutPoller            // by its loop's index
	aboutListener          // by its descriptor
	aboutBell
)
