package bench

import "math/bits"

// flow is the order in which one Subscriber has received the messages of one
// topic. Sequences count from 0.
type flow struct {
	next    uint64 // the sequence after the highest received
	missing uint64 // below next and not received
	// recent has a bit for each of the 64 sequences before next, the lowest
	// for next-1: set if it was received.
	recent uint64
}

// arrival is what one message was to its flow.
type arrival byte

const (
	inOrder   arrival = iota
	ahead             // in order, but some before it are missing
	late              // one of those that were missing
	duplicate         // received before
)

const flowMemory = 64

// observe notes that sequence has arrived. skipped is how many before it have
// not, of those that were to come next.
//
// A message that arrives more than 64 after its turn is taken for one of those
// that are missing from that long ago, if any are, and for a duplicate otherwise.
func (f *flow) observe(sequence uint64) (what arrival, skipped uint64) {
	if sequence >= f.next {
		skipped = sequence - f.next
		f.missing += skipped
		f.recent = f.recent<<(skipped+1) | 1 // a shift by 64 and more leaves nothing
		f.next = sequence + 1
		if skipped > 0 {
			return ahead, skipped
		}
		return inOrder, 0
	}
	age := f.next - 1 - sequence
	if age >= flowMemory {
		if f.missing == f.missingRecently() {
			return duplicate, 0
		}
	} else {
		if f.recent>>age&1 != 0 {
			return duplicate, 0
		}
		f.recent |= 1 << age
	}
	f.missing--
	return late, 0
}

// missingRecently returns how many of those that recent is about are missing.
func (f *flow) missingRecently() uint64 {
	return min(f.next, flowMemory) - uint64(bits.OnesCount64(f.recent))
}

// lost returns how many of the first sent messages have not arrived.
func (f *flow) lost(sent uint64) uint64 { return sent - f.next + f.missing }
