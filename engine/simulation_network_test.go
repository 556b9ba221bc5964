package engine

import (
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/codec"
)

// simNetwork is what lies between Clients and loops: bytes under way, in order
// on each connection and in any order among connections. What happens next is
// drawn by lot, so that a seed is an interleaving of loops, connections and
// Clients.
type simNetwork struct {
	r       *rand.Rand
	m       *memoryReactor
	port    *port
	links   []*simLink
	clients []*simClient
	// closing says that a policy has come that closes connections, and not all
	// loops may have heard.
	closing bool

	ready    []*simLink // scratch of step
	readable []*simClient
}

// simLink is one Network Connection.
type simLink struct {
	mc       *memoryConn
	client   *simClient
	toEngine [][]byte // written by the Client, not received yet
	lost     bool     // the connection ends after toEngine
	unread   []byte   // the beginning of a packet

	keepAlive     time.Duration
	deliveredAt   int64 // clock, when the engine last received something
	slow          bool  // the Client does not always read
	rival         bool  // claims a Session together with the one before
	goodbye       bool  // DISCONNECT was sent
	policyChanged bool  // while it was open
	will          *simMessage
	willAtOnce    bool // without a delay
}

func (n *simNetwork) dial(c *simClient) *simLink {
	n.m.nextTo = n.r.IntN(len(n.m.loops))
	k := &simLink{mc: n.m.dial(n.port), client: c, deliveredAt: n.m.clock, policyChanged: n.closing}
	n.links = append(n.links, k)
	return k
}

// write puts a packet on the way, cut or joined with what is there already as
// a stream of bytes may be.
func (n *simNetwork) write(k *simLink, packet []byte) {
	if last := len(k.toEngine) - 1; last >= 0 && n.r.IntN(3) == 0 {
		k.toEngine[last] = append(k.toEngine[last], packet...)
		return
	}
	if n.r.IntN(8) == 0 {
		cut := n.r.IntN(len(packet))
		k.toEngine = append(k.toEngine, packet[:cut:cut])
		packet = packet[cut:]
	}
	k.toEngine = append(k.toEngine, packet)
}

// step has one thing happen, if there is any.
func (n *simNetwork) step() bool {
	n.ready, n.readable = n.ready[:0], n.readable[:0]
	links := n.links[:0]
	for _, k := range n.links {
		if k.mc.closed {
			k.toEngine, k.lost = nil, false
			if c := k.client; c.link == k && c.open {
				c.session.ending = true
			}
			n.settleWill(k)
			if k.client.link != k {
				continue
			}
		}
		links = append(links, k)
		if !k.mc.moving && (len(k.toEngine) > 0 || k.lost) {
			n.ready = append(n.ready, k)
		}
	}
	n.links = links
	for _, c := range n.clients {
		if k := c.link; k != nil && (len(k.mc.toPeer) > 0 || k.mc.closed) {
			n.readable = append(n.readable, c)
		}
	}
	if n.r.IntN(100) == 0 {
		n.m.apart = !n.m.apart
	}
	engine := n.m.runnable()
	total := engine + len(n.ready) + len(n.readable)
	if total == 0 {
		return false
	}
	switch i := n.r.IntN(total); {
	case i < engine:
		n.m.runOne(i)
	case i < engine+len(n.ready):
		n.deliver(n.ready[i-engine])
	default:
		n.readable[i-engine-len(n.ready)].read()
	}
	return true
}

// deliver has the engine receive what comes next on a connection.
func (n *simNetwork) deliver(k *simLink) {
	if len(k.toEngine) == 0 {
		k.mc.drop()
		return
	}
	b := k.toEngine[0]
	k.toEngine = k.toEngine[1:]
	k.deliveredAt = n.m.clock
	k.mc.send(b)
}

// settleWill says what became of the Will of a connection that has closed.
func (n *simNetwork) settleWill(k *simLink) {
	will, model := k.will, k.client.sim.model
	if will == nil {
		return
	}
	k.will = nil
	switch {
	case k.mc.conn.reason == CloseClientDisconnect || k.mc.conn.receiveMaximum == 0: // or never admitted
		will.discarded = true
		if will.copies > 0 {
			model.fail("%s: the Will was published before the Client said goodbye [MQTT-3.14.4-3]", k.client.id)
		}
	case k.willAtOnce:
		will.done = model.tick()
	}
}

// jump moves the clock. It stops where an alarm is due and runs the loop late
// or early among the others, but before the clock goes on.
func (n *simNetwork) jump(d time.Duration) {
	end := n.m.clock + int64(d)
	for {
		next := end
		for _, a := range n.m.alarms {
			if a != 0 {
				next = min(next, max(a, n.m.clock))
			}
		}
		n.m.clock = next
		for n.alarmDue() {
			n.step()
		}
		if next == end {
			return
		}
	}
}

func (n *simNetwork) alarmDue() bool {
	for _, a := range n.m.alarms {
		if a != 0 && a <= n.m.clock {
			return true
		}
	}
	return false
}

// packetsIn cuts what arrived into packets.
func (k *simLink) packetsIn() (packets [][]byte, err error) {
	k.unread = append(k.unread, k.mc.take()...)
	for {
		_, size, err := codec.ReadFrame(k.unread, 0)
		if err != nil || size == 0 || size > len(k.unread) {
			return packets, err
		}
		packets = append(packets, k.unread[:size:size])
		k.unread = k.unread[size:]
	}
}
