package tlsstate

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
)

// Conn is an established TLS connection without a socket. Its owner, one event
// loop, brings what it read to [Conn.Open] and writes what [Conn.Seal] and
// [Conn.Pending] return. No method blocks or starts a goroutine.
// Not safe for concurrent use.
type Conn struct {
	tls       *tls.Conn
	transport transport
	early     []byte // read from the socket with the end of the handshake
	err       error  // ended the reading side: io.EOF, *AlertError or *RecordError
	peer      *Peer
	closed    bool // close_notify was sent
}

// AlertError is a fatal alert from the peer, after the handshake.
type AlertError struct {
	Err error // names the alert
}

// Error implements error.
func (e *AlertError) Error() string { return "tlsstate: the peer sent an alert: " + e.Err.Error() }

// Unwrap returns Err.
func (e *AlertError) Unwrap() error { return e.Err }

// RecordError is ciphertext that this connection cannot accept: damaged,
// forged, replayed, not TLS, or not allowed after the handshake.
type RecordError struct {
	Err error
}

// Error implements error.
func (e *RecordError) Error() string { return "tlsstate: unacceptable record: " + e.Err.Error() }

// Unwrap returns Err.
func (e *RecordError) Unwrap() error { return e.Err }

// establish takes the peer out of the finished handshake. config is the port's of now.
func (c *Conn) establish(config *Config) (err error) {
	state := c.tls.ConnectionState()
	if c.peer, err = newPeer(&state, config); err != nil {
		return err
	}
	// What ConnectionState lends are the tls.Conn's own slices, and it asks
	// callers not to modify them, as others may look. Here nobody else can,
	// nothing in crypto/tls reads them after the handshake, and emptied they
	// let go of the parsed certificates, which would otherwise stay for life:
	// half of an idle connection. TestForgetPeerFreesCertificates watches.
	clear(state.PeerCertificates)
	for _, chain := range state.VerifiedChains {
		clear(chain)
	}
	clear(state.VerifiedChains)
	return nil
}

// State returns the version, cipher suite, ALPN name and so on that the
// handshake agreed on. Its certificates are left out: see [Conn.Peer].
func (c *Conn) State() tls.ConnectionState {
	state := c.tls.ConnectionState()
	state.PeerCertificates, state.VerifiedChains = nil, nil
	return state
}

// Peer returns who the handshake found at the other end, until
// [Conn.ForgetPeer] is called: nil from then on.
func (c *Conn) Peer() *Peer { return c.peer }

// ForgetPeer lets go of the peer's certificates, once what matters in them has
// been noted. It is what makes an idle mutual-TLS connection cost less.
func (c *Conn) ForgetPeer() { c.peer = nil }

// Open decrypts ciphertext as it was read from the socket, in pieces of any
// size, and appends to dst the application data that is complete. It borrows
// ciphertext for the call, and dst must not overlap it.
//
// The first call after the handshake also yields the data that came with it,
// so it must not wait for a readable event; its ciphertext may be nil. After
// each call, see [Conn.Pending].
//
// The error is io.EOF once the peer has said close_notify, after which it
// sends nothing more but may still be sent to; an [*AlertError] or a
// [*RecordError] end the connection. The data before the error is returned
// with it. Errors stay.
//
// Open allocates 24 bytes inside of crypto/tls each time that refills its raw
// buffer, which for a few small records or one large one is once; and more only
// when dst is short of the size of ciphertext, or a record is larger than any
// before on this connection.
func (c *Conn) Open(dst, ciphertext []byte) ([]byte, error) {
	if c.err != nil {
		return dst, c.err
	}
	t := &c.transport
	t.in = ciphertext
	if c.early != nil {
		t.in = append(c.early, ciphertext...)
		c.early = nil
	}

	// Every record is longer than its plaintext by at least its header, so this
	// holds all there is to open with a few bytes to spare, and a Read below
	// always empties the record it is in.
	dst = slices.Grow(dst, t.framing.partial()+len(t.in))

	for t.hasWork() {
		n, err := c.tls.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if n > 0 {
			t.silent = 0
			t.unopened--
		}
		if err == errWouldBlock {
			t.unopened = 0
			break
		}
		if err != nil {
			c.fail(err)
			break
		}
	}
	t.in = nil
	return dst, c.err
}

// fail ends the reading side for what crypto/tls said of it.
func (c *Conn) fail(err error) {
	var op *net.OpError
	switch {
	case err == io.EOF:
		c.err = io.EOF
	case errors.As(err, &op) && op.Op == opRemoteAlert:
		c.err = &AlertError{op.Err}
	default:
		c.err = &RecordError{err}
	}
}

// Seal appends to dst the records that carry plaintext, one for each 16 KB
// begun, after whatever was pending. It borrows plaintext for the call, and
// dst must not overlap it. It allocates only when dst is too short.
//
// The error is an [*AlertError] or a [*RecordError] when the connection has
// ended, and net.ErrClosed after [Conn.CloseNotify]; dst is then returned as
// it was, save for pending output.
func (c *Conn) Seal(dst, plaintext []byte) ([]byte, error) {
	if err := c.sealErr(); err != nil {
		return c.Pending(dst), err
	}
	t := &c.transport
	records := (len(plaintext) + maxPlaintextBytes - 1) / maxPlaintextBytes
	t.out = append(slices.Grow(dst, len(t.out)+len(plaintext)+records*sealOverheadBytes), t.out...)
	_, err := c.tls.Write(plaintext)
	return c.collect(), err
}

// Pending appends to dst what TLS itself has to send, and forgets it: the
// answer to a KeyUpdate, the alert that says why the connection is over. Call
// it after each [Conn.Open], also one that failed. There is seldom anything,
// and never more than an alert beyond the size of what Open was given.
func (c *Conn) Pending(dst []byte) []byte {
	return append(dst, c.collect()...)
}

// CloseNotify appends to dst what is pending and the alert that tells the peer
// that nothing more will follow, unless an alert has said so already.
func (c *Conn) CloseNotify(dst []byte) []byte {
	if c.sealErr() == nil {
		c.closed = true
		_ = c.tls.CloseWrite() // cannot fail: the transport takes every write
	}
	return c.Pending(dst)
}

// sealErr is what keeps c from sending. That the peer is done does not.
func (c *Conn) sealErr() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.err == io.EOF:
		return nil
	}
	return c.err
}

// collect takes the transport's output.
func (c *Conn) collect() []byte {
	out := c.transport.out
	c.transport.out = nil
	return out
}
