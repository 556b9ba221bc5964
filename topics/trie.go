package topics

import (
	"sync"
	"sync/atomic"
)

// Options are the Subscription Options of one subscription, as granted, with its
// Subscription Identifier. They are comparable: a subscription replaced by an
// equal one is no change.
type Options struct {
	QoS               byte   // the Maximum QoS granted: 0, 1 or 2
	NoLocal           bool   // not to the Client that published
	RetainAsPublished bool   // keep the RETAIN flag when forwarding
	ID                uint32 // Subscription Identifier; 0 for none
}

// An Entry is a subscriber with the options of one of its subscriptions.
type Entry[S comparable] struct {
	Subscriber S
	Options    Options
}

// A Result collects what [Trie.Match] found. The zero value is ready for use. It
// belongs to one goroutine, and is best kept and used again.
type Result[S comparable] struct {
	// Entries has one element for each Non-shared Subscription that matches, in
	// no particular order. A subscriber with overlapping filters is in it several
	// times, once for each.
	Entries []Entry[S]
	// Groups has one element for each Shared Subscription that matches.
	Groups []*Group[S]

	levels []string // scratch: the levels of the name, split once for all branches
}

// Reset empties r and keeps its memory. It also wipes what r held, so that a
// Result that waits long for its next Match does not keep departed subscribers
// alive. Match does it first in any case.
func (r *Result[S]) Reset() {
	clear(r.Entries)
	clear(r.Groups)
	r.Entries, r.Groups = r.Entries[:0], r.Groups[:0]
}

// shardCount is the number of shards for filters whose first level is literal.
// It bounds how many writers can be at work at once, and divides the route
// cache entries that one subscription makes stale.
const shardCount = 64

// A ShardID names the shard of a Topic Name, for use with [Trie.StampOf]. It is
// the same for every Trie in the process, and different in the next process.
type ShardID uint8

// A Trie is the set of all subscriptions, found by Topic Name. S identifies a
// subscriber: a pointer or a small integer. Make one with [NewTrie]. Safe for
// concurrent use; the package comment says what a reader may rely on.
type Trie[S comparable] struct {
	shards [shardCount]shard[S] // by the hash of the first level
	wild   shard[S]             // filters whose first level is a wildcard
	count  atomic.Int64
}

// A shard is a part of the trie that has a writer of its own. Its size is that
// of a cache line, so that the stamps, which every PUBLISH reads, do not share
// one with the lock of a neighbor.
type shard[S comparable] struct {
	mu    sync.Mutex
	stamp atomic.Uint64 // the number of changes, counted when they are visible
	root  node[S]
	_     [8]byte
}

// NewTrie returns an empty Trie.
func NewTrie[S comparable]() *Trie[S] {
	return new(Trie[S])
}

// Subscribe adds the subscription of s to filter, which may be that of a Shared
// Subscription, "$share/{ShareName}/{filter}". A subscription of s to an
// identical filter is replaced [MQTT-3.8.4-3], and existed tells that there was
// one. A filter that [ValidFilter] or [ParseShared] refuses can match nothing and
// is not stored. Safe for concurrent use; it locks one shard.
func (t *Trie[S]) Subscribe(filter string, s S, o Options) (existed bool) {
	shareName, filter, ok := split(filter)
	if !ok {
		return false
	}
	sh := t.shardFor(filter)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	existed, changed := sh.root.subscribe(filter, shareName, Entry[S]{s, o})
	if !existed {
		t.count.Add(1)
	}
	if changed {
		// Only now that the change can be seen: see "Caching a Match".
		sh.stamp.Add(1)
	}
	return existed
}

// Unsubscribe removes the subscription of s to filter, written as it was for
// [Trie.Subscribe], and tells whether there was one. Safe for concurrent use; it
// locks one shard.
func (t *Trie[S]) Unsubscribe(filter string, s S) (existed bool) {
	shareName, filter, ok := split(filter)
	if !ok {
		return false
	}
	sh := t.shardFor(filter)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.root.unsubscribe(filter, shareName, s) {
		return false
	}
	t.count.Add(-1)
	// Only now that the change can be seen: see "Caching a Match".
	sh.stamp.Add(1)
	return true
}

// Match fills r with every subscription that matches the Topic Name. What r held
// before is gone, and its memory used again: a caller who forgets to empty r must
// not deliver to the subscribers of another topic. Safe for concurrent use; it
// takes no lock and allocates only to grow r, and once for a group whose members
// have changed.
func (t *Trie[S]) Match(name string, r *Result[S]) {
	r.Reset()
	r.levels = r.levels[:0]
	for level, rest, more := "", name, true; more; {
		level, rest, more = NextLevel(rest)
		r.levels = append(r.levels, level)
	}
	t.shards[shardOf(hashOf(r.levels[0]))].root.match(r.levels, r)
	if !hidden(name) { // [MQTT-4.7.2-1]
		t.wild.root.match(r.levels, r)
	}
	clear(r.levels) // so that r does not keep name alive
}

// Stamp returns a number that is different whenever the subscriptions that match
// name may be different; see "Caching a Match" in the package comment for how to
// use it. Safe for concurrent use.
func (t *Trie[S]) Stamp(name string) uint64 {
	return t.StampOf(t.Shard(name))
}

// Shard returns the shard of a Topic Name, for a cache to keep next to the name,
// so that it need not be hashed again. Safe for concurrent use.
func (t *Trie[S]) Shard(name string) ShardID {
	level, _, _ := NextLevel(name)
	return shardOf(hashOf(level))
}

// StampOf is [Trie.Stamp] for any name in the shard. It costs two atomic loads:
// both counters only grow, so their sum is the same only if both are. Safe for
// concurrent use.
func (t *Trie[S]) StampOf(id ShardID) uint64 {
	return t.shards[id%shardCount].stamp.Load() + t.wild.stamp.Load()
}

// Len returns the number of subscriptions. Safe for concurrent use.
func (t *Trie[S]) Len() int {
	return int(t.count.Load())
}

// shardFor returns the shard that a Topic Filter is kept in.
func (t *Trie[S]) shardFor(filter string) *shard[S] {
	if wildcardFirst(filter) {
		return &t.wild
	}
	return &t.shards[t.Shard(filter)]
}

// shardOf takes bits from the middle of the hash of a first level: the lowest
// choose the slot in the root's table.
func shardOf(hash uint64) ShardID {
	return ShardID(hash >> 32 % shardCount)
}

// split takes the ShareName, if any, off a filter and checks what is left.
func split(filter string) (shareName, rest string, ok bool) {
	shareName, rest, shared, err := ParseShared(filter)
	if err != nil || !shared && !ValidFilter(rest) {
		return "", "", false
	}
	return shareName, rest, true
}
