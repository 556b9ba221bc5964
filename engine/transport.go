package engine

import "net"

// transport is one Network Connection as the core sees it: a stream of bytes
// that is owned by a loop. Its methods are called on that loop.
//
// The other direction is calls into the core: loop.received for bytes, and
// loop.lost when the peer or the network ended the connection.
type transport interface {
	// write takes all of b, which is borrowed for the call. What the peer does
	// not take at once waits in the transport. After an error the connection
	// is of no use; loop.lost may or may not be called as well.
	write(b []byte) error

	// writev is write for bytes that lie in several places, in this order.
	writev(bs [][]byte) error

	// buffered is the number of bytes that wait in the transport.
	buffered() int

	// close ends the connection. Nothing is reported to the core afterwards.
	close()

	// move hands the connection to another loop, where either loop.arrived (or
	// loop.arrivedInTurn, in the middle of a turn) or, if it cannot be moved,
	// loop.neverArrived is called with c. The old loop must have let go of c.
	move(c *conn, to *loop)

	remoteAddr() net.Addr
}

// driver runs the loops: epoll or gnet in production, and in tests a deterministic
// scheduler with a virtual clock.
type driver interface {
	// now is monotonic, in nanoseconds since some moment before the engine
	// started.
	now() int64

	// wake has loop.woken called on l, soon and once for any number of calls
	// before it. Safe for concurrent use.
	wake(l *loop)

	// wakeAt has loop.woken called on l at the given time, replacing an
	// earlier call. Called on l.
	wakeAt(l *loop, when int64)

	// together reports whether other is run by the same goroutine as l, at least
	// until the end of l's turn, in which it is called.
	together(l, other *loop) bool
}
