package engine

import "testing"

func TestCrowdTakesTurnsOneByOneWhileThereAreMessages(t *testing.T) {
	v := newVisiting(t)
	check := func(when string, want int) {
		t.Helper()
		for _, c := range []*memoryConn{v.publisher, v.subscriber} {
			c.conn.loop.begin()
			if got := c.conn.loop.crowd(); got != want {
				t.Errorf("%s: %d, want %d", when, got, want)
			}
			c.conn.loop.end()
		}
	}
	v.m.advance(messagesFollow)
	check("after CONNECT and SUBSCRIBE", maxCrowd)
	v.publish("1")
	v.want("1")
	check("after a message", 1)
	v.m.advance(messagesFollow)
	check("after a while", maxCrowd)
	v.m.apart = true
	v.publish("2")
	v.want("2")
	check("after one that came by mail", 1)
}
