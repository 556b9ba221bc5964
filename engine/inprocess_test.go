package engine_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine"
)

// subscribeHere makes an in-process Subscription.
func (b *broker) subscribeHere(filter string, o engine.SubscribeOptions, handler func(*engine.Message)) *engine.Subscription {
	b.t.Helper()
	s, err := b.Subscribe(context.Background(), filter, o, handler)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *broker) publishHere(m engine.Message) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Publish(ctx, m); err != nil {
		b.t.Fatal(err)
	}
}

// next returns what a handler has put into c.
func next[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestInProcessMessagesKeepAllTheirProperties(t *testing.T) {
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
	received := make(chan *engine.Message, 1)
	b.subscribeHere("a/+", engine.SubscribeOptions{QoS: 2, RetainAsPublished: true}, func(m *engine.Message) { received <- m })
	client := b.connect("plain", "client")
	subscribe(t, client, "a/b", codec.QoS2)

	sent := engine.Message{
		TopicName: "a/b", Payload: []byte("payload"), QoS: 2, Retain: true,
		PayloadFormatUTF8: true, MessageExpiryInterval: 3600, ContentType: "text/plain",
		ResponseTopic: "answers/1", CorrelationData: []byte{0, 1, 2},
		UserProperties: []engine.UserProperty{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}, {Name: "b"}},
	}
	b.publishHere(sent)
	if got := next(t, received); !reflect.DeepEqual(*got, sent) {
		t.Errorf("the handler got\n%+v, want\n%+v", *got, sent)
	}
	p := client.NextPublish()
	if string(p.TopicName) != "a/b" || string(p.Payload) != "payload" || p.QoS != codec.QoS2 || p.Retain || p.MessageExpiryInterval != 3600 {
		t.Errorf("the Client got %+v", p)
	}
	var props codec.Properties
	if err := codec.DecodeProperties(&props, codec.TypePublish, p.Raw); err != nil {
		t.Fatal(err)
	}
	var users []engine.UserProperty
	for name, value := range props.UserProperties.All {
		users = append(users, engine.UserProperty{Name: string(name), Value: string(value)})
	}
	if props.PayloadFormatIndicator != 1 || string(props.ContentType) != "text/plain" || string(props.ResponseTopic) != "answers/1" ||
		string(props.CorrelationData) != "\x00\x01\x02" || !reflect.DeepEqual(users, sent.UserProperties) {
		t.Errorf("the Client got the properties %+v %v", props, users)
	}

	// The other way: what a Client publishes comes with all it has; empty
	// Correlation Data are not the same as none.
	props = codec.Properties{}
	props.SetContentType([]byte("c"))
	props.SetCorrelationData([]byte{})
	props.AddUserProperty("k", "v")
	client.Send(codec.AppendPublish(nil, codec.V5, &codec.Publish{
		TopicName: []byte("a/c"), Payload: []byte("x"), QoS: codec.QoS1, PacketID: 1, Forward: codec.AppendProperties(nil, &props),
	}))
	want := engine.Message{
		TopicName: "a/c", Payload: []byte("x"), QoS: 1, ContentType: "c", CorrelationData: []byte{},
		UserProperties: []engine.UserProperty{{Name: "k", Value: "v"}},
	}
	if got := next(t, received); !reflect.DeepEqual(*got, want) {
		t.Errorf("the handler got\n%+v, want\n%+v", *got, want)
	}
}

func TestInProcessRetainedMessages(t *testing.T) {
	b := start(t, engine.Options{SysInterval: -1})
	b.publishHere(engine.Message{TopicName: "r", Payload: []byte("kept"), Retain: true})
	got := make(chan *engine.Message, 4)
	handler := func(m *engine.Message) { got <- m }
	b.subscribeHere("r", engine.SubscribeOptions{}, handler)
	if m := next(t, got); !m.Retain || string(m.Payload) != "kept" {
		t.Errorf("got %+v", m)
	}
	b.subscribeHere("r", engine.SubscribeOptions{RetainHandling: 2}, handler)
	// Both get the next one, and nothing before it.
	b.publishHere(engine.Message{TopicName: "r", Payload: []byte("new")})
	for range 2 {
		if m := next(t, got); m.Retain || string(m.Payload) != "new" {
			t.Errorf("got %+v", m)
		}
	}
	b.publishHere(engine.Message{TopicName: "r", Retain: true}) // removes it [MQTT-3.3.1-6]
	if n := b.stats().Retained; n != 0 {
		t.Errorf("%d retained messages", n)
	}
}

// What could not be encoded, or would be a Malformed Packet for whoever
// receives it, is refused before it gets anywhere.
func TestInProcessPublishRefusesWhatNoClientCouldSend(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
	client := b.connect("plain", "client")
	subscribe(t, client, "#", codec.QoS0)
	long, invalid := strings.Repeat("x", 1<<16), "\xff"
	for _, test := range []struct {
		name string
		m    engine.Message
	}{
		{"QoS 3", engine.Message{TopicName: "a", QoS: 3}},
		{"no Topic Name", engine.Message{}},
		{"a Topic Filter", engine.Message{TopicName: "a/#"}},
		{"Topic Name that is not UTF-8 [MQTT-1.5.4-1]", engine.Message{TopicName: invalid}},
		{"Topic Name that is too long [MQTT-4.7.3-3] [MQTT311-4.7.3-3]", engine.Message{TopicName: long}},
		{"Content Type that is not UTF-8", engine.Message{TopicName: "a", ContentType: invalid}},
		{"Content Type that is too long", engine.Message{TopicName: "a", ContentType: long}},
		{"Response Topic with a wildcard [MQTT-3.3.2-14]", engine.Message{TopicName: "a", ResponseTopic: "a/#"}},
		{"Response Topic that is too long", engine.Message{TopicName: "a", ResponseTopic: long}},
		{"Correlation Data that are too long", engine.Message{TopicName: "a", CorrelationData: []byte(long)}},
		{"User Property that is not UTF-8", engine.Message{TopicName: "a", UserProperties: []engine.UserProperty{{Name: "a", Value: invalid}}}},
		{"User Property that is too long", engine.Message{TopicName: "a", UserProperties: []engine.UserProperty{{Name: long}}}},
		{"Payload beyond Maximum Packet Size", engine.Message{TopicName: "a", Payload: make([]byte, 16<<20)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := b.Publish(context.Background(), test.m); err == nil {
				t.Fatal("it was published")
			}
			ping(client) // which gets nothing before the answer
		})
	}
}

func TestInProcessSubscribeRefusesWhatIsNotATopicFilter(t *testing.T) {
	// The last is too long [MQTT-4.7.3-3] [MQTT311-4.7.3-3].
	b := start(t, engine.Options{Limits: engine.Limits{TopicLevels: 3}})
	for _, filter := range []string{"", "a/#/b", "a+", "$share/a", "$share//a", "$share/g/a#", "\xff", "a/b/c/d", strings.Repeat("x", 1<<16)} {
		if _, err := b.Subscribe(context.Background(), filter, engine.SubscribeOptions{}, func(*engine.Message) {}); err == nil || errors.Is(err, engine.ErrClosed) {
			t.Errorf("Subscribe to %.20q: %v", filter, err)
		}
	}
	for _, o := range []engine.SubscribeOptions{{QoS: 3}, {RetainHandling: 3}} {
		if _, err := b.Subscribe(context.Background(), "a", o, func(*engine.Message) {}); err == nil {
			t.Errorf("options %+v were accepted", o)
		}
	}
	eventually(t, "no connections", func() bool { s := b.stats(); return s.Connections == 0 && s.Subscriptions == 0 })
}

func TestInProcessSharedSubscription(t *testing.T) {
	b := start(t, engine.Options{Loops: 4})
	const messages = 100
	var total sync.WaitGroup
	total.Add(messages)
	var counts [2]atomic.Int64
	for i := range counts {
		b.subscribeHere("$share/group/a", engine.SubscribeOptions{QoS: 1}, func(*engine.Message) {
			counts[i].Add(1)
			total.Done()
		})
	}
	for range messages {
		b.publishHere(engine.Message{TopicName: "a", QoS: 1})
	}
	total.Wait() // a message for both would be one Done too many
	if counts[0].Load() == 0 || counts[1].Load() == 0 {
		t.Errorf("%d and %d messages", counts[0].Load(), counts[1].Load())
	}
}

// While a handler works, its messages wait and nobody else does.
func TestSlowHandlerKeepsMessagesWaitingAndNobodyElse(t *testing.T) {
	const messages = 200
	b := start(t, engine.Options{Limits: engine.Limits{Inflight: 8, QueuedMessages: 50, OutboundSoftBytes: 1024}})
	release := make(chan struct{})
	slow := make(chan *engine.Message, messages)
	for qos := range byte(2) {
		b.subscribeHere("a", engine.SubscribeOptions{QoS: qos}, func(m *engine.Message) {
			<-release
			if m.QoS == 1 {
				slow <- m
			}
		})
	}
	fast := make(chan *engine.Message, messages)
	b.subscribeHere("a", engine.SubscribeOptions{QoS: 1}, func(m *engine.Message) { fast <- m })
	for i := range messages {
		b.publishHere(engine.Message{TopicName: "a", QoS: 1, Payload: fmt.Append(nil, i)})
		if m := next(t, fast); string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %s, want %d", m.Payload, i)
		}
	}
	if s := b.stats(); s.MessagesQueued < 50 || s.MessagesDropped == 0 {
		t.Errorf("%d messages queued, %d dropped", s.MessagesQueued, s.MessagesDropped)
	}
	close(release)
	// The first ones were promised, so they come: those in flight and those
	// in the queue.
	for i := range 8 + 50 {
		if m := next(t, slow); string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %s, want %d", m.Payload, i)
		}
	}
	select {
	case m := <-slow:
		t.Errorf("message %s too", m.Payload)
	default:
	}
}

func TestSubscriptionEnds(t *testing.T) {
	b := start(t, engine.Options{Loops: 2})
	gone := func(t *testing.T) {
		t.Helper()
		eventually(t, "the Subscription is gone", func() bool {
			s := b.stats()
			return s.Subscriptions == 0 && s.Sessions == 0 && s.Connections == 0
		})
		b.publishHere(engine.Message{TopicName: "a", QoS: 1})
	}
	t.Run("with Close", func(t *testing.T) {
		s := b.subscribeHere("a", engine.SubscribeOptions{}, func(*engine.Message) { t.Error("the handler was called") })
		s.Close()
		s.Close()
		gone(t)
	})
	t.Run("with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := b.Subscribe(ctx, "a", engine.SubscribeOptions{}, func(*engine.Message) { t.Error("the handler was called") }); err != nil {
			t.Fatal(err)
		}
		cancel()
		gone(t)
	})
	t.Run("with a context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if s, err := b.Subscribe(ctx, "a", engine.SubscribeOptions{}, func(*engine.Message) {}); err == nil {
			s.Close() // it may have been quicker
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("Subscribe: %v", err)
		}
		gone(t)
	})
	t.Run("with Close in the handler", func(t *testing.T) {
		handled := make(chan struct{}, 2)
		var s *engine.Subscription
		var known sync.WaitGroup
		known.Add(1)
		s = b.subscribeHere("a", engine.SubscribeOptions{QoS: 1}, func(*engine.Message) {
			known.Wait()
			s.Close()
			handled <- struct{}{}
		})
		b.publishHere(engine.Message{TopicName: "a", QoS: 1})
		b.publishHere(engine.Message{TopicName: "a", QoS: 1})
		known.Done()
		next(t, handled)
		gone(t)
		if len(handled) != 0 {
			t.Error("the handler was called after Close")
		}
	})
	t.Run("with Close while messages wait", func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		var calls, closed atomic.Int32
		s := b.subscribeHere("a", engine.SubscribeOptions{QoS: 1}, func(*engine.Message) {
			if closed.Load() != 0 {
				t.Error("the handler was called after Close")
			}
			if calls.Add(1) == 1 {
				close(entered)
				<-release
			}
		})
		for range 10 {
			b.publishHere(engine.Message{TopicName: "a", QoS: 1})
		}
		<-entered
		done := make(chan struct{})
		go func() {
			s.Close()
			closed.Store(1)
			close(done)
		}()
		// Whether Close waits for the call in progress is its own business,
		// but it must return once that has.
		eventually(t, "the broker knows", func() bool { return b.stats().Connections == 0 })
		close(release)
		next(t, done)
		gone(t)
	})
	t.Run("with a panic of the handler", func(t *testing.T) {
		b.subscribeHere("a", engine.SubscribeOptions{}, func(*engine.Message) { panic("of the handler") })
		b.publishHere(engine.Message{TopicName: "a"})
		gone(t)
		eventually(t, "the panic is logged", func() bool { return strings.Contains(b.events.text(), "of the handler") })
	})
}

func TestEngineStopEndsSubscriptionsAndPublishers(t *testing.T) {
	b := start(t, engine.Options{Loops: 2})
	entered := make(chan struct{})
	var once sync.Once
	s := b.subscribeHere("a", engine.SubscribeOptions{QoS: 1}, func(*engine.Message) {
		once.Do(func() { close(entered) })
		// A handler that publishes while the engine stops gets an answer.
		_ = b.Publish(context.Background(), engine.Message{TopicName: "b"})
	})
	failed := make(chan error, 1)
	go func() {
		for {
			if err := b.Publish(context.Background(), engine.Message{TopicName: "a", QoS: 1}); err != nil {
				failed <- err
				return
			}
		}
	}()
	<-entered
	b.stop()
	if err := next(t, failed); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
	s.Close()
}

// The Server's own Clients have Client Identifiers that nobody can guess, so
// that nobody takes their Sessions over.
func TestInProcessClientIdentifiersCannotBeTakenOver(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
	got := make(chan *engine.Message, 1)
	b.subscribeHere("a", engine.SubscribeOptions{}, func(m *engine.Message) { got <- m })
	b.subscribeHere("a", engine.SubscribeOptions{}, func(m *engine.Message) {})
	for _, id := range []string{"internal", "weir", "weir-", "0", "1"} {
		ping(b.connect("plain", id))
	}
	b.publishHere(engine.Message{TopicName: "a"})
	next(t, got)
	if n := b.closed(engine.CloseSessionTakenOver); n != 0 {
		t.Errorf("%d Sessions were taken over", n)
	}
}

func TestPublishersInProcessAreInOrder(t *testing.T) {
	const publishers, messages = 8, 200
	b := start(t, engine.Options{Loops: 4, Limits: engine.Limits{QueuedMessages: publishers * messages}})
	got := make(chan *engine.Message, publishers*messages)
	b.subscribeHere("order/+", engine.SubscribeOptions{QoS: 1}, func(m *engine.Message) { got <- m })
	var work sync.WaitGroup
	for p := range publishers {
		work.Go(func() {
			for i := range messages {
				if err := b.Publish(context.Background(), engine.Message{TopicName: fmt.Sprint("order/", p), QoS: 1, Payload: fmt.Append(nil, i)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	last := map[string]int{}
	for range publishers * messages {
		m := next(t, got)
		if want := fmt.Sprint(last[m.TopicName]); string(m.Payload) != want {
			t.Fatalf("%s: message %s, want %s", m.TopicName, m.Payload, want)
		}
		last[m.TopicName]++
	}
}
