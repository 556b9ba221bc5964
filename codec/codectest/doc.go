// Package codectest is a raw MQTT client for tests: it sends exactly the bytes
// it is told to and returns exactly the packets that come back, so that a test
// can say on the wire what a proper client would never send.
//
//	c := codectest.Dial(t, addr, codectest.Options{})
//	c.SendHex(`10 0e 0004 "MQTT" 05 02 003c 00 0001 "a"`)
//	c.Expect(`20 03 00 00 00`)
//	c.SendHex(`36 00`)
//	c.ExpectDisconnect(codec.MalformedPacket)
//
// Every wait has a deadline and fails the test when it passes. A Conn is for
// the goroutine of one test; it is not safe for concurrent use.
package codectest
