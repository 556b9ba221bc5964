package engine

import (
	"bytes"
	"container/heap"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/tlsstate"
)

// memoryReactor runs the loops one after another on the goroutine of a test,
// with a clock that stands still unless it is advanced: no sockets, no
// waiting, the same order every time.
type memoryReactor struct {
	mu     sync.Mutex
	clock  int64
	woken  []bool  // by loop
	alarms []int64 // by loop; 0: none
	loops  []*loop
	events eventHeap
	order  int
	// signal is rung by wake, for tests that wait for a goroutine's answer.
	signal chan struct{}
	nextTo int // the loop for the next connection
	apart  bool
	// wallStep is by how much somebody has set the wall clock.
	wallStep time.Duration
}

// event is something that the transport has for a loop.
type event struct {
	order int
	run   func()
}

type eventHeap []event

func (h eventHeap) Len() int           { return len(h) }
func (h eventHeap) Less(i, j int) bool { return h[i].order < h[j].order }
func (h eventHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)        { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// newMemoryEngine makes an engine of loops loops that runs in memory until the
// test ends.
func newMemoryEngine(t testing.TB, o Options, loops int) (*Engine, *memoryReactor) {
	t.Helper()
	e, m := openMemoryEngine(t, o, loops)
	t.Cleanup(func() { haltMemoryEngine(e) })
	return e, m
}

// openMemoryEngine leaves it to the caller to halt the engine.
func openMemoryEngine(t testing.TB, o Options, loops int) (*Engine, *memoryReactor) {
	t.Helper()
	o.Loops = loops
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	e := newEngine(o.withDefaults())
	m := &memoryReactor{
		clock: int64(time.Second), woken: make([]bool, loops), alarms: make([]int64, loops),
		loops: e.loops, signal: make(chan struct{}, 1),
	}
	e.useReactor(m)
	e.wallClock = m.wallClock
	if err := e.open(); err != nil {
		t.Fatal(err)
	}
	return e, m
}

func haltMemoryEngine(e *Engine) {
	e.applying.Lock()
	defer e.applying.Unlock()
	e.halt()
}

func (m *memoryReactor) now() int64 { return m.clock }

// wallClock goes with the clock.
func (m *memoryReactor) wallClock() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(m.clock) + m.wallStep)
}

func (m *memoryReactor) wake(l *loop) {
	m.mu.Lock()
	m.woken[l.index] = true
	m.mu.Unlock()
	select {
	case m.signal <- struct{}{}:
	default:
	}
}

func (m *memoryReactor) wakeAt(l *loop, when int64) { m.alarms[l.index] = when }

// together has pairs of loops visit each other, unless told otherwise: the third
// is alone, if there are three.
func (m *memoryReactor) together(l, other *loop) bool {
	return !m.apart && l.index/2 == other.index/2
}

func (m *memoryReactor) start() error { return nil }
func (m *memoryReactor) shutdown()    {}

func (m *memoryReactor) accept(*port) (func(), bool) { return nil, false }

func (m *memoryReactor) enroll(net.Conn, *port, *tlsstate.Conn) error { return net.ErrClosed }

func (m *memoryReactor) takeWoken() *loop {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, w := range m.woken {
		if w {
			m.woken[i] = false
			return m.loops[i]
		}
	}
	return nil
}

// settle runs everything that can run now.
func (m *memoryReactor) settle() {
	for {
		if l := m.takeWoken(); l != nil {
			l.woken()
			continue
		}
		if len(m.events) == 0 {
			return
		}
		heap.Pop(&m.events).(event).run()
	}
}

// runnable is how many things could happen next: loops that were woken or whose
// alarm is due, and events. The order of each of them among the others is
// nobody's promise, so a simulation draws it by lot.
func (m *memoryReactor) runnable() int {
	n := len(m.events)
	for _, l := range m.loops {
		if m.due(l) {
			n++
		}
	}
	return n
}

// runOne has the i-th of them happen.
func (m *memoryReactor) runOne(i int) {
	for _, l := range m.loops {
		if !m.due(l) {
			continue
		}
		if i == 0 {
			m.mu.Lock()
			m.woken[l.index] = false
			m.mu.Unlock()
			if a := m.alarms[l.index]; a != 0 && a <= m.clock {
				m.alarms[l.index] = 0
			}
			l.woken()
			return
		}
		i--
	}
	heap.Remove(&m.events, i).(event).run()
}

func (m *memoryReactor) due(l *loop) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.alarms[l.index]
	return m.woken[l.index] || a != 0 && a <= m.clock
}

func (m *memoryReactor) later(run func()) {
	m.order++
	heap.Push(&m.events, event{m.order, run})
}

// advance moves the clock, stopping wherever an alarm is due.
func (m *memoryReactor) advance(d time.Duration) {
	m.settle()
	end := m.clock + int64(d)
	for {
		at, which := int64(0), -1
		for i, a := range m.alarms {
			if a != 0 && a <= end && (which < 0 || a < at) {
				at, which = a, i
			}
		}
		if which < 0 {
			break
		}
		m.alarms[which] = 0
		m.clock = max(m.clock, at)
		m.loops[which].woken()
		m.settle()
	}
	m.clock = end
	m.settle()
}

// memoryConn is the peer's end of a connection in memory, and the transport of
// the engine's end.
type memoryConn struct {
	m    *memoryReactor
	conn *conn
	// toPeer is what the engine wrote and the peer has not read.
	toPeer []byte
	// window is how much the peer takes; what is written beyond it waits in
	// the transport, as in a congested socket.
	window int
	stuck  []byte
	closed bool
	moving bool        // on its way to another loop
	sealed *sealedPeer // nil: the peer speaks without TLS
}

// dial opens a connection to a port, on loops in turn.
func (m *memoryReactor) dial(p *port) *memoryConn { return m.dialSealed(p, nil, nil) }

// dialSealed is dial for a peer that speaks TLS, where server is the engine's
// end of what the handshake has agreed on.
func (m *memoryReactor) dialSealed(p *port, peer *sealedPeer, server *tlsstate.Conn) *memoryConn {
	mc := &memoryConn{m: m, window: 1 << 60, sealed: peer}
	mc.conn = newConn(p, mc, server)
	l := m.loops[m.nextTo%len(m.loops)]
	m.nextTo++
	p.engine.connections.Add(1)
	p.connections.Add(1)
	l.opened(mc.conn)
	return mc
}

// send gives bytes to the engine as one read.
func (mc *memoryConn) send(b []byte) {
	if mc.closed {
		return
	}
	if mc.sealed != nil {
		b = mc.sealed.seal(b)
	}
	if invariants {
		b = bytes.Clone(b)
		defer scribble(b)
	}
	mc.conn.loop.received(mc.conn, b)
}

// drop loses the connection.
func (mc *memoryConn) drop() {
	if !mc.closed {
		mc.closed = true
		mc.conn.loop.lost(mc.conn)
	}
}

// take returns what the engine wrote since the last call.
func (mc *memoryConn) take() []byte {
	b := mc.toPeer
	mc.toPeer = nil
	return b
}

// read is take for a peer that is done with the bytes before the engine writes
// again, and knows TLS.
func (mc *memoryConn) read() []byte {
	b := mc.toPeer
	mc.toPeer = mc.toPeer[:0]
	if mc.sealed != nil {
		b = mc.sealed.open(b)
	}
	return b
}

// open lets the peer take n more bytes.
func (mc *memoryConn) open(n int) {
	mc.window += n
	k := min(mc.window, len(mc.stuck))
	mc.toPeer = append(mc.toPeer, mc.stuck[:k]...)
	mc.stuck = mc.stuck[k:]
	mc.window -= k
}

func (mc *memoryConn) write(b []byte) error {
	if mc.closed {
		return net.ErrClosed
	}
	k := len(b)
	if len(mc.stuck) > 0 {
		k = 0
	}
	k = min(k, mc.window)
	mc.toPeer = append(mc.toPeer, b[:k]...)
	mc.window -= k
	mc.stuck = append(mc.stuck, b[k:]...)
	return nil
}

func (mc *memoryConn) writev(bs [][]byte) error {
	for _, b := range bs {
		if err := mc.write(b); err != nil {
			return err
		}
	}
	return nil
}

func (mc *memoryConn) buffered() int { return len(mc.stuck) }
func (mc *memoryConn) close()        { mc.closed = true }

func (mc *memoryConn) move(c *conn, to *loop) {
	mc.moving = true
	mc.m.later(func() {
		mc.moving = false
		to.arrived(c)
	})
}

func (mc *memoryConn) remoteAddr() net.Addr { return localAddr{} }
