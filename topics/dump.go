package topics

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Dump writes one line for each Topic Filter in the trie, quoted and sorted,
// with the number of its subscriptions; a Shared Subscription counts its members.
// Writing stops at the first error of w. Safe for concurrent use; changes made
// meanwhile may be in it or not.
func (t *Trie[S]) Dump(w io.Writer) {
	var lines []dumpLine
	for i := range t.shards {
		lines = t.shards[i].root.dump(nil, lines)
	}
	lines = t.wild.root.dump(nil, lines)
	slices.SortFunc(lines, func(a, b dumpLine) int { return cmp.Compare(a.filter, b.filter) })
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%q %d\n", l.filter, l.subscriptions); err != nil {
			return
		}
	}
}

type dumpLine struct {
	filter        string
	subscriptions int
}

// dump appends a line for each filter that ends at n or below. path is the levels
// that lead to n, with a separator after each; what lies beyond its length is
// scratch.
func (n *node[S]) dump(path []byte, lines []dumpLine) []dumpLine {
	children := n.children.Load()
	for i := range children.size() {
		if it := children.at(i); it != nil {
			lines = it.value.dumpAs(append(path, it.key...), lines)
		}
	}
	if p := n.plus.Load(); p != nil {
		lines = p.dumpAs(append(path, '+'), lines)
	}
	if m := n.multi.Load(); m != nil {
		lines = m.dumpAs(append(path, '#'), lines)
	}
	return lines
}

// dumpAs is dump for a node with a filter of its own.
func (n *node[S]) dumpAs(filter []byte, lines []dumpLine) []dumpLine {
	if count := len(n.entries.Load().appendTo(nil)); count > 0 {
		lines = append(lines, dumpLine{string(filter), count})
	}
	shares := n.shares.Load()
	for i := range shares.size() {
		if it := shares.at(i); it != nil {
			count := len(it.value.members.Load().appendTo(nil))
			lines = append(lines, dumpLine{sharePrefix + it.key + "/" + string(filter), count})
		}
	}
	return n.dump(append(filter, '/'), lines)
}
