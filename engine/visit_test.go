package engine

import (
	"testing"

	"github.com/weirmq/weir/codec"
)

// visiting is a Publisher on the first of two loops and a Subscriber to all its
// topics on the second.
type visiting struct {
	*testing.T
	e          *Engine
	m          *memoryReactor
	publisher  *memoryConn
	subscriber *memoryConn
}

func newVisiting(t *testing.T) *visiting {
	t.Helper()
	v := &visiting{T: t}
	v.e, v.m = newMemoryEngine(t, Options{}, 2)
	v.publisher = connectClient(t, v.m, v.e.internal, "publisher", codec.V5)
	v.subscriber = connectClient(t, v.m, v.e.internal, "subscriber", codec.V5)
	subscribeClient(t, v.m, v.subscriber, codec.V5, "#", codec.QoS0)
	if v.publisher.conn.loop == v.subscriber.conn.loop {
		t.Fatal("both are on one loop")
	}
	return v
}

func (v *visiting) publish(payload string) {
	v.publisher.send(codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte("a"), Payload: []byte(payload)}))
}

// want checks the Payloads that the Subscriber has got since the last time, one
// after another.
func (v *visiting) want(want string) {
	v.Helper()
	v.m.settle()
	payloads := ""
	for b := v.subscriber.read(); len(b) > 0; {
		f, n, err := codec.ReadFrame(b, 0)
		var p codec.Publish
		if err == nil {
			err = codec.DecodePublishFromServer(&p, codec.V5, f.Flags, f.Body)
		}
		if err != nil {
			v.Fatal(err)
		}
		payloads += string(p.Payload)
		b = b[n:]
	}
	if payloads != want {
		v.Errorf("got %q, want %q", payloads, want)
	}
}

func TestMessageForALoopOfTheSameGoroutineIsNotCopied(t *testing.T) {
	v := newVisiting(t)
	v.publish("1")
	to := v.subscriber.conn.loop
	if !to.inbox.empty() || to.stats.PublishesSent != 1 {
		t.Errorf("the mailbox is empty: %v, and %d messages are on their way", to.inbox.empty(), to.stats.PublishesSent)
	}
	v.want("1")
}

func TestVisitDoesNotOvertakeTheMail(t *testing.T) {
	v := newVisiting(t)
	v.m.apart = true
	v.publish("1")
	v.m.apart = false
	v.publish("2")
	v.want("12")
	v.publish("3")
	v.want("3")
}

// A message that one member of a Shared Subscription is too small for goes on by
// mail, and what follows it in the same turn must not be there first.
func TestVisitDoesNotOvertakeWhatTheTurnHasPosted(t *testing.T) {
	v := newVisiting(t)
	l, to := v.publisher.conn.loop, v.subscriber.conn.loop
	l.begin()
	p := publication{topic: "a", payload: []byte("1")}
	r := l.routeOf([]byte("a"))
	l.mail(&p, to, r.remote[0].receivers)
	p.done(l)
	p = publication{topic: "a", payload: []byte("2")}
	l.distribute(&p, r)
	p.done(l)
	l.end()
	v.want("12")
}

func TestPanicOnTheLoopThatIsVisitedIsNotThePublishersFault(t *testing.T) {
	v := newVisiting(t)
	l, to := v.publisher.conn.loop, v.subscriber.conn.loop
	l.begin()
	p := publication{topic: "a", payload: []byte("1")}
	l.visit(to, &p, []receiver{{}}) // a receiver without a Session
	l.end()
	if l.stats.Panics != 0 || to.stats.Panics != 1 {
		t.Errorf("%d panics of the Publisher's loop, %d of the other, want 0 and 1", l.stats.Panics, to.stats.Panics)
	}
	v.publish("2")
	v.want("2")
	if v.publisher.closed {
		t.Error("the Publisher's connection is closed")
	}
}
