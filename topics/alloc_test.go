//go:build !race

package topics

import (
	"fmt"
	"testing"
)

func TestReadsDoNotAllocate(t *testing.T) {
	trie, retained := NewTrie[*int](), NewRetained[int]()
	for i := range 1000 {
		trie.Subscribe(fmt.Sprintf("a/%d/c", i), new(int), Options{})
		trie.Subscribe("a/+/c", new(int), Options{})
		trie.Subscribe("$share/g/a/#", new(int), Options{})
		retained.Store(fmt.Sprintf("a/%d/c", i), new(int))
	}
	trie.Subscribe("#", new(int), Options{})
	shard := trie.Shard("a/7/c")
	filter, name := []byte("a/+/c/#"), []byte("a/7/c")
	visited := 0
	visit := func(string, *int) bool { visited++; return true }
	var r Result[*int]

	for _, c := range []struct {
		name string
		run  func()
	}{
		{"Trie.Match", func() { trie.Match("a/7/c", &r) }},
		{"Trie.Stamp", func() { trie.Stamp("a/7/c") }},
		{"Trie.Shard", func() { trie.Shard("a/7/c") }},
		{"Trie.StampOf", func() { trie.StampOf(shard) }},
		{"Trie.Subscribe, no change", func() { trie.Subscribe("$share/g/a/b", nil, Options{}) }},
		{"Retained.Get", func() { retained.Get("a/7/c") }},
		{"Retained.Match, literal", func() { retained.Match("a/7/c", visit) }},
		{"Retained.Match, +", func() { retained.Match("a/+/c", visit) }},
		{"Retained.Match, #", func() { retained.Match("#", visit) }},
		{"Match", func() { Match("a/+/c/#", "a/7/c") }},
		{"Covers", func() { Covers("a/+/#", "a/7/c") }},
		{"ValidName", func() { ValidName(name) }},
		{"ValidFilter", func() { ValidFilter(filter) }},
		{"NextLevelBytes", func() { NextLevelBytes(name) }},
		{"Levels", func() { Levels("a/7/c") }},
		{"ParseShared", func() { ParseShared("$share/g/a/7/c") }},
		{"ParseShared, error", func() { ParseShared("$share/g+/a/7/c") }},
	} {
		if n := testing.AllocsPerRun(100, c.run); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
	if len(r.Entries) != 1002 || len(r.Groups) != 1 || visited == 0 {
		t.Errorf("the reads measured found %d subscriptions, %d groups and %d names", len(r.Entries), len(r.Groups), visited)
	}
}
