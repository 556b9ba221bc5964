package topics

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// namesFor returns the names that match filter, sorted, and checks that each
// comes with its message.
func namesFor(t *testing.T, retained *Retained[string], filter string) []string {
	t.Helper()
	names := []string{}
	retained.Match(filter, func(name string, m *string) bool {
		if *m != name {
			t.Errorf("Match(%q) visits %q with the message of %q", filter, name, *m)
		}
		names = append(names, name)
		return true
	})
	slices.Sort(names)
	return names
}

func TestRetainedAgreesWithNaive(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 8))
		retained, naive := NewRetained[string](), map[string]*string{}
		for step := range 3000 {
			name := randomName(r)
			if r.IntN(3) == 0 {
				name = fmt.Sprint("a/", r.IntN(100)) // a parent with many children
			}
			if got := retained.Get(name); got != naive[name] {
				t.Fatalf("Get(%q) = %p, want %p", name, got, naive[name])
			}
			if r.IntN(4) == 0 {
				// Remove takes out what it was shown, and nothing else.
				stranger := name
				if retained.Remove(name, &stranger) || retained.Remove(name, nil) {
					t.Fatalf("Remove(%q) of a message that is not there", name)
				}
				if r.IntN(4) == 0 {
					m := naive[name]
					if removed := retained.Remove(name, m); removed != (m != nil) {
						t.Fatalf("Remove(%q) = %v, want %v", name, removed, m != nil)
					}
					delete(naive, name)
				}
			} else if r.IntN(10) < 7 == (step/500%2 == 0) {
				m := &name
				if old := retained.Store(name, m); old != naive[name] {
					t.Fatalf("Store(%q) = %p, want %p", name, old, naive[name])
				}
				naive[name] = m
			} else {
				if old := retained.Delete(name); old != naive[name] {
					t.Fatalf("Delete(%q) = %p, want %p", name, old, naive[name])
				}
				delete(naive, name)
			}
			if retained.Len() != len(naive) {
				t.Fatalf("Len() = %d, want %d", retained.Len(), len(naive))
			}
			if step%10 == 0 {
				visited := map[string]*string{}
				retained.All(func(name string, m *string) bool { visited[name] = m; return true })
				if !maps.Equal(visited, naive) {
					t.Fatalf("All visits %d names, want %d", len(visited), len(naive))
				}
				filter := randomFilter(r)
				want := []string{}
				for name := range naive {
					if naiveMatch(filter, name) {
						want = append(want, name)
					}
				}
				slices.Sort(want)
				if got := namesFor(t, retained, filter); !slices.Equal(got, want) {
					t.Fatalf("Match(%q) visits %q, want %q", filter, got, want)
				}
			}
			if step%100 == 0 {
				mustCheck(t, retained)
			}
		}
		for name := range naive {
			retained.Delete(name)
		}
		mustCheck(t, retained)
		for i := range retained.shards {
			if retained.shards[i].root.children.Load() != nil || retained.Len() != 0 {
				t.Fatal("something is left after the last Delete")
			}
		}
	}
}

func TestRetainedMatchStopsWhenVisitSaysSo(t *testing.T) {
	retained := NewRetained[int]()
	for _, name := range []string{"a", "a/b", "a/b/c", "a/c/c", "a/d/c", "b", "b/b", "b/b/c", "/", "//"} {
		retained.Store(name, new(int))
	}
	for _, filter := range []string{"#", "+", "+/#", "a/#", "a/+/c", "+/b", "+/b/+", "a/b"} {
		total := 0
		retained.Match(filter, func(string, *int) bool { total++; return true })
		if total == 0 {
			t.Errorf("%q matches nothing", filter)
		}
		for most := 1; most <= total; most++ {
			visited := 0
			retained.Match(filter, func(string, *int) bool { visited++; return visited < most })
			if visited != most {
				t.Errorf("%q: told to stop after %d, visited %d", filter, most, visited)
			}
		}
	}
}

func TestRetainedMayBeChangedByVisit(t *testing.T) {
	retained := NewRetained[int]()
	for i := range 1000 {
		retained.Store(fmt.Sprint("a/", i), new(int))
	}
	visited := 0
	retained.Match("a/+", func(name string, _ *int) bool {
		visited++
		return retained.Delete(name) != nil
	})
	if visited != 1000 || retained.Len() != 0 {
		t.Errorf("visited %d of 1000 and left %d", visited, retained.Len())
	}
	mustCheck(t, retained)
}
