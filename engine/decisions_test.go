package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// allowAll is an Authorizer that counts what it is asked. Not being a
// *security.Table it is asked from goroutines.
type allowAll struct{ asked atomic.Int64 }

func (a *allowAll) Authorize(context.Context, *security.Principal, security.Action, string) (security.Decision, error) {
	a.asked.Add(1)
	return security.Allow, nil
}

// TestAuthorizerIsNotAskedForEver has packets and a Session with more Topic
// Filters than answers are remembered, some of them answered before: new
// answers must not drive out those that the same packet needs.
func TestAuthorizerIsNotAskedForEver(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	authorizer := new(allowAll)
	p := &port{engine: e, name: "test"}
	p.policy.Store(newPolicy(&Listener{Authenticator: testAuthenticator, Authorizer: authorizer}))
	var c *memoryConn
	send := func(what string, packet []byte, want codec.PacketType) {
		t.Helper()
		before := authorizer.asked.Load()
		c.send(packet)
		m.settle()
		for c.conn.waiting && !c.closed {
			<-m.signal
			m.settle()
			if n := authorizer.asked.Load() - before; n > 4*maxDecisions {
				t.Fatalf("%s: %d questions, and no end", what, n)
			}
		}
		if f, _, err := codec.ReadFrame(c.take(), 0); err != nil || f.Type != want {
			t.Fatalf("%s is answered by %v %v", what, f.Type, err)
		}
	}
	subscribe := func(n int) []byte {
		s := codec.Subscribe{PacketID: 1}
		for i := range n {
			s.Subscriptions = append(s.Subscriptions, codec.Subscription{TopicFilter: fmt.Append(nil, "f/", i)})
		}
		return codec.AppendSubscribe(nil, codec.V311, &s)
	}
	connect := codec.AppendConnect(nil, &codec.Connect{Version: codec.V311, ClientID: []byte("a")})

	c = m.dial(p)
	send("CONNECT", connect, codec.TypeConnack)
	send("SUBSCRIBE with few", subscribe(maxDecisions-10), codec.TypeSuback)
	send("SUBSCRIBE with more than are remembered", subscribe(maxDecisions+50), codec.TypeSuback)
	send("SUBSCRIBE with fewer again", subscribe(maxDecisions-10), codec.TypeSuback)
	send("PUBLISH", codec.AppendPublish(nil, codec.V311, &codec.Publish{TopicName: []byte("t"), QoS: codec.QoS1, PacketID: 1}), codec.TypePuback)
	c.drop()
	m.settle()

	c = m.dial(p)
	send("CONNECT of a Session with many", connect, codec.TypeConnack)
	if n := len(e.loops[0].sessions["a"].subscriptions.all()); n != maxDecisions+50 {
		t.Errorf("%d Subscriptions are left, want all %d", n, maxDecisions+50)
	}
}
