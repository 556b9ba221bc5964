package tlsstate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// Cause says why a handshake failed. The zero value is no cause.
type Cause int

const (
	_ Cause = iota
	// Timeout: not done within [Limits].Timeout, or the context's deadline.
	Timeout
	// Canceled: the context was canceled.
	Canceled
	// TooManyPending: [Limits].Pending handshakes were under way already.
	TooManyPending
	// TooManyBytes: the peer sent more than [Limits].Bytes.
	TooManyBytes
	// NotTLS: the first bytes were not a TLS record, such as an MQTT CONNECT
	// sent without TLS.
	NotTLS
	// BadCertificate: the client's certificate was not trusted, not valid now,
	// not for client authentication, or not a certificate. Err holds a
	// [*crypto/tls.CertificateVerificationError] except in the last case.
	BadCertificate
	// NoCertificate: the port requires a certificate and the client has none.
	NoCertificate
	// ClientVersion: the client speaks no version that the port does.
	ClientVersion
	// Alerted: the client ended the handshake with an alert, most often since
	// it does not trust the server's certificate.
	Alerted
	// PeerClosed: the connection ended before the handshake did.
	PeerClosed
	// Other: anything else, such as a broken message or no common cipher.
	Other
)

// String returns a short lower-case phrase for logs, without spaces, stable
// enough to be a metric's label.
func (c Cause) String() string {
	switch c {
	case Timeout:
		return "timeout"
	case Canceled:
		return "canceled"
	case TooManyPending:
		return "too-many-pending"
	case TooManyBytes:
		return "too-many-bytes"
	case NotTLS:
		return "not-tls"
	case BadCertificate:
		return "bad-certificate"
	case NoCertificate:
		return "no-certificate"
	case ClientVersion:
		return "client-version"
	case Alerted:
		return "alerted"
	case PeerClosed:
		return "peer-closed"
	case Other:
		return "other"
	}
	return fmt.Sprintf("Cause(%d)", int(c))
}

// HandshakeError is a handshake that failed.
type HandshakeError struct {
	Cause Cause // for the log's close reason and for counting
	Err   error // what exactly, never nil
}

// Error implements error. Where a certificate was refused, it names it.
func (e *HandshakeError) Error() string {
	text := "tlsstate: handshake: " + e.Cause.String() + ": " + e.Err.Error()
	var bad *tls.CertificateVerificationError
	if errors.As(e.Err, &bad) && len(bad.UnverifiedCertificates) > 0 {
		leaf := bad.UnverifiedCertificates[0]
		text += fmt.Sprintf(" (certificate %.*q, issued by %.*q)",
			maxNameRunes, leaf.Subject.String(), maxNameRunes, leaf.Issuer.String())
	}
	return text
}

// maxNameRunes is how much of a stranger's certificate name goes into a log line.
const maxNameRunes = 128

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

var (
	errTooManyPending = errors.New("too many handshakes are under way")
	errTooManyBytes   = errors.New("the peer has sent too many bytes for a handshake")
	errPlainMQTT      = errors.New("the peer sent an MQTT CONNECT without TLS; it must use TLS on this port")
)

// newHandshakeError finds the cause of err, which ended a handshake under ctx.
func newHandshakeError(ctx context.Context, err error) *HandshakeError {
	// Ask the context first: once it has ended, the socket's deadline has been
	// pulled, and err is only the echo of that.
	switch ctxErr := ctx.Err(); {
	case errors.Is(ctxErr, context.DeadlineExceeded):
		return &HandshakeError{Timeout, ctxErr}
	case ctxErr != nil:
		return &HandshakeError{Canceled, ctxErr}
	}

	var header tls.RecordHeaderError
	if errors.As(err, &header) {
		if header.RecordHeader[0] == mqttConnectByte {
			return &HandshakeError{NotTLS, errPlainMQTT}
		}
		// It lends out the connection, and errors are logged, queued and kept.
		header.Conn = nil
		return &HandshakeError{NotTLS, header}
	}
	return &HandshakeError{causeOf(err), err}
}

// mqttConnectByte is the first byte of an MQTT CONNECT: packet type 1, and the
// reserved flags are zero [MQTT-2.1.3-1]. No TLS record has this type.
const mqttConnectByte = 0x10

// causeOf sorts the errors of crypto/tls and of a socket.
func causeOf(err error) Cause {
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.Is(err, errTooManyBytes):
		return TooManyBytes
	case errors.As(err, &certificate):
		return BadCertificate
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout
	case errors.Is(err, net.ErrClosed):
		return Canceled
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return PeerClosed
	case errors.As(err, &op) && op.Op == opRemoteAlert:
		return Alerted
	case errors.As(err, &op) && (op.Op == "read" || op.Op == "write"):
		return PeerClosed
	}
	for _, known := range untyped {
		if strings.HasPrefix(err.Error(), known.prefix) {
			return known.cause
		}
	}
	return Other
}

// opRemoteAlert is the Op by which crypto/tls marks an alert that the peer sent.
const opRemoteAlert = "remote error"

// untyped are the errors of crypto/tls that matter to an operator and can be
// told only by their text. Should a Go release word one differently, its cause
// becomes Other, and TestHandshakeFailureNamesItsCause fails.
var untyped = [...]struct {
	prefix string
	cause  Cause
}{
	{"tls: client didn't provide a certificate", NoCertificate},
	{"tls: client offered only unsupported versions", ClientVersion},
	{"tls: failed to parse client certificate", BadCertificate},
	{"tls: client sent certificate containing RSA key larger", BadCertificate},
	{"tls: invalid signature by the client certificate", BadCertificate},
}
