package topics

import "sync/atomic"

// A Group is one Shared Subscription as it stood during a Match: each message
// that matches goes to one of its members. It is a snapshot, shared by everyone
// who matched it, and must not be modified.
type Group[S comparable] struct {
	// ShareName and Filter are the parts of "$share/{ShareName}/{filter}".
	ShareName string
	Filter    string
	// Members are the subscribers, at least one, in an order that changes only
	// when they do.
	Members []Entry[S]
	// Cursor is where round robin is: a reader adds one and takes the member at
	// the old value modulo len(Members). It belongs to the group itself, not to
	// this snapshot, so members who come and go do not set it back. It ends with
	// the group, when the last member has left.
	Cursor *atomic.Uint64

	from *set[S] // the members this was made of
}

// A share is a group in the trie. Its ShareName is the key it is found by.
type share[S comparable] struct {
	filter   string
	members  atomic.Pointer[set[S]]
	cursor   atomic.Uint64
	snapshot atomic.Pointer[Group[S]]
}

// group returns the current snapshot, or nil if the last member has just left.
// It is the first Match after a change that makes the snapshot, not the change:
// 100,000 Clients who join one after another would otherwise copy the list
// 100,000 times.
//
// The set is loaded before its entries are read, so a snapshot may be fresher
// than the set it names, and is then made again, but never the other way round.
func (s *share[S]) group(shareName string) *Group[S] {
	members := s.members.Load()
	if g := s.snapshot.Load(); g != nil && g.from == members {
		return g
	}
	g := &Group[S]{ShareName: shareName, Filter: s.filter, Cursor: &s.cursor, from: members}
	if members != nil && members.spread == nil {
		g.Members = members.list // immutable, so no copy is needed
	} else {
		g.Members = members.appendTo(nil)
	}
	if len(g.Members) == 0 {
		return nil
	}
	s.snapshot.Store(g)
	if s.members.Load() != members {
		s.snapshot.CompareAndSwap(g, nil)
	}
	return g
}

// publish makes next the members. Dropping the snapshot is not for readers, who
// would see that it is old, but lest it keep a departed member alive until the
// next Match, which may never come. A reader who stores an old one afterwards
// looks at the members again, and drops it too.
func (s *share[S]) publish(next *set[S]) {
	s.members.Store(next)
	s.snapshot.Store(nil)
}
