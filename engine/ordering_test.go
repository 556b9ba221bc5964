package engine_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/paho"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
)

// Publishers and Subscribers live on four loops; each Subscriber must see the
// messages of each publisher on each topic in the order they were sent
// [MQTT-4.6.0-6], with QoS 1 and 2 without a gap and once. All of it over TCP
// [MQTT-4.2-1] [MQTT311-7.1.1-1].
func TestMessagesOfOnePublisherAndTopicArriveInOrder(t *testing.T) {
	const (
		publishers  = 6
		subscribers = 6
		topics      = 2
		messages    = 100 // for each publisher and topic
	)
	for qos := range codec.QoS(3) {
		t.Run(fmt.Sprint("qos=", qos), func(t *testing.T) {
			b := start(t, engine.Options{
				Loops:     4,
				Limits:    engine.Limits{QueuedMessages: 2 * publishers * topics * messages, OutboundSoftBytes: 64 << 20, ReceiveMaximum: messages * topics},
				Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
			})
			var subs, pubs []*codectest.Conn
			for i := range subscribers {
				c := b.connect("plain", fmt.Sprint("sub", i))
				// Overlapping Subscriptions do not make it two.
				subscribe(t, c, "t/+", qos)
				subscribe(t, c, "#", qos)
				subs = append(subs, c)
			}
			for i := range publishers {
				pubs = append(pubs, b.connect("plain", fmt.Sprint("pub", i)))
			}
			var work sync.WaitGroup
			for i, c := range pubs {
				work.Go(func() { publishAll(c, i, qos, topics, messages) })
			}
			for _, c := range subs {
				work.Go(func() {
					last := map[string]int{}
					for n := 0; n < publishers*topics*messages; {
						f := c.Next()
						if f.Type == codec.TypePubrel {
							c.Send(codec.AppendAck(nil, codec.V5, codec.TypePubcomp, ackID(t, f), codec.Success))
							continue
						}
						var p codec.Publish
						if err := codec.DecodePublishFromServer(&p, codec.V5, f.Flags, f.Body); err != nil {
							t.Error(err)
							return
						}
						switch p.QoS {
						case codec.QoS1:
							c.Send(codec.AppendAck(nil, codec.V5, codec.TypePuback, p.PacketID, codec.Success))
						case codec.QoS2:
							c.Send(codec.AppendAck(nil, codec.V5, codec.TypePubrec, p.PacketID, codec.Success))
						}
						var publisher, number int
						if _, err := fmt.Sscan(string(p.Payload), &publisher, &number); err != nil {
							t.Error(err)
							return
						}
						stream := fmt.Sprint(publisher, " ", string(p.TopicName))
						if number != last[stream] {
							t.Errorf("%s: message %d, want %d", stream, number, last[stream])
							return
						}
						last[stream]++
						n++
					}
				})
			}
			work.Wait()
		})
	}
}

// publishAll sends messages on each of some topics in turn, all at once, and
// reads the answers.
func publishAll(c *codectest.Conn, publisher int, qos codec.QoS, topics, messages int) {
	id := codec.PacketID(0)
	var out []byte
	for n := range messages {
		for topic := range topics {
			if qos > codec.QoS0 {
				id++
			}
			out = append(out, publish(fmt.Sprint("t/", topic), qos, id, fmt.Sprint(publisher, " ", n))...)
		}
	}
	c.Send(out)
	for range int(id) {
		if qos == codec.QoS1 {
			c.NextOf(codec.TypePuback)
			continue
		}
		c.NextOf(codec.TypePubrec)
	}
	if qos == codec.QoS2 {
		for i := range id {
			c.Send(codec.AppendAck(nil, codec.V5, codec.TypePubrel, i+1, codec.Success))
		}
		for range id {
			c.NextOf(codec.TypePubcomp)
		}
	}
}

func ackID(t testing.TB, f codec.Frame) codec.PacketID {
	t.Helper()
	var a codec.Ack
	if err := codec.DecodeAck(&a, codec.V5, f.Type, f.Body); err != nil {
		t.Error(err)
	}
	return a.PacketID
}

// The same with a client library that others use, and with a Session that is
// interrupted: what was in flight may come again, marked as such; nothing is
// missing and nothing is out of order.
func TestClientLibraryGetsMessagesInOrderAcrossReconnects(t *testing.T) {
	const messages = 60
	b := start(t, engine.Options{Loops: 4, Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	connect := func(id string, clean bool, received func(*paho.Publish)) *paho.Client {
		nc, err := net.Dial("tcp", b.addr("plain"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		c := paho.NewClient(paho.ClientConfig{
			ClientID: id, Conn: nc,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
				received(p.Packet)
				return true, nil
			}},
		})
		expiry := uint32(3600)
		ack, err := c.Connect(ctx, &paho.Connect{
			ClientID: id, CleanStart: clean, KeepAlive: 30,
			Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry},
		})
		if err != nil {
			t.Fatal(err)
		}
		if ack.SessionPresent == clean {
			t.Errorf("Session Present is %v", ack.SessionPresent)
		}
		return c
	}
	type message struct {
		number string
		again  bool
	}
	got := make(chan message, 2*messages)
	received := func(p *paho.Publish) { got <- message{string(p.Payload), p.Duplicate()} }
	sub := connect("sub", true, received)
	if _, err := sub.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "t", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	pub := connect("pub", true, func(*paho.Publish) {})
	for i := range messages {
		if i%20 == 10 {
			// Away while messages come: they wait in the Session.
			if err := sub.Disconnect(&paho.Disconnect{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the Subscriber is away", func() bool { return b.stats().Connections == 1 })
		}
		if _, err := pub.Publish(ctx, &paho.Publish{Topic: "t", QoS: 1, Payload: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			sub = connect("sub", false, received)
		}
	}
	seen := make(map[string]bool)
	for i := range messages {
		m := next(t, got)
		for m.again && seen[m.number] { // [MQTT-3.3.1-1]
			m = next(t, got)
		}
		if m.number != fmt.Sprint(i) {
			t.Fatalf("received %s, want %d", m.number, i)
		}
		seen[m.number] = true
	}
	if s := b.stats(); s.MessagesDropped != 0 || s.MessagesQueued == 0 {
		t.Errorf("%d messages dropped, %d queued", s.MessagesDropped, s.MessagesQueued)
	}
}
