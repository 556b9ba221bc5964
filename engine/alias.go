package engine

import "github.com/weirmq/weir/codec"

// outboundAliases is the Topic Aliases that the Server uses towards a Client
// that allows it: the first topics sent get one, until there are no more.
type outboundAliases struct {
	maximum uint16 // the Client's, capped
	byTopic map[string]uint16
}

// newOutboundAliases returns nil where the Client wants none [MQTT-3.1.2-27].
func newOutboundAliases(maximum, limit uint16) *outboundAliases {
	if maximum = min(maximum, limit); maximum == 0 {
		return nil
	}
	return &outboundAliases{maximum: maximum, byTopic: make(map[string]uint16)}
}

// apply sets the Topic Alias of q, and leaves the Topic Name out if the
// Client knows the alias already. fresh says that it does not.
func (a *outboundAliases) apply(q *codec.Publish, topic string) (fresh bool) {
	if alias, ok := a.byTopic[topic]; ok {
		q.TopicAlias, q.TopicName = alias, nil
		return false
	}
	if len(a.byTopic) >= int(a.maximum) {
		return false
	}
	alias := uint16(len(a.byTopic) + 1)
	a.byTopic[topic] = alias
	q.TopicAlias = alias
	return true
}

// forget takes back the alias that apply has just given.
func (a *outboundAliases) forget(topic string) { delete(a.byTopic, topic) }

// inboundAliases is the Topic Aliases that a Client uses. Few do, so a conn has
// a pointer and no slice.
type inboundAliases struct {
	topics []string // Topic Name by Topic Alias - 1
}

// inboundTopic resolves the Topic Alias of a PUBLISH. It returns nil after
// closing the connection.
func (c *conn) inboundTopic(p *codec.Publish) []byte {
	if p.TopicAlias > c.loop.engine.limits.TopicAliasMaximum {
		c.protocolError(codec.TopicAliasInvalid, "Topic Alias above the Topic Alias Maximum") // [MQTT-3.3.2-9]
		return nil
	}
	a, i := c.aliasesIn, int(p.TopicAlias)-1
	if len(p.TopicName) > 0 {
		if a == nil {
			a = new(inboundAliases)
			c.aliasesIn = a
		}
		if i >= len(a.topics) {
			grown := make([]string, p.TopicAlias)
			copy(grown, a.topics)
			a.topics = grown
		}
		// Of a Topic Name that is too long enough is kept to refuse it again.
		kept := p.TopicName[:min(len(p.TopicName), c.loop.engine.limits.TopicLength+1)]
		if a.topics[i] != string(kept) {
			a.topics[i] = string(kept)
		}
		return p.TopicName
	}
	if a == nil || i >= len(a.topics) || a.topics[i] == "" {
		c.protocolError(codec.ProtocolError, "Topic Alias without a mapping") // 3.3.2.3.4
		return nil
	}
	return bytesOf(a.topics[i])
}
