package topics

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// A benchTrie has the given number of different filters, of five or six levels,
// of which the given percentage have a wildcard: a third each in the first, the
// second and the fourth level.
func benchTrie(filters, wild int) (trie *Trie[*int], names []string) {
	r := rand.New(rand.NewPCG(1, 1))
	trie = NewTrie[*int]()
	subscriber := new(int)
	sensors := max(filters/500, 1) // in each of 50 plants with 10 lines
	for i := range filters {
		plant, line, sensor := i%50, i/50%10, i/500
		name := fmt.Sprintf("plant%d/line/%d/sensor/%d", plant, line, sensor)
		if len(names) < 4096 && r.IntN(filters) < 8192 {
			names = append(names, name)
		}
		filter := name
		if r.IntN(100) < wild {
			switch r.IntN(3) {
			case 0:
				filter = fmt.Sprintf("+/line/%d/sensor/%d", line, plant*sensors+sensor)
			case 1:
				filter = fmt.Sprintf("plant%d/+/%d/sensor/%d", plant, line, sensor)
			case 2:
				filter = fmt.Sprintf("plant%d/line/%d/+/%d", plant, line, sensor)
			}
		}
		trie.Subscribe(filter, subscriber, Options{})
	}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return trie, names
}

func BenchmarkMatch(b *testing.B) {
	for _, filters := range []int{1_000, 100_000, 1_000_000} {
		for _, wild := range []int{0, 10, 50} {
			b.Run(fmt.Sprintf("filters=%dk/wild=%d%%", filters/1000, wild), func(b *testing.B) {
				trie, names := benchTrie(filters, wild)
				runtime.GC() // what building left behind is not to be swept meanwhile
				var r Result[*int]
				var found, i int
				b.ReportAllocs()
				for b.Loop() {
					trie.Match(names[i%len(names)], &r)
					found += len(r.Entries)
					i++
				}
				b.ReportMetric(float64(found)/float64(b.N), "found/op")
			})
		}
	}
}

// The cost of a Match grows with what it finds: 16 bytes to copy for each.
func BenchmarkMatchFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 10, 100, 1_000, 100_000} {
		for _, shared := range []bool{false, true} {
			b.Run(fmt.Sprintf("subscribers=%d/shared=%t", subscribers, shared), func(b *testing.B) {
				filter := "news/today"
				if shared {
					filter = "$share/g/news/today"
				}
				trie := NewTrie[int]()
				for i := range subscribers {
					trie.Subscribe(filter, i, Options{})
				}
				var r Result[int]
				b.ReportAllocs()
				for b.Loop() {
					trie.Match("news/today", &r)
				}
			})
		}
	}
}

func BenchmarkStampOf(b *testing.B) {
	trie := NewTrie[int]()
	shard := trie.Shard("a/b")
	for b.Loop() {
		trie.StampOf(shard)
	}
}

// storms are what makes a Server suffer: many changes in one place.
var storms = []struct {
	about  string
	filter func(i int) string
}{
	{"parent=one", func(i int) string { return fmt.Sprintf("devices/%d/cmd", i) }},
	{"parent=root", func(i int) string { return fmt.Sprintf("%d/cmd", i) }},
	{"parent=wildcard", func(i int) string { return fmt.Sprintf("+/%d", i) }},
	{"filter=one", func(int) string { return "news/today" }},
	{"group=one", func(int) string { return "$share/g/news/today" }},
	{"group=many", func(i int) string { return fmt.Sprintf("$share/%d/news/today", i) }},
}

// One op is 100,000 Clients that subscribe, and then unsubscribe.
func BenchmarkSubscribeStorm(b *testing.B) {
	const clients = 100_000
	for _, storm := range storms {
		b.Run(fmt.Sprintf("clients=100k/%s", storm.about), func(b *testing.B) {
			filters := make([]string, clients)
			for i := range filters {
				filters[i] = storm.filter(i)
			}
			subscribers := make([]int, clients)
			b.ReportAllocs()
			for b.Loop() {
				trie := NewTrie[*int]()
				for i, filter := range filters {
					trie.Subscribe(filter, &subscribers[i], Options{})
				}
				for i, filter := range filters {
					trie.Unsubscribe(filter, &subscribers[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*clients*b.N), "ns/change")
		})
	}
}

// The heap that a trie takes for each of 100,000 subscriptions.
func BenchmarkMemory(b *testing.B) {
	const clients = 100_000
	for _, storm := range storms {
		b.Run(fmt.Sprintf("subscriptions=100k/%s", storm.about), func(b *testing.B) {
			filters := make([]string, clients)
			for i := range filters {
				filters[i] = storm.filter(i)
			}
			subscribers := make([]int, clients)
			var bytes uint64
			for b.Loop() {
				before := heap()
				trie := NewTrie[*int]()
				for i, filter := range filters {
					trie.Subscribe(filter, &subscribers[i], Options{})
				}
				bytes += heap() - before
				runtime.KeepAlive(trie)
			}
			b.ReportMetric(float64(bytes)/float64(clients*b.N), "bytes/subscription")
			runtime.KeepAlive(filters)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkRetainedMatch(b *testing.B) {
	for _, names := range []int{1_000, 100_000} {
		retained := NewRetained[int]()
		message := new(int)
		for i := range names {
			retained.Store(fmt.Sprintf("plant%d/line/%d/sensor/%d", i%50, i/50%10, i/500), message)
		}
		for _, c := range []struct{ about, filter string }{
			{"literal", "plant7/line/3/sensor/1"},
			{"sensor", "plant7/line/3/sensor/+"},
			{"plant", "+/line/3/sensor/1"},
			{"line", "plant7/line/3/#"},
			{"all", "#"},
		} {
			b.Run(fmt.Sprintf("names=%dk/filter=%s", names/1000, c.about), func(b *testing.B) {
				found := 0
				b.ReportAllocs()
				for b.Loop() {
					retained.Match(c.filter, func(string, *int) bool { found++; return true })
				}
				b.ReportMetric(float64(found)/float64(b.N), "found/op")
			})
		}
	}
}

func BenchmarkRetainedStore(b *testing.B) {
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("devices/%d/state", i)
	}
	for _, replace := range []bool{false, true} {
		b.Run(fmt.Sprintf("names=100k/replace=%t", replace), func(b *testing.B) {
			retained := NewRetained[int]()
			message := new(int)
			if replace {
				for _, name := range names {
					retained.Store(name, message)
				}
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if retained.Store(names[i], message); !replace {
					retained.Delete(names[i])
				}
				i = (i + 1) % len(names)
			}
		})
	}
}

func BenchmarkMatchOne(b *testing.B) {
	for _, c := range []struct{ about, filter string }{
		{"literal", "plant7/line/3/sensor/1"},
		{"plus", "plant7/+/3/+/1"},
		{"multi", "plant7/#"},
	} {
		b.Run("filter="+c.about, func(b *testing.B) {
			for b.Loop() {
				Match(c.filter, "plant7/line/3/sensor/1")
			}
		})
	}
}

func BenchmarkCovers(b *testing.B) {
	for b.Loop() {
		Covers("plant7/+/3/#", "plant7/line/3/sensor/+")
	}
}

func BenchmarkValidName(b *testing.B) {
	name := []byte("plant7/line/3/sensor/1")
	for b.Loop() {
		ValidName(name)
	}
}
