package topics

import (
	"fmt"
	"testing"
)

// What 10,000s of Clients do at once after a power cut. None of it may copy
// what is already there for each newcomer: these run for a fraction of a second
// as they are, and for minutes if it does.
func TestStormsLeaveNothingBehind(t *testing.T) {
	const clients = 30_000
	for _, c := range []struct {
		about  string
		filter func(client int) string
	}{
		{"filters under one parent", func(i int) string { return fmt.Sprintf("devices/%d/cmd", i) }},
		{"first levels", func(i int) string { return fmt.Sprintf("%d/cmd", i) }},
		{"filters behind a wildcard", func(i int) string { return fmt.Sprintf("+/%d", i) }},
		{"subscribers of one filter", func(int) string { return "news/+" }},
		{"members of one group", func(int) string { return "$share/g/news/+" }},
		{"groups of one filter", func(i int) string { return fmt.Sprintf("$share/%d/news/+", i) }},
	} {
		t.Run(c.about, func(t *testing.T) {
			trie := NewTrie[int]()
			for i := range clients {
				trie.Subscribe(c.filter(i), i, Options{})
			}
			mustCheck(t, trie)
			if trie.Len() != clients {
				t.Fatalf("Len() = %d, want %d", trie.Len(), clients)
			}
			for i := range clients {
				if !trie.Unsubscribe(c.filter(i), i) {
					t.Fatalf("client %d is not there", i)
				}
			}
			mustCheck(t, trie)
			if n := nodes(trie); trie.Len() != 0 || n != 0 {
				t.Errorf("%d subscriptions and %d nodes are left", trie.Len(), n)
			}
		})
	}
}
