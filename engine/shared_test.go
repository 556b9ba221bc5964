package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/weirmq/weir/codec"
)

// members makes a group of Sessions that are all available.
func members(n int) *sharedReceivers {
	g := &sharedReceivers{cursor: new(atomic.Uint64)}
	for i := range n {
		id := fmt.Sprint("member", i)
		s := &Session{clientID: id, hash: xxhash.Sum64String(id)}
		s.available.Store(true)
		g.members = append(g.members, receiver{session: s, qos: codec.QoS1})
	}
	return g
}

// naiveByHash says by definition who has the highest score.
func naiveByHash(g *sharedReceivers, key uint64) string {
	for _, mustBeAvailable := range []bool{true, false} {
		scores := make(map[uint64]string)
		highest := uint64(0)
		for _, m := range g.members {
			if mustBeAvailable && !m.session.available.Load() {
				continue
			}
			score := mix(key ^ m.session.hash)
			scores[score] = m.session.clientID
			highest = max(highest, score)
		}
		if len(scores) > 0 {
			return scores[highest]
		}
	}
	return ""
}

func TestRendezvousHashingAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		g := members(1 + r.IntN(12))
		for i := range g.members {
			g.members[i].session.available.Store(r.IntN(3) > 0)
		}
		key := r.Uint64()
		want := naiveByHash(g, key)
		r.Shuffle(len(g.members), func(i, j int) { g.members[i], g.members[j] = g.members[j], g.members[i] })
		if got := g.members[g.byHash(key)].session.clientID; got != want {
			t.Fatalf("key %x of %d members goes to %s, want %s", key, len(g.members), got, want)
		}
	}
}

// TestAMemberThatLeavesMovesOnlyItsShare holds for one that unsubscribes as for
// one that loses its connection, and for the way back.
func TestAMemberThatLeavesMovesOnlyItsShare(t *testing.T) {
	const keys = 5000
	g := members(7)
	gone := g.members[3].session
	before := make([]*Session, keys)
	share := make(map[*Session]int)
	for k := range before {
		before[k] = g.members[g.byHash(xxhash.Sum64String(fmt.Sprint(k)))].session
		share[before[k]]++
	}
	for s, n := range share {
		if n < keys/7*3/4 || n > keys/7*5/4 {
			t.Errorf("%s has %d of %d keys", s.clientID, n, keys)
		}
	}
	without := &sharedReceivers{members: append(append([]receiver{}, g.members[:3]...), g.members[4:]...)}
	for name, check := range map[string]func(uint64) *Session{
		"unsubscribed": func(key uint64) *Session { return without.members[without.byHash(key)].session },
		"disconnected": func(key uint64) *Session {
			gone.available.Store(false)
			defer gone.available.Store(true)
			return g.members[g.byHash(key)].session
		},
	} {
		t.Run(name, func(t *testing.T) {
			for k, was := range before {
				is := check(xxhash.Sum64String(fmt.Sprint(k)))
				if was != gone && is != was || is == gone {
					t.Fatalf("key %d moved from %s to %s", k, was.clientID, is.clientID)
				}
			}
		})
	}
}

func TestStickyKeepsItsMemberUntilAnotherIsBetter(t *testing.T) {
	g := members(5)
	first := g.sticky()
	for range 10 {
		if g.sticky() != first {
			t.Fatal("it did not stay")
		}
	}
	g.members[first].session.available.Store(false)
	second := g.sticky()
	if second == first {
		t.Fatal("it stayed with a member that is not available")
	}
	g.members[first].session.available.Store(true)
	if g.sticky() != second {
		t.Fatal("it went back to the member that left")
	}
	for i := range g.members {
		g.members[i].session.available.Store(false)
	}
	for range 10 {
		if g.sticky() != second {
			t.Fatal("it moved from one member that is not available to another")
		}
	}
}

func TestFewestInFlightTakesTheLeastLoadedThatIsAvailable(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p := &publication{qos: codec.QoS1}
	for range 2000 {
		g := members(1 + r.IntN(6))
		anyone := false
		for i := range g.members {
			s := g.members[i].session
			s.available.Store(r.IntN(3) > 0)
			s.load.Store(int32(r.IntN(4)))
			anyone = anyone || s.available.Load()
		}
		g.cursor.Store(r.Uint64())
		chosen := g.members[g.fewest(p)].session
		load := chosen.load.Load() - 1 // it has been counted already
		for i := range g.members {
			s := g.members[i].session
			if s != chosen && s.available.Load() == anyone && s.load.Load() < load {
				t.Fatalf("a member with %d was chosen, one has %d", load, s.load.Load())
			}
		}
		if chosen.available.Load() != anyone {
			t.Fatal("a member that is not available was chosen")
		}
	}
}

func TestFewestInFlightCountsWhatItGaveAndTakesTurns(t *testing.T) {
	g := members(4)
	p := &publication{qos: codec.QoS1}
	for range 40 {
		g.fewest(p)
	}
	for _, m := range g.members {
		if n := m.session.load.Load(); n != 10 {
			t.Errorf("%s was given %d of 40", m.session.clientID, n)
		}
	}
}

func TestSharedStrategyNamesAreReadInAnyCase(t *testing.T) {
	for s := range sharedStrategies {
		for _, name := range []string{s.String(), strings.ToUpper(s.String()), strings.ToLower(s.String())} {
			if got, err := ParseSharedStrategy(name); err != nil || got != s {
				t.Errorf("%s is %v (%v)", name, got, err)
			}
		}
	}
	if _, err := ParseSharedStrategy("random"); err == nil || !strings.Contains(err.Error(), "RoundRobin") {
		t.Errorf("an unknown name: %v", err)
	}
	if _, err := New(Options{SharedSubscriptions: sharedStrategies}); err == nil {
		t.Error("New takes a strategy that there is not")
	}
}

func BenchmarkSharedChoose(b *testing.B) {
	for strategy := range sharedStrategies {
		for _, n := range []int{4, 100} {
			b.Run(fmt.Sprintf("strategy=%v/members=%d", strategy, n), func(b *testing.B) {
				g := members(n)
				p := &publication{topic: "plant/7/line/3/temperature", qos: codec.QoS1, from: g.members[0].session}
				b.ReportAllocs()
				for b.Loop() {
					strategy.choose(p, g)
				}
			})
		}
	}
}
