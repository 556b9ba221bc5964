package engine

import "github.com/weirmq/weir/codec"

// handleDisconnect ends the connection as the Client wishes (3.14.4).
func (c *conn) handleDisconnect(f codec.Frame) (done bool) {
	d := &c.loop.disconnect
	if err := codec.DecodeDisconnect(d, c.version, f.Body); err != nil {
		c.fail(err)
		return false
	}
	s := c.session
	if d.Properties.Has(codec.PropSessionExpiryInterval) {
		// Zero at CONNECT cannot become anything else (3.14.2.2.2).
		if s.expiryInterval == 0 && d.Properties.SessionExpiryInterval != 0 {
			c.protocolError(codec.ProtocolError, "DISCONNECT sets a Session Expiry Interval that CONNECT had as zero")
			return false
		}
		s.expiryInterval = d.Properties.SessionExpiryInterval
		if m := c.loop.engine.limits.MaximumSessionExpiry; m != 0 {
			s.expiryInterval = min(s.expiryInterval, m)
		}
	}
	if d.ReasonCode == codec.NormalDisconnection {
		c.close(CloseClientDisconnect)
	} else {
		// Anything else leaves the Will in force [MQTT-3.14.4-3].
		c.closeDetail(CloseClientError, d.ReasonCode.String())
	}
	return true
}
