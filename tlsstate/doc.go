// Package tlsstate speaks TLS over someone else's event loop.
//
// It uses crypto/tls as it comes, in two acts. In the first, a [Handshaker]
// runs the handshake on an ordinary goroutine over the accepted net.Conn: it
// waits for the peer, it verifies certificates, it costs a millisecond, and
// none of that belongs on an event loop. In the second, the same connection is
// a [Conn]: ciphertext in, plaintext out, no waiting, no goroutine and no
// socket, so that whoever owns the descriptor can own the connection too.
//
//	conn, err := handshaker.Handshake(ctx, server, netConn) // a goroutine
//	...                                                     // move the descriptor to a loop
//	plaintext, err = conn.Open(plaintext[:0], nil)          // once, before the first event
//	plaintext, err = conn.Open(plaintext[:0], read)         // on each readable event
//	out = conn.Pending(out)                                 // what TLS itself has to say
//	out, err = conn.Seal(out, packets)                      // one flush, one record
//
// A client has the same two acts, the first of which is
// [Handshaker.HandshakeClient].
//
// # Borrowed memory
//
// Open and Seal borrow their input for the call and append to the slice they
// are given; nothing they return is kept. Between calls a Conn holds what
// crypto/tls holds: the keys, one raw buffer as large as the largest record
// the peer has sent so far asks for (at least half a kilobyte, at most 40 KB),
// and the largest handshake message. With mutual TLS that is about 7 KB for a
// peer of small records, and 6 KB more until [Conn.ForgetPeer] is called:
// see BenchmarkIdleHeap.
//
// # Concurrency
//
// [Server] and [Handshaker] are safe for concurrent use. A [Conn] belongs to
// one goroutine at a time.
//
// # Bounds
//
// [Limits] bounds the handshakes of a process: how many compute, how many
// wait, for how long, and how many bytes each may send. An established
// connection that keeps sending records without application data is ended
// after three full records.
//
// # Errors
//
// A failed handshake is a [*HandshakeError] with its [Cause]. An established
// connection ends with io.EOF when the peer said close_notify, with an
// [*AlertError] when the peer gave up on us, and with a [*RecordError] when
// its bytes were not valid TLS. A [Config] that cannot be served is a
// [*ConfigError]. No error carries key material or application data.
package tlsstate
