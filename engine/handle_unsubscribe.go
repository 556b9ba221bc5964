package engine

import "github.com/weirmq/weir/codec"

// handleUnsubscribe ends Subscriptions (3.10.4). It needs no right.
func (c *conn) handleUnsubscribe(f codec.Frame) (done bool) {
	l := c.loop
	p := &l.unsubscribe
	if err := codec.DecodeUnsubscribe(p, c.version, f.Body); err != nil {
		c.fail(err)
		return false
	}
	l.codes = l.codes[:0]
	for _, filter := range p.TopicFilters {
		code := codec.NoSubscriptionExisted
		if c.session.unsubscribe(string(filter)) { // [MQTT-3.10.4-1]
			code = codec.Success
		}
		l.codes = append(l.codes, code)
	}
	out := c.output()
	start := len(out.B)
	out.B = codec.AppendUnsuback(out.B, c.version, p.PacketID, l.codes) // [MQTT-3.10.4-4]
	c.fits(start)
	if cap(p.TopicFilters) > maxKeptFilters {
		p.TopicFilters = nil
	}
	return true
}
