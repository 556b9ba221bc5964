package topics

import (
	"math/rand/v2"
	"testing"
)

// matchCases are the examples of section 4.7 and what brokers have got wrong.
var matchCases = []struct {
	about        string
	filter, name string
	want         bool
}{
	{"4.7.1.2 multi-level wildcard, parent", "sport/tennis/player1/#", "sport/tennis/player1", true},
	{"4.7.1.2 multi-level wildcard, child", "sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
	{"4.7.1.2 multi-level wildcard, grandchild", "sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
	{"4.7.1.2 multi-level wildcard, longer last level", "sport/tennis/player1/#", "sport/tennis/player10", false},
	{"4.7.1.2 includes the singular", "sport/#", "sport", true},
	{"4.7.1.2 an empty child level", "sport/#", "sport/", true},
	{"4.7.1.2 alone", "#", "sport/tennis", true},
	{"4.7.1.2 alone, leading separator", "#", "/", true},
	{"4.7.1.3 one level", "sport/tennis/+", "sport/tennis/player1", true},
	{"4.7.1.3 not two levels", "sport/tennis/+", "sport/tennis/player1/ranking", false},
	{"4.7.1.3 not the parent", "sport/+", "sport", false},
	{"4.7.1.3 an empty level", "sport/+", "sport/", true},
	{"4.7.1.3 leading separator", "+/+", "/finance", true},
	{"4.7.1.3 leading separator, first literal", "/+", "/finance", true},
	{"4.7.1.3 leading separator is a level", "+", "/finance", false},
	{"4.7.1.3 in the middle", "sport/+/player1", "sport/tennis/player1", true},
	{"4.7.1.3 in the middle, empty", "sport/+/player1", "sport//player1", true},
	{"4.7.2 # and $", "#", "$SYS/monitor", false},
	{"4.7.2 # and a name of $ alone", "#", "$", false},
	{"4.7.2 + and $", "+/monitor/Clients", "$SYS/monitor/Clients", false},
	{"4.7.2 + alone and $", "+", "$SYS", false},
	{"4.7.2 literal $ and #", "$SYS/#", "$SYS/monitor", true},
	{"4.7.2 literal $, # and parent", "$SYS/#", "$SYS", true},
	{"4.7.2 literal $ and +", "$SYS/monitor/+", "$SYS/monitor/Clients", true},
	{"4.7.2 $ in a later level is ordinary", "+/+", "a/$SYS", true},
	{"4.7.2 $ in a later level and #", "a/#", "a/$SYS/b", true},
	{"4.7.3 case", "Accounts", "ACCOUNTS", false},
	{"4.7.3 space", "Accounts payable", "Accounts payable", true},
	{"4.7.3 leading separator", "/finance", "finance", false},
	{"4.7.3 trailing separator", "finance/", "finance", false},
	{"4.7.3 trailing separator, other way", "finance", "finance/", false},
	{"4.7.3 separator alone", "/", "/", true},
	{"4.7.3 separator alone is two levels", "+/+", "/", true},
	{"adjacent separators", "a//b", "a//b", true},
	{"adjacent separators do not fold", "a/b", "a//b", false},
	{"adjacent separators and +", "a/+/b", "a//b", true},
	{"+/# and the parent level", "+/#", "a", true},
	{"+/# and a child", "+/#", "a/b/c", true},
	{"+/# and $", "+/#", "$SYS/a", false},
	{"a/+/# needs the level of +", "a/+/#", "a", false},
	{"a/+/# and its parent level", "a/+/#", "a/b", true},
	{"# after an empty level", "/#", "/", true},
	{"# after an empty level, parent", "/#", "a", false},
	{"several +", "+/b/+/d", "a/b/c/d", true},
	{"several +, one literal differs", "+/b/+/d", "a/x/c/d", false},
	{"prefix of a level", "a/bc", "a/b", false},
	{"filter goes on", "a/b/c", "a/b", false},
	{"name goes on", "a/b", "a/b/c", false},
	{"no normalization [MQTT-4.7.3-4]", "caf\u00e9", "cafe\u0301", false},
}

func TestMatchFollowsTheStandard(t *testing.T) {
	for _, c := range matchCases {
		t.Run(c.about, func(t *testing.T) {
			if got := Match(c.filter, c.name); got != c.want {
				t.Errorf("Match(%q, %q) = %t, want %t", c.filter, c.name, got, c.want)
			}
			if got := naiveMatch(c.filter, c.name); got != c.want {
				t.Errorf("naive: %q and %q: %t, want %t", c.filter, c.name, got, c.want)
			}

			trie := NewTrie[int]()
			trie.Subscribe(c.filter, 1, Options{})
			var r Result[int]
			trie.Match(c.name, &r)
			if got := len(r.Entries) == 1; got != c.want {
				t.Errorf("Trie with %q: Match(%q) found %d, want match = %t", c.filter, c.name, len(r.Entries), c.want)
			}

			retained := NewRetained[int]()
			retained.Store(c.name, new(int))
			found := 0
			retained.Match(c.filter, func(string, *int) bool { found++; return true })
			if got := found == 1; got != c.want {
				t.Errorf("Retained with %q: Match(%q) found %d, want match = %t", c.name, c.filter, found, c.want)
			}
		})
	}
}

func TestMatchAgreesWithNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		filter, name := randomFilter(r), randomName(r)
		if got, want := Match(filter, name), naiveMatch(filter, name); got != want {
			t.Fatalf("Match(%q, %q) = %t, want %t", filter, name, got, want)
		}
	}
}
