package tlsstate

import (
	"math/rand/v2"
	"testing"
)

// naiveFraming answers framing's questions from the whole stream.
func naiveFraming(stream []byte) (completed, partial, next int) {
	for len(stream) >= recordHeaderBytes {
		record := recordHeaderBytes + int(stream[3])<<8 + int(stream[4])
		if len(stream) < record {
			return completed, len(stream), record - len(stream)
		}
		stream = stream[record:]
		completed++
	}
	return completed, len(stream), recordHeaderBytes - len(stream)
}

func checkFraming(t *testing.T, stream []byte, pieces func(rest int) int) {
	t.Helper()
	var f framing
	completed := 0
	for at := 0; at < len(stream); {
		n := pieces(len(stream) - at)
		completed += f.advance(stream[at : at+n])
		at += n
		wantCompleted, wantPartial, wantNext := naiveFraming(stream[:at])
		if completed != wantCompleted || f.partial() != wantPartial || f.next() != wantNext {
			t.Fatalf("after %d of %x: completed %d, partial %d, next %d; want %d, %d, %d",
				at, stream, completed, f.partial(), f.next(), wantCompleted, wantPartial, wantNext)
		}
	}
}

func TestFramingAgreesWithNaiveOnRandomStreams(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var stream []byte
		for range random.IntN(8) {
			size := random.IntN(1 << random.IntN(12))
			stream = append(stream, 23, 3, 3, byte(size>>8), byte(size))
			stream = append(stream, make([]byte, size)...)
		}
		stream = stream[:len(stream)-random.IntN(len(stream)+1)]
		checkFraming(t, stream, func(rest int) int { return 1 + random.IntN(min(rest, 1<<random.IntN(12))) })
	}
}
