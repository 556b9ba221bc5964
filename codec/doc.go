// Package codec reads and writes MQTT Control Packets: MQTT 5.0, MQTT 3.1.1
// and MQTT 3.1 (protocol name MQIsdp). It does no I/O and keeps no state; what
// a packet means to a Session is decided elsewhere.
//
// # Use
//
// [ReadFrame] finds the next packet at the start of a buffer and checks its
// fixed header. The Decode function for the frame's type then reads the body.
// The Append functions write whole packets, fixed header included.
//
//	f, size, err := codec.ReadFrame(buf, maximumPacketSize)
//	switch {
//	case err != nil: // tell the peer err.Code and close
//	case size == 0 || size > len(buf): // wait for more bytes
//	case f.Type == codec.TypePublish:
//		err = codec.DecodePublish(&publish, version, f.Flags, f.Body)
//	}
//
// A Decode function whose name does not say otherwise takes the Server's side:
// it applies the rules for packets sent by a Client. Where the rules differ by
// direction there is a second function, such as [DecodePublishFromServer].
//
// # Borrowed memory
//
// Decoding never copies. Every []byte in a decoded packet is a window onto the
// body it was decoded from, which in a Server belongs to an event loop and is
// overwritten by the next read. Use it before then, or clone it. Slices of
// other types, such as [Subscribe.Subscriptions], are the packet's own: decoding
// appends to them from length zero, so a packet that is decoded into again and
// again stops allocating, and its owner decides how much capacity to keep.
//
// Encoding appends to a slice that the caller owns and returns the longer
// slice. Append functions borrow their arguments for the call only.
//
// # Errors
//
// Decoding fails with an [*Error]: the Reason Code to send before closing and
// the clause that was broken. A Malformed Packet does not have the shape the
// standard gives it: a field cut short, a reserved bit set, text that is not
// UTF-8, a Topic Name that is not one. A Protocol Error is well formed but says
// what the protocol forbids. Every Error is made at init, so a peer that sends
// rubbish costs no memory. After an error the packet holds nothing of use,
// except for [Connect.Version].
//
// Encoding cannot fail. Handing an Append function what MQTT cannot express,
// such as a string of more than 65,535 bytes, is a bug of the caller, and
// panics rather than write a stream that the peer would misread.
//
// References such as [MQTT-3.3.2-2] are normative statements of the MQTT 5.0
// standard, and those such as [MQTT311-3.1.2-22] of MQTT 3.1.1. A test checks
// that each one cited exists.
//
// # Concurrency
//
// All functions are safe for concurrent use on different packets and buffers.
// A packet value is not safe for concurrent use.
package codec
