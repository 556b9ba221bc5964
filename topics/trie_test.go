package topics

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// entriesFor returns what matches name as multisets, like naiveTrie.match.
func entriesFor(trie *Trie[int], name string) (entries map[Entry[int]]int, groups map[string]map[Entry[int]]int) {
	var r Result[int]
	trie.Match(name, &r)
	entries, groups = map[Entry[int]]int{}, map[string]map[Entry[int]]int{}
	for _, e := range r.Entries {
		entries[e]++
	}
	for _, g := range r.Groups {
		members := map[Entry[int]]int{}
		for _, e := range g.Members {
			members[e]++
		}
		groups["$share/"+g.ShareName+"/"+g.Filter] = members
	}
	return entries, groups
}

func mustCheck(t *testing.T, index interface{ Check() error }) {
	t.Helper()
	if err := index.Check(); err != nil {
		t.Fatal(err)
	}
}

// nodes counts the nodes of a trie, roots aside.
func nodes[S comparable](t *Trie[S]) int {
	var count func(n *node[S]) int
	count = func(n *node[S]) int {
		total := 1
		children := n.children.Load()
		for i := range children.size() {
			if it := children.at(i); it != nil {
				total += count(&it.value)
			}
		}
		for _, wildcard := range []*node[S]{n.plus.Load(), n.multi.Load()} {
			if wildcard != nil {
				total += count(wildcard)
			}
		}
		return total
	}
	total := count(&t.wild.root) - 1
	for i := range t.shards {
		total += count(&t.shards[i].root) - 1
	}
	return total
}

func TestTrieAgreesWithNaive(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 5))
		trie, naive := NewTrie[int](), naiveTrie{}
		for step := range 3000 {
			// The bias turns round every 500 steps, so that tables and sets grow
			// and shrink.
			key := naiveKey{randomSubscription(r), r.IntN(60)}
			_, there := naive[key]
			if r.IntN(10) < 7 == (step/500%2 == 0) {
				options := Options{QoS: byte(r.IntN(3)), NoLocal: r.IntN(2) == 0, ID: uint32(r.IntN(2))}
				if existed := trie.Subscribe(key.filter, key.subscriber, options); existed != there {
					t.Fatalf("Subscribe(%q, %d) = %t, want %t", key.filter, key.subscriber, existed, there)
				}
				naive[key] = options
			} else {
				if existed := trie.Unsubscribe(key.filter, key.subscriber); existed != there {
					t.Fatalf("Unsubscribe(%q, %d) = %t, want %t", key.filter, key.subscriber, existed, there)
				}
				delete(naive, key)
			}
			if trie.Len() != len(naive) {
				t.Fatalf("Len() = %d, want %d", trie.Len(), len(naive))
			}
			if step%10 == 0 {
				name := randomName(r)
				entries, groups := entriesFor(trie, name)
				wantEntries, wantGroups := naive.match(name)
				if !maps.Equal(entries, wantEntries) {
					t.Fatalf("Match(%q) = %v, want %v", name, entries, wantEntries)
				}
				if !maps.EqualFunc(groups, wantGroups, maps.Equal[map[Entry[int]]int, map[Entry[int]]int]) {
					t.Fatalf("Match(%q) has groups %v, want %v", name, groups, wantGroups)
				}
			}
			if step%100 == 0 {
				mustCheck(t, trie)
			}
		}
		for key := range naive {
			trie.Unsubscribe(key.filter, key.subscriber)
		}
		mustCheck(t, trie)
		if n := nodes(trie); trie.Len() != 0 || n != 0 {
			t.Fatalf("after the last Unsubscribe %d subscriptions and %d nodes are left", trie.Len(), n)
		}
	}
}

func TestSubscribeReplacesOptions(t *testing.T) { // [MQTT-3.8.4-3]
	for _, filter := range []string{"a/b", "a/#", "+", "$share/g/a/b"} {
		trie := NewTrie[int]()
		if trie.Subscribe(filter, 1, Options{QoS: 1, ID: 7}) {
			t.Errorf("%q: the first Subscribe says the subscription existed", filter)
		}
		want := Options{QoS: 2, NoLocal: true, ID: 8}
		if !trie.Subscribe(filter, 1, want) {
			t.Errorf("%q: the second Subscribe says there was no subscription", filter)
		}
		if trie.Len() != 1 {
			t.Errorf("%q: Len() = %d, want 1", filter, trie.Len())
		}
		var r Result[int]
		trie.Match(map[bool]string{true: "x", false: "a/b"}[filter == "+"], &r)
		for _, g := range r.Groups {
			r.Entries = append(r.Entries, g.Members...)
		}
		if !slices.Equal(r.Entries, []Entry[int]{{1, want}}) {
			t.Errorf("%q: found %v, want the replaced options %v", filter, r.Entries, want)
		}
	}
}

func TestMatchKeepsOverlappingSubscriptionsApart(t *testing.T) {
	trie := NewTrie[int]()
	for i, filter := range []string{"a/b", "a/+", "a/#", "+/b", "+/+", "#", "$share/g/a/b", "$share/h/#"} {
		trie.Subscribe(filter, 1, Options{ID: uint32(i + 1)})
	}
	entries, groups := entriesFor(trie, "a/b")
	for id := uint32(1); id <= 6; id++ {
		if entries[Entry[int]{1, Options{ID: id}}] != 1 {
			t.Errorf("Subscription Identifier %d is not there exactly once", id)
		}
	}
	if len(entries) != 6 || len(groups) != 2 {
		t.Errorf("found %d subscriptions and %d groups, want 6 and 2", len(entries), len(groups))
	}

	// Leaving one of them leaves the others.
	trie.Unsubscribe("a/b", 1)
	entries, groups = entriesFor(trie, "a/b")
	if len(entries) != 5 || len(groups) != 2 {
		t.Errorf("after one Unsubscribe: %d subscriptions and %d groups, want 5 and 2", len(entries), len(groups))
	}
}

func TestSharedSubscriptionsAreDistinct(t *testing.T) { // section 4.8.2
	trie := NewTrie[int]()
	trie.Subscribe("$share/consumer1/sport/tennis/+", 1, Options{})
	trie.Subscribe("$share/consumer1/sport/tennis/+", 2, Options{})
	trie.Subscribe("$share/consumer2/sport/tennis/+", 1, Options{})
	trie.Subscribe("$share/consumer1//finance", 3, Options{})
	trie.Subscribe("$SHARE/consumer1/sport/tennis/+", 4, Options{}) // an ordinary filter

	if _, groups := entriesFor(trie, "sport/tennis/ace"); len(groups) != 2 ||
		len(groups["$share/consumer1/sport/tennis/+"]) != 2 || len(groups["$share/consumer2/sport/tennis/+"]) != 1 {
		t.Errorf("groups for sport/tennis/ace: %v", groups)
	}
	if _, groups := entriesFor(trie, "/finance"); len(groups) != 1 || len(groups["$share/consumer1//finance"]) != 1 {
		t.Errorf("groups for /finance: %v", groups)
	}
	if entries, groups := entriesFor(trie, "$SHARE/consumer1/sport/tennis/x"); len(entries) != 1 || len(groups) != 0 {
		t.Errorf("$SHARE is taken for $share: %v and %v", entries, groups)
	}
	if entries, groups := entriesFor(trie, "$share/consumer1/sport/tennis/x"); len(entries) != 0 || len(groups) != 0 {
		t.Errorf("a Shared Subscription matches its own filter as a name: %v and %v", entries, groups)
	}
}

func TestMalformedFiltersAreNotStored(t *testing.T) {
	trie := NewTrie[int]()
	for _, filter := range []string{"", "a/#/b", "a+", "#a", "a\x00", "$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g/#/a"} {
		if trie.Subscribe(filter, 1, Options{}) || trie.Unsubscribe(filter, 1) {
			t.Errorf("%q: said to exist", filter)
		}
	}
	mustCheck(t, trie)
	if n := nodes(trie); trie.Len() != 0 || n != 0 {
		t.Errorf("%d subscriptions and %d nodes stored", trie.Len(), n)
	}
}

func TestMatchStartsAfresh(t *testing.T) {
	trie := NewTrie[int]()
	trie.Subscribe("a", 1, Options{})
	trie.Subscribe("$share/g/a", 2, Options{})
	trie.Subscribe("b", 3, Options{})
	var r Result[int]
	trie.Match("a", &r)
	trie.Match("b", &r)
	if len(r.Entries) != 1 || r.Entries[0].Subscriber != 3 || len(r.Groups) != 0 {
		t.Fatalf("b gives %v and %d groups, with what was found for a", r.Entries, len(r.Groups))
	}
}

func TestResetKeepsMemoryAndNoReferences(t *testing.T) {
	trie := NewTrie[int]()
	trie.Subscribe("a", 1, Options{})
	trie.Subscribe("$share/g/a", 2, Options{})
	var r Result[int]
	trie.Match("a", &r)
	entries, groups := r.Entries, r.Groups
	r.Reset()
	if len(r.Entries) != 0 || len(r.Groups) != 0 || cap(r.Entries) == 0 || cap(r.Groups) == 0 {
		t.Error("Reset does not empty the result, or gives up its memory")
	}
	if entries[0] != (Entry[int]{}) || groups[0] != nil {
		t.Error("Reset leaves references to what was found")
	}
}

func TestDeepTopics(t *testing.T) {
	// As deep as 65,535 bytes allow.
	name := strings.Repeat("/", 65535)
	filters := []string{name, name[:65533] + "/#", "/#", strings.Repeat("+/", 32767) + "#"}
	trie := NewTrie[int]()
	for i, filter := range filters {
		trie.Subscribe(filter, i, Options{})
	}
	mustCheck(t, trie)
	if entries, _ := entriesFor(trie, name); len(entries) != len(filters) {
		t.Errorf("found %d of %d", len(entries), len(filters))
	}
	var dump strings.Builder
	trie.Dump(&dump)
	if lines := strings.Count(dump.String(), "\n"); lines != len(filters) {
		t.Errorf("Dump writes %d lines, want %d", lines, len(filters))
	}
	for i, filter := range filters {
		trie.Unsubscribe(filter, i)
	}
	if n := nodes(trie); n != 0 {
		t.Errorf("%d nodes are left", n)
	}
}

func TestStampChangesWithWhatCanMatch(t *testing.T) {
	trie := NewTrie[int]()
	// A name whose shard is another one than that of "a".
	other := "b"
	for i := 0; trie.Shard(other) == trie.Shard("a"); i++ {
		other = fmt.Sprint("b", i)
	}
	for _, c := range []struct {
		about          string
		do             func()
		moves, movesOf bool // the stamp of "a/x", and that of other
	}{
		{"first subscription", func() { trie.Subscribe("a/x", 1, Options{}) }, true, false},
		{"second subscriber", func() { trie.Subscribe("a/x", 2, Options{}) }, true, false},
		{"the same again", func() { trie.Subscribe("a/x", 2, Options{}) }, false, false},
		{"other options", func() { trie.Subscribe("a/x", 2, Options{QoS: 1}) }, true, false},
		{"joining a group", func() { trie.Subscribe("$share/g/a/x", 1, Options{}) }, true, false},
		{"joining a group again", func() { trie.Subscribe("$share/g/a/x", 1, Options{}) }, false, false},
		{"wildcard first", func() { trie.Subscribe("+/x", 1, Options{}) }, true, true},
		{"group, wildcard first", func() { trie.Subscribe("$share/g/#", 1, Options{}) }, true, true},
		{"another shard", func() { trie.Subscribe(other, 1, Options{}) }, false, true},
		{"nothing to remove", func() { trie.Unsubscribe("a/y", 1) }, false, false},
		{"nothing to remove from a group", func() { trie.Unsubscribe("$share/h/a/x", 1) }, false, false},
		{"not a member", func() { trie.Unsubscribe("$share/g/a/x", 2) }, false, false},
		{"leaving a group", func() { trie.Unsubscribe("$share/g/a/x", 1) }, true, false},
		{"leaving", func() { trie.Unsubscribe("a/x", 1) }, true, false},
		{"leaving, wildcard first", func() { trie.Unsubscribe("+/x", 1) }, true, true},
		{"a malformed filter", func() { trie.Subscribe("a/#/x", 1, Options{}) }, false, false},
	} {
		before, beforeOf := trie.Stamp("a/x"), trie.Stamp(other)
		c.do()
		if moved := trie.Stamp("a/x") != before; moved != c.moves {
			t.Errorf("%s: the stamp moved: %t, want %t", c.about, moved, c.moves)
		}
		if moved := trie.Stamp(other) != beforeOf; moved != c.movesOf {
			t.Errorf("%s: the stamp of another shard moved: %t, want %t", c.about, moved, c.movesOf)
		}
		if trie.Stamp("a/x") != trie.StampOf(trie.Shard("a/x")) {
			t.Errorf("%s: Stamp and StampOf differ", c.about)
		}
	}
}

func TestDumpIsSorted(t *testing.T) {
	trie := NewTrie[int]()
	for i, filter := range []string{"b", "a/+/c", "a/+/c", "a/#", "#", "+", "$share/g/a/+/c", "/", "$SYS/#", "quote\"\n", "a"} {
		trie.Subscribe(filter, i, Options{})
	}
	var b strings.Builder
	trie.Dump(&b)
	const want = `"#" 1
"$SYS/#" 1
"$share/g/a/+/c" 1
"+" 1
"/" 1
"a" 1
"a/#" 1
"a/+/c" 2
"b" 1
"quote\"\n" 1
`
	if b.String() != want {
		t.Errorf("Dump writes\n%s\nwant\n%s", b.String(), want)
	}
}

func TestLayoutFitsCacheLines(t *testing.T) {
	if n := unsafe.Sizeof(item[node[*int]]{}); n != 64 {
		t.Errorf("a node takes %d bytes, want a cache line of 64", n)
	}
	if n := unsafe.Sizeof(shard[*int]{}); n != 64 {
		t.Errorf("a shard takes %d bytes, want a cache line of 64", n)
	}
}
