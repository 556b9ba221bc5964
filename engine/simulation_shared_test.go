package engine

import "github.com/weirmq/weir/codec"

// checkShared looks at the messages that go to groups: each gets one copy.
func (m *simModel) checkShared(msg *simMessage) {
	if !shares(msg.topic) {
		return
	}
	possible, certain := map[string]bool{}, map[string]bool{}
	uncertain := map[string]bool{}
	again := 0
	for _, s := range m.sessions {
		if s.over || s.connected == 0 {
			// What it may not have acknowledged went to another member, if it
			// has ended.
			again += s.atLeastOnce[msg]
		}
		for _, sub := range s.subs {
			if sub.group == "" || !sub.may(s, msg) {
				continue
			}
			group := sub.group + sub.filter
			possible[group] = true
			if sub.must(s, msg) && !s.over && s.connected != 0 && sub.qosLow > codec.QoS0 && m.deliverable(s, msg) {
				certain[group] = true
			} else {
				uncertain[group] = true
			}
		}
	}
	sends := msg.sends
	if msg.qos == codec.QoS2 {
		sends = 1
	}
	if msg.copies > len(possible)*sends+again {
		m.fail("message %d of %s on %s went to %d members of %d groups (4.8.2)", msg.number, msg.publisher, msg.topic, msg.copies, len(possible))
	}
	least := 0
	for group := range certain {
		if !uncertain[group] {
			least++
		}
	}
	if msg.done != 0 && msg.qos > codec.QoS0 && msg.copies+msg.rejected+msg.doubtful < least && !m.dropsAllowed {
		m.fail("message %d of %s on %s went to %d members of %d groups (4.8.2)", msg.number, msg.publisher, msg.topic, msg.copies, least)
	}
}

// mayHaveMoved reports whether msg may have been on its way to another member
// of a Shared Subscription first, which ended, lost its right, or did not take
// packets of that size (4.8.2).
func (m *simModel) mayHaveMoved(to *simSession, msg *simMessage) bool {
	for _, s := range m.sessions {
		if s == to {
			continue
		}
		steady := !s.over && !s.ending && s.connected != 0 && s.connected < msg.sent && s.smallest == 0
		for _, sub := range s.subs {
			if sub.group != "" && sub.may(s, msg) && (!steady || sub.doubted != 0) {
				return true
			}
		}
	}
	return false
}
