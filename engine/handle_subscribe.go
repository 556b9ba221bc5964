package engine

import (
	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/topics"
)

// handleSubscribe makes Subscriptions (3.8.4): each Topic Filter is judged by
// itself, SUBACK tells how, and retained messages follow it.
func (c *conn) handleSubscribe(f codec.Frame) (done bool) {
	l := c.loop
	p := &l.subscribe
	if err := codec.DecodeSubscribe(p, c.version, f.Body); err != nil {
		c.fail(err)
		return false
	}
	c.current()
	if !c.knowsAnswers(p) {
		return false
	}
	l.codes = l.codes[:0]
	for i := range p.Subscriptions {
		l.codes = append(l.codes, c.subscribe(&p.Subscriptions[i], p.SubscriptionID))
	}
	out := c.output()
	start := len(out.B)
	out.B = codec.AppendSuback(out.B, c.version, p.PacketID, l.codes, "") // [MQTT-3.8.4-1]
	c.fits(start)
	c.pump()
	if cap(p.Subscriptions) > maxKeptFilters {
		p.Subscriptions = nil
	}
	return true
}

// subscribe judges and makes one Subscription.
func (c *conn) subscribe(sub *codec.Subscription, id codec.SubscriptionID) codec.ReasonCode {
	l, s := c.loop, c.session
	if !l.engine.validTopicFilter(sub.TopicFilter) {
		l.stats.TopicsRefused++
		return codec.TopicFilterInvalid
	}
	filter := string(sub.TopicFilter)
	_, _, shared, err := topics.ParseShared(filter)
	if err != nil {
		l.stats.TopicsRefused++
		return codec.TopicFilterInvalid
	}
	if !c.maySubscribe(filter) {
		l.stats.SubscriptionsDenied++
		l.engine.denied(c.describe(), security.ActionSubscribe, filter, "")
		return codec.NotAuthorized
	}
	if !s.maySubscribeTo(filter) {
		l.stats.SubscriptionsRefused++
		return codec.QuotaExceeded
	}
	o := topics.Options{
		QoS:               byte(sub.QoS),
		NoLocal:           sub.NoLocal,
		RetainAsPublished: sub.RetainAsPublished,
		ID:                uint32(id),
	}
	existed := s.subscribe(filter, o)
	// A shared Subscription gets no retained messages (4.8.2).
	if !shared && (sub.RetainHandling == 0 || sub.RetainHandling == 1 && !existed) {
		s.sendRetained(filter, o) // [MQTT-3.3.1-9] [MQTT-3.3.1-10]
	}
	return codec.ReasonCode(sub.QoS)
}

// validTopicFilter checks what the codec does not: form, length and depth.
func (e *Engine) validTopicFilter(filter []byte) bool {
	return len(filter) <= e.limits.TopicLength && topics.ValidFilter(filter) &&
		topics.Levels(stringOf(filter)) <= e.limits.TopicLevels
}

func (c *conn) maySubscribe(filter string) bool {
	switch {
	case c.grant != nil:
		return c.grant.Decide(security.ActionSubscribe, filter) == security.Allow
	case c.decisions != nil:
		return c.decisions.answers[question{security.ActionSubscribe, filter}] == security.Allow
	}
	return true
}

// knowsAnswers reports whether a custom Authorizer has answered for all Topic
// Filters; if not it is being asked.
func (c *conn) knowsAnswers(p *codec.Subscribe) bool {
	if c.decisions == nil {
		return true
	}
	var qs []question
	for i := range p.Subscriptions {
		qs = append(qs, question{security.ActionSubscribe, string(p.Subscriptions[i].TopicFilter)})
	}
	if qs = c.decisions.unanswered(qs); len(qs) > 0 {
		c.askAuthorizer(qs, nil, false, func() {})
	}
	return len(qs) == 0
}
