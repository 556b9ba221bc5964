package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/topics"
)

// simFault breaks something on purpose, to see that it is noticed.
type simFault struct {
	// toEngine sees each packet that a Client sends; it is lost unless it passes.
	toEngine func(c *simClient, packet []byte) (pass bool)
	// fromEngine sees each packet that a Client receives, and returns what it
	// receives instead.
	fromEngine func(c *simClient, packet []byte) [][]byte
	// checkpoint is called when nothing is under way, before it is judged.
	checkpoint func(s *simulation)
	// retained is called before the retained messages are judged.
	retained func(s *simulation)
}

// simFaultCase is a fault and what the simulation must say of it.
type simFaultCase struct {
	name string
	want string // in one of the violations
	// fault makes the fault anew, for each program.
	fault func() simFault
}

func packetType(packet []byte) codec.PacketType { return codec.PacketType(packet[0] >> 4) }

func qosOf(packet []byte) byte { return packet[0] >> 1 & 3 }

func isDup(packet []byte) bool { return packet[0]&8 != 0 }

// onceFromEngine has change applied to the 20th packet for which is holds.
func onceFromEngine(is func(packet []byte) bool, change func(c *simClient, packet []byte) [][]byte) func() simFault {
	return func() simFault {
		n := 0
		return simFault{fromEngine: func(c *simClient, packet []byte) [][]byte {
			if is(packet) {
				if n++; n == 20 {
					return change(c, packet)
				}
			}
			return [][]byte{packet}
		}}
	}
}

func publishWith(qos byte) func([]byte) bool {
	return func(packet []byte) bool {
		return packetType(packet) == codec.TypePublish && qosOf(packet) == qos && !isDup(packet)
	}
}

func drop(*simClient, []byte) [][]byte { return nil }

// twice has a PUBLISH come again under a Packet Identifier of its own.
func twice(_ *simClient, packet []byte) [][]byte {
	again := slices.Clone(packet)
	if qosOf(packet) > 0 {
		again[codec.PacketIDOffset(again)] ^= 0x40
	}
	return [][]byte{packet, again}
}

var simFaults = []simFaultCase{
	{"a PUBLISH with QoS 0 is lost", "with QoS 0 never arrived", onceFromEngine(publishWith(0), drop)},
	{"a PUBLISH with QoS 0 comes twice", "at most once", onceFromEngine(publishWith(0), twice)},
	{"a PUBLISH with QoS 1 comes twice", "MQTT-4.3.2-1", onceFromEngine(publishWith(1), twice)},
	{"a PUBLISH with QoS 2 comes twice", "exactly once", onceFromEngine(publishWith(2), twice)},
	{"a Packet Identifier is used twice", "MQTT-2.2.1-4", onceFromEngine(publishWith(1), func(_ *simClient, packet []byte) [][]byte {
		return [][]byte{packet, slices.Clone(packet)}
	})},
	{"PUBLISH packets change places", "MQTT-4.6.0-6", func() simFault {
		held := map[*simClient][]byte{}
		return simFault{fromEngine: func(c *simClient, packet []byte) [][]byte {
			before := held[c]
			if delete(held, c); packetType(packet) == codec.TypePublish && qosOf(packet) == 0 && before == nil {
				held[c] = packet
				return nil
			}
			if before == nil {
				return [][]byte{packet}
			}
			return [][]byte{packet, before}
		}}
	}},
	{"a retransmission has no DUP", "comes again without DUP", onceFromEngine(
		func(packet []byte) bool {
			return packetType(packet) == codec.TypePublish && qosOf(packet) == 2 && isDup(packet)
		},
		func(_ *simClient, packet []byte) [][]byte { packet[0] &^= 8; return [][]byte{packet} })},
	{"a first transmission has DUP", "MQTT-3.3.1-", onceFromEngine(publishWith(0),
		func(_ *simClient, packet []byte) [][]byte { packet[0] |= 8; return [][]byte{packet} })},
	{"RETAIN is set on what nobody retained", "MQTT-3.3.1-12", onceFromEngine(publishWith(0),
		func(_ *simClient, packet []byte) [][]byte { packet[0] |= 1; return [][]byte{packet} })},
	{"an acknowledgement is lost", "without an answer", onceFromEngine(
		func(packet []byte) bool { return packetType(packet) == codec.TypePuback }, drop)},
	{"Session Present is forgotten", "MQTT-3.2.2-3", onceFromEngine(
		func(packet []byte) bool { return packetType(packet) == codec.TypeConnack && packet[2] == 1 },
		func(_ *simClient, packet []byte) [][]byte { packet[2] = 0; return [][]byte{packet} })},
	{"Session Present is made up", "MQTT-3.2.2-2", onceFromEngine(
		func(packet []byte) bool { return packetType(packet) == codec.TypeConnack && packet[2] == 0 },
		func(_ *simClient, packet []byte) [][]byte { packet[2] = 1; return [][]byte{packet} })},
	{"an acknowledged PUBLISH is lost", "with QoS 1 never arrived", func() simFault {
		return simFault{toEngine: func(c *simClient, packet []byte) bool {
			if packetType(packet) != codec.TypePublish || qosOf(packet) != 1 || isDup(packet) {
				return true
			}
			at := codec.PacketIDOffset(packet)
			c.link.mc.toPeer = codec.AppendAck(c.link.mc.toPeer, c.version, codec.TypePuback, codec.PacketID(packet[at])<<8|codec.PacketID(packet[at+1]), codec.Success)
			return false
		}}
	}},
	{"UNSUBSCRIBE does nothing", "no Subscription that could have brought it", func() simFault {
		return simFault{toEngine: func(c *simClient, packet []byte) bool {
			if packetType(packet) != codec.TypeUnsubscribe {
				return true
			}
			id := codec.PacketID(packet[2])<<8 | codec.PacketID(packet[3])
			c.link.mc.toPeer = codec.AppendUnsuback(c.link.mc.toPeer, c.version, id, []codec.ReasonCode{codec.Success})
			return false
		}}
	}},
	{"the Client's Receive Maximum is ignored", "MQTT-3.3.4-9", announceLess(func(c *simClient) { c.receiveMaximum = 1 })},
	{"the Client's Maximum Packet Size is ignored", "MQTT-3.1.2-24", announceLess(func(c *simClient) { c.maximumPacketSize = 20 })},
	{"the Client's Topic Alias Maximum is ignored", "MQTT-3.1.2-26", announceLess(func(c *simClient) { c.aliasMaximum = 0 })},
	{"a goodbye does not stop the Will", "MQTT-3.14.4-3", func() simFault {
		return simFault{toEngine: func(c *simClient, packet []byte) bool {
			if packetType(packet) == codec.TypeDisconnect && len(packet) == 2 {
				packet = append(packet[:1], 1, byte(codec.DisconnectWithWillMessage))
				if c.version == codec.V5 && c.link.will != nil {
					c.link.will.discarded = true
					c.sim.net.write(c.link, packet)
					return false
				}
			}
			return true
		}}
	}},
	{"a Will is not published", "a Will, never arrived", eachSession(func(s *Session) { s.dropWill() })},
	{"a message is counted once too often", "is held", eachSession(func(s *Session) {
		if s.will != nil {
			s.will.msg.ref(1)
		}
	})},
	{"a Subscription stays in the trie", "Subscriptions are left", eachSession(func(s *Session) {
		s.loop.engine.trie.Subscribe("nobody/published/here", s, topics.Options{})
	})},
	{"drops are not counted", "are counted as dropped", func() simFault {
		return simFault{checkpoint: func(s *simulation) {
			for _, l := range s.e.loops {
				l.stats.MessagesDropped = 0
			}
		}}
	}},
	{"retained messages are lost", "nothing is retained", func() simFault {
		return simFault{retained: func(s *simulation) {
			for _, topic := range []string{"t/0", "t/1", "t/2", "t/3"} {
				s.e.retained.store(&publication{topic: topic}, &s.e.limits)
			}
		}}
	}},
	{"a group has two receivers", "groups (4.8.2)", func() simFault {
		return simFault{checkpoint: func(s *simulation) {
			for _, msg := range s.model.messages {
				if shares(msg.topic) && msg.copies > 0 {
					msg.copies += 2 * msg.sends
				}
			}
		}}
	}},
	{"rights are not taken away", "without the right to", func() simFault {
		return simFault{checkpoint: func(s *simulation) {
			open := new(policy)
			open.table = compilePolicy(s.t, "* may connect; * may publish #; * may subscribe #")
			open.authenticator = testAuthenticator
			s.net.port.policy.Store(open)
		}}
	}},
}

// announceLess has Clients expect less than they told the Server.
func announceLess(change func(*simClient)) func() simFault {
	return func() simFault {
		return simFault{checkpoint: func(s *simulation) {
			for _, c := range s.clients {
				if c.version == codec.V5 && c.open {
					change(c)
				}
			}
		}}
	}
}

// eachSession changes all Sessions at each checkpoint.
func eachSession(change func(*Session)) func() simFault {
	return func() simFault {
		return simFault{checkpoint: func(s *simulation) {
			for _, l := range s.e.loops {
				for _, session := range l.sessions {
					change(session)
				}
			}
		}}
	}
}

// TestSimulationNoticesFaults plays programs with something broken in each of
// them, until the simulation says so.
func TestSimulationNoticesFaults(t *testing.T) {
	const patience = 20 // programs
	for _, f := range simFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var other []string
			for seed := uint64(1); seed <= patience; seed++ {
				s := simulate(t, seed, simProgramSteps, f.fault())
				for _, v := range s.model.violations {
					if strings.Contains(v, f.want) {
						return
					}
					other = append(other, v)
				}
			}
			t.Errorf("%d programs did not say %q; what they said:\n%.2000s", patience, f.want, strings.Join(other, "\n"))
		})
	}
}
