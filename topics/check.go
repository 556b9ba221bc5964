package topics

import (
	"errors"
	"fmt"
	"strings"
)

// maxFaults bounds what a Check reports: whatever breaks an invariant once tends
// to break it everywhere.
const maxFaults = 100

// A checker walks an index and collects what is wrong with it.
type checker struct {
	faults []error
	count  int // subscriptions or names met
}

// faultf adds a fault found at the levels in path.
func (c *checker) faultf(path []string, format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, fmt.Errorf("topics: at %q: %s", path, fmt.Sprintf(format, args...)))
	}
}

// Check walks the whole trie and returns an error that joins every invariant it
// found broken, up to 100 of them, or nil. It is for tests and for an operator
// who doubts: it keeps all writers waiting while it runs. Readers do not notice.
// Safe for concurrent use.
func (t *Trie[S]) Check() error {
	// The one place that holds more than one lock. Writers hold a single one, and
	// all Checks take them in this order, so nobody waits in a circle.
	for i := range t.shards {
		t.shards[i].mu.Lock()
		defer t.shards[i].mu.Unlock()
	}
	t.wild.mu.Lock()
	defer t.wild.mu.Unlock()

	var c checker
	for i := range t.shards {
		root := &t.shards[i].root
		if root.plus.Load() != nil || root.multi.Load() != nil {
			c.faultf(nil, "shard %d has a filter whose first level is a wildcard", i)
		}
		checkShard(&c, root.children.Load(), ShardID(i))
		checkNode(&c, root, nil)
	}
	if t.wild.root.children.Load() != nil {
		c.faultf(nil, "the wildcard shard has a filter whose first level is literal")
	}
	checkNode(&c, &t.wild.root, nil)
	if c.count != t.Len() {
		c.faultf(nil, "Len is %d, and there are %d subscriptions", t.Len(), c.count)
	}
	return errors.Join(c.faults...)
}

// Check walks the whole index and returns an error that joins every invariant it
// found broken, up to 100 of them, or nil. It is for tests and for an operator
// who doubts: it keeps all writers waiting while it runs. Readers do not notice.
// Safe for concurrent use.
func (r *Retained[M]) Check() error {
	for i := range r.shards { // in the same order for every Check, as in Trie
		r.shards[i].mu.Lock()
		defer r.shards[i].mu.Unlock()
	}
	var c checker
	for i := range r.shards {
		root := &r.shards[i].root
		if root.kept.Load() != nil {
			c.faultf(nil, "shard %d has a name without levels", i)
		}
		checkShard(&c, root.children.Load(), ShardID(i))
		checkBranch(&c, root, nil)
	}
	if c.count != r.Len() {
		c.faultf(nil, "Len is %d, and there are %d names", r.Len(), c.count)
	}
	return errors.Join(c.faults...)
}

// checkShard checks that every first level is in the shard its hash chooses.
func checkShard[V any](c *checker, t *table[V], id ShardID) {
	for i := range t.size() {
		if it := t.at(i); it != nil && shardOf(it.hash) != id {
			c.faultf([]string{it.key}, "is in shard %d, and belongs in %d", id, shardOf(it.hash))
		}
	}
}

func checkNode[S comparable](c *checker, n *node[S], path []string) {
	if len(path) > 0 && n.empty() {
		c.faultf(path, "an empty node was not pruned")
	}
	checkSet(c, n.entries.Load(), path)

	shares := n.shares.Load()
	checkTable(c, shares, path)
	for i := range shares.size() {
		it := shares.at(i)
		if it == nil {
			continue
		}
		members := it.value.members.Load()
		if members == nil {
			c.faultf(path, "group %q has no members", it.key)
		}
		if _, _, shared, err := ParseShared(sharePrefix + it.key + "/" + it.value.filter); !shared || err != nil {
			c.faultf(path, "group %q of filter %q has no valid Topic Filter: %v", it.key, it.value.filter, err)
		}
		checkSet(c, members, path)
	}

	children := n.children.Load()
	checkTable(c, children, path)
	for i := range children.size() {
		if it := children.at(i); it != nil {
			if it.key == "+" || it.key == "#" {
				c.faultf(path, "wildcard %q is among the literal levels", it.key)
			}
			checkNode(c, &it.value, append(path, it.key))
		}
	}
	if p := n.plus.Load(); p != nil {
		checkNode(c, p, append(path, "+"))
	}
	if m := n.multi.Load(); m != nil {
		path := append(path, "#")
		if m.children.Load() != nil || m.plus.Load() != nil || m.multi.Load() != nil {
			c.faultf(path, "a # node has children")
		}
		checkNode(c, m, path)
	}
}

func checkBranch[M any](c *checker, b *branch[M], path []string) {
	children := b.children.Load()
	k := b.kept.Load()
	if len(path) > 0 && k == nil && children == nil {
		c.faultf(path, "an empty branch was not pruned")
	}
	if k != nil {
		c.count++
		if k.name != strings.Join(path, "/") || k.message == nil {
			c.faultf(path, "holds the name %q with message %p", k.name, k.message)
		}
	}
	checkTable(c, children, path)
	for i := range children.size() {
		if it := children.at(i); it != nil {
			checkBranch(c, &it.value, append(path, it.key))
		}
	}
}

// checkTable checks that a table is sound and that it finds what it holds.
func checkTable[V any](c *checker, t *table[V], path []string) {
	if t == nil {
		return
	}
	var live, dead uint32
	for i := range t.slots {
		it := t.slots[i].Load()
		switch {
		case it == nil:
			continue
		case it.hash == 0:
			dead++
			continue
		}
		live++
		if it.hash != hashOf(it.key) {
			c.faultf(path, "the hash of level %q is wrong", it.key)
		}
		if t.find(it.key) != it {
			c.faultf(path, "level %q is there and is not found", it.key)
		}
	}
	if live != t.live || dead != t.dead {
		c.faultf(path, "the table counts %d items and %d tombstones, and has %d and %d", t.live, t.dead, live, dead)
	}
	if n := len(t.slots); live == 0 || n&(n-1) != 0 || int(live+dead) > capacity(n) {
		c.faultf(path, "a table of %d slots has %d items and %d tombstones", n, live, dead)
	}
}

// checkSet checks a set of subscribers and counts them.
func checkSet[S comparable](c *checker, s *set[S], path []string) {
	if s == nil {
		return
	}
	entries := s.appendTo(nil)
	c.count += len(entries)
	seen := make(map[S]bool, len(entries))
	for _, e := range entries {
		if seen[e.Subscriber] {
			c.faultf(path, "subscriber %v is there twice", e.Subscriber)
		}
		seen[e.Subscriber] = true
	}
	p := s.spread
	if p == nil {
		if n := len(s.list); n == 0 || n > maxList {
			c.faultf(path, "a list has %d subscribers", n)
		}
		return
	}
	if s.list != nil || p.count != len(entries) || p.count <= maxList/2 || p.count > maxBucket*len(p.buckets) {
		c.faultf(path, "a spread set of %d subscribers counts %d in %d buckets", len(entries), p.count, len(p.buckets))
	}
	for i := range p.buckets {
		for _, e := range entriesOf(&p.buckets[i]) {
			if p.index(e.Subscriber) != i {
				c.faultf(path, "subscriber %v is in bucket %d, and belongs in %d", e.Subscriber, i, p.index(e.Subscriber))
			}
		}
	}
}
