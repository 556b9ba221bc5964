package engine

import (
	"slices"

	"github.com/weirmq/weir/codec"
)

// inflightState is what the Server waits for (4.3).
type inflightState byte

const (
	awaitPuback inflightState = iota
	awaitPubrec
	awaitPubcomp
)

// inflightMessage is one PUBLISH with QoS 1 or 2 that was sent and whose
// handshake has not ended. It owns a reference to msg, which is nil once
// PUBREC has come.
type inflightMessage struct {
	msg      *message
	receiver *receiver
	id       codec.PacketID // 0: the slot is free
	qos      codec.QoS
	state    inflightState
	retained bool
}

// inflight is the messages in flight to one Client. The Packet Identifier
// leads to the slot by its low bits, so finding one is an index, and
// identifiers are handed out in order, so that one is not used again soon
// after it was acknowledged.
//
// Invariant: len(slots) is 0 or a power of two, no two used slots have the
// same identifier, and slots[id & (len-1)].id is id for every used one.
type inflight struct {
	slots []inflightMessage
	count int
	bytes int // of the messages that are kept to be sent again
	last  codec.PacketID
}

// add takes the next Packet Identifier [MQTT-2.2.1-4]. The caller sees to it
// that there are fewer than 65,535.
func (f *inflight) add(l *loop, m inflightMessage) *inflightMessage {
	if f.count == len(f.slots) {
		f.grow()
	}
	for {
		f.last++
		slot := &f.slots[int(f.last)&(len(f.slots)-1)]
		// A free slot is at most len(slots) identifiers away.
		if f.last != 0 && slot.id == 0 {
			m.id = f.last
			*slot = m
			f.count++
			l.stats.MessagesInFlight++
			if m.msg != nil {
				f.bytes += m.msg.size()
			}
			return slot
		}
	}
}

func (f *inflight) grow() {
	old := f.slots
	f.slots = make([]inflightMessage, max(4, 2*len(old)))
	for i := range old {
		if id := old[i].id; id != 0 {
			f.slots[int(id)&(len(f.slots)-1)] = old[i]
		}
	}
}

// find returns the message with this Packet Identifier, or nil.
func (f *inflight) find(id codec.PacketID) *inflightMessage {
	if len(f.slots) == 0 || id == 0 {
		return nil
	}
	m := &f.slots[int(id)&(len(f.slots)-1)]
	if m.id != id {
		return nil
	}
	return m
}

// forget lets go of the message, which will not be sent again; its Packet
// Identifier stays in use.
func (f *inflight) forget(l *loop, m *inflightMessage) {
	if m.msg != nil {
		f.bytes -= m.msg.size()
		l.release(m.msg)
		m.msg, m.receiver = nil, nil
	}
}

// remove frees the slot.
func (f *inflight) remove(l *loop, m *inflightMessage) {
	f.forget(l, m)
	l.stats.MessagesInFlight--
	*m = inflightMessage{}
	f.count--
}

// inOrder returns the Packet Identifiers in the order they were first sent
// [MQTT-4.6.0-1], appended to ids.
func (f *inflight) inOrder(ids []uint16) []uint16 {
	for i := range f.slots {
		if f.slots[i].id != 0 {
			ids = append(ids, uint16(f.slots[i].id))
		}
	}
	// The identifier that is used next is the farthest from the oldest.
	next := uint16(f.last) + 1
	slices.SortFunc(ids, func(a, b uint16) int { return int(a-next) - int(b-next) })
	return ids
}

func (f *inflight) clear(l *loop) {
	for i := range f.slots {
		if f.slots[i].id != 0 {
			f.remove(l, &f.slots[i])
		}
	}
	f.slots = nil
}

// idSet is a set of Packet Identifiers, in blocks of 64: before MQTT 5 nothing
// but their number keeps a Client from having all of them in use, and this way
// that takes some 40 KB and not ten times as much.
type idSet struct {
	blocks map[codec.PacketID]uint64
	len    int
}

func (s *idSet) has(id codec.PacketID) bool { return s.blocks[id/64]>>(id%64)&1 != 0 }

// add adds id, which must not be there.
func (s *idSet) add(id codec.PacketID) {
	if s.blocks == nil {
		s.blocks = make(map[codec.PacketID]uint64)
	}
	s.blocks[id/64] |= 1 << (id % 64)
	s.len++
}

// remove removes id, which must be there.
func (s *idSet) remove(id codec.PacketID) {
	if s.blocks[id/64] &^= 1 << (id % 64); s.blocks[id/64] == 0 {
		delete(s.blocks, id/64)
	}
	s.len--
}
