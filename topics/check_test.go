package topics

import (
	"strings"
	"sync/atomic"
	"testing"
)

// A Check that finds nothing wrong proves nothing unless it can find something:
// each row breaks one invariant of a sound trie.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	for _, c := range []struct {
		about string
		spoil func(trie *Trie[int], a *node[int]) // a is the node of "a"
		want  string
	}{
		{"an empty node", func(_ *Trie[int], a *node[int]) { a.plus.Store(new(node[int])) }, "not pruned"},
		{"a wrong count", func(trie *Trie[int], _ *node[int]) { trie.count.Add(1) }, "Len is"},
		{"a child that leads nowhere", func(_ *Trie[int], a *node[int]) {
			a.children.Store(a.children.Load().insert(newItem[node[int]]("y")))
		}, "not pruned"},
		{"a wrong hash", func(_ *Trie[int], a *node[int]) {
			a.children.Load().find("x").hash++
		}, "hash of level"},
		{"an item out of reach", func(_ *Trie[int], a *node[int]) {
			// The right half of a table, moved by one, is not where it is looked for.
			children := a.children.Load()
			slots := make([]atomic.Pointer[item[node[int]]], len(children.slots))
			for i := range slots {
				slots[(i+len(slots)/2)%len(slots)].Store(children.slots[i].Load())
			}
			children.slots = slots
		}, "not found"},
		{"a wrong item count", func(_ *Trie[int], a *node[int]) { a.children.Load().live++ }, "counts"},
		{"an overfull table", func(_ *Trie[int], a *node[int]) {
			children := a.children.Load()
			for i := range children.slots {
				if children.slots[i].Load() == nil {
					children.slots[i].Store(new(item[node[int]]))
					children.dead++
				}
			}
		}, "tombstones"},
		{"a wildcard among literals", func(_ *Trie[int], a *node[int]) {
			it := newItem[node[int]]("+")
			it.value.entries.Store(&set[int]{list: []Entry[int]{{Subscriber: 1}}})
			a.children.Store(a.children.Load().insert(it))
		}, "among the literal levels"},
		{"children of #", func(_ *Trie[int], a *node[int]) { a.multi.Load().ensure("x") }, "# node has children"},
		{"a subscriber twice", func(_ *Trie[int], a *node[int]) {
			e := Entry[int]{Subscriber: 1}
			a.entries.Store(&set[int]{list: []Entry[int]{e, e}})
		}, "there twice"},
		{"an empty list", func(_ *Trie[int], a *node[int]) { a.entries.Store(new(set[int])) }, "list has 0"},
		{"a spread set that miscounts", func(_ *Trie[int], a *node[int]) { a.multi.Load().entries.Load().spread.count++ }, "spread set"},
		{"a wrong bucket", func(_ *Trie[int], a *node[int]) {
			buckets := a.multi.Load().entries.Load().spread.buckets
			first := buckets[0].Load()
			buckets[0].Store(buckets[1].Load())
			buckets[1].Store(first)
		}, "belongs in"},
		{"a group without members", func(_ *Trie[int], a *node[int]) { a.ensureShare("g", "a") }, "no members"},
		{"a group without a filter", func(_ *Trie[int], a *node[int]) { a.ensureShare("g", "") }, "no valid Topic Filter"},
		{"the wrong shard", func(trie *Trie[int], _ *node[int]) {
			from := &trie.shards[trie.Shard("a")].root
			to := &trie.shards[(trie.Shard("a")+1)%shardCount].root
			to.children.Store(from.children.Load())
			from.children.Store(nil)
		}, "belongs in"},
		{"a wildcard in a literal shard", func(trie *Trie[int], _ *node[int]) { trie.shards[0].root.ensure("+") }, "first level is a wildcard"},
		{"a literal in the wildcard shard", func(trie *Trie[int], _ *node[int]) { trie.wild.root.ensure("x") }, "first level is literal"},
	} {
		t.Run(c.about, func(t *testing.T) {
			trie := NewTrie[int]()
			for i := range 100 {
				trie.Subscribe("a/"+strings.Repeat("x", i), 1, Options{})
				trie.Subscribe("a/#", i, Options{})
			}
			mustCheck(t, trie)
			c.spoil(trie, trie.shards[trie.Shard("a")].root.child("a"))
			if err := trie.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Check returns %v, want something with %q", err, c.want)
			}
		})
	}
}

func TestRetainedCheckFindsWhatIsBroken(t *testing.T) {
	for _, c := range []struct {
		about string
		spoil func(retained *Retained[int], a *branch[int]) // a is the branch of "a"
		want  string
	}{
		{"an empty branch", func(_ *Retained[int], a *branch[int]) { a.ensure("x") }, "not pruned"},
		{"a wrong count", func(retained *Retained[int], _ *branch[int]) { retained.count.Add(1) }, "Len is"},
		{"another name", func(_ *Retained[int], a *branch[int]) { a.kept.Store(&kept[int]{"b", new(int)}) }, `holds the name "b"`},
		{"no message", func(_ *Retained[int], a *branch[int]) { a.kept.Store(&kept[int]{"a", nil}) }, `holds the name "a"`},
		{"a broken table", func(_ *Retained[int], a *branch[int]) { a.children.Load().dead++ }, "tombstones"},
		{"no levels", func(retained *Retained[int], _ *branch[int]) {
			retained.shards[0].root.kept.Store(&kept[int]{"", new(int)})
		}, "without levels"},
	} {
		t.Run(c.about, func(t *testing.T) {
			retained := NewRetained[int]()
			retained.Store("a", new(int))
			retained.Store("a/b", new(int))
			mustCheck(t, retained)
			c.spoil(retained, retained.shardFor("a").root.child("a"))
			if err := retained.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Check returns %v, want something with %q", err, c.want)
			}
		})
	}
}
