package tlsstate

import (
	"errors"
	"net"
	"time"
)

// transport is the net.Conn that crypto/tls believes in. During the handshake
// it is the wire; afterwards it is memory that Open fills and Seal empties.
//
// It takes every write, since crypto/tls regards a connection as corrupt after
// a write that failed: back-pressure belongs above.
type transport struct {
	wire *wire // nil once the handshake is done

	in      []byte  // ciphertext lent to Open and not read yet
	out     []byte  // ciphertext written and not collected yet
	framing framing // of the ciphertext that was read
	// unopened is how many complete records crypto/tls has been given, less
	// those it has certainly opened. Never too low.
	unopened int
	// silent is how much was read since the last application data.
	silent int
}

var (
	errWouldBlock    error = wouldBlock{}
	errTooLongSilent       = errors.New("too much ciphertext without application data")
)

// wouldBlock is what a drained transport answers. crypto/tls keeps what it has
// of a record and may be asked again exactly if the error is a net.Error and
// Temporary, deprecated as that method is.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "tlsstate: would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// Read implements net.Conn for crypto/tls.
func (t *transport) Read(p []byte) (int, error) {
	if t.wire != nil {
		return t.wire.Read(p)
	}
	if len(t.in) == 0 {
		return 0, errWouldBlock
	}
	if t.silent > maxSilentBytes {
		return 0, errTooLongSilent
	}
	// As much as there is room for: stopping at record ends would spare
	// crypto/tls some copying and cost it an allocation each, which is slower.
	n := copy(p[:min(len(p), maxRecordBytes)], t.in)
	t.silent += n
	t.unopened += t.framing.advance(t.in[:n])
	t.in = t.in[n:]
	return n, nil
}

// hasWork reports whether crypto/tls might do more with what there is than
// answer that it would block. Asking until it does is right too, but the last
// of those questions mostly has this known answer, and costs as much as a small
// record. A header must be shown to it even without its body: it may be bad.
func (t *transport) hasWork() bool {
	return len(t.in) > 0 || t.unopened > 0 || t.framing.partial() >= recordHeaderBytes
}

// Write implements net.Conn for crypto/tls.
func (t *transport) Write(p []byte) (int, error) {
	if t.wire != nil {
		return t.wire.Write(p)
	}
	t.out = append(t.out, p...)
	return len(p), nil
}

// Close implements net.Conn. The socket is its owner's to close.
func (t *transport) Close() error { return nil }

// The address of a connection that changes hands is its owner's business, and
// deadlines are the handshake context's: crypto/tls needs neither.

func (t *transport) LocalAddr() net.Addr              { return noAddr{} }
func (t *transport) RemoteAddr() net.Addr             { return noAddr{} }
func (t *transport) SetDeadline(time.Time) error      { return nil }
func (t *transport) SetReadDeadline(time.Time) error  { return nil }
func (t *transport) SetWriteDeadline(time.Time) error { return nil }

type noAddr struct{}

func (noAddr) Network() string { return "tlsstate" }
func (noAddr) String() string  { return "memory" }
