package tlsstate

import (
	"runtime"
	"time"
)

// Limits bounds the handshakes of a [Handshaker]. A field that is zero or
// negative takes its default, so the zero value is ready to use.
type Limits struct {
	// Concurrent is how many handshakes may compute at once. A handshake that
	// waits for its peer does not count. Default: GOMAXPROCS.
	Concurrent int
	// Pending is how many handshakes may be under way, waiting or computing;
	// the next one is refused at once, with [TooManyPending]. Each costs about
	// 13 KB while its peer is silent and 33 KB once the ClientHello is answered,
	// stack included. Default: 4096.
	Pending int
	// Timeout is how long a handshake may take from the call of Handshake,
	// waiting for the processor included. Default: 10 s.
	Timeout time.Duration
	// Bytes is how much ciphertext a peer may send before its handshake is
	// done. It must hold the client's certificates. Default: 64 KiB.
	Bytes int
}

// The defaults of Limits that are constants.
const (
	defaultPending = 4096
	defaultTimeout = 10 * time.Second
	defaultBytes   = 64 << 10
)

// WithDefaults returns l with every unset field filled.
func (l Limits) WithDefaults() Limits {
	if l.Concurrent <= 0 {
		l.Concurrent = runtime.GOMAXPROCS(0)
	}
	if l.Pending <= 0 {
		l.Pending = defaultPending
	}
	if l.Timeout <= 0 {
		l.Timeout = defaultTimeout
	}
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	return l
}

const (
	// recordHeaderBytes is the size of a record header: type, version, length.
	// RFC 8446, section 5.1.
	recordHeaderBytes = 5

	// maxPlaintextBytes is the most application data a record carries.
	// RFC 8446, section 5.1.
	maxPlaintextBytes = 16 << 10

	// maxRecordBytes is the largest record that either version allows: TLS 1.2
	// lets a cipher add 2048 bytes (RFC 5246, section 6.2.3).
	maxRecordBytes = recordHeaderBytes + maxPlaintextBytes + 2048

	// maxSilentBytes is how much ciphertext an established connection may send
	// without one byte of application data. crypto/tls would collect a
	// handshake message of 256 KB after the handshake and keep the buffer; the
	// only such message with a use here, KeyUpdate, has five bytes. It must hold
	// the rest of one record and one full read beyond it.
	maxSilentBytes = 3 * maxRecordBytes

	// sealOverheadBytes is a generous guess at what a record adds to its
	// plaintext, for growing a buffer once. A wrong guess costs a copy.
	sealOverheadBytes = 64

	// wireBufferBytes is the read buffer of a running handshake. A ClientHello
	// or a client's certificate flight usually fits, and takes one system call.
	wireBufferBytes = 4 << 10
)
