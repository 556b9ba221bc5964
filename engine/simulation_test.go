package engine

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

var (
	simSeed  = flag.Uint64("seed", 0, "TestSimulation plays the program of this seed alone")
	simSteps = flag.Int("steps", simProgramSteps, "so many steps of it")
)

const (
	simProgramSteps = 6000
	// simPayloadSize is the size of the largest payload.
	simPayloadSize = 150
)

// TestSimulation plays random programs of many Clients on several loops and
// holds what the Clients see against a model, see simModel. A program is made
// from a seed: the Limits, the Clients, what they do, and in which order loops,
// connections and Clients get their turns. So a seed that fails can be played
// again, and again with fewer steps. One thing is not drawn by lot: the tables of
// package topics are in another order in each process, and so are the retained
// messages that a SUBSCRIBE finds. A seed may need to be played more than once.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		reportSimulation(t, simulate(t, *simSeed, *simSteps, simFault{}))
		return
	}
	seeds := uint64(40)
	if testing.Short() || invariants {
		seeds = 5
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		reportSimulation(t, simulate(t, seed, *simSteps, simFault{}))
	}
}

func reportSimulation(t testing.TB, s *simulation) {
	t.Helper()
	if len(s.model.violations) == 0 {
		return
	}
	t.Errorf("seed %d, %s:\n%s\nplay it again with: go test ./engine -run 'TestSimulation$' -seed=%d -steps=%d",
		s.seed, s.description, strings.Join(s.model.violations, "\n"), s.seed, s.failedAt)
}

// simulation is one program at work.
type simulation struct {
	t           testing.TB
	seed        uint64
	description string
	r           *rand.Rand
	e           *Engine
	m           *memoryReactor
	net         *simNetwork
	model       *simModel
	clients     []*simClient
	fault       simFault

	steps      int
	failedAt   int // steps done when the first violation was found
	operations int // packets sent, clock jumps, changes of policy

	policySwaps bool
	local       *simLocal
	publishing  []simPublishing
	missing     map[*loop]uint64 // messages that Sessions of the loop did not get
}

// simPublishing is a call of Engine.Publish that has not returned.
type simPublishing struct {
	msg  *simMessage
	done chan error
}

// simulate plays the program of a seed, up to so many steps or the first
// violation, and then brings it to its end.
func simulate(t testing.TB, seed uint64, steps int, fault simFault) *simulation {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	s := &simulation{t: t, seed: seed, r: r, fault: fault, missing: map[*loop]uint64{}}
	s.setUp()
	eager := 2 + r.IntN(8) // of ten steps so many are Clients'
	for s.steps = 0; s.steps < steps && s.ok(); s.steps++ {
		switch n := r.IntN(4000); {
		case n < 30:
			s.operations++
			s.net.jump(time.Duration(r.Int64N(int64([]time.Duration{time.Second, 10 * time.Second, 40 * time.Second}[r.IntN(3)]))))
		case n < 36 && s.policySwaps:
			s.swapPolicy()
		case n < 42:
			s.checkpoint()
		case n < 100:
			s.publish()
		case r.IntN(10) < eager:
			s.clients[r.IntN(len(s.clients))].act()
		default:
			s.net.step()
		}
	}
	if s.ok() {
		s.finish()
	}
	s.ok()
	s.close()
	return s
}

// ok reports whether there is no violation yet.
func (s *simulation) ok() bool {
	if len(s.model.violations) == 0 {
		return true
	}
	if s.failedAt == 0 {
		s.failedAt = s.steps
	}
	return false
}

// setUp makes the engine and the Clients.
func (s *simulation) setUp() {
	r := s.r
	limits := Limits{ReceiveMaximum: 20, Connections: 1 << 20}
	tight := r.IntN(3) == 0
	if tight {
		limits = Limits{
			ReceiveMaximum: 5, QueuedMessages: 2 + r.IntN(10), Inflight: uint16(1 + r.IntN(6)),
			QueueStrategy: QueueStrategy(r.IntN(2)), OutboundSoftBytes: 200 + r.IntN(4000),
		}
	}
	loops := 1 + r.IntN(8)
	strategy := SharedStrategy(r.IntN(int(sharedStrategies)))
	s.policySwaps = r.IntN(2) == 0
	s.description = fmt.Sprintf("%d loops, tight=%v, %v, policySwaps=%v", loops, tight, strategy, s.policySwaps)
	s.e, s.m = openMemoryEngine(s.t, Options{Limits: limits, SharedSubscriptions: strategy}, loops)
	port := &port{engine: s.e, name: "test"}
	port.policy.Store(newPolicy(&Listener{}))
	s.net = &simNetwork{r: r, m: s.m, port: port}
	s.model = &simModel{clock: func() int64 { return s.m.clock }, dropsAllowed: tight, missing: map[string]int{}}
	for i := range 8 + r.IntN(50) {
		c := &simClient{sim: s, id: fmt.Sprint(string("cr"[r.IntN(2)]), i), version: codec.V5}
		switch r.IntN(4) {
		case 0:
			c.version = codec.V311
		case 1:
			c.receiveMaximum = 1 + uint16(r.IntN(4))
			c.aliasMaximum = uint16(r.IntN(4))
		case 2:
			c.maximumPacketSize = 60 + uint32(r.IntN(200))
		}
		s.addClient(c)
	}
	s.usePolicy(false)
	if !tight {
		s.local = s.subscribe("t/#")
	}
}

func (s *simulation) addClient(c *simClient) {
	s.clients = append(s.clients, c)
	s.net.clients = s.clients
}

// topic and filter are what Clients draw from. What is published below s is
// subscribed to by groups alone, so that the copies of a group can be counted.
func (s *simulation) topic() string {
	return []string{"t/0", "t/1", "t/2", "t/3", "t/4", "t/5", "t/0/x", "s/0", "s/1"}[s.r.IntN(9)]
}

func (s *simulation) filter() (group, filter string) {
	if s.r.IntN(4) == 0 {
		return []string{"$share/g/", "$share/h/"}[s.r.IntN(2)], []string{"s/#", "s/0", "s/+"}[s.r.IntN(3)]
	}
	return "", []string{"t/0", "t/1", "t/2", "t/3", "t/4", "t/5", "t/#", "t/+", "t/+/x", "w/#", "w/+"}[s.r.IntN(11)]
}

// usePolicy changes the policy of the port as Engine.Apply does.
func (s *simulation) usePolicy(restricted bool) {
	rules := "* may connect; * may publish #; * may subscribe #"
	if restricted {
		rules = "* may connect"
		for _, c := range s.clients {
			if c.id[0] == 'r' {
				rules += fmt.Sprintf("; id:%[1]s may publish t/0 t/1 t/2 t/3 t/0/x s/# w/#; id:%[1]s may subscribe t/0 t/1 t/2 t/3 s/# w/#", c.id)
			} else {
				rules += fmt.Sprintf("; id:%[1]s may publish #; id:%[1]s may subscribe #", c.id)
			}
		}
	}
	spec := Listener{Authenticator: testAuthenticator, Authorizer: compilePolicy(s.t, rules), OnPolicyChange: PolicyChange(s.r.IntN(2))}
	if _, err := s.net.port.change(spec); err != nil {
		s.t.Fatal(err)
	}
	if spec.OnPolicyChange == Disconnect {
		s.net.closing = true
		for _, k := range s.net.links {
			k.policyChanged = true
		}
	}
	s.e.recheck(s.net.port)
}

func (s *simulation) swapPolicy() {
	s.operations++
	m := s.model
	now := m.tick()
	m.restricted = append(m.restricted, now)
	restricted := len(m.restricted)%2 == 1
	if restricted {
		for _, session := range m.sessions {
			for _, sub := range session.subs {
				if !simMaySubscribe(session.client, sub.filter) {
					sub.doubt(now)
				}
			}
		}
	}
	s.usePolicy(restricted)
}

// publish publishes as the Server. What the call does is posted to a loop
// before this returns, so that it does not depend on the Go scheduler.
func (s *simulation) publish() {
	s.operations++
	msg := s.model.published(simMessage{publisher: "engine", stream: "engine", topic: s.topic(), qos: codec.QoS(s.r.IntN(3)), inProcess: true})
	inbox := &s.e.loops[topicHash(msg.topic)%uint64(len(s.e.loops))].inbox
	select {
	case <-s.m.signal:
	default:
	}
	rung, head := inbox.bell.Load(), inbox.head.Load()
	p := simPublishing{msg, make(chan error, 1)}
	go func() {
		p.done <- s.e.Publish(context.Background(), Message{TopicName: msg.topic, Payload: msg.payload(0), QoS: byte(msg.qos)})
	}()
	if !rung {
		<-s.m.signal
	}
	for inbox.head.Load() == head {
		runtime.Gosched()
	}
	s.publishing = append(s.publishing, p)
}

// settle lets everything happen that can: Clients read and acknowledge all.
func (s *simulation) settle() {
	for _, c := range s.clients {
		if c.open && c.link.slow {
			c.link.mc.open(1 << 40)
		}
	}
	for {
		for s.net.step() {
		}
		busy := false
		for _, c := range s.clients {
			if c.open && !c.link.goodbye && len(c.toSend) > 0 {
				c.acknowledge(len(c.toSend))
				busy = true
			}
		}
		for _, l := range s.e.loops {
			busy = busy || len(l.congested) > 0
		}
		if !busy {
			break
		}
		s.net.jump(congestedPoll)
	}
	for _, p := range s.publishing {
		if err := <-p.done; err != nil {
			s.model.fail("Publish: %v", err)
		}
		p.msg.done = s.model.tick()
	}
	s.publishing, s.net.closing = nil, false
	s.local.settle(s)
}

// checkpoint compares, when nothing is under way, what there is with what
// must be.
func (s *simulation) checkpoint() {
	s.settle()
	for _, c := range s.clients {
		if c.open {
			c.ping()
		}
	}
	s.settle()
	if s.fault.checkpoint != nil {
		s.fault.checkpoint(s)
	}
	s.model.checkDelivered()
	s.endRevoked()
	s.checkEngine()
	for _, c := range s.clients {
		if c.open && c.link.slow && s.r.IntN(2) == 0 {
			c.link.slow = false
			c.link.mc.window = 1 << 50
		}
	}
}

// endRevoked takes note that what a Client lost the right to is gone by now,
// so that nothing published from now on may come of it.
func (s *simulation) endRevoked() {
	m := s.model
	if len(m.restricted)%2 == 0 {
		return
	}
	for _, c := range s.clients {
		if !c.open {
			continue
		}
		for _, sub := range c.session.subs {
			if sub.ended == 0 && !simMaySubscribe(c.id, sub.filter) {
				sub.doubt(m.now)
				sub.ended = m.tick()
			}
		}
	}
}

// finish has all Clients come back for what waits for them, looks at what is
// retained, and then at what is left when all have gone.
func (s *simulation) finish() {
	s.settle()
	for _, c := range s.clients {
		if c.link == nil {
			c.connect(false)
		}
	}
	s.checkpoint()
	if s.ok() {
		s.checkRetained()
	}
	if s.ok() {
		s.leaveAll()
		s.checkNothingLeft()
	}
}

// checkRetained subscribes to everything and compares what comes.
func (s *simulation) checkRetained() {
	if len(s.model.restricted)%2 == 1 {
		s.swapPolicy()
	}
	reader := &simClient{sim: s, id: "creader", version: codec.V5}
	s.addClient(reader)
	reader.connect(true)
	s.settle()
	if !reader.open {
		s.model.fail("the reader of retained messages could not connect")
		return
	}
	if s.fault.retained != nil {
		s.fault.retained(s)
	}
	reader.subscribeTo("", "#", simOptions{})
	s.settle()
	stored := map[string]*simMessage{}
	for msg := range reader.session.seen {
		stored[msg.topic] = msg
	}
	s.model.checkRetained(stored)
}

// leaveAll ends all Sessions and removes all retained messages.
func (s *simulation) leaveAll() {
	for _, c := range s.clients {
		c.leave()
	}
	for _, k := range s.net.links {
		k.lost = true
	}
	s.settle()
	for _, c := range s.clients {
		c.version, c.maximumPacketSize = codec.V311, 0 // a clean Session that ends with its connection
		c.connect(true)
	}
	s.settle()
	for _, c := range s.clients {
		if c.open {
			c.disconnect()
		}
	}
	s.settle()
	s.net.jump(time.Hour)
	var retained []string
	s.e.retained.index.All(func(topic string, _ *message) bool {
		retained = append(retained, topic)
		return true
	})
	for _, topic := range retained {
		s.e.retained.store(&publication{topic: topic}, &s.e.limits)
	}
	s.local.close(s)
	s.settle()
}

// close ends what goroutines there are.
func (s *simulation) close() {
	s.local.close(s)
	haltMemoryEngine(s.e)
}
