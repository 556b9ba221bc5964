package engine

import (
	"fmt"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/weirmq/weir/codec"
)

// SharedStrategy is how the members of a Shared Subscription share its messages
// (4.8.2). Whatever it is, a member whose connection takes messages is
// preferred to one without, and a message with the User Property "$partition"
// goes by its value instead: the same value to the same member for as long as
// the members stay the same. A member that leaves hands on what it had, and
// nothing else moves.
type SharedStrategy byte

// The strategies.
const (
	// SharedRoundRobin gives each message to the next member.
	SharedRoundRobin SharedStrategy = iota
	// SharedHashTopicName gives messages of one Topic Name to one member.
	SharedHashTopicName
	// SharedHashClientID gives messages of one publisher to one member; those
	// of the Server itself go as if its Client Identifier were empty.
	SharedHashClientID
	// SharedSticky gives all messages to one member until it leaves or loses
	// its connection, while the others stand by.
	SharedSticky
	// SharedFewestInFlight gives each message to the member that has the
	// fewest in flight and in its queue, in turn where several have. Members on
	// other loops count as they last said, plus what was sent to them since.
	SharedFewestInFlight
	sharedStrategies // their number
)

var sharedStrategyNames = [sharedStrategies]string{
	SharedRoundRobin:     "RoundRobin",
	SharedHashTopicName:  "HashTopicName",
	SharedHashClientID:   "HashClientId",
	SharedSticky:         "Sticky",
	SharedFewestInFlight: "FewestInFlight",
}

// SharedStrategyNames returns the names of all strategies, as manifests have
// them.
func SharedStrategyNames() []string { return append([]string(nil), sharedStrategyNames[:]...) }

// String returns the spelling that manifests use.
func (s SharedStrategy) String() string {
	if s < sharedStrategies {
		return sharedStrategyNames[s]
	}
	return "unknown"
}

// ParseSharedStrategy reads the name of a strategy, in any letter case.
func ParseSharedStrategy(name string) (SharedStrategy, error) {
	for i, n := range sharedStrategyNames {
		if strings.EqualFold(name, n) {
			return SharedStrategy(i), nil
		}
	}
	return 0, fmt.Errorf("engine: %.100q is no way to share: use one of %s", name, strings.Join(sharedStrategyNames[:], ", "))
}

// partitionProperty is the name of the User Property that overrides the
// strategy.
const partitionProperty = "$partition"

// partitionOf returns the value of the first User Property "$partition".
func partitionOf(props []byte) (value []byte, ok bool) {
	for name, v := range codec.UserProperties(props).All {
		if string(name) == partitionProperty {
			return v, true
		}
	}
	return nil, false
}

// deliverShared gives p to one member of a group.
func (l *loop) deliverShared(p *publication, g *sharedReceivers) {
	if len(g.members) == 0 {
		return
	}
	choice := l.engine.options.SharedSubscriptions.choose(p, g)
	member := g.members[choice : choice+1]
	if to := member[0].session.loop; to != l {
		l.forward(p, to, member)
		return
	}
	l.deliver(p, member)
}

// choose returns which of the members, of which there is at least one, gets p.
func (s SharedStrategy) choose(p *publication, g *sharedReceivers) int {
	if len(p.props) > 0 {
		if value, ok := partitionOf(p.props); ok {
			return g.byHash(xxhash.Sum64(value))
		}
	}
	switch s {
	case SharedHashTopicName:
		return g.byHash(xxhash.Sum64String(p.topic))
	case SharedHashClientID:
		return g.byHash(p.publisher())
	case SharedSticky:
		return g.sticky()
	case SharedFewestInFlight:
		return g.fewest(p)
	}
	return g.next()
}

// next is round robin.
func (g *sharedReceivers) next() int {
	n := uint64(len(g.members))
	start := g.cursor.Add(1) - 1
	for i := range n {
		if at := (start + i) % n; g.members[at].session.available.Load() {
			return int(at)
		}
	}
	return int(start % n)
}

// byHash is rendezvous hashing: of the members that take messages, or of all if
// none does, the one whose own hash goes best with key. So nothing is to be
// kept or rebuilt when members come and go.
func (g *sharedReceivers) byHash(key uint64) int {
	best, bestScore, bestAvailable := 0, uint64(0), false
	for i := range g.members {
		s := g.members[i].session
		available := s.available.Load()
		if bestAvailable && !available {
			continue
		}
		score := mix(key ^ s.hash)
		if i == 0 || available && !bestAvailable || score > bestScore {
			best, bestScore, bestAvailable = i, score, available
		}
	}
	return best
}

// mix spreads the bits of x, one to one, so that scores of one key are in
// another order than those of the next.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// sticky keeps the hash of the chosen member in the group's cursor, which it
// has no other use for. Loops that choose at the same time agree: one of them
// is first.
func (g *sharedReceivers) sticky() int {
	for {
		current, kept := g.cursor.Load(), -1
		for i := range g.members {
			if s := g.members[i].session; s.hash == current {
				if s.available.Load() {
					return i
				}
				kept = i
			}
		}
		next := g.byHash(current)
		if kept >= 0 && !g.members[next].session.available.Load() {
			return kept // nobody is better
		}
		if g.cursor.CompareAndSwap(current, g.members[next].session.hash) {
			return next
		}
	}
}

// fewest counts what it gives to the member at once: other messages of the turn
// would go there too, until the member's loop says what it has.
func (g *sharedReceivers) fewest(p *publication) int {
	n := uint64(len(g.members))
	start := g.cursor.Add(1) - 1
	best, bestLoad, bestAvailable := int(start%n), int32(0), false
	for i := range n {
		at := int((start + i) % n)
		s := g.members[at].session
		available, load := s.available.Load(), s.load.Load()
		if i == 0 || available && !bestAvailable || available == bestAvailable && load < bestLoad {
			best, bestLoad, bestAvailable = at, load, available
		}
	}
	if m := &g.members[best]; min(p.qos, m.qos) > codec.QoS0 {
		m.session.load.Add(1)
	}
	return best
}

// weigh tells the loops how much the Session has to do, if they ask.
func (s *Session) weigh() {
	if t := s.transit; t != nil && s.loop.engine.options.SharedSubscriptions == SharedFewestInFlight {
		s.load.Store(int32(t.inflight.count + t.queue.len))
	}
}
