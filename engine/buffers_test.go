package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever a buffer was before, it holds what is asked for, and keeps what it
// has while it grows.
func TestBuffersGrowWithoutLosingAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s bufferStack
	for range 2000 {
		b := s.get()
		if len(b.B) != 0 || len(b.loans) != 0 || b.lent != 0 {
			t.Fatalf("a buffer begins with %d bytes and %d loans", len(b.B), len(b.loans))
		}
		var want []byte
		for range rng.IntN(8) {
			piece := bytes.Repeat([]byte{byte(rng.Int())}, rng.IntN(1<<rng.IntN(21)))
			if rng.IntN(4) > 0 { // who does not ask has append make room
				s.grow(b, len(piece))
				if cap(b.B)-len(b.B) < len(piece) {
					t.Fatalf("no room for %d bytes behind %d: the capacity is %d", len(piece), len(b.B), cap(b.B))
				}
			}
			b.B = append(b.B, piece...)
			want = append(want, piece...)
		}
		if !bytes.Equal(b.B, want) {
			t.Fatal("what was in the buffer is not there any more")
		}
		s.put(b)
		for _, spare := range s.spare {
			if cap(spare.B) > smallBufferBytes {
				t.Fatalf("%d bytes are kept at hand", cap(spare.B))
			}
		}
	}
}

func TestLargeBuffersHaveTheSizeOfTheirClass(t *testing.T) {
	var s bufferStack
	for _, n := range []int{smallBufferBytes + 1, smallBufferBytes * 2, smallBufferBytes*2 + 1, 1 << 20, 1<<20 + 1, 3 << 20} {
		b := s.get()
		s.grow(b, n)
		if cap(b.B) < n {
			t.Errorf("%d bytes asked for, %d given", n, cap(b.B))
		}
		if n <= 1<<20 && cap(b.B) >= 4*n {
			t.Errorf("%d bytes asked for, %d given: another class would do", n, cap(b.B))
		}
		s.put(b)
	}
}
