package engine

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/codec"
)

// simClient is a Client that speaks MQTT as the standard has it, sends packets
// at random, and tells the model what it sends and receives. It acknowledges
// late, and in order.
type simClient struct {
	sim     *simulation
	id      string
	version codec.Version
	// What it announces, if it speaks MQTT 5.
	receiveMaximum, aliasMaximum uint16
	maximumPacketSize            uint32

	link       *simLink
	open       bool // CONNACK has come
	cleanStart bool // of the CONNECT that waits for it
	expiry     uint32

	// Session State (4.1).
	session     *simSession
	incarnation int
	lastID      codec.PacketID
	out         []*simOutgoing
	in          map[codec.PacketID]bool // QoS 2, received and not released

	// Of the connection.
	serverMaximum int // of unacknowledged PUBLISH packets, as CONNACK said
	serverAliases uint16
	aliasesOut    map[uint16]string
	aliasesIn     map[uint16]string
	unacked       map[codec.PacketID]bool
	toSend        []simReply
	asked         map[codec.PacketID]func(codec.ReasonCode)
	unconfirmed   []*simMessage // QoS 0, sent since the last PINGREQ
	pings         [][]*simMessage
}

// simOutgoing is a PUBLISH with QoS 1 or 2 that is not acknowledged.
type simOutgoing struct {
	msg      *simMessage
	id       codec.PacketID
	payload  []byte
	released bool // PUBREC has come
}

// simReply is an acknowledgement that is to be sent.
type simReply struct {
	kind codec.PacketType
	id   codec.PacketID
	code codec.ReasonCode
}

func (c *simClient) rand() *rand.Rand { return c.sim.r }

func (c *simClient) send(packet []byte) {
	c.sim.operations++
	if c.sim.fault.toEngine != nil && !c.sim.fault.toEngine(c, packet) {
		return
	}
	c.sim.net.write(c.link, packet)
}

// connect opens a connection, taking over from the one that is open.
func (c *simClient) connect(cleanStart bool) {
	r := c.rand()
	c.leave()
	c.link = c.sim.net.dial(c)
	c.cleanStart, c.open = cleanStart, false
	p := codec.Connect{Version: c.version, ClientID: []byte(c.id), CleanStart: cleanStart, KeepAlive: []uint16{0, 0, 20, 60}[r.IntN(4)]}
	c.link.keepAlive = time.Duration(p.KeepAlive) * time.Second * 3 / 2
	c.expiry = 0
	switch {
	case c.version == codec.V5:
		c.expiry = []uint32{0, 10, 100, sessionNeverExpires, sessionNeverExpires}[r.IntN(5)]
		p.Properties.SetSessionExpiryInterval(c.expiry)
		if c.receiveMaximum != 0 {
			p.Properties.SetReceiveMaximum(c.receiveMaximum)
		}
		if c.maximumPacketSize != 0 {
			p.Properties.SetMaximumPacketSize(c.maximumPacketSize)
		}
		p.Properties.SetTopicAliasMaximum(c.aliasMaximum)
	case !cleanStart:
		c.expiry = sessionNeverExpires
	}
	if r.IntN(3) == 0 {
		p.HasWill = true
		will := c.sim.model.published(simMessage{publisher: c.id, topic: "w/" + c.id, qos: codec.QoS(r.IntN(3)), will: true})
		c.link.will, c.link.willAtOnce = will, c.version != codec.V5 || r.IntN(2) == 0
		p.Will = codec.Will{TopicName: []byte(will.topic), Payload: will.payload(0), QoS: will.qos}
		if !c.link.willAtOnce {
			p.Will.Properties.SetWillDelayInterval(5)
		}
	}
	c.send(codec.AppendConnect(nil, &p))
	for r.IntN(4) == 0 {
		// Without waiting for the CONNACK (3.1.4).
		msg := c.sim.model.published(simMessage{publisher: c.id, topic: c.sim.topic()})
		c.send(codec.AppendPublish(nil, c.version, &codec.Publish{TopicName: []byte(msg.topic), Payload: msg.payload(0)}))
	}
}

// leave lets go of the connection. It may go on for a while without the Client.
func (c *simClient) leave() {
	if c.link == nil {
		return
	}
	if s := c.session; s != nil && c.open {
		s.connected = 0
		s.heardAt = max(s.heardAt, c.link.deliveredAt)
		s.over = s.over || s.expiry == 0 // it ends with the connection (3.1.2.11.2)
	}
	c.link, c.open = nil, false
}

// drop loses the connection, with or without what is under way.
func (c *simClient) drop() {
	k := c.link
	if c.rand().IntN(2) == 0 {
		k.toEngine = nil
	}
	k.lost = true
	c.leave()
}

// read takes what has arrived.
func (c *simClient) read() {
	k := c.link
	closed := k.mc.closed
	packets, err := k.packetsIn()
	if err != nil {
		c.sim.model.fail("%s: a packet of the Server's is malformed: %v", c.id, err)
	}
	for _, packet := range packets {
		again := [][]byte{packet}
		if c.sim.fault.fromEngine != nil {
			again = c.sim.fault.fromEngine(c, packet)
		}
		for _, packet := range again {
			if c.link == k {
				c.handle(packet)
			}
		}
	}
	if closed && c.link == k {
		c.explainClose(k)
		c.leave()
	}
}

// explainClose demands a reason for a connection that the Server has closed.
func (c *simClient) explainClose(k *simLink) {
	explained := false
	reason := k.mc.conn.reason
	switch reason {
	case CloseClientDisconnect, CloseClientError:
		explained = k.goodbye
	case CloseSessionTakenOver:
		explained = k.rival
	case CloseConnectTimeout:
		explained = !c.open
	case CloseKeepAliveTimeout: // [MQTT-3.1.2-22]
		explained = k.keepAlive > 0 && c.sim.m.clock-k.deliveredAt >= int64(k.keepAlive)
	case CloseSlowConsumer:
		explained = k.slow
	case ClosePolicyChanged:
		explained = k.policyChanged
	default:
	}
	if !explained {
		c.sim.model.fail("%s: the Server closed the connection: %v %s", c.id, reason, k.mc.conn.detail())
	}
}

// handle reacts to a packet.
func (c *simClient) handle(packet []byte) {
	model := c.sim.model
	f, _, _ := codec.ReadFrame(packet, 0)
	if c.maximumPacketSize != 0 && len(packet) > int(c.maximumPacketSize) {
		model.fail("%s: %v of %d bytes exceeds the Maximum Packet Size, %d [MQTT-3.1.2-24]", c.id, f.Type, len(packet), c.maximumPacketSize)
	}
	if (f.Type == codec.TypeConnack) == c.open {
		model.fail("%s: %v while CONNACK had come: %v [MQTT-3.2.0-2]", c.id, f.Type, c.open)
		return
	}
	var err error
	var ack codec.Ack
	switch f.Type {
	case codec.TypeConnack:
		err = c.handleConnack(f)
	case codec.TypePublish:
		err = c.handlePublish(f)
	case codec.TypePuback, codec.TypePubrec, codec.TypePubcomp:
		if err = codec.DecodeAck(&ack, c.version, f.Type, f.Body); err == nil {
			c.handleAck(f.Type, &ack)
		}
	case codec.TypePubrel:
		err = codec.DecodeAck(&ack, c.version, f.Type, f.Body)
		delete(c.in, ack.PacketID)
		c.toSend = append(c.toSend, simReply{codec.TypePubcomp, ack.PacketID, codec.Success})
	case codec.TypeSuback, codec.TypeUnsuback:
		err = c.handleSuback(f)
	case codec.TypePingresp:
		for _, msg := range c.pings[0] {
			msg.done = model.tick()
		}
		c.pings = c.pings[1:]
	case codec.TypeDisconnect:
		var d codec.Disconnect
		err = codec.DecodeDisconnectFromServer(&d, f.Body)
	default:
		model.fail("%s: %v from the Server", c.id, f.Type)
	}
	if err != nil {
		model.fail("%s: %v: %v", c.id, f.Type, err)
	}
}

func (c *simClient) handleConnack(f codec.Frame) error {
	var a codec.Connack
	if err := codec.DecodeConnack(&a, c.version, f.Body); err != nil {
		return err
	}
	m, s := c.sim.model, c.session
	if a.ReasonCode != codec.Success {
		m.fail("%s: CONNACK with %v", c.id, a.ReasonCode)
		return nil
	}
	c.open = true
	waited := int64(0)
	if s != nil {
		waited = c.sim.m.clock - s.heardAt
	}
	switch {
	case a.SessionPresent && (c.cleanStart || s == nil || s.over):
		m.fail("%s: Session Present, and there can be no Session [MQTT-3.2.2-2] [MQTT-3.2.2-3]", c.id)
	case !a.SessionPresent && !c.cleanStart && s != nil && !s.over &&
		(s.expiry == sessionNeverExpires || waited < int64(s.expiry)*1e9):
		m.fail("%s: no Session Present, and the one there was has not expired [MQTT-3.2.2-3]", c.id)
	}
	c.aliasesOut, c.aliasesIn = map[uint16]string{}, map[uint16]string{}
	c.unacked = map[codec.PacketID]bool{}
	c.asked = map[codec.PacketID]func(codec.ReasonCode){}
	c.toSend, c.unconfirmed, c.pings = nil, nil, nil
	c.serverMaximum, c.serverAliases = int(c.sim.e.limits.ReceiveMaximum), 0
	if c.version == codec.V5 {
		c.serverMaximum, c.serverAliases = int(a.Properties.ReceiveMaximum), a.Properties.TopicAliasMaximum
	}
	now := m.tick()
	if !a.SessionPresent || s == nil {
		if s != nil {
			s.over, s.connected = true, 0
		}
		c.incarnation++
		c.out, c.in = nil, map[codec.PacketID]bool{} // [MQTT-3.2.2-5]
		s = &simSession{
			client: c.id, seen: map[*simMessage]bool{}, copies: map[*simMessage]int{}, atLeastOnce: map[*simMessage]int{},
			last: map[string]*simMessage{}, held: map[codec.PacketID]simHeld{}, checked: now,
		}
		c.session = s
		m.sessions = append(m.sessions, s)
	} else {
		s.reconnected = true
	}
	s.connected, s.ending, s.expiry = now, false, c.expiry
	s.smallest = c.maximumPacketSize
	for _, o := range c.out { // [MQTT-4.4.0-1] [MQTT-4.6.0-1]
		if o.released {
			c.send(codec.AppendAck(nil, c.version, codec.TypePubrel, o.id, codec.Success))
		} else {
			o.msg.sends++
			c.sendPublish(o, true)
		}
	}
	return nil
}

func (c *simClient) handlePublish(f codec.Frame) error {
	var p codec.Publish
	if err := codec.DecodePublishFromServer(&p, c.version, f.Flags, f.Body); err != nil {
		return err
	}
	m := c.sim.model
	topic := string(p.TopicName)
	if p.TopicAlias != 0 {
		switch {
		case p.TopicAlias > c.aliasMaximum:
			m.fail("%s: Topic Alias %d of %d [MQTT-3.1.2-26]", c.id, p.TopicAlias, c.aliasMaximum)
		case topic == "" && c.aliasesIn[p.TopicAlias] == "":
			m.fail("%s: Topic Alias %d stands for nothing (3.3.2.3.4)", c.id, p.TopicAlias)
		case topic != "":
			c.aliasesIn[p.TopicAlias] = topic
		}
		topic = c.aliasesIn[p.TopicAlias]
	}
	known := false
	if p.QoS > codec.QoS0 {
		if c.unacked[p.PacketID] {
			m.fail("%s: Packet Identifier %d is in use [MQTT-2.2.1-4]", c.id, p.PacketID)
		}
		c.unacked[p.PacketID] = true
		if c.receiveMaximum != 0 && len(c.unacked) > int(c.receiveMaximum) {
			m.fail("%s: %d PUBLISH packets unacknowledged, of %d [MQTT-3.3.4-9]", c.id, len(c.unacked), c.receiveMaximum)
		}
	}
	reply := simReply{codec.TypePuback, p.PacketID, codec.Success}
	if p.QoS == codec.QoS2 {
		known = c.in[p.PacketID]
		reply.kind = codec.TypePubrec
	}
	if c.version == codec.V5 && !known && c.rand().IntN(50) == 0 {
		reply.code = codec.UnspecifiedError
	}
	switch {
	case p.QoS == codec.QoS2 && reply.code.IsError():
		m.rejected(c.session, &p) // and received anew should it come again
	case p.QoS == codec.QoS2:
		c.in[p.PacketID] = true
		fallthrough
	default:
		m.arrived(c.session, &p, topic, known)
	}
	if p.QoS > codec.QoS0 {
		c.toSend = append(c.toSend, reply)
	}
	return nil
}

// handleAck goes on with a message that the Client has sent.
func (c *simClient) handleAck(kind codec.PacketType, a *codec.Ack) {
	m := c.sim.model
	for i, o := range c.out {
		if o.id != a.PacketID {
			continue
		}
		if (o.msg.qos == codec.QoS1) != (kind == codec.TypePuback) || kind == codec.TypePubcomp && !o.released {
			m.fail("%s: %v for a PUBLISH with QoS %d [MQTT-3.3.4-1]", c.id, kind, o.msg.qos)
		}
		switch {
		case kind == codec.TypePubcomp:
		case a.ReasonCode.IsError():
			o.msg.refused = true
			if sometimes, _ := m.restrictedIn(o.msg.sent, m.tick()); !sometimes || simMayPublish(c.id, o.msg.topic) {
				m.fail("%s: message %d was refused with %v", c.id, o.msg.number, a.ReasonCode)
			}
		default:
			if o.msg.done == 0 {
				o.msg.done = m.tick()
			}
			if kind == codec.TypePubrec {
				o.released = true
				c.toSend = append(c.toSend, simReply{codec.TypePubrel, o.id, codec.Success})
				return
			}
		}
		c.out = append(c.out[:i:i], c.out[i+1:]...)
		return
	}
	m.fail("%s: %v for Packet Identifier %d, which is not in use", c.id, kind, a.PacketID)
}

func (c *simClient) handleSuback(f codec.Frame) error {
	var a codec.Suback
	decode := codec.DecodeSuback
	if f.Type == codec.TypeUnsuback {
		decode = codec.DecodeUnsuback
	}
	if err := decode(&a, c.version, f.Body); err != nil {
		return err
	}
	answer := c.asked[a.PacketID]
	if answer == nil {
		c.sim.model.fail("%s: %v for Packet Identifier %d, which is not in use", c.id, f.Type, a.PacketID)
		return nil
	}
	delete(c.asked, a.PacketID)
	code := codec.Success
	if len(a.ReasonCodes) > 0 {
		code = a.ReasonCodes[0]
	}
	answer(code)
	return nil
}

// freeID returns a Packet Identifier that is not in use [MQTT-2.2.1-3].
func (c *simClient) freeID() codec.PacketID {
	for {
		c.lastID++
		if c.lastID == math.MaxUint16 {
			c.lastID = 1
		}
		used := c.asked[c.lastID] != nil
		for _, o := range c.out {
			used = used || o.id == c.lastID
		}
		if !used {
			return c.lastID
		}
	}
}

// acknowledge sends some of the replies that are due, in order [MQTT-4.6.0-2]
// [MQTT-4.6.0-3].
func (c *simClient) acknowledge(n int) {
	for range min(n, len(c.toSend)) {
		a := c.toSend[0]
		c.toSend = c.toSend[1:]
		switch {
		case a.kind == codec.TypePuback || a.kind == codec.TypePubcomp, a.code.IsError():
			delete(c.unacked, a.id)
		}
		if a.kind == codec.TypePuback {
			c.session.acknowledge(a.id)
		}
		c.send(codec.AppendAck(nil, c.version, a.kind, a.id, a.code))
	}
}
