package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirmq/weir/codec"
)

// payloadOf is the n-th payload of a publisher: of a size about which something
// changes, and with bytes that are in no other.
func payloadOf(publisher, n int) []byte {
	sizes := []int{8, lendBytes - 1, lendBytes, 16 << 10, smallBufferBytes, turnLentBytes, 3, flushBytes}
	b := make([]byte, 8+sizes[(publisher*3+n)%len(sizes)])
	binary.BigEndian.PutUint32(b, uint32(publisher))
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	for i := 8; i < len(b); i++ {
		b[i] = byte(publisher*101 + n*31 + i + i>>8)
	}
	return b
}

// payloadReader is a Client that checks what it gets.
type payloadReader struct {
	mc      *memoryConn
	version codec.Version
	slow    bool
	partial []byte
	next    map[uint32]uint32 // by publisher
}

// read takes apart what came, and acknowledges it.
func (r *payloadReader) read(t *testing.T) {
	r.partial = append(r.partial, r.mc.take()...)
	var acks []byte
	for {
		f, size, err := codec.ReadFrame(r.partial, 0)
		if err != nil {
			t.Fatalf("unreadable output: %v", err)
		}
		if size == 0 || size > len(r.partial) {
			break
		}
		var p codec.Publish
		if f.Type != codec.TypePublish {
			t.Fatalf("%v came", f.Type)
		}
		if err := codec.DecodePublishFromServer(&p, r.version, f.Flags, f.Body); err != nil {
			t.Fatal(err)
		}
		publisher, n := binary.BigEndian.Uint32(p.Payload), binary.BigEndian.Uint32(p.Payload[4:])
		if !bytes.Equal(p.Payload, payloadOf(int(publisher), int(n))) {
			t.Fatalf("message %d of publisher %d is not what was sent", n, publisher)
		}
		if want := r.next[publisher]; n < want || n > want && !r.slow {
			t.Fatalf("message %d of publisher %d came where %d was due", n, publisher, want)
		}
		r.next[publisher] = n + 1
		if p.QoS > codec.QoS0 {
			acks = codec.AppendAck(acks, r.version, codec.TypePuback, p.PacketID, codec.Success)
		}
		r.partial = r.partial[size:]
	}
	if len(acks) > 0 {
		r.mc.send(acks)
	}
}

// TestPayloadsOfAnySizeArriveAsTheyWereSent has them pass through reads of any
// size, on one to three loops, to Clients of both versions, with QoS 0 and 1,
// some of whom do not take everything at once.
func TestPayloadsOfAnySizeArriveAsTheyWereSent(t *testing.T) {
	manySeeds(t, func(t *testing.T, rng *rand.Rand) {
		const messages = 20
		e, m := newMemoryEngine(t, Options{Limits: Limits{QueuedMessages: 1000}}, 1+rng.IntN(3))
		var readers []*payloadReader
		for i := range 5 {
			r := &payloadReader{version: codec.V5, slow: i == 4, next: make(map[uint32]uint32)}
			if i%2 == 1 {
				r.version = codec.V311
			}
			r.mc = connectClient(t, m, e.internal, fmt.Sprint("reader", i), r.version)
			filter, publisher := "publisher/+", rng.IntN(3)
			if rng.IntN(2) == 0 {
				filter = fmt.Sprint("publisher/", publisher) // mostly the only receiver
			}
			subscribeClient(t, m, r.mc, r.version, filter, codec.QoS(i/2%2))
			if r.slow {
				r.mc.window = 100_000
			}
			readers = append(readers, r)
		}
		var publishers [3]*memoryConn
		var streams [3][]byte
		for i := range publishers {
			publishers[i] = connectClient(t, m, e.internal, fmt.Sprint("publisher", i), codec.V5)
			for n := range messages {
				p := codec.Publish{TopicName: fmt.Append(nil, "publisher/", i), Payload: payloadOf(i, n), QoS: codec.QoS(n % 2), PacketID: 1}
				streams[i] = codec.AppendPublish(streams[i], codec.V5, &p)
			}
		}
		// As a reactor does, a loop reads all that is ready in one turn, always
		// into the same buffer.
		buffer := make([]byte, 1<<20)
		for left := len(publishers); left > 0; {
			l := e.loops[rng.IntN(len(e.loops))]
			m.apart = rng.IntN(2) == 0
			l.begin()
			for i, mc := range publishers {
				if mc.conn.loop != l || len(streams[i]) == 0 {
					continue
				}
				n := copy(buffer, streams[i][:min(1+rng.IntN(1<<rng.IntN(20)), len(streams[i]))])
				l.receive(mc.conn, buffer[:n])
				if streams[i] = streams[i][n:]; len(streams[i]) == 0 {
					left--
				}
			}
			clear(buffer)
			l.end()
			if rng.IntN(3) == 0 {
				m.settle()
				for _, r := range readers {
					r.read(t)
					if r.slow {
						r.mc.open(rng.IntN(200_000))
					}
				}
			}
		}
		for range 5 {
			m.settle()
			for _, r := range readers {
				r.read(t)
			}
		}
		for i, r := range readers {
			for publisher, n := range r.next {
				if n != messages && !r.slow {
					t.Errorf("reader %d has %d messages of publisher %d, want %d", i, n, publisher, messages)
				}
			}
			if len(r.next) == 0 {
				t.Errorf("reader %d has no messages", i)
			}
		}
		checkEngine(t, e)
		for _, l := range e.loops {
			if l.stats.Panics > 0 || l.lent != 0 {
				t.Errorf("%d panics, %d bytes are lent for ever", l.stats.Panics, l.lent)
			}
		}
	})
}

// Properties may be as large as a packet, and a loop keeps its frames.
func TestFramesOfOneLargeMessageAreNotKept(t *testing.T) {
	var fc frameCache
	large := publication{topic: "a", props: make([]byte, maxScratch+1)}
	for _, hasID := range []bool{false, true} {
		fc.get(&large, codec.V5, hasID, 0)
	}
	fc.reset()
	for i, f := range fc.frames {
		if cap(f.bytes) > maxScratch {
			t.Errorf("frame %d keeps %d bytes", i, cap(f.bytes))
		}
	}
}
