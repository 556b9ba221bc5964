package engine

import (
	"container/list"
	"context"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// rightsCheck is where a connected Client stands whose rights a custom
// Authorizer has to confirm. Its input is handled meanwhile, and judged by
// itself: this is about what it held before.
type rightsCheck struct {
	place  *list.Element      // in rightsChecks.waiting, before it is asked about
	cancel context.CancelFunc // while it is

	// Between two rounds: what is asked, and the answers to the first of that.
	questions []question
	answers   []answer
}

// rightsChecks is the Clients of a loop whose rights have to be confirmed. Not
// all are asked about at once, since a change of policy concerns everybody: the
// Authorizer would be busy with those who are connected while others want to be.
type rightsChecks struct {
	waiting list.List // of *conn
	asking  int       // how many goroutines ask
}

// recheckRights ends what the policy no longer allows.
func (c *conn) recheckRights() {
	c.current()
	switch {
	case c.grant != nil:
		c.applyRights(c.grant.Decide(security.ActionConnect, "") == security.Allow, c.maySubscribe)
	case c.decisions != nil:
		r := &c.decisions.recheck
		if r.place != nil || r.cancel != nil {
			return // two changes, and the first check is by the policy of the second
		}
		l := c.loop
		r.place = l.rightsChecks.waiting.PushBack(c)
		l.askForRights()
	}
}

// abandonRecheck gives up a check that concerns nobody any more.
func (c *conn) abandonRecheck() {
	if c.decisions == nil {
		return
	}
	r := &c.decisions.recheck
	if r.place != nil {
		c.loop.rightsChecks.waiting.Remove(r.place)
	}
	if r.cancel != nil {
		r.cancel()
	}
	*r = rightsCheck{}
}

// askForRights asks about those who wait, as far as there is room.
func (l *loop) askForRights() {
	r := &l.rightsChecks
	share := max(1, l.engine.limits.PendingAuthentications/recheckShare/len(l.engine.loops))
	for r.asking < share && r.waiting.Len() > 0 {
		r.asking++
		r.waiting.Front().Value.(*conn).askForRights()
	}
}

// askForRights takes the Client from those who wait, and asks. When time has
// run out it waits for its turn again, if there were answers meanwhile.
func (c *conn) askForRights() {
	l, d, p, who := c.loop, c.decisions, c.policy, c.principal
	l.rightsChecks.waiting.Remove(d.recheck.place)
	d.recheck.place = nil
	qs, soFar := d.recheck.questions, d.recheck.answers
	if qs == nil {
		qs = []question{{security.ActionConnect, ""}}
		for _, sub := range c.session.subscriptions.all() {
			qs = append(qs, question{security.ActionSubscribe, sub.filter})
		}
	}
	c.onGoroutine(&d.recheck.cancel, func(ctx context.Context) func() {
		more := p.answers(ctx, who, qs[len(soFar):])
		return func() {
			if d != c.decisions {
				return // it is somebody else by now, or there is another policy
			}
			answers := append(soFar, more...)
			if len(answers) < len(qs) && anyKnown(more) {
				d.recheck = rightsCheck{place: l.rightsChecks.waiting.PushBack(c), questions: qs, answers: answers}
				l.askForRights() // the goroutine may have been done before
				return
			}
			d.recheck = rightsCheck{}
			allowed := func(i int) bool { return i < len(answers) && answers[i] == answer{security.Allow, true} }
			// What it subscribed to meanwhile was judged then.
			denied := make(map[string]bool)
			for i, q := range qs[1:] {
				denied[q.topic] = !allowed(1 + i)
			}
			c.applyRights(allowed(0), func(filter string) bool { return !denied[filter] })
		}
	}, func() {
		l.postSingly(func(l *loop) {
			l.rightsChecks.asking--
			l.askForRights()
		})
	})
}

func (c *conn) applyRights(mayConnect bool, maySubscribe func(filter string) bool) {
	if !mayConnect {
		c.loop.engine.denied(c.describe(), security.ActionConnect, "", "no longer allowed")
		// It could not come back, so it may as well know why.
		c.disconnect(codec.NotAuthorized, CloseNotAuthorized)
		return
	}
	c.dropSubscriptions(maySubscribe)
}

// dropSubscriptions ends the Subscriptions that the policy no longer allows,
// and drops what waits because of them.
func (c *conn) dropSubscriptions(may func(filter string) bool) {
	s, l := c.session, c.loop
	var lost []string
	for _, sub := range s.subscriptions.all() {
		if !may(sub.filter) {
			lost = append(lost, sub.filter)
		}
	}
	if len(lost) == 0 {
		return
	}
	for _, filter := range lost {
		s.unsubscribe(filter)
		l.engine.denied(c.describe(), security.ActionSubscribe, filter, "Subscription removed: no longer allowed")
	}
	l.stats.SubscriptionsRevoked += uint64(len(lost))
	if s.transit == nil {
		return
	}
	wanted := func(q *queued) bool { return s.wants(q.msg.topic) }
	revoked := func() { s.dropped(DropRevoked) }
	s.handOverQueued(func(q *queued) bool { return !wanted(q) }, revoked)
	s.transit.queue.filter(l, wanted, revoked)
	s.transit.backlog.filter(l, wanted)
}
