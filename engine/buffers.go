package engine

import "github.com/valyala/bytebufferpool"

const (
	// spareBuffers of up to spareBufferBytes each are kept by a loop: 2 MiB at
	// most, enough for the connections that a turn usually writes to.
	spareBuffers     = 64
	spareBufferBytes = 32 << 10
)

// bufferStack is the buffers that a loop used last and has at hand for its
// next turn. The pool behind it is one for the process and drops what is
// larger than nearly all the others: by itself it had whoever writes more than
// most, such as the receiver of a busy topic among many quiet ones, allocate
// and grow a buffer every turn (8 allocations for 32 messages of 64 bytes).
type bufferStack struct{ spare []*bytebufferpool.ByteBuffer }

// get returns an empty buffer.
func (s *bufferStack) get() *bytebufferpool.ByteBuffer {
	n := len(s.spare) - 1
	if n < 0 {
		return bytebufferpool.Get()
	}
	b := s.spare[n]
	s.spare[n] = nil
	s.spare = s.spare[:n]
	return b
}

// put takes back a buffer.
func (s *bufferStack) put(b *bytebufferpool.ByteBuffer) {
	if len(s.spare) >= spareBuffers || cap(b.B) > spareBufferBytes {
		bytebufferpool.Put(b)
		return
	}
	if invariants {
		scribble(b.B)
	}
	b.Reset()
	s.spare = append(s.spare, b)
}
