package engine

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/topics"
)

// receiver is one Session to which a message of some topic goes, and how. Of
// overlapping Subscriptions of a Session it has the highest QoS and all
// Subscription Identifiers [MQTT-3.3.4-2] [MQTT-3.3.4-3], so that one copy is
// sent.
type receiver struct {
	session           *Session
	ids               []codec.SubscriptionID
	group             *topics.Group[*Session] // the Shared Subscription; nil for others
	qos               codec.QoS
	retainAsPublished bool
	// exceptSelf: not for what the Session itself published, because all its
	// Subscriptions say No Local [MQTT-3.8.3-3]. onlySelf: for nothing else;
	// it holds those without No Local where some have it.
	exceptSelf, onlySelf bool
}

// remoteReceivers is the receivers that live on one other loop.
type remoteReceivers struct {
	loop      *loop
	receivers []receiver
}

// sharedReceivers is one shared subscription group: one member gets each
// message. Which one is for a SharedStrategy to say.
type sharedReceivers struct {
	cursor  *atomic.Uint64
	members []receiver
}

// route is what a loop knows about one Topic Name: who receives, and who may
// publish. It is right as long as its stamp is the trie's. Its slices are
// immutable: other loops read them, and a new route has new ones.
type route struct {
	topic string
	shard topics.ShardID
	stamp uint64

	local  []receiver
	remote []remoteReceivers
	shared []sharedReceivers
	size   int // receivers in all of them

	// decisions remembers for some classes of principals whether they may
	// publish here; turn is the one replaced next.
	decisions [2]classDecision
	turn      uint8
}

type classDecision struct {
	class    *security.Class
	decision security.Decision
}

// decide answers for a class from memory, or asks the Grant.
func (r *route) decide(g *security.Grant) security.Decision {
	class := g.Class()
	if class.Depends(security.ActionPublish) {
		return g.Decide(security.ActionPublish, r.topic)
	}
	for i := range r.decisions {
		if r.decisions[i].class == class {
			return r.decisions[i].decision
		}
	}
	d := g.Decide(security.ActionPublish, r.topic)
	r.decisions[r.turn] = classDecision{class, d}
	r.turn = (r.turn + 1) % uint8(len(r.decisions))
	return d
}

// routeCache holds the routes of the topics that were published to of late:
// two generations, of which the older goes when the younger is full. That
// drops what is not in use, at no cost for what is.
type routeCache struct {
	young, old map[string]*route
	receivers  int // resolved into the young generation
}

func (c *routeCache) get(topic []byte) *route {
	if r, ok := c.young[string(topic)]; ok {
		return r
	}
	r, ok := c.old[string(topic)]
	if ok {
		c.put(r)
	}
	return r
}

func (c *routeCache) put(r *route) {
	c.receivers += r.size
	if c.young == nil || len(c.young) >= maxRoutes || c.receivers > maxRouteReceivers {
		c.old = c.young
		c.young = make(map[string]*route)
		c.receivers = r.size
	}
	c.young[r.topic] = r
}

// routeOf returns the route of a Topic Name, up to date.
func (l *loop) routeOf(topic []byte) *route {
	r := l.routes.get(topic)
	if r == nil {
		name := string(topic)
		r = &route{topic: name, shard: l.engine.trie.Shard(name)}
		l.resolve(r)
		l.routes.put(r)
		return r
	}
	l.refresh(r)
	return r
}

func (l *loop) refresh(r *route) {
	if l.engine.trie.StampOf(r.shard) != r.stamp {
		l.resolve(r)
		l.routes.put(r)
	}
}

// resolve finds the receivers anew.
func (l *loop) resolve(r *route) {
	l.stats.RoutesResolved++
	trie := l.engine.trie
	// The stamp first: a Subscription that comes in between makes the route
	// stale at once rather than never.
	r.stamp = trie.StampOf(r.shard)
	trie.Match(r.topic, &l.matched)
	r.local, r.remote, r.shared, r.size = nil, nil, nil, 0
	if len(l.matched.Entries) > 0 {
		all := merge(l.matched.Entries)
		r.size += len(all)
		n := 0
		for _, rc := range all {
			if rc.session.loop == l {
				n++
			}
		}
		r.local = make([]receiver, 0, n)
		for _, rc := range all {
			if rc.session.loop == l {
				r.local = append(r.local, rc)
			} else {
				r.addRemote(rc)
			}
		}
	}
	for i := range l.matched.Groups {
		g := l.matched.Groups[i]
		shared := sharedReceivers{cursor: g.Cursor, members: make([]receiver, len(g.Members))}
		for j, e := range g.Members {
			shared.members[j] = receiverOf(e)
			shared.members[j].group = g
		}
		r.shared = append(r.shared, shared)
		r.size += len(shared.members)
	}
}

func (r *route) addRemote(rc receiver) {
	for i := range r.remote {
		if r.remote[i].loop == rc.session.loop {
			r.remote[i].receivers = append(r.remote[i].receivers, rc)
			return
		}
	}
	r.remote = append(r.remote, remoteReceivers{rc.session.loop, []receiver{rc}})
}

func receiverOf(e topics.Entry[*Session]) receiver {
	r := receiver{
		session:           e.Subscriber,
		qos:               codec.QoS(e.Options.QoS),
		retainAsPublished: e.Options.RetainAsPublished,
		exceptSelf:        e.Options.NoLocal,
	}
	if e.Options.ID != 0 {
		r.ids = []codec.SubscriptionID{codec.SubscriptionID(e.Options.ID)}
	}
	return r
}

// merge makes one receiver of the overlapping Subscriptions of a Session, or
// two where some of them say No Local and some do not.
func merge(entries []topics.Entry[*Session]) []receiver {
	out := make([]receiver, 0, len(entries))
	var index map[*Session]int // position in out; only for long lists
	if len(entries) > indexedSubscriptions {
		index = make(map[*Session]int, len(entries))
	}
	find := func(s *Session) int {
		if index != nil {
			if i, ok := index[s]; ok {
				return i
			}
			return -1
		}
		return slices.IndexFunc(out, func(r receiver) bool { return r.session == s && !r.onlySelf })
	}
	var mixed []*Session
	for _, e := range entries {
		r := receiverOf(e)
		i := find(r.session)
		if i < 0 {
			if index != nil {
				index[r.session] = len(out)
			}
			out = append(out, r)
			continue
		}
		if out[i].exceptSelf != r.exceptSelf {
			mixed = append(mixed, r.session)
		}
		out[i].add(r)
	}
	slices.SortFunc(mixed, func(a, b *Session) int { return strings.Compare(a.clientID, b.clientID) })
	for _, s := range slices.Compact(mixed) {
		out[find(s)].exceptSelf = true
		self := receiver{session: s}
		for _, e := range entries {
			if e.Subscriber == s && !e.Options.NoLocal {
				self.add(receiverOf(e))
			}
		}
		self.onlySelf = true
		out = append(out, self)
	}
	return out
}

// add takes over the stronger options of another Subscription.
func (r *receiver) add(o receiver) {
	r.qos = max(r.qos, o.qos)
	r.retainAsPublished = r.retainAsPublished || o.retainAsPublished
	r.exceptSelf = r.exceptSelf && o.exceptSelf
	r.ids = append(r.ids, o.ids...)
}
