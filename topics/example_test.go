package topics_test

import (
	"fmt"

	"github.com/weirmq/weir/topics"
)

func ExampleTrie() {
	type session struct{ clientID string }
	display, logger, worker := &session{"display"}, &session{"logger"}, &session{"worker"}

	trie := topics.NewTrie[*session]()
	trie.Subscribe("sport/tennis/+", display, topics.Options{QoS: 1})
	trie.Subscribe("#", logger, topics.Options{})
	trie.Subscribe("$share/workers/sport/#", worker, topics.Options{})

	var result topics.Result[*session] // kept for the next Match
	trie.Match("sport/tennis/player1", &result)
	for _, e := range result.Entries {
		fmt.Println(e.Subscriber.clientID, e.Options.QoS)
	}
	for _, g := range result.Groups {
		next := (g.Cursor.Add(1) - 1) % uint64(len(g.Members))
		fmt.Println(g.ShareName, g.Members[next].Subscriber.clientID)
	}
	// Unordered output:
	// display 1
	// logger 0
	// workers worker
}

func ExampleTrie_StampOf() {
	trie := topics.NewTrie[string]()
	trie.Subscribe("sport/#", "display", topics.Options{})

	const name = "sport/tennis"
	shard := trie.Shard(name)

	// The stamp first, then the match.
	stamp := trie.StampOf(shard)
	var route topics.Result[string]
	trie.Match(name, &route)

	fmt.Println("still right:", trie.StampOf(shard) == stamp)
	trie.Subscribe("+/tennis", "logger", topics.Options{})
	fmt.Println("still right:", trie.StampOf(shard) == stamp)
	// Output:
	// still right: true
	// still right: false
}

func ExampleRetained() {
	retained := topics.NewRetained[string]()
	for name, payload := range map[string]string{"home/kitchen": "21", "home/attic": "14", "$SYS/uptime": "3"} {
		retained.Store(name, &payload)
	}
	retained.Match("#", func(name string, payload *string) bool {
		fmt.Println(name, *payload)
		return true
	})
	// Unordered output:
	// home/kitchen 21
	// home/attic 14
}

func ExampleCovers() {
	fmt.Println(topics.Covers("home/#", "home/+/temperature"))
	fmt.Println(topics.Covers("home/+", "home/#"))
	fmt.Println(topics.Covers("#", "$SYS/#"))
	// Output:
	// true
	// false
	// false
}

func ExampleNextLevel() {
	for level, rest, more := "", "home//kitchen", true; more; {
		level, rest, more = topics.NextLevel(rest)
		fmt.Printf("%q\n", level)
	}
	// Output:
	// "home"
	// ""
	// "kitchen"
}
