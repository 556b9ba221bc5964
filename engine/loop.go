package engine

import (
	"runtime/debug"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine/internal/wheel"
	"github.com/weirmq/weir/topics"
)

// loop owns connections and Sessions. Everything reached from it is read and
// written on it alone, so none of that has locks; what crosses goes through
// the mailbox.
//
// Its work is done in turns: begin reads the clock, something happens (bytes
// arrive, a timer fires, the mailbox holds something), and end sends what came
// of it: one post for each other loop, one write for each connection.
type loop struct {
	engine *Engine
	driver driver
	index  int

	now    int64 // of this turn
	wheel  wheel.Wheel
	armed  int64 // when the driver will wake the loop for the wheel; 0: not set
	inTurn bool

	lastMessage int64 // when there was one, see crowd

	draining    bool    // the engine is stopping
	lingering   []*conn // closed, with output that the peer has not taken
	lingerUntil int64
	drained     func() // called when all connections have gone

	inbox        mailbox
	singles      mailbox  // tasks about a Client each, see postSingly
	takenSingles *batch   // that were not run yet
	outbox       []*batch // by the other loop's index
	outboxes     int      // how many of them are set
	visited      bool     // since its last turn, see visit
	hosts        []*loop  // visited while reading, with payloads lent: see settle

	conns    connList
	sessions map[string]*Session
	routes   routeCache

	dirty     []*conn     // with output to flush at the end of the turn
	closing   []*conn     // to be reaped at the end of the turn
	leaving   []departure // to be moved to another loop at the end of the turn
	congested []*conn     // whose peer takes less than there is

	congestedSpare []*conn // the other of two slices that take turns

	buffers bufferStack
	lent    int // bytes of payloads in the output of all connections
	// reading says that packets are handled where they were read to, so that
	// payloads may be lent as windows on that, and borrowed that some were. See
	// settle.
	reading, borrowed bool
	rightsChecks      rightsChecks

	stats Stats
	// What the engine knows of the messages held here, see tellHeld.
	toldMessages, toldBytes int64

	// Scratch, used within one call and never kept.
	publish     codec.Publish
	subscribe   codec.Subscribe
	unsubscribe codec.Unsubscribe
	connect     codec.Connect
	ack         codec.Ack
	disconnect  codec.Disconnect
	auth        codec.Auth
	codes       []codec.ReasonCode
	matched     topics.Result[*Session]
	props       []byte
	plain       []byte   // decrypted input
	sealed      []byte   // encrypted output
	pieces      [][]byte // output in several places
	control     []byte   // a WebSocket control frame
	frames      frameCache
}

func newLoop(e *Engine, index, loops int) *loop {
	return &loop{
		engine:   e,
		index:    index,
		outbox:   make([]*batch, loops),
		sessions: make(map[string]*Session),
	}
}

func (l *loop) begin() {
	l.now = l.driver.now()
	l.inTurn = true
}

// end finishes a turn. The others' mail goes out before this loop's own
// writes, so that they work while it is in the kernel.
func (l *loop) end() {
	if !l.inbox.empty() {
		l.drainInbox()
	}
	for {
		l.sendOutbox()
		l.flush()
		// Closing a connection can publish its Will, which is output again.
		if !l.reap() && len(l.dirty) == 0 && l.outboxes == 0 {
			break
		}
	}
	if len(l.leaving) > 0 {
		l.dispatchLeaving()
	}
	l.tellHeld()
	l.inTurn, l.visited = false, false
	if l.drained != nil && l.conns.len == 0 {
		l.drained()
		l.drained = nil
	}
	l.arm()
}

// received takes bytes that arrived for c; they are borrowed for the call, in
// which they may be overwritten.
func (l *loop) received(c *conn, b []byte) {
	l.begin()
	l.receive(c, b)
	l.end()
}

func (l *loop) receive(c *conn, b []byte) {
	l.receiveContained(c, b)
	l.settle()
}

func (l *loop) receiveContained(c *conn, b []byte) {
	defer l.contain(c)
	c.receive(b)
}

// lost is told by the transport that the connection has ended. It may come in
// the middle of a turn, when a write fails.
func (l *loop) lost(c *conn) {
	if l.inTurn {
		c.close(CloseConnectionLost)
		return
	}
	l.begin()
	c.close(CloseConnectionLost)
	l.end()
}

// woken runs what is due: timers, mail, congested connections.
func (l *loop) woken() {
	l.begin()
	l.due()
	l.end()
}

// due is woken for a reactor that has other work in the same turn.
func (l *loop) due() {
	if l.armed != 0 && l.now >= l.armed {
		l.armed = 0
	}
	if len(l.congested) > 0 {
		l.pollCongested()
	}
	// The end of the turn looks at them again.
	l.closing = append(l.closing, l.lingering...)
	l.lingering = l.lingering[:0]
	l.drainInbox()
	l.runSingles()
	// Last: a credential that was replaced in time has not expired.
	l.wheel.Advance(l.now)
}

// arm sets the driver's alarm for the next timer, if that is not what it is
// set for already.
func (l *loop) arm() {
	next, ok := l.wheel.Next()
	if len(l.congested) > 0 || len(l.lingering) > 0 {
		if at := l.now + int64(congestedPoll); !ok || at < next {
			next, ok = at, true
		}
	}
	if ok && (l.armed == 0 || next < l.armed) {
		l.armed = next
		l.driver.wakeAt(l, next)
	}
}

// flush writes the output of every connection that has any.
func (l *loop) flush() {
	for i := 0; i < len(l.dirty); i++ {
		c := l.dirty[i]
		l.dirty[i] = nil
		l.flushOne(c)
	}
	l.dirty = l.dirty[:0]
}

func (l *loop) flushOne(c *conn) {
	defer l.contain(c)
	c.dirty = false
	c.flush()
}

// reap ends the connections that were closed in this turn and reports whether
// there were any. It is not done where they are closed, because there someone
// up the stack may still be using them.
func (l *loop) reap() bool {
	if len(l.closing) == 0 {
		return false
	}
	for i := 0; i < len(l.closing); i++ {
		c := l.closing[i]
		l.closing[i] = nil
		if !l.lingers(c) {
			l.reapOne(c)
		}
	}
	l.closing = l.closing[:0]
	return true
}

func (l *loop) reapOne(c *conn) {
	defer l.contain(nil)
	c.reap()
}

// contain is deferred around whatever a peer can set off. A panic there is
// our bug: it is logged with its stack and counted, c is closed if there is
// one, and everybody else goes on.
func (l *loop) contain(c *conn) {
	r := recover()
	if r == nil {
		return
	}
	l.stats.Panics++
	l.engine.report(panicReport{value: r, stack: debug.Stack(), conn: c.describe()})
	if c != nil {
		c.close(CloseInternalError)
	}
}
