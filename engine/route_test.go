package engine

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/topics"
)

// naiveMerge says by definition how overlapping Subscriptions make receivers:
// for what others publish, all of them count; for what the Session itself
// publishes, those without No Local [MQTT-3.8.3-3].
func naiveMerge(entries []topics.Entry[*Session], s *Session, own bool) (r receiver, found bool) {
	for _, e := range entries {
		if e.Subscriber != s || own && e.Options.NoLocal {
			continue
		}
		found = true
		r.qos = max(r.qos, codec.QoS(e.Options.QoS))
		r.retainAsPublished = r.retainAsPublished || e.Options.RetainAsPublished
		if e.Options.ID != 0 {
			r.ids = append(r.ids, codec.SubscriptionID(e.Options.ID))
		}
	}
	slices.Sort(r.ids)
	return r, found
}

// receiverFor finds, as deliver does, how a message from somebody goes to s.
func receiverFor(t *testing.T, receivers []receiver, s *Session, own bool) (r receiver, found bool) {
	t.Helper()
	for _, rc := range receivers {
		if rc.session != s || own && rc.exceptSelf || !own && rc.onlySelf {
			continue
		}
		if found {
			t.Fatalf("%s gets more than one copy", s.clientID)
		}
		ids := slices.Clone(rc.ids)
		slices.Sort(ids)
		r, found = receiver{ids: ids, qos: rc.qos, retainAsPublished: rc.retainAsPublished}, true
	}
	return r, found
}

func sameReceiver(a, b receiver) bool {
	return a.qos == b.qos && a.retainAsPublished == b.retainAsPublished && slices.Equal(a.ids, b.ids)
}

func randomOptions(r *rand.Rand) topics.Options {
	return topics.Options{
		QoS: byte(r.IntN(3)), NoLocal: r.IntN(2) == 0, RetainAsPublished: r.IntN(4) == 0, ID: uint32(r.IntN(4)),
	}
}

func TestMergeAgreesWithItsDefinition(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		sessions := make([]*Session, 1+r.IntN(30))
		for i := range sessions {
			sessions[i] = &Session{clientID: fmt.Sprint("c", i)}
		}
		for range 100 {
			// Below and above the length from which an index is used.
			entries := make([]topics.Entry[*Session], r.IntN(3*indexedSubscriptions))
			for i := range entries {
				entries[i] = topics.Entry[*Session]{Subscriber: sessions[r.IntN(len(sessions))], Options: randomOptions(r)}
			}
			before := slices.Clone(entries)
			receivers := merge(entries)
			if !slices.Equal(entries, before) {
				t.Fatal("merge changes what it is given")
			}
			for _, s := range sessions {
				for _, own := range []bool{false, true} {
					want, wantAny := naiveMerge(entries, s, own)
					got, gotAny := receiverFor(t, receivers, s, own)
					if gotAny != wantAny || !sameReceiver(got, want) {
						t.Fatalf("%s, own=%v: %+v %v, want %+v %v", s.clientID, own, got, gotAny, want, wantAny)
					}
				}
			}
		}
	})
}

// naiveSubscription is one Subscription in a list that is searched from end to
// end.
type naiveSubscription struct {
	session *Session
	filter  string
	options topics.Options
}

// TestRoutesAgreeWithAllSubscriptions subscribes and unsubscribes at random
// and asks for routes in between, which come from the cache or not.
func TestRoutesAgreeWithAllSubscriptions(t *testing.T) {
	levels := []string{"a", "b", "+"}
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		e, _ := newMemoryEngine(t, Options{}, 3)
		sessions := make([]*Session, 6)
		for i := range sessions {
			sessions[i] = newSession(e.loops[i%3], fmt.Sprint("c", i))
		}
		var all []naiveSubscription
		for range 600 {
			filter := levels[r.IntN(3)] + "/" + []string{"a", "b", "+", "#"}[r.IntN(4)]
			share := []string{"", "", "$share/g/", "$share/h/"}[r.IntN(4)]
			s := sessions[r.IntN(len(sessions))]
			same := func(n naiveSubscription) bool { return n.session == s && n.filter == share+filter }
			switch {
			case r.IntN(3) == 0:
				want := slices.ContainsFunc(all, same)
				if got := s.unsubscribe(share + filter); got != want {
					t.Fatalf("unsubscribe(%s) = %v, want %v", share+filter, got, want)
				}
				all = slices.DeleteFunc(all, same)
			case len(all) < 40:
				o := randomOptions(r)
				o.NoLocal = o.NoLocal && share == ""
				s.subscribe(share+filter, o)
				all = append(slices.DeleteFunc(all, same), naiveSubscription{s, share + filter, o})
			}
			topic := levels[r.IntN(2)] + "/" + levels[r.IntN(2)]
			checkRoute(t, e.loops[r.IntN(3)], topic, sessions, all)
		}
	})
}

func checkRoute(t *testing.T, l *loop, topic string, sessions []*Session, all []naiveSubscription) {
	t.Helper()
	r := l.routeOf([]byte(topic))
	var matching []topics.Entry[*Session]
	groups := make(map[string][]naiveSubscription)
	for _, n := range all {
		name, filter, shared, _ := topics.ParseShared(n.filter)
		switch {
		case !topics.Match(filter, topic):
		case shared:
			groups[name+"/"+filter] = append(groups[name+"/"+filter], n)
		default:
			matching = append(matching, topics.Entry[*Session]{Subscriber: n.session, Options: n.options})
		}
	}
	receivers := slices.Clone(r.local)
	for _, rc := range r.local {
		if rc.session.loop != l {
			t.Fatalf("%s: %s is not of this loop", topic, rc.session.clientID)
		}
	}
	for i, rem := range r.remote {
		if rem.loop == l || slices.ContainsFunc(r.remote[:i], func(o remoteReceivers) bool { return o.loop == rem.loop }) {
			t.Fatalf("%s: more than one post for loop %d", topic, rem.loop.index)
		}
		for _, rc := range rem.receivers {
			if rc.session.loop != rem.loop {
				t.Fatalf("%s: %s is not of loop %d", topic, rc.session.clientID, rem.loop.index)
			}
		}
		receivers = append(receivers, rem.receivers...)
	}
	for _, s := range sessions {
		for _, own := range []bool{false, true} {
			want, wantAny := naiveMerge(matching, s, own)
			got, gotAny := receiverFor(t, receivers, s, own)
			if gotAny != wantAny || !sameReceiver(got, want) {
				t.Fatalf("%s, own=%v, %s: %+v %v, want %+v %v", s.clientID, own, topic, got, gotAny, want, wantAny)
			}
		}
	}
	checkGroups(t, r, groups)
}

func checkGroups(t *testing.T, r *route, groups map[string][]naiveSubscription) {
	t.Helper()
	if len(r.shared) != len(groups) {
		t.Fatalf("%s: %d groups, want %d", r.topic, len(r.shared), len(groups))
	}
	// Groups have no name in a route, so they are compared as a whole.
	describe := func(id string, qos codec.QoS, ids []codec.SubscriptionID) string { return fmt.Sprint(id, qos, ids) }
	var got, want [][]string
	for i := range r.shared {
		var members []string
		for _, m := range r.shared[i].members {
			members = append(members, describe(m.session.clientID, m.qos, m.ids))
		}
		slices.Sort(members)
		got = append(got, members)
	}
	for _, subs := range groups {
		var members []string
		for _, n := range subs {
			rc := receiverOf(topics.Entry[*Session]{Subscriber: n.session, Options: n.options})
			members = append(members, describe(n.session.clientID, rc.qos, rc.ids))
		}
		slices.Sort(members)
		want = append(want, members)
	}
	order := func(a, b []string) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: groups %v, want %v", r.topic, got, want)
	}
}

// TestRouteCacheAgreesWithAMap holds the cache to what it promises: what it
// returns is what was put last, what was used within the last maxRoutes/2
// uses is there, and it never holds more than two generations.
func TestRouteCacheAgreesWithAMap(t *testing.T) {
	var c routeCache
	naive := make(map[string]*route)
	lastUse := make(map[string]int)
	r := rand.New(rand.NewPCG(1, 0))
	for use := range 12 * maxRoutes {
		// Some topics are used all the time, most once.
		topic := fmt.Sprint("hot/", r.IntN(100))
		if r.IntN(2) == 0 {
			topic = fmt.Sprint("cold/", use)
		}
		got := c.get([]byte(topic))
		if got != nil && got != naive[topic] {
			t.Fatalf("%s: another route than was put", topic)
		}
		if last, ok := lastUse[topic]; ok && got == nil && use-last < maxRoutes/2 {
			t.Fatalf("%s: forgotten after %d uses", topic, use-last)
		}
		lastUse[topic] = use
		if got == nil {
			naive[topic] = &route{topic: topic}
			c.put(naive[topic])
		}
		if len(c.young) > maxRoutes || len(c.old) > maxRoutes {
			t.Fatalf("the generations hold %d and %d", len(c.young), len(c.old))
		}
	}
}

func TestRouteCacheIsBoundedByReceiversToo(t *testing.T) {
	var c routeCache
	for i := range 100 {
		c.put(&route{topic: fmt.Sprint(i), size: maxRouteReceivers / 10})
		held := 0
		for _, r := range c.young {
			held += r.size
		}
		for name, r := range c.old {
			if c.young[name] != r {
				held += r.size
			}
		}
		if held > 3*maxRouteReceivers {
			t.Fatalf("after %d routes of %d receivers each, %d are held", i+1, maxRouteReceivers/10, held)
		}
	}
}
