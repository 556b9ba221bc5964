package topics

import (
	"strings"
	"sync/atomic"
)

// A node stands for the levels on the way from the root to it, which are the
// start of some Topic Filter, or the whole of one. With its level and hash, in
// the item that holds it, it is one cache line.
//
// Readers follow the pointers at any time. Writers hold the lock of the shard
// from the root down, for pruning as for inserting, so nobody can insert below a
// node that somebody else is about to cut off.
//
// Invariant: a node other than a root has a subscription, or a child that leads
// to one; and a "#" node has no children.
type node[S comparable] struct {
	children atomic.Pointer[table[node[S]]] // literal levels
	plus     atomic.Pointer[node[S]]        // "+"
	multi    atomic.Pointer[node[S]]        // "#"
	entries  atomic.Pointer[set[S]]         // the filter that ends here
	shares   atomic.Pointer[table[share[S]]]
}

// match appends what matches the levels of a name, of which there is at least
// one, below n.
func (n *node[S]) match(levels []string, r *Result[S]) {
	for {
		if m := n.multi.Load(); m != nil {
			m.collect(r)
		}
		literal := n.children.Load().find(levels[0])
		plus := n.plus.Load()
		if levels = levels[1:]; len(levels) == 0 {
			if literal != nil {
				literal.value.end(r)
			}
			if plus != nil {
				plus.end(r)
			}
			return
		}
		switch {
		case literal == nil && plus == nil:
			return
		case literal == nil:
			n = plus
		default:
			if plus != nil {
				plus.match(levels, r)
			}
			n = &literal.value
		}
	}
}

// end appends the subscriptions for a name whose last level leads to n.
func (n *node[S]) end(r *Result[S]) {
	n.collect(r)
	if m := n.multi.Load(); m != nil {
		m.collect(r) // "a/#" matches its parent level, "a", too
	}
}

// collect appends the subscriptions of the filter that ends at n.
func (n *node[S]) collect(r *Result[S]) {
	r.Entries = n.entries.Load().appendTo(r.Entries)
	shares := n.shares.Load()
	for i := range shares.size() {
		if it := shares.at(i); it != nil {
			if g := it.value.group(it.key); g != nil {
				r.Groups = append(r.Groups, g)
			}
		}
	}
}

// subscribe puts an entry at the end of the levels of filter below n, into the
// group called shareName unless that is empty. It tells whether the subscriber
// was there before, and whether anything is different now.
func (n *node[S]) subscribe(filter, shareName string, e Entry[S]) (existed, changed bool) {
	for level, rest, more := "", filter, true; more; {
		level, rest, more = NextLevel(rest)
		n = n.ensure(level)
	}
	if shareName == "" {
		old := n.entries.Load()
		next, existed := old.put(e)
		n.entries.Store(next)
		return existed, next != old
	}
	group := n.ensureShare(shareName, filter)
	old := group.members.Load()
	next, existed := old.put(e)
	if next != old {
		group.publish(next)
	}
	return existed, next != old
}

// unsubscribe takes an entry out again, and prunes the nodes it leaves empty. It
// tells whether the entry was there.
func (n *node[S]) unsubscribe(filter, shareName string, subscriber S) (existed bool) {
	level, rest, more := NextLevel(filter)
	child := n.child(level)
	switch {
	case child == nil:
		return false
	case more:
		existed = child.unsubscribe(rest, shareName, subscriber)
	default:
		existed = child.leave(shareName, subscriber)
	}
	if existed && child.empty() {
		n.prune(level)
	}
	return existed
}

// leave takes an entry out of the filter that ends at n.
func (n *node[S]) leave(shareName string, subscriber S) (existed bool) {
	if shareName == "" {
		next, existed := n.entries.Load().remove(subscriber)
		n.entries.Store(next)
		return existed
	}
	shares := n.shares.Load()
	it := shares.find(shareName)
	if it == nil {
		return false
	}
	next, existed := it.value.members.Load().remove(subscriber)
	if existed {
		it.value.publish(next)
	}
	if next == nil {
		n.shares.Store(shares.remove(shareName))
	}
	return existed
}

// child returns the node for a level of a Topic Filter, or nil.
func (n *node[S]) child(level string) *node[S] {
	switch level {
	case "+":
		return n.plus.Load()
	case "#":
		return n.multi.Load()
	}
	if it := n.children.Load().find(level); it != nil {
		return &it.value
	}
	return nil
}

// ensure returns the node for a level of a Topic Filter, made if need be.
func (n *node[S]) ensure(level string) *node[S] {
	if child := n.child(level); child != nil {
		return child
	}
	switch level {
	case "+":
		n.plus.Store(new(node[S]))
		return n.plus.Load()
	case "#":
		n.multi.Store(new(node[S]))
		return n.multi.Load()
	}
	it := newItem[node[S]](strings.Clone(level))
	n.children.Store(n.children.Load().insert(it))
	return &it.value
}

// ensureShare returns the group at n called shareName, made if need be.
func (n *node[S]) ensureShare(shareName, filter string) *share[S] {
	shares := n.shares.Load()
	it := shares.find(shareName)
	if it == nil {
		it = newItem[share[S]](strings.Clone(shareName))
		it.value.filter = strings.Clone(filter)
		n.shares.Store(shares.insert(it))
	}
	return &it.value
}

// prune cuts off the child for a level.
func (n *node[S]) prune(level string) {
	switch level {
	case "+":
		n.plus.Store(nil)
	case "#":
		n.multi.Store(nil)
	default:
		n.children.Store(n.children.Load().remove(level))
	}
}

// empty reports whether n leads to no subscription.
func (n *node[S]) empty() bool {
	return n.entries.Load() == nil && n.shares.Load() == nil &&
		n.children.Load() == nil && n.plus.Load() == nil && n.multi.Load() == nil
}
