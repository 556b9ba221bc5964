//go:build linux

package bench

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

// TestRunCountsWhatABrokerDoesToMessages has messages dropped, doubled and
// swapped on their way, and compares the counts. The loop goes on meanwhile.
func TestRunCountsWhatABrokerDoesToMessages(t *testing.T) {
	for _, qos := range []codec.QoS{codec.QoS0, codec.QoS1, codec.QoS2} {
		run, m := newMirrored(t, Config{QoS: qos, Window: 8})
		var n, dropped, doubled, swapped uint64
		var held []byte
		m.tamper = func(to, packet []byte) []byte {
			n++
			switch {
			case n%10 == 3:
				dropped++
				return to
			case n%10 == 5:
				doubled++
				return append(append(to, packet...), packet...)
			case n%10 == 7:
				swapped++
				held = append(held[:0], packet...)
				return to
			}
			to = append(to, packet...)
			to = append(to, held...)
			held = held[:0]
			return to
		}
		for range 1000 {
			m.round(run)
		}
		// What is on its way arrives, except for what is held or was dropped last.
		m.tamper = func(to, packet []byte) []byte {
			to = append(append(to, packet...), held...)
			held = held[:0]
			return to
		}
		for range 10 {
			m.round(run)
		}
		run.stopped = true
		for range 10 {
			m.round(run)
		}
		if n < 1000 || dropped == 0 {
			t.Fatalf("QoS %d: %d messages have been tampered with", qos, n)
		}
		if lost := run.lost(); lost != dropped || run.duplicates != doubled || run.reordered != swapped || run.arrived != run.sent-dropped || run.unacknowledged != 0 {
			t.Errorf("QoS %d: lost %d, duplicates %d, reordered %d, arrived %d of %d, unacknowledged %d; want %d, %d, %d",
				qos, lost, run.duplicates, run.reordered, run.arrived, run.sent, run.unacknowledged, dropped, doubled, swapped)
		}
	}
}

func TestPublisherWhoseMessagesAreDroppedGoesOn(t *testing.T) {
	run, m := newMirrored(t, Config{Window: 4, Patience: 3 * time.Second})
	m.tamper = func(to, _ []byte) []byte { return to }
	for range 10 {
		m.round(run)
	}
	if run.sent != 4 {
		t.Fatalf("%d messages are sent in a window of 4", run.sent)
	}
	for range 3 {
		run.revive() // once a second
	}
	m.tamper = nil
	for range 10 {
		m.round(run)
	}
	run.stopped = true
	for range 3 {
		m.round(run)
	}
	if run.stalls != 1 || run.lost() != 4 || run.arrived < 10 {
		t.Errorf("%d stalls, %d lost and %d arrived, want 1, 4 and more", run.stalls, run.lost(), run.arrived)
	}
}

// What is measured may be in many parts that are shorter than a look should be.
func TestPublisherIsNotGivenUpBeforeItsTime(t *testing.T) {
	run, m := newMirrored(t, Config{Window: 4, Patience: 10 * time.Second})
	m.tamper = func(to, _ []byte) []byte { return to }
	m.round(run)
	for range 100 {
		if err := run.until(t.Context(), run.clock(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if run.stalls != 0 {
		t.Errorf("%d stalls within moments", run.stalls)
	}
}

func TestWhatBecameDueWithTheEndIsWaitedFor(t *testing.T) {
	run, m := newMirrored(t, Config{Rate: 1000, Patience: time.Minute})
	run.measureTo = run.start + 1 // one message, which no turn has seen
	run.stopped = true
	drained := make(chan error, 1)
	go func() { drained <- run.drain(t.Context()) }()
	for {
		select {
		case err := <-drained:
			if err != nil || run.sent != 1 || run.arrived != 1 || run.lost() != 0 {
				t.Errorf("%d sent, %d arrived and %d lost, %v; want 1, 1 and none", run.sent, run.arrived, run.lost(), err)
			}
			return
		default:
			m.forward()
		}
	}
}

func TestRefusedMessagesAreNoLoss(t *testing.T) {
	for _, qos := range []codec.QoS{codec.QoS1, codec.QoS2} {
		run, _ := newMirrored(t, Config{QoS: qos, Window: 2})
		p := run.publishers[0]
		p.refill()
		answer := map[codec.QoS]codec.PacketType{codec.QoS1: codec.TypePuback, codec.QoS2: codec.TypePubrec}[qos]
		for id := codec.PacketID(1); id <= 2; id++ {
			packet := codec.AppendAck(nil, codec.V5, answer, id, codec.QuotaExceeded)
			f, _, err := codec.ReadFrame(packet, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.packet(f); err != nil {
				t.Fatal(err)
			}
			if err := p.packet(f); !errors.As(err, new(*PacketError)) {
				t.Errorf("QoS %d: acknowledged again: %v", qos, err)
			}
		}
		r := newResult(&run.config)
		run.conclude(r, mark{}, mark{at: 1})
		if m := r.Messages; m.Refused != 2 || m.Refusal != "Quota exceeded" || m.Lost != 0 || m.Unacknowledged != 0 || m.Perfect() {
			t.Errorf("QoS %d: %+v", qos, m)
		}
		if p.outstanding != 0 || len(p.ids) != 2 {
			t.Errorf("QoS %d: %d deliveries to come and %d free Packet Identifiers", qos, p.outstanding, len(p.ids))
		}
	}
}

func TestBrokerThatEndsAConnectionEndsTheRun(t *testing.T) {
	goodbye := codec.AppendDisconnect(nil, &codec.Disconnect{ReasonCode: codec.ServerShuttingDown})
	for name, row := range map[string]struct {
		ws     *webSocket
		last   []byte
		polite bool
	}{
		"with a DISCONNECT":                       {nil, goodbye, true},
		"without a word":                          {nil, nil, false},
		"with a DISCONNECT and a Close behind it": {new(webSocket), append(serverFrame(opBinary, goodbye), serverFrame(opClose, nil)...), true},
		"with a Close alone":                      {new(webSocket), serverFrame(opClose, nil), false},
	} {
		run, m := newMirrored(t, Config{Window: 1})
		run.subscribers[0].conn.ws = row.ws
		m.write(m.sub, row.last)
		if err := syscall.Shutdown(m.sub, syscall.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		err := run.turn(0, run.refill)
		var refused *RefusedError
		if row.polite && (!errors.As(err, &refused) || refused.ReasonCode != codec.ServerShuttingDown) || !row.polite && !errors.Is(err, errClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A Ping that comes while the socket takes nothing is answered when it does.
func TestPongWaitsForASocketThatIsFull(t *testing.T) {
	run, m := newMirrored(t, Config{Window: 1})
	run.stopped = true
	c := run.subscribers[0].conn
	c.ws = new(webSocket)
	c.out = append(c.out, make([]byte, 1<<20)...)
	c.touch()
	turn := func() {
		if err := run.turn(0, run.refill); err != nil {
			t.Fatal(err)
		}
	}
	turn()
	m.write(m.sub, serverFrame(opPing, nil))
	turn()
	if !c.full || !c.answer {
		t.Fatalf("the socket is full: %v; there is a Pong to send: %v", c.full, c.answer)
	}
	var got []byte
	for range 1 << 10 {
		n, err := readSocket(m.sub, m.buf)
		if err != nil && err != errWouldBlock {
			t.Fatal(err)
		}
		got = append(got, m.buf[:n]...)
		turn()
	}
	if pong := appendFrame(nil, opPong, nil); !bytes.HasSuffix(got, pong) || len(got) < 1<<20 {
		t.Errorf("%d bytes have arrived, and no Pong at their end", len(got))
	}
}

func TestPollerWaitsInMillisecondsToo(t *testing.T) {
	run, m := newMirrored(t, Config{Rate: 10_000})
	run.poll.coarse = true
	for run.arrived < 50 {
		if err := run.turn(time.Duration(run.due()-run.clock()), run.refill); err != nil {
			t.Fatal(err)
		}
		m.forward()
	}
	if run.lost()+run.duplicates+run.reordered > run.sent-run.arrived {
		t.Errorf("%d sent, %d arrived, %d lost", run.sent, run.arrived, run.lost())
	}
}

// TestOpenLoopCountsFromWhenAMessageWasDue has a broker pause for 50 ms, in
// which 500 messages are due and the Receive Maximum allows 5: of those that
// were due in the first half, each has waited for 25 ms or more.
func TestOpenLoopCountsFromWhenAMessageWasDue(t *testing.T) {
	run, m := newMirrored(t, Config{Rate: 10_000, QoS: codec.QoS1})
	run.publishers[0].setQuota(5)
	resume := run.start + int64(50*time.Millisecond)
	run.measureTo = resume
	for run.clock() < resume {
		if err := run.turn(time.Millisecond, run.refill); err != nil {
			t.Fatal(err)
		}
	}
	if run.sent != 5 {
		t.Fatalf("%d messages were sent, want 5", run.sent)
	}
	for run.backlog > 0 || run.arrived < run.sent {
		m.round(run)
	}
	if run.sent != 500 || run.second.Count() != 500 {
		t.Fatalf("%d messages were sent and %d measured, want 500", run.sent, run.second.Count())
	}
	if p50 := run.second.Quantile(0.5); p50 < 25*time.Millisecond {
		t.Errorf("half of the messages arrived within %v", p50)
	}
}
