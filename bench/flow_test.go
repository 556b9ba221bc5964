package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFlowTellsWhatBecameOfMessages(t *testing.T) {
	all := func(from, to uint64) (sequences []uint64) {
		for s := from; s <= to; s++ {
			sequences = append(sequences, s)
		}
		return sequences
	}
	for _, row := range []struct {
		name                       string
		arrivals                   []uint64
		sent                       uint64
		lost, duplicates, reorders uint64
	}{
		{"all in order", []uint64{0, 1, 2, 3}, 4, 0, 0, 0},
		{"nothing arrives", nil, 4, 4, 0, 0},
		{"the first is lost", []uint64{1, 2}, 3, 1, 0, 0},
		{"one in the middle is lost", []uint64{0, 2, 3}, 4, 1, 0, 0},
		{"the last are lost", []uint64{0, 1}, 5, 3, 0, 0},
		{"two change places", []uint64{0, 2, 1, 3}, 4, 0, 0, 1},
		{"all come backward", []uint64{3, 2, 1, 0}, 4, 0, 0, 3},
		{"one comes twice", []uint64{0, 1, 1, 2}, 3, 0, 1, 0},
		{"one comes again late", []uint64{0, 1, 2, 0}, 3, 0, 1, 0},
		{"a late one comes twice", []uint64{0, 2, 1, 1}, 3, 0, 1, 1},
		{"a lost one and another twice", []uint64{0, 2, 2}, 3, 1, 1, 0},
		{"many are lost at once", []uint64{0, 1000}, 1001, 999, 0, 0},
		{"one of many comes late", []uint64{0, 1000, 5}, 1001, 998, 0, 1},
		{"an old one comes twice, then one of late", slices.Concat(all(0, 94), all(96, 99), []uint64{10, 95}), 100, 0, 1, 1},
		{"an old one comes twice, and one of late never", slices.Concat(all(0, 94), all(96, 99), []uint64{10}), 100, 1, 1, 0},
		{"an old one comes late, then one of late", slices.Concat(all(0, 9), all(11, 94), all(96, 99), []uint64{10, 95}), 100, 0, 0, 2},
		{"one comes late three times", slices.Concat(all(0, 9), all(11, 94), all(96, 99), []uint64{10, 10, 10}), 100, 1, 2, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			var f flow
			var duplicates, reorders uint64
			for _, sequence := range row.arrivals {
				switch what, _ := f.observe(sequence); what {
				case duplicate:
					duplicates++
				case late:
					reorders++
				}
			}
			if lost := f.lost(row.sent); lost != row.lost || duplicates != row.duplicates || reorders != row.reorders {
				t.Errorf("lost %d, duplicates %d, reordered %d; want %d, %d, %d", lost, duplicates, reorders, row.lost, row.duplicates, row.reorders)
			}
		})
	}
}

// naiveFlow remembers everything.
type naiveFlow struct {
	seen map[uint64]bool
	next uint64
}

func (n *naiveFlow) observe(sequence uint64) (what arrival, skipped uint64) {
	switch {
	case n.seen[sequence]:
		return duplicate, 0
	case sequence < n.next:
		what = late
	case sequence > n.next:
		what, skipped = ahead, sequence-n.next
	}
	n.seen[sequence] = true
	n.next = max(n.next, sequence+1)
	return what, skipped
}

func TestFlowAgreesWithOneThatRemembersEverything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var f flow
		naive := naiveFlow{seen: make(map[uint64]bool)}
		for range 500 {
			// As far back as a flow remembers, and now and then a jump.
			from := max(int64(naive.next)-flowMemory, 0)
			sequence := uint64(from) + random.Uint64N(naive.next-uint64(from)+3)
			if random.IntN(50) == 0 {
				sequence = naive.next + random.Uint64N(200)
			}
			what, skipped := f.observe(sequence)
			wantWhat, wantSkipped := naive.observe(sequence)
			if what != wantWhat || skipped != wantSkipped {
				t.Fatalf("%d after %d: %v, %d; want %v, %d", sequence, naive.next, what, skipped, wantWhat, wantSkipped)
			}
			if lost, want := f.lost(naive.next+7), naive.next+7-uint64(len(naive.seen)); lost != want {
				t.Fatalf("lost %d, want %d", lost, want)
			}
		}
	}
}
