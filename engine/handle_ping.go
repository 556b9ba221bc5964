package engine

import "github.com/weirmq/weir/codec"

// handlePingreq answers [MQTT-3.12.4-1].
func (c *conn) handlePingreq(f codec.Frame) (done bool) {
	if err := codec.DecodePing(f.Body); err != nil {
		c.fail(err)
		return false
	}
	out := c.output()
	out.B = codec.AppendPingresp(out.B)
	return true
}
