package engine

import (
	"errors"

	"github.com/weirmq/weir/codec"
)

// CloseReason says why a connection ended, as a noun of cause. It appears in
// logs, events and Stats.
type CloseReason byte

// The reasons.
const (
	closeNone CloseReason = iota
	CloseClientDisconnect
	CloseClientError // a DISCONNECT with a Reason Code other than 0x00
	CloseConnectionLost
	CloseConnectTimeout
	CloseKeepAliveTimeout
	CloseSessionTakenOver
	CloseMalformedPacket
	CloseProtocolError
	CloseUnsupportedProtocolVersion
	ClosePacketTooLarge
	CloseReceiveMaximumExceeded
	CloseTopicAliasInvalid
	CloseNotAuthenticated
	CloseNotAuthorized
	CloseClientIdentifierNotValid
	CloseSlowConsumer
	CloseQuotaExceeded
	CloseTooManyConnections
	CloseTooManyPortConnections
	CloseHandshakeTimeout
	CloseHandshakeNotTLS
	CloseHandshakeBadCertificate
	CloseHandshakeLimit
	CloseHandshakeFailed
	CloseTLSError
	CloseTLSOnPlainPort
	CloseCredentialExpired
	ClosePolicyChanged
	CloseListenerRemoved
	CloseServerShuttingDown
	CloseInternalError
	CloseWebSocketUpgrade  // the HTTP request was refused
	CloseWebSocketProtocol // RFC 6455 was broken, or [MQTT-6.0.0-1]
	CloseWebSocketClosed   // by a Close frame, without DISCONNECT
	closeReasons           // their number
)

var closeReasonNames = [closeReasons]string{
	closeNone:                       "none",
	CloseClientDisconnect:           "client disconnect",
	CloseClientError:                "client error",
	CloseConnectionLost:             "connection lost",
	CloseConnectTimeout:             "connect timeout",
	CloseKeepAliveTimeout:           "keep alive timeout",
	CloseSessionTakenOver:           "session taken over",
	CloseMalformedPacket:            "malformed packet",
	CloseProtocolError:              "protocol error",
	CloseUnsupportedProtocolVersion: "unsupported protocol version",
	ClosePacketTooLarge:             "packet too large",
	CloseReceiveMaximumExceeded:     "receive maximum exceeded",
	CloseTopicAliasInvalid:          "topic alias invalid",
	CloseNotAuthenticated:           "not authenticated",
	CloseNotAuthorized:              "not authorized",
	CloseClientIdentifierNotValid:   "client identifier not valid",
	CloseSlowConsumer:               "slow consumer",
	CloseQuotaExceeded:              "quota exceeded",
	CloseTooManyConnections:         "too many connections",
	CloseTooManyPortConnections:     "too many connections on the port",
	CloseHandshakeTimeout:           "handshake timeout",
	CloseHandshakeNotTLS:            "not a TLS client",
	CloseHandshakeBadCertificate:    "client certificate refused",
	CloseHandshakeLimit:             "handshake limit",
	CloseHandshakeFailed:            "handshake failed",
	CloseTLSError:                   "TLS error",
	CloseTLSOnPlainPort:             "TLS client on a plain port",
	CloseCredentialExpired:          "credential expired",
	ClosePolicyChanged:              "policy changed",
	CloseListenerRemoved:            "listener removed",
	CloseServerShuttingDown:         "server shutting down",
	CloseInternalError:              "internal error",
	CloseWebSocketUpgrade:           "WebSocket upgrade refused",
	CloseWebSocketProtocol:          "WebSocket protocol error",
	CloseWebSocketClosed:            "WebSocket closed",
}

// String returns the reason in words.
func (r CloseReason) String() string {
	if r < closeReasons {
		return closeReasonNames[r]
	}
	return "unknown"
}

// close ends the connection with the end of the turn. What is in its output
// is still written. Further calls change nothing: the first reason counts.
func (c *conn) close(reason CloseReason) { c.closeDetail(reason, "") }

func (c *conn) closeDetail(reason CloseReason, detail string) {
	if c.stop(reason, detail) {
		c.loop.closing = append(c.loop.closing, c)
	}
}

// dismiss closes a connection that is one of maybe thousands which have to go
// together. From now on nothing is taken from it; it is told, by a DISCONNECT if
// code is not Success, and reaped in one of the turns that come, a few in each. By
// BenchmarkTrafficWhileCredentialsExpire the 99th percentile of that second is 0.03
// of what it is when all go in one turn.
func (c *conn) dismiss(code codec.ReasonCode, reason CloseReason, detail string) {
	tell := c.state == stateOpen && code != codec.Success
	if !c.stop(reason, detail) {
		return
	}
	c.loop.postSingly(func(l *loop) {
		l.closing = append(l.closing, c)
		if tell {
			c.sendDisconnect(code)
		}
	})
}

// stop has nothing more be taken from the connection, and reports whether anything
// was. Whoever stops it has it reaped.
func (c *conn) stop(reason CloseReason, detail string) (stopped bool) {
	if c.state >= stateClosing {
		return false
	}
	c.state = stateClosing
	c.reason = reason
	if detail != "" {
		c.needRare().detail = detail
	}
	if r := c.rare; r != nil && r.cancel != nil {
		r.cancel()
		r.cancel = nil
	}
	c.abandonRecheck()
	if k := c.credential; k != nil && k.renewal.cancel != nil {
		k.renewal.cancel()
		k.renewal = renewal{}
	}
	if c.session != nil {
		c.session.available.Store(false)
	}
	return true
}

// disconnect closes the connection from the Server's side and says so, if the
// version has words for it [MQTT-3.14.0-1].
func (c *conn) disconnect(code codec.ReasonCode, reason CloseReason) {
	c.disconnectDetail(code, reason, "")
}

func (c *conn) disconnectDetail(code codec.ReasonCode, reason CloseReason, detail string) {
	if c.state == stateOpen {
		c.sendDisconnect(code)
	}
	c.closeDetail(reason, detail)
}

func (c *conn) sendDisconnect(code codec.ReasonCode) {
	if c.version == codec.V5 {
		out := c.output()
		out.B = codec.AppendDisconnect(out.B, &codec.Disconnect{ReasonCode: code})
		c.code = code
	}
}

// fail ends the connection because of a packet that could not be decoded: the
// one place where the codec's errors become a packet and a reason [MQTT-4.13.1-1].
func (c *conn) fail(err error) {
	e := asError(err)
	c.disconnectDetail(e.Code, closeReasonOf(e), e.Error())
}

// protocolError ends the connection because of a packet that was well formed
// but not allowed.
func (c *conn) protocolError(code codec.ReasonCode, detail string) {
	c.disconnectDetail(code, closeReasonFor(code), detail)
}

func asError(err error) *codec.Error {
	var e *codec.Error
	if errors.As(err, &e) {
		return e
	}
	return &codec.Error{Code: codec.UnspecifiedError, Detail: err.Error()}
}

func closeReasonOf(e *codec.Error) CloseReason { return closeReasonFor(e.Code) }

func closeReasonFor(code codec.ReasonCode) CloseReason {
	switch code {
	case codec.MalformedPacket:
		return CloseMalformedPacket
	case codec.PacketTooLarge:
		return ClosePacketTooLarge
	case codec.ReceiveMaximumExceeded:
		return CloseReceiveMaximumExceeded
	case codec.TopicAliasInvalid:
		return CloseTopicAliasInvalid
	case codec.UnsupportedProtocolVersion:
		return CloseUnsupportedProtocolVersion
	}
	return CloseProtocolError
}

// leaveSession ends the association with the Session, once.
func (c *conn) leaveSession() {
	if s := c.session; s != nil {
		c.session = nil
		s.detach(c)
	}
}

// reap lets go of a closed connection.
func (c *conn) reap() {
	l := c.loop
	c.leaveSession()
	if a := c.admission; a != nil && a.will != nil {
		l.release(a.will.msg)
	}
	c.admission = nil
	l.wheel.Cancel(&c.timer)
	if c.credential != nil {
		l.wheel.Cancel(&c.credential.expiry)
	}
	c.closeWebSocket()
	if c.tls != nil {
		l.sealed = c.tls.CloseNotify(l.sealed[:0])
		if len(l.sealed) > 0 {
			_ = c.tr.write(l.sealed) // the peer may be gone
		}
		c.tls = nil
	}
	c.state = stateClosed
	c.keep(nil)
	c.tr.close()
	l.conns.remove(c)
	l.stats.ConnectionsClosed[c.reason]++
	l.engine.closed(c)
}
