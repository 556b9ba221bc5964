package engine

import "encoding/binary"

// Codes of Close frames (RFC 6455, 7.4.1).
const (
	webSocketNormal          = 1000
	webSocketGoingAway       = 1001
	webSocketProtocolError   = 1002
	webSocketUnsupportedData = 1003
	webSocketInvalidPayload  = 1007
	webSocketPolicyViolation = 1008
	webSocketMessageTooBig   = 1009
	webSocketInternalError   = 1011
	webSocketTryAgainLater   = 1013
)

// validCloseCode reports whether a Close frame may have this code: the others
// are reserved, or mean that there was no frame.
func validCloseCode(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// closeWebSocket sends the Close frame of a connection that ends in an orderly
// way. Nothing is waited for: a peer that answers talks to nobody.
func (c *conn) closeWebSocket() {
	w := c.ws
	if w == nil || !w.upgraded || c.reason == CloseConnectionLost || c.reason == CloseTLSError {
		return
	}
	code := w.closeCode
	if code == 0 && !w.closed {
		code = closeCodeFor(c.reason)
	}
	var payload []byte
	if code != 0 {
		payload = binary.BigEndian.AppendUint16(nil, code)
	}
	c.writeControlFrame(opClose, payload)
}

// closeCodeFor returns the code that comes closest to a reason. What exactly
// it was, MQTT 5 says in DISCONNECT or CONNACK.
func closeCodeFor(r CloseReason) uint16 {
	switch r {
	case CloseClientDisconnect, CloseClientError:
		return webSocketNormal
	case CloseServerShuttingDown, CloseListenerRemoved:
		return webSocketGoingAway
	case CloseMalformedPacket, CloseProtocolError, CloseReceiveMaximumExceeded, CloseTopicAliasInvalid, CloseUnsupportedProtocolVersion:
		return webSocketProtocolError
	case ClosePacketTooLarge:
		return webSocketMessageTooBig
	case CloseInternalError:
		return webSocketInternalError
	case CloseQuotaExceeded:
		return webSocketTryAgainLater
	}
	return webSocketPolicyViolation
}
