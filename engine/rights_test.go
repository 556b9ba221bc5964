package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// patient is an Authorizer whose answers a test gives.
type patient struct {
	asked chan *inquiry
	given chan *inquiry // whose asking was given up

	mu        sync.Mutex
	now, most int // asking
}

type inquiry struct {
	client, text string
	answer       chan security.Decision
}

func newPatient() *patient {
	return &patient{asked: make(chan *inquiry, 4096), given: make(chan *inquiry, 4096)}
}

func (p *patient) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now += n
	p.most = max(p.most, p.now)
}

func (p *patient) Authorize(ctx context.Context, who *security.Principal, a security.Action, topic string) (security.Decision, error) {
	p.count(1)
	defer p.count(-1)
	q := &inquiry{who.ClientID, strings.TrimSpace(a.String() + " " + topic), make(chan security.Decision)}
	p.asked <- q
	select {
	case d := <-q.answer:
		return d, nil
	case <-ctx.Done():
		p.given <- q
		return security.Deny, ctx.Err()
	}
}

// rightsTest is a port of an engine in memory, with an Authorizer that allows
// everything until it is changed.
type rightsTest struct {
	*testing.T
	e *Engine
	m *memoryReactor
	p *port
}

func newRightsTest(t *testing.T, l Limits, loops int, a security.Authenticator) *rightsTest {
	l.AuthenticationTimeout = time.Hour
	e, m := newMemoryEngine(t, Options{Limits: l}, loops)
	r := &rightsTest{t, e, m, &port{engine: e, name: "test"}}
	r.p.policy.Store(newPolicy(&Listener{Authenticator: a, Authorizer: new(allowAll)}))
	return r
}

// change has the port ask p from now on.
func (r *rightsTest) change(p *patient) {
	l := Listener{Authenticator: r.p.policy.Load().authenticator, Authorizer: p}
	r.p.policy.Store(newPolicy(&l))
	r.e.recheck(r.p)
	r.m.settle()
}

// next is the next question.
func (r *rightsTest) next(from <-chan *inquiry) *inquiry {
	r.Helper()
	limit := time.After(20 * time.Second)
	for {
		r.m.settle()
		select {
		case q := <-from:
			return q
		case <-r.m.signal:
		case <-limit:
			r.Fatal("there is no other question")
		}
	}
}

// both are the next two questions by what they say, in whatever order they come.
func (r *rightsTest) both(from <-chan *inquiry) map[string]*inquiry {
	r.Helper()
	first, second := r.next(from), r.next(from)
	return map[string]*inquiry{first.text: first, second.text: second}
}

// connectAllowed connects a Client, and subscribes it, while all is allowed.
func (r *rightsTest) connectAllowed(id, filter string) *memoryConn {
	r.Helper()
	c := connectAs(r.m, r.p, id)
	r.m.settleUntil(r.T, func() bool { return c.conn.state == stateOpen && !c.conn.waiting })
	c.send(codec.AppendSubscribe(nil, codec.V5, &codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte(filter)}}}))
	r.m.settleUntil(r.T, func() bool { return !c.conn.waiting })
	c.take()
	return c
}

func publishQoS1To(topic string) []byte {
	return codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte(topic), QoS: codec.QoS1, PacketID: 1})
}

// A Client whose rights are confirmed has a packet that waits for an answer of
// its own: neither answer stands in for the other, and both questions end with
// the connection.
func TestRecheckOfRightsAndAPacketWaitForAnswersOfTheirOwn(t *testing.T) {
	for _, first := range []string{"Connect", "Publish a"} {
		t.Run(first+" is answered first", func(t *testing.T) {
			r := newRightsTest(t, Limits{}, 1, &judge{})
			c := r.connectAllowed("c", "s")
			p := newPatient()
			r.change(p)
			c.send(publishQoS1To("a"))
			qs := r.both(p.asked)
			qs[first].answer <- security.Allow
			if first == "Publish a" {
				r.m.settleUntil(t, func() bool { return !c.conn.waiting })
				if got := c.received(t); len(got) != 1 || got[0] != codec.TypePuback {
					t.Errorf("received %v", got)
				}
				qs["Connect"].answer <- security.Allow
				r.next(p.asked).answer <- security.Deny // Subscribe s
				r.m.settleUntil(t, func() bool { return len(c.conn.session.subscriptions.all()) == 0 })
				return
			}
			r.next(p.asked).answer <- security.Deny // Subscribe s
			r.m.settleUntil(t, func() bool { return len(c.conn.session.subscriptions.all()) == 0 })
			if got := c.received(t); got != nil || !c.conn.waiting {
				t.Errorf("the PUBLISH is handled before its answer: %v", got)
			}
			qs["Publish a"].answer <- security.Allow
			r.m.settleUntil(t, func() bool { return !c.conn.waiting })
			if got := c.received(t); len(got) != 1 || got[0] != codec.TypePuback {
				t.Errorf("received %v", got)
			}
		})
	}
	t.Run("the Client leaves", func(t *testing.T) {
		r := newRightsTest(t, Limits{}, 1, &judge{})
		c := r.connectAllowed("c", "s")
		p := newPatient()
		r.change(p)
		c.send(publishQoS1To("a"))
		r.both(p.asked)
		c.drop()
		r.both(p.given)
	})
	t.Run("the Client authenticates again meanwhile", func(t *testing.T) {
		r := newRightsTest(t, Limits{}, 1, &judge{renewed: security.Result{Username: "u"}})
		c := r.connectAllowed("c", "s")
		p := newPatient()
		r.change(p)
		old := r.next(p.asked)
		auth := codec.Auth{ReasonCode: codec.ReAuthenticate}
		auth.Properties.SetAuthenticationMethod([]byte("M"))
		c.send(append(codec.AppendAuth(nil, &auth), publishQoS1To("a")...))
		// It has become somebody else, of whom nothing is known yet.
		if given := r.next(p.given); given != old {
			t.Errorf("%q is given up", given.text)
		}
		if qs := r.both(p.asked); qs["Connect"] == nil || qs["Publish a"] == nil {
			t.Errorf("asked %v", qs)
		}
		c.drop()
		r.both(p.given)
	})
}

// Two changes in quick succession are one check of each Client, by the second.
func TestRecheckOfRightsIsByTheLastOfTwoChanges(t *testing.T) {
	r := newRightsTest(t, Limits{}, 1, &judge{})
	c := r.connectAllowed("c", "s")
	first, second := newPatient(), newPatient()
	r.change(first)
	q := r.next(first.asked)
	r.change(second)
	if given := r.next(first.given); given != q {
		t.Errorf("%q is given up", given.text)
	}
	q = r.next(second.asked)
	r.e.recheck(r.p)
	r.m.settle()
	q.answer <- security.Allow
	r.next(second.asked).answer <- security.Deny
	r.m.settleUntil(t, func() bool { return len(c.conn.session.subscriptions.all()) == 0 })
	r.e.goroutines.Wait()
	if n := len(second.asked); n != 0 {
		t.Errorf("%d more questions", n)
	}
	if c.closed {
		t.Error("the Client was disconnected")
	}
}

// What a Client subscribes to while its rights are confirmed was judged by
// itself, and stays.
func TestSubscriptionMadeDuringARecheckOfRightsStays(t *testing.T) {
	r := newRightsTest(t, Limits{}, 1, &judge{})
	c := r.connectAllowed("c", "before")
	p := newPatient()
	r.change(p)
	recheck := r.next(p.asked)
	c.send(codec.AppendSubscribe(nil, codec.V5, &codec.Subscribe{PacketID: 2, Subscriptions: []codec.Subscription{{TopicFilter: []byte("meanwhile")}}}))
	r.next(p.asked).answer <- security.Allow
	r.m.settleUntil(t, func() bool { return len(c.conn.session.subscriptions.all()) == 2 })
	recheck.answer <- security.Allow
	r.next(p.asked).answer <- security.Deny
	r.m.settleUntil(t, func() bool { return len(c.conn.session.subscriptions.all()) == 1 })
	if got := c.conn.session.subscriptions.all()[0].filter; got != "meanwhile" {
		t.Errorf("%q is left", got)
	}
}

// After a change an Authorizer that takes its time is asked about a few of
// those who are connected at a time. Nobody loses the connection for being one
// of many, and who connects meanwhile is asked about at once.
func TestRecheckOfManyRightsIsPaced(t *testing.T) {
	const clients, limit, loops = 300, 40, 2
	r := newRightsTest(t, Limits{PendingAuthentications: limit}, loops, &judge{})
	var conns []*memoryConn
	for i := range clients {
		conns = append(conns, r.connectAllowed(fmt.Sprint("c", i), "s"))
	}
	p := newPatient()
	r.change(p)
	var held []*inquiry
	for range limit / recheckShare {
		held = append(held, r.next(p.asked))
	}
	r.m.settleUntil(t, func() bool { return r.e.waiting.Load() == 0 })
	// As many as may connect, though nobody else is answered.
	for i := range limit {
		connectAs(r.m, r.p, fmt.Sprint("new", i))
	}
	for range limit {
		q := r.next(p.asked)
		if !strings.HasPrefix(q.client, "new") {
			t.Fatalf("%s is asked about as one more of the connected", q.client)
		}
		q.answer <- security.Allow
	}
	r.m.settleUntil(t, func() bool { return r.e.waiting.Load() == 0 })
	// Those who leave before their turn are not asked about.
	left := map[string]bool{}
	for _, c := range conns {
		if c.conn.decisions.recheck.place != nil && len(left) < 100 {
			left[c.conn.principal.ClientID] = true
			c.drop()
		}
	}
	r.m.settle()
	p.mu.Lock()
	p.most = p.now
	p.mu.Unlock()
	for _, q := range held {
		q.answer <- security.Allow
	}
	seen := map[string]bool{}
	for range 2*(clients-len(left)) - len(held) {
		q := r.next(p.asked)
		if left[q.client] {
			t.Fatalf("%s has left", q.client)
		}
		seen[q.client] = true
		q.answer <- security.Decision(!strings.HasPrefix(q.text, "Subscribe"))
	}
	r.m.settleUntil(t, func() bool {
		return r.e.loops[0].rightsChecks.asking+r.e.loops[1].rightsChecks.asking == 0
	})
	if len(seen) != clients-len(left) {
		t.Errorf("%d of %d Clients are asked about", len(seen), clients-len(left))
	}
	for _, c := range conns {
		if c.conn.state != stateOpen && !left[c.conn.principal.ClientID] {
			t.Errorf("%s is disconnected: %v", c.conn.principal.ClientID, c.conn.reason)
		}
	}
	if p.most > limit/recheckShare {
		t.Errorf("%d are asked about at a time", p.most)
	}
	revoked := uint64(0)
	for _, l := range r.e.loops {
		revoked += l.stats.SubscriptionsRevoked
	}
	if revoked != uint64(clients-len(left)) {
		t.Errorf("%d Subscriptions removed", revoked)
	}
}

// A change of authentication has each loop judge its Clients on one goroutine,
// however many they are.
func TestRecheckOfManyCredentialsIsOneGoroutineForALoop(t *testing.T) {
	const clients, loops = 2000, 2
	e, m := newMemoryEngine(t, Options{}, loops)
	p := &port{engine: e, name: "test"}
	p.policy.Store(newPolicy(&Listener{Authenticator: &judge{}}))
	var conns []*memoryConn
	for i := range clients {
		conns = append(conns, connectAs(m, p, fmt.Sprint("c", i)))
	}
	asked, release := make(chan struct{}, clients), make(chan struct{})
	var now, most atomic.Int64
	p.policy.Store(newPolicy(&Listener{Authenticator: &judge{recheck: func(_ *security.Credentials, previous security.Result) (security.Result, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		asked <- struct{}{}
		<-release
		return previous, nil
	}}}))
	e.recheck(p)
	m.settle()
	for range loops {
		<-asked
	}
	close(release)
	m.settleUntil(t, func() bool {
		return !slices.ContainsFunc(conns, func(c *memoryConn) bool {
			return !same(c.conn.credential.authenticator, p.policy.Load().authenticator)
		})
	})
	if n := most.Load(); n != loops {
		t.Errorf("%d Clients at a time, want one for each of %d loops", n, loops)
	}
}

// maxCarryBytes is for what comes behind a packet that waits, which may be as
// large as any.
func TestLargePacketsWaitForAnAnswerToo(t *testing.T) {
	for _, behind := range []int{maxCarryBytes / 2, maxCarryBytes + 1} {
		t.Run(fmt.Sprint(behind, " bytes behind it"), func(t *testing.T) {
			r := newRightsTest(t, Limits{}, 1, &judge{})
			c := r.connectAllowed("c", "s")
			p := newPatient()
			r.change(p)
			r.next(p.asked).answer <- security.Allow // Connect
			r.next(p.asked).answer <- security.Allow // Subscribe s
			packet := codec.AppendPublish(nil, codec.V5, &codec.Publish{
				TopicName: []byte("a"), QoS: codec.QoS1, PacketID: 1, Payload: make([]byte, 2*maxCarryBytes),
			})
			for piece := range slices.Chunk(append(packet, make([]byte, behind)...), 128<<10) {
				c.send(piece)
			}
			if behind > maxCarryBytes {
				if c.conn.reason != CloseQuotaExceeded {
					t.Errorf("closed: %v", c.conn.reason)
				}
				return
			}
			r.next(p.asked).answer <- security.Allow // Publish a
			r.m.settleUntil(t, func() bool { return !c.conn.waiting })
			if got := c.received(t); len(got) == 0 || got[0] != codec.TypePuback {
				t.Errorf("received %v, closed: %v", got, c.conn.reason)
			}
		})
	}
}
