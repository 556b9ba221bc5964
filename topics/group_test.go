package topics

import (
	"runtime"
	"slices"
	"testing"
	"weak"
)

// groupFor returns the only group that matches name, or nil.
func groupFor[S comparable](t *testing.T, trie *Trie[S], name string) *Group[S] {
	t.Helper()
	var r Result[S]
	trie.Match(name, &r)
	if len(r.Groups) > 1 {
		t.Fatalf("%d groups match %q", len(r.Groups), name)
	}
	if len(r.Groups) == 0 {
		return nil
	}
	return r.Groups[0]
}

func TestCursorSurvivesChangesOfMembership(t *testing.T) {
	trie := NewTrie[int]()
	const filter = "$share/g/a"
	trie.Subscribe(filter, 1, Options{})
	cursor := groupFor(t, trie, "a").Cursor
	cursor.Store(41)

	for s := 2; s <= 200; s++ { // past the switch to a spread set and back
		trie.Subscribe(filter, s, Options{})
	}
	for s := 1; s < 200; s++ {
		trie.Unsubscribe(filter, s)
	}
	g := groupFor(t, trie, "a")
	if !slices.Equal(g.Members, []Entry[int]{{200, Options{}}}) {
		t.Fatalf("members are %v, want 200 alone", g.Members)
	}
	if g.Cursor != cursor || g.Cursor.Load() != 41 {
		t.Error("the cursor did not survive")
	}

	trie.Unsubscribe(filter, 200)
	if g := groupFor(t, trie, "a"); g != nil {
		t.Errorf("a group without members is still there: %v", g)
	}
	trie.Subscribe(filter, 1, Options{})
	if groupFor(t, trie, "a").Cursor.Load() != 0 {
		t.Error("a new group has the cursor of the one that ended")
	}
}

func TestGroupSnapshotsStayAsTheyWere(t *testing.T) {
	for _, size := range []int{10, 100} { // a list, and a spread set
		trie := NewTrie[int]()
		for s := range size {
			trie.Subscribe("$share/g/a", s, Options{})
		}
		before := groupFor(t, trie, "a")
		members := slices.Clone(before.Members)
		for s := range size {
			trie.Subscribe("$share/g/a", s, Options{QoS: 2})
		}
		for s := range size - 1 {
			trie.Unsubscribe("$share/g/a", s)
		}
		if !slices.Equal(before.Members, members) {
			t.Errorf("a snapshot of %d members changed after it was taken", size)
		}
	}
}

// A reader who was slow may put its snapshot in place after the members changed.
func TestLateGroupSnapshotIsNotBelieved(t *testing.T) {
	trie := NewTrie[int]()
	trie.Subscribe("$share/g/a", 1, Options{})
	late := groupFor(t, trie, "a")
	trie.Subscribe("$share/g/a", 2, Options{})
	n := trie.shards[trie.Shard("a")].root.child("a")
	n.shares.Load().find("g").value.snapshot.Store(late)
	if g := groupFor(t, trie, "a"); len(g.Members) != 2 {
		t.Errorf("found %d members, want 2", len(g.Members))
	}
}

func TestGroupSnapshotIsSharedUntilAChange(t *testing.T) {
	trie := NewTrie[int]()
	trie.Subscribe("$share/g/a", 1, Options{})
	first := groupFor(t, trie, "a")
	trie.Subscribe("$share/g/a", 1, Options{}) // no change
	if groupFor(t, trie, "a") != first {
		t.Error("the snapshot was made anew without a change")
	}
	trie.Subscribe("$share/g/a", 2, Options{})
	if g := groupFor(t, trie, "a"); g == first || len(g.Members) != 2 {
		t.Error("the snapshot is still the one from before the change")
	}
}

func TestDepartedMembersAreNotKeptAlive(t *testing.T) {
	trie := NewTrie[*[64]int]()
	keep := new([64]int)
	trie.Subscribe("$share/g/a", keep, Options{})
	gone := func() weak.Pointer[[64]int] {
		s := new([64]int)
		trie.Subscribe("$share/g/a", s, Options{})
		trie.Subscribe("a/b", s, Options{})
		if len(groupFor(t, trie, "a").Members) != 2 {
			t.Fatal("the group does not have two members")
		}
		trie.Unsubscribe("$share/g/a", s)
		trie.Unsubscribe("a/b", s)
		return weak.Make(s)
	}()
	runtime.GC()
	if gone.Value() != nil {
		t.Error("a subscriber that left is still reachable from the trie")
	}
	runtime.KeepAlive(trie)
}
