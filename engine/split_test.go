package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/weirmq/weir/codec"
)

// splitRun is what came of one way to cut a stream of bytes into reads.
type splitRun struct {
	client, witness []byte // what they were sent
	closed          bool
	reason          CloseReason
}

// playSplit gives stream to an engine in reads of the given lengths, and then
// as a whole what is left. A witness on another loop gets every message; a
// Session "a" lives there too, so that a Client of that name is moved.
func playSplit(t testing.TB, stream []byte, lengths func() int) splitRun {
	t.Helper()
	// Acknowledgements count as seen when they were written, so a Receive
	// Maximum is the one thing that depends on the split.
	e, m := newMemoryEngine(t, Options{Limits: Limits{ReceiveMaximum: 65535, MaximumPacketSize: 1 << 16}}, 2)
	witness := connectClient(t, m, e.internal, "witness", codec.V5)
	subscribeClient(t, m, witness, codec.V5, "#", codec.QoS2)
	client := m.dial(e.internal)
	session := codec.Connect{Version: codec.V311, ClientID: []byte("a")}
	before := m.dial(e.internal)
	before.send(codec.AppendConnect(nil, &session))
	m.settle()
	before.drop()
	m.settle()
	for len(stream) > 0 {
		n := min(max(lengths(), 1), len(stream))
		// A copy, as a read buffer is: nobody may keep it.
		read := bytes.Clone(stream[:n])
		client.send(read)
		clear(read)
		m.settle()
		stream = stream[n:]
	}
	run := splitRun{closed: client.closed, reason: client.conn.reason}
	client.drop() // which publishes a Will
	m.settle()
	run.client, run.witness = withoutRandom(client.take()), withoutRandom(witness.take())
	checkEngine(t, e)
	for _, l := range e.loops {
		if l.stats.Panics > 0 {
			t.Errorf("%d panics", l.stats.Panics)
		}
	}
	return run
}

// withoutRandom blanks an Assigned Client Identifier.
func withoutRandom(b []byte) []byte {
	if i := bytes.Index(b, []byte("weir-")); i >= 0 && len(b) >= i+len(newClientID()) {
		clear(b[i : i+len(newClientID())])
	}
	return b
}

// splitSeeds is streams in which a cut anywhere should make no difference.
func splitSeeds() (seeds [][]byte) {
	for _, v := range []codec.Version{codec.V31, codec.V311, codec.V5} {
		for _, id := range []string{"a", "b", ""} {
			c := codec.Connect{Version: v, ClientID: []byte(id), CleanStart: id == "", HasWill: true}
			c.Will = codec.Will{TopicName: []byte("will"), Payload: []byte("gone"), QoS: codec.QoS1}
			c.Properties.SetTopicAliasMaximum(2)
			c.Properties.SetSessionExpiryInterval(10)
			b := codec.AppendConnect(nil, &c)
			b = codec.AppendSubscribe(b, v, &codec.Subscribe{PacketID: 1, SubscriptionID: 5, Subscriptions: []codec.Subscription{
				{TopicFilter: []byte("t/+"), QoS: codec.QoS2}, {TopicFilter: []byte("$share/g/t/#"), QoS: codec.QoS1}, {TopicFilter: []byte("bad#")},
			}})
			for q := range codec.QoS(3) {
				b = codec.AppendPublish(b, v, &codec.Publish{
					TopicName: []byte("t/1"), Payload: []byte("payload"), QoS: q, PacketID: codec.PacketID(q), Retain: q == codec.QoS1,
					HasMessageExpiryInterval: true, MessageExpiryInterval: 60, TopicAlias: 3,
					Forward: []byte{byte(codec.PropPayloadFormatIndicator), 1},
				})
				b = codec.AppendPublish(b, v, &codec.Publish{
					TopicName: []byte("t/2"), Payload: bytes.Repeat([]byte("x"), 300), QoS: q, PacketID: 10 + codec.PacketID(q),
					Forward: []byte{byte(codec.PropContentType), 0, 1, 'c'},
				})
			}
			b = codec.AppendAck(b, v, codec.TypePuback, 1, codec.Success)
			b = codec.AppendAck(b, v, codec.TypePubrec, 2, codec.Success)
			b = codec.AppendAck(b, v, codec.TypePubcomp, 2, codec.Success)
			b = codec.AppendAck(b, v, codec.TypePubrel, 2, codec.Success)
			b = codec.AppendUnsubscribe(b, v, &codec.Unsubscribe{PacketID: 2, TopicFilters: [][]byte{[]byte("t/+")}})
			b = codec.AppendPingreq(b)
			// Ends of every kind.
			seeds = append(seeds, b,
				codec.AppendDisconnect(bytes.Clone(b), &codec.Disconnect{}),
				codec.AppendConnect(bytes.Clone(b), &c),
				append(bytes.Clone(b), 0x36, 0),
				append(bytes.Clone(b), 0x30, 0xFF, 0xFF, 0xFF, 0x7F),
				b[:len(b)-1])
		}
	}
	return append(seeds, []byte{0x16, 3, 1, 2, 0}, []byte("GET / HTTP/1.1\r\n\r\n"), []byte{0xC0, 0})
}

func compareSplits(t testing.TB, stream []byte, how string, lengths func() int) {
	t.Helper()
	want := playSplit(t, stream, func() int { return len(stream) })
	got := playSplit(t, stream, lengths)
	if got.closed != want.closed || got.reason != want.reason {
		t.Errorf("%s: closed=%v with reason %q, want %v with %q", how, got.closed, got.reason, want.closed, want.reason)
	}
	if !bytes.Equal(got.client, want.client) {
		t.Errorf("%s: the Client is sent\n%x\nwant\n%x", how, got.client, want.client)
	}
	if !bytes.Equal(got.witness, want.witness) {
		t.Errorf("%s: others are sent\n%x\nwant\n%x", how, got.witness, want.witness)
	}
}

func TestSplitAtEveryByteMakesNoDifference(t *testing.T) {
	for i, stream := range splitSeeds() {
		compareSplits(t, stream, fmt.Sprintf("stream %d, one byte at a time", i), func() int { return 1 })
	}
	stream := splitSeeds()[0]
	for at := range stream {
		compareSplits(t, stream, fmt.Sprintf("cut at %d", at), func() int { return at })
	}
}

// FuzzSplit cuts any stream of bytes anywhere: what the engine says and why it
// closes must not depend on it. Its oracle is the stream in one piece.
func FuzzSplit(f *testing.F) {
	for _, stream := range splitSeeds() {
		f.Add(stream, []byte{1, 2, 3, 250, 7})
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		compareSplits(t, stream, "split", func() int {
			if len(cuts) == 0 {
				return len(stream)
			}
			n := int(cuts[0])
			cuts = cuts[1:]
			return n
		})
	})
}
