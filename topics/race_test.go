package topics

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// whileChurning runs read on two goroutines, again and again, for as long as two
// writers take to call write steps times each.
func whileChurning(steps int, write func(r *rand.Rand, writer int), read func(r *rand.Rand)) {
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for i := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 9))
			for range steps {
				write(r, i)
				if r.IntN(64) == 0 {
					runtime.Gosched() // let readers in everywhere, on few cores too
				}
			}
		})
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 10))
			for !done.Load() {
				read(r)
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
}

// Subscriptions that are there all along are found by every Match, once, while
// their siblings, their ancestors' other children and their fellow subscribers
// come and go: tables grow, shrink and fill with tombstones, nodes are pruned
// right next to them, sets and groups turn from lists into spread sets and back.
func TestMatchNeverMissesAStableSubscription(t *testing.T) {
	stable := []string{"a/b/c", "a/+/c", "a/b/#", "a/b/c/#", "+/b/c", "+/+/+", "#", "a/b/+"}
	groups := []string{"$share/g/a/b/c", "$share/g/#", "$share/g/+/b/#"}
	const (
		stableID = -1 // churning subscribers are not negative
		name     = "a/b/c"
	)
	trie := NewTrie[int]()
	for i, filter := range stable {
		trie.Subscribe(filter, stableID, Options{ID: uint32(i)})
	}
	for _, filter := range groups {
		trie.Subscribe(filter, stableID, Options{})
	}

	churn := func(r *rand.Rand, writer int) {
		var filter string
		switch i := r.IntN(40); r.IntN(8) {
		case 0:
			filter = fmt.Sprint("a/b/", i)
		case 1:
			filter = fmt.Sprint("a/", i, "/c")
		case 2:
			filter = fmt.Sprint("a/b/c/", i, "/d")
		case 3:
			filter = fmt.Sprint("+/b/", i)
		case 4:
			filter = fmt.Sprint("$share/", i, "/a/b/c")
		case 5:
			filter = groups[r.IntN(len(groups))]
		default:
			filter = stable[r.IntN(len(stable))]
		}
		// Writers work in phases of growth and decay, each with its own subscribers.
		subscriber := writer + 2*r.IntN(50)
		if r.IntN(2) == 0 {
			trie.Subscribe(filter, subscriber, Options{QoS: byte(r.IntN(3))})
		} else {
			trie.Unsubscribe(filter, subscriber)
		}
	}
	var matches atomic.Int64
	results := sync.Pool{New: func() any { return new(Result[int]) }}
	probe := func(*rand.Rand) {
		result := results.Get().(*Result[int])
		defer results.Put(result)
		trie.Match(name, result)
		matches.Add(1)

		found := make([]int, len(stable))
		for _, e := range result.Entries {
			if e.Subscriber == stableID {
				found[e.Options.ID]++
			}
		}
		for i, n := range found {
			if n != 1 {
				t.Errorf("%q was found %d times", stable[i], n)
			}
		}
		members := 0
		for _, g := range result.Groups {
			if !Match(g.Filter, name) || len(g.Members) == 0 {
				t.Errorf("found group %q of filter %q with %d members", g.ShareName, g.Filter, len(g.Members))
			}
			for i, e := range g.Members {
				if e.Subscriber == stableID {
					members++
				}
				if slices.ContainsFunc(g.Members[:i], func(f Entry[int]) bool { return f.Subscriber == e.Subscriber }) {
					t.Errorf("member %d is twice in group %q", e.Subscriber, g.ShareName)
				}
			}
		}
		if members != len(groups) {
			t.Errorf("the stable member was found in %d of %d groups", members, len(groups))
		}
	}
	whileChurning(30_000, churn, probe)
	mustCheck(t, trie)
	if matches.Load() == 0 {
		t.Error("no Match ran meanwhile")
	}
}

// A table or a set that is rebuilt keeps what it has in sight. The larger it is,
// the longer a reader has to look in the wrong moment.
func TestRebuildingHidesNothing(t *testing.T) {
	const size, stableID = 20_000, -1
	trie := NewTrie[int]()
	for _, filter := range []string{"child/stable", "subscriber", "$share/g/member", "$share/stable/group"} {
		trie.Subscribe(filter, stableID, Options{})
	}
	next := [2]int{}
	grow := func(_ *rand.Rand, writer int) {
		i := next[writer]
		next[writer]++
		change := func(filter string, subscriber int) { trie.Subscribe(filter, subscriber, Options{}) }
		if i >= size {
			change = func(filter string, subscriber int) { trie.Unsubscribe(filter, subscriber) }
		}
		i %= size
		if writer == 0 {
			change(fmt.Sprint("child/", i), i)
			change(fmt.Sprint("$share/", i, "/group"), i)
		} else {
			change("subscriber", i)
			change("$share/g/member", i)
		}
	}
	isStable := func(e Entry[int]) bool { return e.Subscriber == stableID }
	whileChurning(2*size, grow, func(r *rand.Rand) {
		var result Result[int]
		switch name := []string{"child/stable", "subscriber", "member", "group"}[r.IntN(4)]; name {
		case "child/stable", "subscriber":
			if trie.Match(name, &result); !slices.ContainsFunc(result.Entries, isStable) {
				t.Errorf("Match(%q) misses a subscription", name)
			}
		default:
			trie.Match(name, &result)
			if !slices.ContainsFunc(result.Groups, func(g *Group[int]) bool { return slices.ContainsFunc(g.Members, isStable) }) {
				t.Errorf("Match(%q) misses a group or a member", name)
			}
		}
	})
	mustCheck(t, trie)
	if trie.Len() != 4 {
		t.Errorf("Len() = %d after everything else has left, want 4", trie.Len())
	}
}

// The reader's protocol of "Caching a Match": after a writer has returned,
// whoever holds a result under the current stamp holds the right result.
func TestStampNeverVouchesForAStaleResult(t *testing.T) {
	// Subscribers that differ in their last byte alone: a writer takes long to
	// find one, and a reader need not. So a stamp that moves before the change
	// can be seen is wrong for long enough to be caught.
	type slow [1 << 18]byte
	subscribers := make([]any, maxList)
	for i := range subscribers {
		var s slow
		s[len(s)-1] = byte(i)
		subscribers[i] = s
	}
	type route struct {
		stamp uint64
		found int
	}
	const name = "a/b"
	for _, filter := range []string{"a/b", "+/#", "$share/g/a/b"} {
		trie := NewTrie[any]()
		lookUp := func(r *Result[any]) route {
			stamp := trie.Stamp(name) // before Match
			trie.Match(name, r)
			found := len(r.Entries)
			for _, g := range r.Groups {
				found += len(g.Members)
			}
			return route{stamp, found}
		}
		for i := range 2 * len(subscribers) {
			s := subscribers[len(subscribers)-1-i%len(subscribers)]
			cached := map[route]bool{}
			var reader sync.WaitGroup
			var started, done atomic.Bool
			reader.Go(func() {
				var r Result[any]
				for !done.Load() {
					cached[lookUp(&r)] = true
					started.Store(true)
				}
			})
			for !started.Load() {
				runtime.Gosched()
			}
			if i < len(subscribers) {
				trie.Subscribe(filter, s, Options{})
			} else {
				trie.Unsubscribe(filter, s)
			}
			done.Store(true)
			reader.Wait()

			var r Result[any]
			now := lookUp(&r)
			for c := range cached {
				if c.stamp == now.stamp && c.found != now.found {
					t.Fatalf("%q, change %d: %d found are cached under the stamp of %d", filter, i, c.found, now.found)
				}
			}
		}
	}
}

func TestRetainedMatchNeverMissesAStableName(t *testing.T) {
	retained := NewRetained[string]()
	stable := []string{"a/b", "a/b/c", "a/b/c/d", "/", "a"}
	for _, name := range stable {
		retained.Store(name, &name)
	}
	churn := func(r *rand.Rand, writer int) {
		name := stable[r.IntN(len(stable))]
		if r.IntN(4) == 0 {
			retained.Store(name, &name) // replaced, and so there all along
			return
		}
		name = fmt.Sprint(name, "/", writer, r.IntN(40))
		if r.IntN(2) == 0 {
			retained.Store(name, &name)
		} else {
			retained.Delete(name)
		}
	}
	probe := func(r *rand.Rand) {
		filter := []string{"#", "a/#", "+/b/#", "a/+/c", "a/b", "+/+", "+"}[r.IntN(7)]
		found := map[string]int{}
		retained.Match(filter, func(name string, m *string) bool {
			if *m != name || !Match(filter, name) {
				t.Errorf("Match(%q) visits %q with the message of %q", filter, name, *m)
			}
			found[name]++
			return true
		})
		for _, name := range stable {
			if Match(filter, name) && found[name] != 1 {
				t.Errorf("Match(%q) visits %q %d times", filter, name, found[name])
			}
			if m := retained.Get(name); m == nil || *m != name {
				t.Errorf("Get(%q) = %v", name, m)
			}
		}
	}
	whileChurning(20_000, churn, probe)
	mustCheck(t, retained)
}

// Check and Dump may run at any time.
func TestCheckAndDumpAmongWriters(t *testing.T) {
	trie, retained := NewTrie[int](), NewRetained[string]()
	churn := func(r *rand.Rand, writer int) {
		filter, name := randomSubscription(r), randomName(r)
		if r.IntN(2) == 0 {
			trie.Subscribe(filter, writer, Options{})
			retained.Store(name, &name)
		} else {
			trie.Unsubscribe(filter, writer)
			retained.Delete(name)
		}
	}
	whileChurning(5000, churn, func(*rand.Rand) {
		if err := trie.Check(); err != nil {
			t.Error(err)
		}
		if err := retained.Check(); err != nil {
			t.Error(err)
		}
		trie.Dump(io.Discard)
	})
}
