package engine

import "github.com/weirmq/weir/codec"

// handleAuth refuses AUTH: no authenticator here begins an exchange, and a
// Client that was not authenticated by one cannot re-authenticate (4.12.1).
func (c *conn) handleAuth(f codec.Frame) (done bool) {
	a := &c.loop.auth
	if err := codec.DecodeAuth(a, c.version, f.Body); err != nil {
		c.fail(err)
		return false
	}
	c.protocolError(codec.ProtocolError, "AUTH, and no exchange that it could belong to") // [MQTT-4.12.0-7]
	return false
}
