package engine

import (
	"math/bits"
	"slices"
	"sync"
)

const (
	// spareBuffers of up to smallBufferBytes each are kept by a loop: 2 MiB at
	// most, enough for the connections that a turn usually writes to.
	spareBuffers     = 64
	smallBufferBytes = 32 << 10

	// largeClasses are the sizes of larger ones, each twice the one before: up
	// to 1 MiB, which is all that a connection gathers within a turn and a
	// packet besides. What is larger still is left to the garbage collector.
	largeClasses = 5
)

// buffer is bytes that a connection has for a while: the output of a turn, or a
// packet that is not complete. It comes from a bufferStack and goes back there.
type buffer struct {
	B []byte

	// loans are the payloads that output has between its bytes, which are not
	// copied there but written from where they are.
	loans []loan
	lent  int // bytes of all loans
}

// loan is a payload that comes before B[at:]. A reference is held to the message
// that it is of, or there is none: then it is a window on what is being read,
// and has to be written before anything else is.
type loan struct {
	at      int
	payload []byte
	msg     *message
}

// size is how many bytes the output has.
func (b *buffer) size() int { return len(b.B) + b.lent }

// lend appends a payload, see loan.
func (b *buffer) lend(payload []byte, m *message) {
	b.loans = append(b.loans, loan{len(b.B), payload, m})
	b.lent += len(payload)
}

// slices appends the output to to, in pieces that may be written as they are.
func (b *buffer) slices(to [][]byte) [][]byte {
	from := 0
	for _, l := range b.loans {
		to = append(to, b.B[from:l.at], l.payload)
		from = l.at
	}
	if from < len(b.B) {
		to = append(to, b.B[from:])
	}
	return to
}

// smallBuffers and largeBuffers are for all loops. The sizes do not share a pool:
// whoever asked for a large buffer would be given a small one to grow, and small
// traffic would keep large ones from being collected. A pool that learns from
// what it is given which sizes to keep, as bytebufferpool does, had learned from
// small messages to drop the buffers of large ones: after a million messages of
// 64 bytes those of 16 KB cost five times as much as before.
var (
	smallBuffers = sync.Pool{New: func() any { return new(buffer) }}
	largeBuffers [largeClasses]sync.Pool
)

// bufferStack is the buffers that a loop used last and has at hand for its
// next turn, without the synchronization of a pool.
type bufferStack struct{ spare []*buffer }

// get returns an empty buffer.
func (s *bufferStack) get() *buffer {
	n := len(s.spare) - 1
	if n < 0 {
		return smallBuffers.Get().(*buffer)
	}
	b := s.spare[n]
	s.spare[n] = nil
	s.spare = s.spare[:n]
	return b
}

// put takes back a buffer, whose loans have been given back.
func (s *bufferStack) put(b *buffer) {
	if invariants {
		scribble(b.B)
	}
	b.B = b.B[:0]
	if n := cap(b.B); n > smallBufferBytes {
		// It serves whoever asks for its class, so it must have all of that.
		if i := largeClass(n/2 + 1); i >= 0 && i < largeClasses {
			largeBuffers[i].Put(b)
		}
		return
	}
	if len(s.spare) >= spareBuffers {
		smallBuffers.Put(b)
		return
	}
	s.spare = append(s.spare, b)
}

// grow makes room for n more bytes in b.
func (s *bufferStack) grow(b *buffer, n int) {
	want := len(b.B) + n
	if want <= cap(b.B) {
		return
	}
	if want <= smallBufferBytes {
		b.B = slices.Grow(b.B, min(max(n, cap(b.B)), smallBufferBytes-len(b.B)))
		return
	}
	i := largeClass(want)
	if i >= largeClasses {
		b.B = slices.Grow(b.B, n)
		return
	}
	large, ok := largeBuffers[i].Get().(*buffer)
	if !ok {
		large = &buffer{B: make([]byte, 0, smallBufferBytes<<(i+1))}
	}
	large.B = append(large.B, b.B...)
	b.B, large.B = large.B, b.B
	s.put(large)
}

// largeClass is the class of the smallest buffers that hold n bytes, -1 if small
// ones do.
func largeClass(n int) int { return bits.Len(uint(n-1)/smallBufferBytes) - 1 }
