package tlsstate

import (
	"context"
	"net"
	"sync"
)

// wire is the real connection under a running handshake. It holds the gate's
// slot while crypto/tls computes and gives it up for each wait on the peer.
//
// It hands bytes to crypto/tls only up to the end of the record in hand, so
// that what follows the handshake stays here and not half inside of crypto/tls.
type wire struct {
	nc      net.Conn
	ctx     context.Context // ends every wait, here and (by deadline) in nc
	gate    *gate
	err     error // the gate is closed for this handshake
	holding bool  // the slot
	turn    turn
	left    int // bytes the peer may still send

	framing framing
	buf     *[wireBufferBytes]byte
	unread  []byte // the part of buf not handed on yet
}

// wireBuffers are read buffers of running handshakes. They hold ciphertext only.
var wireBuffers = sync.Pool{New: func() any { return new([wireBufferBytes]byte) }}

// newWire returns the wire of a handshake that may read limit bytes. Its
// end must be called.
func newWire(ctx context.Context, nc net.Conn, g *gate, limit int) *wire {
	return &wire{
		nc:   nc,
		ctx:  ctx,
		gate: g,
		turn: fresh,
		left: limit,
		buf:  wireBuffers.Get().(*[wireBufferBytes]byte),
	}
}

// Read gives out at most the rest of a record's header, or of its body.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.unread) == 0 {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.unread[:min(len(w.unread), w.framing.next())])
	w.framing.advance(w.unread[:n])
	w.unread = w.unread[n:]
	return n, nil
}

// fill waits for the peer.
func (w *wire) fill() error {
	if w.left == 0 {
		return errTooManyBytes
	}
	w.pause()
	n, err := w.nc.Read(w.buf[:min(len(w.buf), w.left)])
	w.left -= n
	w.unread = w.buf[:n]
	if n > 0 {
		err = nil // if it was real, it comes again
	}
	if err != nil {
		return err
	}
	return w.resume()
}

// Write sends to the peer, which may keep it waiting like Read.
func (w *wire) Write(p []byte) (int, error) {
	w.pause()
	n, err := w.nc.Write(p)
	if err == nil {
		err = w.resume()
	}
	return n, err
}

// pause gives the slot up.
func (w *wire) pause() {
	if w.holding {
		w.holding = false
		w.gate.leave()
	}
}

// resume gets a slot, or fails for good.
func (w *wire) resume() error {
	if w.err == nil {
		w.err = w.gate.enter(w.ctx, w.turn)
		w.holding = w.err == nil
		w.turn = continued
	}
	return w.err
}

// end gives back what the wire holds, and returns a copy of the bytes that
// came after the handshake.
func (w *wire) end() (early []byte) {
	w.pause()
	if len(w.unread) > 0 {
		early = append(early, w.unread...)
	}
	wireBuffers.Put(w.buf)
	w.buf, w.unread = nil, nil
	return early
}
