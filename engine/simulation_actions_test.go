package engine

import (
	"fmt"

	"github.com/weirmq/weir/codec"
)

// act has the Client do something, if it can.
func (c *simClient) act() {
	r := c.rand()
	switch {
	case c.claimed():
		return // or it would not be known who is last
	case c.link == nil:
		c.connect(r.IntN(4) == 0)
		return
	case !c.open:
		if r.IntN(4) == 0 {
			c.rival()
		}
		return
	case c.link.goodbye:
		return
	}
	switch n := r.IntN(200); {
	case n < 80:
		c.publish()
	case n < 150:
		c.acknowledge(1 + r.IntN(4))
	case n < 166:
		c.subscribe()
	case n < 172:
		c.unsubscribe()
	case n < 180:
		c.ping()
	case n < 184:
		c.drop()
	case n < 188:
		c.connect(r.IntN(4) == 0)
	case n < 190:
		c.disconnect()
	case n < 192:
		c.link.slow, c.session.slow = true, true
		c.link.mc.window = r.IntN(500)
	default:
		if c.link.slow {
			c.link.mc.open(r.IntN(1000))
		}
	}
}

// claimed reports whether an earlier connection may still claim the Session.
func (c *simClient) claimed() bool {
	for _, k := range c.sim.net.links {
		if k.client == c && k != c.link && !k.mc.closed && k.mc.conn.receiveMaximum == 0 {
			return true
		}
	}
	return false
}

// rival connects again before the CONNACK has come, so that two connections
// claim the Session at the same time. Which of them is last is not known, so
// that it is done only where it makes no difference for the model.
func (c *simClient) rival() {
	s := c.session
	if s == nil || s.over || s.expiry != sessionNeverExpires || c.cleanStart || c.expiry != sessionNeverExpires || c.link.will != nil {
		return
	}
	c.link = c.sim.net.dial(c)
	c.link.rival = true
	p := codec.Connect{Version: c.version, ClientID: []byte(c.id)}
	if c.version == codec.V5 {
		p.Properties.SetSessionExpiryInterval(c.expiry)
		if c.receiveMaximum != 0 {
			p.Properties.SetReceiveMaximum(c.receiveMaximum)
		}
		if c.maximumPacketSize != 0 {
			p.Properties.SetMaximumPacketSize(c.maximumPacketSize)
		}
		p.Properties.SetTopicAliasMaximum(c.aliasMaximum)
	}
	c.send(codec.AppendConnect(nil, &p))
}

func (c *simClient) publish() {
	r := c.rand()
	qos := codec.QoS(r.IntN(3))
	if qos > codec.QoS0 && len(c.out) >= c.serverMaximum { // [MQTT-3.3.4-7]
		return
	}
	msg := simMessage{publisher: c.id, stream: c.stream(), topic: c.sim.topic(), qos: qos}
	if msg.topic[0] == 't' && r.IntN(10) == 0 {
		msg.retain = true
		msg.clears = r.IntN(4) == 0
	}
	if c.version == codec.V5 && r.IntN(8) == 0 {
		msg.expiry = 1 + r.Uint32N(20)
	}
	m := c.sim.model.published(msg)
	o := &simOutgoing{msg: m, payload: m.payload(r.IntN(simPayloadSize))}
	if qos > codec.QoS0 {
		o.id = c.freeID()
		c.out = append(c.out, o)
	} else {
		c.unconfirmed = append(c.unconfirmed, m)
	}
	c.sendPublish(o, false)
}

func (c *simClient) sendPublish(o *simOutgoing, dup bool) {
	p := codec.Publish{
		TopicName: []byte(o.msg.topic), Payload: o.payload, PacketID: o.id, QoS: o.msg.qos, Dup: dup, Retain: o.msg.retain,
		HasMessageExpiryInterval: o.msg.expiry != 0, MessageExpiryInterval: o.msg.expiry,
	}
	if c.serverAliases > 0 && c.rand().IntN(2) == 0 {
		p.TopicAlias = 1 + uint16(c.rand().IntN(int(min(c.serverAliases, 4))))
		if c.aliasesOut[p.TopicAlias] == o.msg.topic {
			p.TopicName = nil
		}
		c.aliasesOut[p.TopicAlias] = o.msg.topic
	}
	c.send(codec.AppendPublish(nil, c.version, &p))
}

// stream names the messages whose order counts: those of one Session.
func (c *simClient) stream() string { return fmt.Sprint(c.id, "#", c.incarnation) }

func (c *simClient) subscribe() {
	r := c.rand()
	group, filter := c.sim.filter()
	o := simOptions{qos: codec.QoS(r.IntN(3))}
	if c.version == codec.V5 {
		o.noLocal = group == "" && r.IntN(4) == 0
		o.retainAsPublished = group == "" && r.IntN(4) == 0
		o.retainHandling = byte(r.IntN(3))
		o.id = codec.SubscriptionID(r.IntN(3))
	}
	c.subscribeTo(group, filter, o)
}

func (c *simClient) subscribeTo(group, filter string, o simOptions) {
	s, m := c.session, c.sim.model
	id := c.freeID()
	sub := m.ask(s, group, filter, o)
	c.asked[id] = func(code codec.ReasonCode) { m.subscribed(s, sub, code) }
	c.send(codec.AppendSubscribe(nil, c.version, &codec.Subscribe{
		PacketID: id, SubscriptionID: o.id,
		Subscriptions: []codec.Subscription{{
			TopicFilter: []byte(group + filter), QoS: o.qos, NoLocal: o.noLocal,
			RetainAsPublished: o.retainAsPublished, RetainHandling: o.retainHandling,
		}},
	}))
}

func (c *simClient) unsubscribe() {
	m := c.sim.model
	group, filter := c.sim.filter()
	now := m.tick()
	var ending []*simSubscription
	for _, sub := range c.session.subs {
		if sub.group == group && sub.filter == filter {
			sub.doubt(now)
			ending = append(ending, sub)
		}
	}
	id := c.freeID()
	c.asked[id] = func(codec.ReasonCode) {
		now := m.tick()
		for _, sub := range ending {
			if sub.ended == 0 {
				sub.ended = now
			}
		}
	}
	c.send(codec.AppendUnsubscribe(nil, c.version, &codec.Unsubscribe{PacketID: id, TopicFilters: [][]byte{[]byte(group + filter)}}))
}

func (c *simClient) ping() {
	c.pings = append(c.pings, c.unconfirmed)
	c.unconfirmed = nil
	c.send(codec.AppendPingreq(nil))
}

func (c *simClient) disconnect() {
	d := codec.Disconnect{}
	if c.version == codec.V5 && c.rand().IntN(2) == 0 {
		d.ReasonCode = codec.DisconnectWithWillMessage
	}
	c.send(codec.AppendDisconnect(nil, &d))
	c.link.goodbye = true
}
