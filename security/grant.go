package security

import (
	"unsafe"

	"github.com/weirmq/weir/topics"
)

// Grant is what one Principal may do. It is immutable and safe for concurrent
// use. The zero value and nil deny everything.
type Grant struct {
	class     *Class
	principal *Principal // for tokens; nil when the class has none
}

// Class returns the class of the Principal, nil for the zero Grant.
func (g *Grant) Class() *Class {
	if g == nil {
		return nil
	}
	return g.class
}

// Decide decides on a. topic is the Topic Name for [ActionPublish] and the
// Topic Filter for [ActionSubscribe]; it is ignored for [ActionConnect]. A
// topic that is not valid for the action is denied.
//
// A Topic Name is allowed when it matches a Topic Filter of a rule. A Topic
// Filter is allowed when one Topic Filter of one rule covers all Topic Names it
// can match; that of a Shared Subscription stands for the Topic Filter inside.
// Topics that begin with '$' are allowed only by rules that spell out their
// first level [MQTT-4.7.2-1].
//
// It takes no lock and allocates nothing.
func (g *Grant) Decide(a Action, topic string) Decision {
	if g == nil || g.class == nil {
		return Deny
	}
	switch a {
	case ActionConnect:
		return Decision(g.class.connect)
	case ActionPublish:
		return Decision(topics.ValidName(topic) && g.class.publish.allows(topic, g.principal))
	case ActionSubscribe:
		_, filter, _, err := topics.ParseShared(topic)
		return Decision(err == nil && topics.ValidFilter(filter) && g.class.subscribe.allows(filter, g.principal))
	}
	return Deny
}

// DecideBytes is Decide for a topic that is borrowed for the call.
func (g *Grant) DecideBytes(a Action, topic []byte) Decision {
	return g.Decide(a, unsafe.String(unsafe.SliceData(topic), len(topic)))
}

// allows is the walk from the root of a class's trie. One walk serves Topic
// Names and Topic Filters: a name is a filter without wildcards.
func (n *node) allows(topic string, p *Principal) bool {
	if topic[0] == '$' {
		// Only what a rule spells out. Not a token either: a Client may choose
		// its Client Identifier, and "$SYS" would be an interesting choice.
		level, rest, more := topics.NextLevel(topic)
		to := n.literal(level)
		return to != nil && to.covers(rest, more, p)
	}
	if topic == "#" && n.plus != nil && n.plus.rest {
		return true // a Topic Name has a first level, so "+/#" is all of "#"
	}
	return n.covers(topic, true, p)
}

// covers reports whether a filter below n covers rest, which is what follows
// the levels that led to n; more is false when nothing does. The depth of the
// recursion is that of the rules, not of the topic.
func (n *node) covers(rest string, more bool, p *Principal) bool {
	if n.rest {
		return true // "#" includes the parent level
	}
	if !more {
		return n.terminal
	}
	level, rest, more := topics.NextLevel(rest)
	if level == "#" {
		return false // reaches deeper than anything below n that lacks a "#"
	}
	if level != "+" {
		if to := n.literal(level); to != nil && to.covers(rest, more, p) {
			return true
		}
		// A level of a valid topic holds no '/', '+', '#' or NUL, so a value
		// equal to one cannot either. It may be empty, and then equals the
		// empty value of a token that has none.
		for i := range n.tokens {
			e := &n.tokens[i]
			if level != "" && e.token.value(p) == level && e.to.covers(rest, more, p) {
				return true
			}
		}
	}
	return n.plus != nil && n.plus.covers(rest, more, p)
}
