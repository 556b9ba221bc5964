package topics

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestTableAgreesWithMap(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7))
		var tab *table[int]
		naive := map[string]*item[int]{}
		for step := range 20_000 {
			key := strconv.Itoa(r.IntN(2000))
			if r.IntN(10) < 7 == (step/5000%2 == 0) {
				if naive[key] == nil {
					naive[key] = newItem[int](key)
					tab = tab.insert(naive[key])
				}
			} else {
				tab = tab.remove(key)
				delete(naive, key)
			}
			if tab.find(key) != naive[key] {
				t.Fatalf("find(%q) = %p, want %p", key, tab.find(key), naive[key])
			}
			if step%200 != 0 {
				continue
			}
			var c checker
			checkTable(&c, tab, nil)
			if len(c.faults) > 0 {
				t.Fatal(c.faults)
			}
			found := 0
			for i := range tab.size() {
				if it := tab.at(i); it != nil {
					found++
					if naive[it.key] != it {
						t.Fatalf("holds %q, which was removed", it.key)
					}
				}
			}
			if found != len(naive) {
				t.Fatalf("%d items, want %d", found, len(naive))
			}
		}
		for key := range naive {
			tab = tab.remove(key)
		}
		if tab != nil {
			t.Fatal("a table without items is not nil")
		}
	}
}

// A table that is rebuilt must have room for many changes before the next time,
// or a peer who subscribes and unsubscribes at the edge makes each of them cost a
// copy of everything.
func TestTableIsRebuiltSeldom(t *testing.T) {
	for _, size := range []int{5, 10, 11, 20, 39, 40, 41, 1000, 5120, 5121} {
		var tab *table[int]
		for i := range size {
			tab = tab.insert(newItem[int](strconv.Itoa(i)))
		}
		rebuilt := 0
		const changes = 10_000
		for i := range changes {
			next := tab.insert(newItem[int](strconv.Itoa(size + i)))
			next = next.remove(strconv.Itoa(i))
			if next != tab {
				rebuilt++
			}
			tab = next
		}
		if most := 2*changes/size + 1; rebuilt > most {
			t.Errorf("size %d: rebuilt %d times in %d changes, want %d at most", size, rebuilt, changes, most)
		}
	}
}
