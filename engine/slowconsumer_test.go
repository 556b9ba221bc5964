package engine_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
)

// connectSlow makes a Client with a small receive buffer, so that little is
// enough to fill what lies between it and the broker; but larger than a segment
// of loopback, or the window opens so slowly that reading takes seconds.
func (b *broker) connectSlow(listener, id string) (*codectest.Conn, net.Conn) {
	b.t.Helper()
	nc := dialRaw(b.t, b.addr(listener))
	if err := nc.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
		b.t.Fatal(err)
	}
	connect := &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true}
	return codectest.New(b.t, nc, codectest.Options{Connect: connect, Timeout: patience}), nc
}

// Two Clients stop reading, one with QoS 0 and one with QoS 1. The others get
// everything, and what the two make the broker hold does not grow with what is
// published.
func TestClientsThatDoNotReadHoldBoundedMemoryAndDelayNobody(t *testing.T) {
	const (
		size     = 64 << 10
		messages = 400 // 25 MB
	)
	b := start(t, engine.Options{
		Loops:     2,
		Limits:    engine.Limits{OutboundSoftBytes: 64 << 10, QueuedBytes: 1 << 20, SlowConsumerTimeout: time.Hour},
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	slow0, _ := b.connectSlow("plain", "slow 0")
	subscribe(t, slow0, "big", codec.QoS0)
	slow1, _ := b.connectSlow("plain", "slow 1")
	subscribe(t, slow1, "big", codec.QoS1)
	healthy := b.connect("plain", "healthy")
	subscribe(t, healthy, "big", codec.QoS1)
	publisher := b.connect("plain", "publisher")
	payload := bytes.Repeat([]byte("x"), size)
	packet := publish("big", codec.QoS1, 1, string(payload))
	before := heap()
	for n := range messages {
		packet[len(packet)-1], packet[len(packet)-2] = byte(n), byte(n>>8)
		publisher.Send(packet)
		publisher.NextOf(codec.TypePuback)
		p := healthy.NextPublish()
		if got := int(p.Payload[size-1]) | int(p.Payload[size-2])<<8; got != n {
			t.Fatalf("received message %d, want %d", got, n)
		}
		healthy.Send(codec.AppendAck(nil, codec.V5, codec.TypePuback, p.PacketID, codec.Success))
	}
	// Of QoS 1 there is QueuedBytes in flight, and as much in the queue; of
	// QoS 0 what the transport holds.
	if after := heap(); after > before+5<<20 {
		t.Errorf("the heap has grown by %d KB while %d KB were published", (after-before)>>10, messages*size>>10)
	}
	s := b.stats()
	// The one with QoS 1 is sent no more than it may leave unacknowledged, which
	// its socket takes.
	if s.Connections != 4 || s.ConnectionsCongested != 1 || s.MessagesDropped == 0 {
		t.Errorf("%d connections, %d congested, %d messages dropped; want 4, 1 and some", s.Connections, s.ConnectionsCongested, s.MessagesDropped)
	}
	if n := s.DroppedFor.Of(engine.DropCongested) + s.DroppedFor.Of(engine.DropQueueFull); n != s.MessagesDropped {
		t.Errorf("%d messages dropped, and %d for the two causes that there are", s.MessagesDropped, n)
	}

	// Once it reads again, it gets what was kept for it, in order.
	last := -1
	for n := 0; n < 20; n++ {
		p := slow1.NextPublish()
		got := int(p.Payload[size-1]) | int(p.Payload[size-2])<<8
		if got <= last {
			t.Fatalf("message %d after %d [MQTT-4.6.0-6]", got, last)
		}
		last = got
		slow1.Send(codec.AppendAck(nil, codec.V5, codec.TypePuback, p.PacketID, codec.Success))
	}

	// Of each it is said what it has lost, at the beginning and at the end, and
	// not for every message.
	slow0.Close()
	slow1.Close()
	for id, cause := range map[string]engine.DropCause{"slow 0": engine.DropCongested, "slow 1": engine.DropQueueFull} {
		said := func(ev engine.Event) bool { return ev.Kind == engine.EventDrop && ev.ClientID == id }
		b.events.await(t, id+" has lost messages", func(ev engine.Event) bool {
			return said(ev) && ev.Listener == "plain" && ev.Dropped.Of(cause) == s.DroppedFor.Of(cause)
		})
		if n := b.events.count(said); n > 2+int(time.Minute/(10*time.Second)) {
			t.Errorf("%s: said %d times", id, n)
		}
	}
	if text := b.events.text(); !strings.Contains(text, `msg="messages dropped"`) || !strings.Contains(text, `dropped="queue full: `) {
		t.Errorf("the log does not say so:\n%s", text)
	}
}

func TestClientThatDoesNotReadIsClosed(t *testing.T) {
	b := start(t, engine.Options{
		Limits:    engine.Limits{OutboundSoftBytes: 64 << 10, SlowConsumerTimeout: 50 * time.Millisecond},
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	slow, _ := b.connectSlow("plain", "slow")
	subscribe(t, slow, "big", codec.QoS0)
	publisher := b.connect("plain", "publisher")
	packet := publish("big", codec.QoS1, 1, string(make([]byte, 256<<10)))
	for b.events.count(closedFor(engine.CloseSlowConsumer)) == 0 {
		publisher.Send(packet)
		publisher.NextOf(codec.TypePuback)
	}
	if ev := b.events.awaitClose(t, "slow", engine.CloseSlowConsumer); ev.Listener != "plain" {
		t.Errorf("event %+v", ev)
	}
	if n := b.closed(engine.CloseSlowConsumer); n != 1 {
		t.Errorf("%d connections closed, want 1", n)
	}
	ping(publisher)
}

// A Client that asks and does not read the answers: they cannot be dropped, so
// the connection ends when too many wait.
func TestAnswersThatNobodyReadsEndTheConnection(t *testing.T) {
	b := start(t, engine.Options{
		Limits:    engine.Limits{MaximumPacketSize: 4096, OutboundSoftBytes: 16 << 10, OutboundHardBytes: 32 << 10, SlowConsumerTimeout: time.Hour},
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	_, nc := b.connectSlow("plain", "deaf")
	pings := bytes.Repeat(codec.AppendPingreq(nil), 32<<10)
	_ = nc.SetWriteDeadline(time.Now().Add(patience))
	for {
		if _, err := nc.Write(pings); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection is still open")
		} else if err != nil {
			break
		}
	}
	b.events.awaitClose(t, "deaf", engine.CloseSlowConsumer)
}

// Run writes what waits for a Client before it returns, as long as the Client
// takes it.
func TestDrainWaitsForClientsThatRead(t *testing.T) {
	const messages, size = 64, 256 << 10 // more than sockets hold
	b := start(t, engine.Options{
		Limits:    engine.Limits{OutboundSoftBytes: 2 * messages * size, DrainTimeout: patience},
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	slow, nc := b.connectSlow("plain", "slow")
	subscribe(t, slow, "big", codec.QoS0)
	publisher := b.connect("plain", "publisher")
	payload := string(make([]byte, size))
	for range messages {
		if code := publishQoS1(t, publisher, "big", payload); code != codec.Success {
			t.Fatalf("PUBACK with %v", code)
		}
	}
	b.cancel()
	publisher.ExpectDisconnect(codec.ServerShuttingDown)
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	want := messages * len(publish("big", codec.QoS0, 0, payload))
	if len(got) < want || !bytes.Equal(got[want:], codec.AppendDisconnect(nil, &codec.Disconnect{ReasonCode: codec.ServerShuttingDown})) {
		t.Errorf("received %d bytes, want %d and DISCONNECT", len(got), want)
	}
	b.stop()
}

func TestDrainDoesNotWaitForEverForClientsThatDoNotRead(t *testing.T) {
	const messages, size = 64, 256 << 10
	b := start(t, engine.Options{
		Limits:    engine.Limits{OutboundSoftBytes: 2 * messages * size, DrainTimeout: 50 * time.Millisecond},
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	slow, _ := b.connectSlow("plain", "slow")
	subscribe(t, slow, "big", codec.QoS0)
	publisher := b.connect("plain", "publisher")
	for range messages {
		publishQoS1(t, publisher, "big", string(make([]byte, size)))
	}
	b.stop()
	b.events.awaitClose(t, "slow", engine.CloseServerShuttingDown)
}
