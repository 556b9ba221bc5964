package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirmq/weir/codec"
)

// The model of a simulation knows what Clients know: what they sent, what they
// were answered, and what they received. It does not know when the engine did
// something, only that it was after it was asked and before it was answered.
// So whether a message goes to a Session has three answers: it must, when a
// Subscription was there from before it was sent until after it was
// acknowledged; it may, when the two overlap; and it must not.

// moment counts what happens in a simulation. Zero is never.
type moment int

// simMessage is an Application Message that somebody published.
type simMessage struct {
	number    int
	publisher string // Client Identifier
	stream    string // of the messages whose order counts; empty: of none
	topic     string
	qos       codec.QoS
	retain    bool
	clears    bool   // no payload: the retained message goes
	expiry    uint32 // seconds; 0: none
	inProcess bool   // no policy was asked
	will      bool

	sends     int // how often it was sent, without and with DUP
	sent      moment
	done      moment // the Server has surely published it; 0: not known
	sentAt    int64  // clock
	refused   bool   // by a Reason Code
	discarded bool   // a Will whose Client said goodbye
	copies    int    // delivered without RETAIN, to whomever
	rejected  int    // delivered, and answered with an error
	doubtful  int    // delivered with DUP: one of copies, or another
}

// simSubscription is what a Session asked for with one Topic Filter. Options
// that were replaced are remembered at their weakest and at their strongest.
type simSubscription struct {
	group  string // "$share/NAME/" of a Shared Subscription
	filter string // what follows

	asked   moment // SUBSCRIBE was sent
	made    moment // SUBACK was read; 0: not yet
	doubted moment // UNSUBSCRIBE was sent, or the right was lost; 0: neither
	ended   moment // UNSUBACK was read, or the loss has settled

	qosLow, qosHigh   codec.QoS
	noLocal, alwaysSo bool // in some of the options, in all of them
	retainAsPublished bool // in some of them
	wantsRetained     bool // in some of them
	ids               map[codec.SubscriptionID]bool
}

// simSession is a Session as its Client sees it: from a CONNACK without Session
// Present to the next one.
type simSession struct {
	client string
	subs   []*simSubscription
	expiry uint32

	connected   moment // since when it has the same connection; 0: it has none
	ending      bool   // the Server has closed that, and the Client may not have seen it
	over        bool
	slow        bool   // did not read all the time
	smallest    uint32 // Maximum Packet Size it ever had; 0: none
	reconnected bool   // so that DUP is in order
	checked     moment // what was published until then has been looked at
	heardAt     int64  // clock

	seen   map[*simMessage]bool // received in any way
	copies map[*simMessage]int  // received anew, RETAIN aside
	// atLeastOnce are those of copies that came with QoS 1.
	atLeastOnce map[*simMessage]int
	last        map[string]*simMessage // by stream and QoS
	// held are the messages that came with QoS 1, by Packet Identifier.
	held map[codec.PacketID]simHeld
}

// simHeld is the message that came last with a Packet Identifier.
type simHeld struct {
	msg *simMessage
	// acknowledged: PUBACK was sent, so that the Packet Identifier is free if
	// the Server has it.
	acknowledged bool
}

// acknowledge takes note of a PUBACK that is sent.
func (s *simSession) acknowledge(id codec.PacketID) {
	held := s.held[id]
	held.acknowledged = true
	s.held[id] = held
}

// simModel is the model.
type simModel struct {
	now      moment
	clock    func() int64
	messages []*simMessage
	sessions []*simSession
	// restricted are the moments at which the policy changed to and fro; it
	// allows everything to begin with.
	restricted []moment
	// dropsAllowed says that Limits are small: what is missing is compared
	// with what the engine has counted.
	dropsAllowed bool
	missing      map[string]int // of Sessions, with QoS 1 and 2, unexplained

	received   int // PUBLISH packets judged
	violations []string
}

func (m *simModel) fail(format string, args ...any) {
	m.violations = append(m.violations, fmt.Sprintf(format, args...))
}

func (m *simModel) tick() moment {
	m.now++
	return m.now
}

// naiveMatch is section 4.7 read aloud, for names and filters that do not
// begin with '$'.
func naiveMatch(filter, name string) bool {
	f, n := strings.Split(filter, "/"), strings.Split(name, "/")
	for i, level := range f {
		if level == "#" {
			return true
		}
		if i >= len(n) || level != "+" && level != n[i] {
			return false
		}
	}
	return len(f) == len(n)
}

// simMayPublish and simMaySubscribe are the restricted policy.
func simMayPublish(client, topic string) bool {
	return client[0] != 'r' || topic != "t/4" && topic != "t/5"
}

func simMaySubscribe(client, filter string) bool {
	switch filter {
	case "t/4", "t/5", "t/+", "t/#", "t/+/x":
		return client[0] != 'r'
	}
	return true
}

// restrictedIn reports whether the restricted policy was in force at some time
// between two moments, and whether all the time.
func (m *simModel) restrictedIn(from, to moment) (sometimes, always bool) {
	state, always := false, true
	last := moment(0)
	for i := 0; i <= len(m.restricted); i++ {
		next := to + 1
		if i < len(m.restricted) {
			next = m.restricted[i]
		}
		if next > from && last <= to { // state held from last to next
			sometimes = sometimes || state
			always = always && state
		}
		last, state = next, !state
	}
	return sometimes, always
}

// simOptions is what a SUBSCRIBE asks for.
type simOptions struct {
	qos                        codec.QoS
	noLocal, retainAsPublished bool
	retainHandling             byte
	id                         codec.SubscriptionID
}

// ask takes note of a SUBSCRIBE that is sent.
func (m *simModel) ask(s *simSession, group, filter string, o simOptions) *simSubscription {
	now := m.tick()
	var sub *simSubscription
	for _, old := range s.subs {
		if old.group != group || old.filter != filter {
			continue
		}
		// While the answer to the last one is under way, this is another: it
		// replaces the last one, not what the last one replaces.
		sub = nil
		if old.made != 0 && old.doubted == 0 {
			sub = old
		}
		// The Server takes the new options over before it says so.
		old.qosLow, old.noLocal = min(old.qosLow, o.qos), old.noLocal || o.noLocal
	}
	if sub == nil {
		sub = &simSubscription{
			group: group, filter: filter, asked: now, qosLow: o.qos, qosHigh: o.qos, alwaysSo: true,
			ids: make(map[codec.SubscriptionID]bool),
		}
		s.subs = append(s.subs, sub)
	}
	sub.qosLow, sub.qosHigh = min(sub.qosLow, o.qos), max(sub.qosHigh, o.qos)
	sub.noLocal = sub.noLocal || o.noLocal
	sub.alwaysSo = sub.alwaysSo && o.noLocal
	sub.retainAsPublished = sub.retainAsPublished || o.retainAsPublished
	sub.wantsRetained = sub.wantsRetained || group == "" && o.retainHandling < 2
	sub.ids[o.id] = true
	return sub
}

// subscribed takes note of its SUBACK.
func (m *simModel) subscribed(s *simSession, sub *simSubscription, code codec.ReasonCode) {
	now := m.tick()
	switch {
	case code.IsError():
		if sometimes, _ := m.restrictedIn(sub.asked, now); !sometimes || simMaySubscribe(s.client, sub.filter) {
			m.fail("%s was refused %q with %v [MQTT-3.8.4-1]", s.client, sub.filter, code)
		}
		if sub.made == 0 {
			sub.ended = now
		}
		sub.doubt(now)
		return
	case sub.made == 0:
		sub.made = now
	}
	for _, old := range s.subs {
		if old != sub && old.group == sub.group && old.filter == sub.filter && old.ended == 0 && old.asked < sub.asked {
			old.ended = now // replaced
		}
	}
}

func (sub *simSubscription) doubt(now moment) {
	if sub.doubted == 0 {
		sub.doubted = now
	}
}

// may reports whether the Subscription may have brought msg to the Session.
func (sub *simSubscription) may(s *simSession, msg *simMessage) bool {
	return naiveMatch(sub.filter, msg.topic) && (sub.ended == 0 || sub.ended > msg.sent) &&
		!(sub.alwaysSo && msg.publisher == s.client) // [MQTT-3.8.3-3]
}

// must reports whether the Subscription is certain to bring msg, which was
// published, to the Session.
func (sub *simSubscription) must(s *simSession, msg *simMessage) bool {
	return naiveMatch(sub.filter, msg.topic) && sub.made != 0 && sub.made < msg.sent && sub.doubted == 0 &&
		!(sub.noLocal && msg.publisher == s.client)
}

// published adds a message that is about to be sent.
func (m *simModel) published(msg simMessage) *simMessage {
	msg.number = len(m.messages)
	msg.sent, msg.sentAt, msg.sends = m.tick(), m.clock(), 1
	m.messages = append(m.messages, &msg)
	return m.messages[msg.number]
}

// simPayload is what the message carries; there is nothing to tell by when it
// clears a retained one.
func (msg *simMessage) payload(size int) []byte {
	if msg.clears {
		return nil
	}
	text := fmt.Sprintf("%d ", msg.number)
	return []byte(text + strings.Repeat(".", max(0, size-len(text))))
}

// messageIn is the inverse.
func (m *simModel) messageIn(payload []byte) *simMessage {
	n := -1
	if _, err := fmt.Sscan(string(payload), &n); err != nil || n < 0 || n >= len(m.messages) {
		return nil
	}
	return m.messages[n]
}

// arrived judges a PUBLISH that a Client received. known says that it is a
// QoS 2 message sent again, which the Client has and does not pass on.
func (m *simModel) arrived(s *simSession, p *codec.Publish, topic string, known bool) {
	m.tick()
	m.received++
	if len(p.Payload) == 0 {
		return // clears a retained message, and cannot be told from its like
	}
	msg := m.messageIn(p.Payload)
	if msg == nil || msg.topic != topic || msg.sends == 0 {
		m.fail("%s received %q on %q, which nobody published", s.client, p.Payload, topic)
		return
	}
	name := fmt.Sprintf("%s: message %d of %s on %s with QoS %d", s.client, msg.number, msg.publisher, topic, p.QoS)
	if p.Dup && (p.QoS == codec.QoS0 || !s.reconnected) {
		m.fail("%s has DUP [MQTT-3.3.1-2] [MQTT-3.3.1-3]", name)
	}
	if known {
		if !p.Dup {
			m.fail("%s comes again without DUP [MQTT-3.3.1-1]", name)
		}
		return
	}
	again := s.seen[msg]
	s.seen[msg] = true
	m.judgeRights(msg, name)
	most, low, shares, retainAsPublished, retained := codec.QoS0, codec.QoS2, 0, false, false
	ids := map[codec.SubscriptionID]bool{}
	plain := 0
	for _, sub := range s.subs {
		switch {
		case sub.may(s, msg):
			if sub.group != "" {
				shares++
			} else {
				plain = 1 // of overlapping Subscriptions one copy is sent
			}
		case p.Retain && sub.wantsRetained && naiveMatch(sub.filter, topic):
		default:
			continue
		}
		most, low = max(most, sub.qosHigh), min(low, sub.qosLow)
		retainAsPublished = retainAsPublished || sub.retainAsPublished
		retained = retained || sub.wantsRetained
		for id := range sub.ids {
			ids[id] = true
		}
	}
	copies := plain + shares
	if copies == 0 && !(p.Retain && retained) {
		m.fail("%s, sent at moment %d, has no Subscription that could have brought it [MQTT-3.3.4-2] [MQTT-3.10.4-1]; there are%s", name, msg.sent, s.describe(topic))
		return
	}
	if p.QoS > min(msg.qos, most) || p.QoS < min(msg.qos, low) {
		m.fail("%s was published with QoS %d and subscribed to with %d to %d [MQTT-3.8.4-8]", name, msg.qos, low, most)
	}
	for _, id := range p.SubscriptionIDs {
		if !ids[id] {
			m.fail("%s has Subscription Identifier %d of no such Subscription [MQTT-3.3.4-3]", name, id)
		}
	}
	if p.HasMessageExpiryInterval && (p.MessageExpiryInterval > msg.expiry || p.MessageExpiryInterval == 0 && !p.Dup) {
		m.fail("%s has Message Expiry Interval %d of %d [MQTT-3.3.2-6]", name, p.MessageExpiryInterval, msg.expiry)
	}
	if p.Retain {
		if !msg.retain || !retained && !retainAsPublished {
			m.fail("%s has RETAIN [MQTT-3.3.1-12]", name)
		}
		return // stored and sent whenever a SUBSCRIBE asks for it, in no order
	}
	m.count(s, msg, p, copies, name)
	if !again {
		m.order(s, msg, p, name)
	}
}

// rejected takes note of a message that the Client does not take, so that
// nobody will miss it.
func (m *simModel) rejected(s *simSession, p *codec.Publish) {
	if msg := m.messageIn(p.Payload); msg != nil {
		s.seen[msg] = true
		msg.rejected++
	}
}

// count judges how often a message arrives.
func (m *simModel) count(s *simSession, msg *simMessage, p *codec.Publish, copies int, name string) {
	sends := msg.sends
	if msg.qos == codec.QoS2 {
		sends = 1
	}
	before := s.copies[msg]
	if p.QoS == codec.QoS1 {
		held := s.held[p.PacketID]
		s.held[p.PacketID] = simHeld{msg: msg}
		if p.Dup && held.msg == msg {
			// Sent again, as it should be. Once the Packet Identifier is free it may
			// also be the copy for another group, of which this is the first to
			// arrive. The two cannot be told from each other.
			if held.acknowledged {
				msg.doubtful++
			}
			return
		}
	}
	s.copies[msg]++
	msg.copies++
	if p.QoS == codec.QoS1 {
		s.atLeastOnce[msg]++
	}
	if before+1 > copies*sends {
		switch {
		case msg.will:
			m.fail("%s is a Will published more than once [MQTT-3.1.2-10]", name)
		case p.QoS == codec.QoS2:
			m.fail("%s arrives %d times and not exactly once [MQTT-4.3.3-1] [MQTT-4.3.3-10]", name, before+1)
		case p.QoS == codec.QoS1:
			m.fail("%s arrives %d times, and was sent %d times [MQTT-4.3.2-1] [MQTT-4.3.2-2]", name, before+1, msg.sends)
		default:
			m.fail("%s arrives %d times and not at most once [MQTT-4.3.1-1]", name, before+1)
		}
	}
}

// order judges the order in which messages arrive for the first time.
func (m *simModel) order(s *simSession, msg *simMessage, p *codec.Publish, name string) {
	// The copy of the first time may have been lost, where it may be, before one
	// of the next arrives.
	mayLose := p.QoS == codec.QoS0 || m.dropsAllowed || m.mayHaveExpired(msg) ||
		s.smallest != 0 && msg.largest(len(p.Payload)) > s.smallest
	if msg.stream == "" || msg.sends > 1 && (mayLose || !m.wasFor(s, msg)) || m.mayHaveMoved(s, msg) {
		return
	}
	stream := fmt.Sprintf("%s %s %d %d", msg.stream, msg.topic, msg.qos, p.QoS)
	if last := s.last[stream]; last != nil && last.number > msg.number {
		m.fail("%s arrives after message %d [MQTT-4.6.0-6]", name, last.number)
	}
	s.last[stream] = msg
}

// describe lists the Subscriptions that match the topic, or once did.
func (s *simSession) describe(topic string) (text string) {
	for _, sub := range s.subs {
		if naiveMatch(sub.filter, topic) {
			text += fmt.Sprintf(" %s%s (asked %d, made %d, doubted %d, ended %d, No Local %v)",
				sub.group, sub.filter, sub.asked, sub.made, sub.doubted, sub.ended, sub.alwaysSo)
		}
	}
	return text
}

// wasFor reports whether the message was for the Session, and to be kept for it,
// when it was first sent. If not, it can be for it when it is sent again, after
// others that were.
func (m *simModel) wasFor(s *simSession, msg *simMessage) bool {
	if restricted, _ := m.restrictedIn(msg.sent, m.now); restricted && !simMayPublish(msg.publisher, msg.topic) {
		return false
	}
	for _, sub := range s.subs {
		if sub.group == "" && sub.must(s, msg) && sub.qosLow > codec.QoS0 {
			return true
		}
	}
	return false
}

// judgeRights has nobody receive what its publisher had no right to publish.
func (m *simModel) judgeRights(msg *simMessage, name string) {
	until := msg.done
	if until == 0 || msg.will {
		until = m.now
	}
	_, always := m.restrictedIn(msg.sent, until)
	switch {
	case always && !msg.inProcess && !simMayPublish(msg.publisher, msg.topic):
		m.fail("%s was published without the right to (5.4.2)", name)
	case msg.refused && msg.sends == 1:
		m.fail("%s was refused, and is delivered (3.4.2.1)", name)
	case msg.discarded:
		m.fail("%s is the Will of a Client that said goodbye [MQTT-3.14.4-3]", name)
	}
}

// largest is what a PUBLISH of the message can come to, with whatever Subscription
// Identifiers it has.
func (msg *simMessage) largest(payload int) uint32 {
	return uint32(payload + len(msg.topic) + 40)
}

// mayHaveExpired reports whether its time may have been up before it was sent on.
func (m *simModel) mayHaveExpired(msg *simMessage) bool {
	return msg.expiry != 0 && m.clock()-msg.sentAt >= int64(msg.expiry)*int64(time.Second)
}

// checkDelivered looks, when nothing is on its way any more, at what each
// connected Session must have received since it was last looked at.
func (m *simModel) checkDelivered() {
	now := m.tick()
	for _, s := range m.sessions {
		if s.over || s.connected == 0 {
			continue
		}
		for _, msg := range m.messages {
			if msg.done > s.checked {
				m.checkOne(s, msg)
			}
		}
	}
	for _, msg := range m.messages {
		m.checkShared(msg)
	}
	for _, s := range m.sessions {
		if s.connected != 0 {
			s.checked, s.slow = now, false
		}
	}
}

// deliverable reports whether nothing but a fault could have kept the message
// from a Session that was there.
func (m *simModel) deliverable(s *simSession, msg *simMessage) bool {
	restricted, _ := m.restrictedIn(msg.sent, msg.done)
	return !msg.clears && !msg.refused && !msg.discarded && !m.mayHaveExpired(msg) &&
		(msg.inProcess || !restricted || simMayPublish(msg.publisher, msg.topic)) &&
		(s.smallest == 0 || msg.largest(simPayloadSize) <= s.smallest) // [MQTT-3.1.2-25]
}

func (m *simModel) checkOne(s *simSession, msg *simMessage) {
	if !m.deliverable(s, msg) || s.seen[msg] {
		return
	}
	qos, due := codec.QoS0, false
	for _, sub := range s.subs {
		if sub.group == "" && sub.must(s, msg) {
			qos, due = max(qos, min(msg.qos, sub.qosLow)), true
		}
	}
	name := fmt.Sprintf("%s: message %d of %s on %s", s.client, msg.number, msg.publisher, msg.topic)
	switch {
	case !due:
	case qos == codec.QoS0:
		// For who is there and reads, from the SUBACK on; a flow without a loss
		// has no reason to lose it.
		if s.connected < msg.sent && !s.slow && !m.dropsAllowed {
			m.fail("%s with QoS 0 never arrived [MQTT-3.3.4-2]", name)
		}
	case m.dropsAllowed:
		m.missing[s.client]++
	case msg.will:
		m.fail("%s, a Will, never arrived [MQTT-3.1.2-8]", name)
	case qos == codec.QoS1:
		m.fail("%s with QoS 1 never arrived [MQTT-4.3.2-1] [MQTT-4.5.0-1]", name)
	default:
		m.fail("%s with QoS 2 never arrived [MQTT-4.3.3-1] [MQTT-4.5.0-1]", name)
	}
}

// shares reports whether the topic is one of those that groups alone subscribe to.
func shares(topic string) bool { return topic[0] == 's' }

// checkRetained compares what is stored, by Topic Name, with what may be: of
// messages that were published at the same time nobody knows the last.
func (m *simModel) checkRetained(stored map[string]*simMessage) {
	topics := map[string]bool{}
	for _, msg := range m.messages {
		if msg.retain {
			topics[msg.topic] = true
		}
	}
	for topic, msg := range stored {
		if !topics[topic] || !msg.retain || msg.topic != topic {
			m.fail("message %d is retained on %q [MQTT-3.3.1-8]", msg.number, topic)
		}
	}
	for topic := range topics {
		latest := moment(0) // of a message that was surely stored: when it was sent
		for _, msg := range m.messages {
			if msg.retain && msg.topic == topic && m.surelyPublished(msg) {
				latest = max(latest, msg.sent)
			}
		}
		found, mayBeNone, expected := stored[topic], latest == 0, 0
		allowed := false
		for _, msg := range m.messages {
			if !msg.retain || msg.topic != topic || msg.done != 0 && msg.done < latest {
				continue
			}
			expected = msg.number
			allowed = allowed || msg == found
			mayBeNone = mayBeNone || msg.clears || m.mayHaveExpired(msg)
		}
		switch {
		case found == nil && !mayBeNone:
			m.fail("nothing is retained on %q, and message %d should be [MQTT-3.3.1-5]", topic, expected)
		case found != nil && !allowed:
			m.fail("message %d is retained on %q, and message %d should be [MQTT-3.3.1-5] [MQTT-3.3.1-6]", found.number, topic, expected)
		}
	}
}

func (m *simModel) surelyPublished(msg *simMessage) bool {
	restricted, _ := m.restrictedIn(msg.sent, msg.done)
	return msg.done != 0 && !msg.refused && !msg.discarded && !msg.will &&
		(msg.inProcess || !restricted || simMayPublish(msg.publisher, msg.topic))
}
