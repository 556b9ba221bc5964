package bench

import "encoding/binary"

// MinSize is the smallest Payload in bytes: the header that every message
// begins with. What Config.Size asks for beyond it is padding.
const MinSize = 24

// header is what a Payload begins with.
type header struct {
	run      uint32 // tells this run's messages from others'
	topic    uint32 // index in the plan; it gives the publisher too
	sequence uint64 // of the topic, from 0
	sent     int64  // nanoseconds on the loop's clock: when it was to be sent
}

// put writes h to the first MinSize bytes of payload.
func (h *header) put(payload []byte) {
	_ = payload[MinSize-1]
	binary.BigEndian.PutUint32(payload, h.run)
	binary.BigEndian.PutUint32(payload[4:], h.topic)
	binary.BigEndian.PutUint64(payload[8:], h.sequence)
	binary.BigEndian.PutUint64(payload[16:], uint64(h.sent))
}

// read reads h from payload, and reports whether that is long enough.
func (h *header) read(payload []byte) bool {
	if len(payload) < MinSize {
		return false
	}
	h.run = binary.BigEndian.Uint32(payload)
	h.topic = binary.BigEndian.Uint32(payload[4:])
	h.sequence = binary.BigEndian.Uint64(payload[8:])
	h.sent = int64(binary.BigEndian.Uint64(payload[16:]))
	return true
}
