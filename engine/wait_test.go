package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// gated lets everyone in, but only once the gate is open.
type gated struct {
	asked chan struct{} // takes an element for each question
	left  chan struct{} // and for each that was given up
	gate  chan struct{}
}

func (g *gated) Authenticate(ctx context.Context, c *security.Credentials) (security.Result, error) {
	username := c.UserName // the Credentials are borrowed
	g.asked <- struct{}{}
	select {
	case <-g.gate:
		return security.Result{Method: "gated", Username: username}, nil
	case <-ctx.Done():
		g.left <- struct{}{}
		return security.Result{}, ctx.Err()
	}
}

// received returns the packets that the peer was sent since the last call, by
// type.
func (mc *memoryConn) received(t testing.TB) (types []codec.PacketType) {
	t.Helper()
	for b := mc.take(); len(b) > 0; {
		f, size, err := codec.ReadFrame(b, 0)
		if err != nil || size == 0 || size > len(b) {
			t.Fatalf("a peer was sent % x: %v", b, err)
		}
		types, b = append(types, f.Type), b[size:]
	}
	return types
}

// While two thousand Clients wait for an authenticator the loops do not: the
// traffic of others, on the same loops, goes on as ever, who leaves is given up
// at once, and who stays is answered in the order of its packets. The loops run
// on the goroutine of the test, so one that waited would stop it for good.
func TestClientsWhoWaitForAnAuthenticatorHoldNobodyUp(t *testing.T) {
	const clients, leaving, messages = 2000, 100, 5000
	e, m := newMemoryEngine(t, Options{Limits: Limits{AuthenticationTimeout: time.Hour}}, 2)
	g := &gated{asked: make(chan struct{}, clients), left: make(chan struct{}, clients), gate: make(chan struct{})}
	slow, quick := &port{engine: e, name: "slow"}, &port{engine: e, name: "quick"}
	slow.policy.Store(newPolicy(&Listener{Authenticator: g}))
	quick.policy.Store(newPolicy(&Listener{}))

	var others []*memoryConn // one on each loop, who publish to each other
	for _, id := range []string{"first", "second"} {
		c := connectClient(t, m, quick, id, codec.V5)
		subscribeClient(t, m, c, codec.V5, "a/+", codec.QoS0)
		others = append(others, c)
	}

	var waiting []*memoryConn
	for range clients {
		c := m.dial(slow)
		c.send(codec.AppendPingreq(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true})))
		waiting = append(waiting, c)
	}
	m.settle()
	await := func(from <-chan struct{}, n int, what string) {
		t.Helper()
		for i := range n {
			select {
			case <-from:
			case <-time.After(20 * time.Second):
				t.Fatalf("%d of %d %s", i, n, what)
			}
		}
	}
	await(g.asked, clients, "asked about")

	packet := codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte("a/b"), Payload: []byte("x")})
	for i := range messages {
		others[i%2].send(packet)
		m.settle()
		for j, c := range others {
			if got := c.received(t); !slices.Equal(got, []codec.PacketType{codec.TypePublish}) {
				t.Fatalf("message %d: other %d was sent %v", i, j, got)
			}
		}
	}
	for i, c := range waiting {
		if got := c.received(t); got != nil || c.closed {
			t.Fatalf("client %d is answered before anyone knows who it is: %v, closed %v", i, got, c.closed)
		}
	}

	for _, c := range waiting[:leaving] {
		c.drop()
	}
	m.settle()
	await(g.left, leaving, "given up")
	waiting = waiting[leaving:]

	close(g.gate)
	for answered := 0; answered < len(waiting); {
		await(m.signal, 1, "answers")
		m.settle()
		for i, c := range waiting {
			got := c.received(t)
			if got == nil {
				continue
			}
			if !slices.Equal(got, []codec.PacketType{codec.TypeConnack, codec.TypePingresp}) {
				t.Fatalf("client %d was sent %v", i, got)
			}
			answered++
		}
	}
	e.goroutines.Wait()
	if n := e.waiting.Load(); n != 0 {
		t.Errorf("%d questions are counted after the last answer", n)
	}
	if n := e.sessions.Load(); n != int64(len(waiting)+len(others)) {
		t.Errorf("%d Sessions, want %d", n, len(waiting)+len(others))
	}
}

// remembers is gated, but knows some Clients.
type remembers struct {
	gated
	known string // their User Name
}

func (r *remembers) AuthenticatePromptly(c *security.Credentials) (security.Result, error) {
	if c.UserName != r.known {
		return security.Result{}, security.ErrMustWait
	}
	return security.Result{Method: "gated", Username: c.UserName}, nil
}

// Who is known already takes no goroutine, and is let in when as many wait as may;
// but what a custom Authorizer says of it may take a while all the same.
func TestClientsWhoAreKnownDoNotWait(t *testing.T) {
	e, m := newMemoryEngine(t, Options{Limits: Limits{PendingAuthentications: 1, AuthenticationTimeout: time.Hour}}, 1)
	r := &remembers{gated{asked: make(chan struct{}, 1), left: make(chan struct{}, 1), gate: make(chan struct{})}, "known"}
	open, ruled := &port{engine: e, name: "open"}, &port{engine: e, name: "ruled"}
	open.policy.Store(newPolicy(&Listener{Authenticator: r}))
	ruled.policy.Store(newPolicy(&Listener{Authenticator: r, Authorizer: allowing{}}))
	connect := func(p *port, userName string) *memoryConn {
		c := m.dial(p)
		c.send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true, HasUserName: true, UserName: []byte(userName)}))
		m.settle()
		return c
	}
	stranger := connect(open, "stranger")
	if got := stranger.received(t); got != nil {
		t.Fatalf("a stranger was sent %v", got)
	}
	for _, tc := range []struct {
		port     *port
		userName string
		admitted bool
	}{{open, "known", true}, {open, "another", false}, {ruled, "known", false}} {
		c := connect(tc.port, tc.userName)
		if got := c.received(t); !slices.Equal(got, []codec.PacketType{codec.TypeConnack}) || c.closed == tc.admitted {
			t.Errorf("%s at %s was sent %v, closed %v", tc.userName, tc.port.name, got, c.closed)
		}
	}
	close(r.gate)
	e.goroutines.Wait()
	m.settle()
	if got := stranger.received(t); !slices.Equal(got, []codec.PacketType{codec.TypeConnack}) {
		t.Errorf("the stranger was sent %v", got)
	}
}

// allowing is a custom Authorizer that allows everything.
type allowing struct{}

func (allowing) Authorize(context.Context, *security.Principal, security.Action, string) (security.Decision, error) {
	return security.Allow, nil
}
