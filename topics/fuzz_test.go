package topics

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func FuzzMatch(f *testing.F) {
	for _, c := range matchCases {
		f.Add(c.filter, c.name)
	}
	f.Fuzz(func(t *testing.T, filter, name string) {
		if got, want := ValidFilter(filter), naiveValidFilter(filter); got != want {
			t.Fatalf("ValidFilter(%q) = %t, want %t", filter, got, want)
		}
		if got, want := ValidName(name), naiveValidFilter(name) && !strings.ContainsAny(name, "+#"); got != want {
			t.Fatalf("ValidName(%q) = %t, want %t", name, got, want)
		}
		if !ValidFilter(filter) || !ValidName(name) {
			return
		}
		want := naiveMatch(filter, name)
		if got := Match(filter, name); got != want {
			t.Fatalf("Match(%q, %q) = %t, want %t", filter, name, got, want)
		}
		if got := Covers(filter, name); got != want {
			t.Fatalf("Covers(%q, %q) = %t, want %t, as for any filter without wildcards", filter, name, got, want)
		}

		// Shared, so that a filter that itself begins with "$share/" is taken as it is.
		trie, retained := NewTrie[int](), NewRetained[int]()
		trie.Subscribe("$share/g/"+filter, 1, Options{})
		retained.Store(name, new(int))
		var r Result[int]
		trie.Match(name, &r)
		found := false
		retained.Match(filter, func(string, *int) bool { found = true; return true })
		if len(r.Groups) == 1 != want || found != want {
			t.Fatalf("filter %q, name %q: the trie found %d and Retained %t, want %t", filter, name, len(r.Groups), found, want)
		}
		mustCheck(t, trie)
		mustCheck(t, retained)
		trie.Unsubscribe("$share/g/"+filter, 1)
		retained.Delete(name)
		mustCheck(t, trie)
		mustCheck(t, retained)
	})
}

func FuzzCovers(f *testing.F) {
	for _, c := range [][2]string{{"a/#", "a"}, {"+/#", "#"}, {"a/+", "a/#"}, {"#", "$SYS/#"}, {"/+/#", "/#"}, {"+/+", "/"}, {"a/+/c", "a/b/c"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, outer, inner string) {
		if !ValidFilter(outer) || !ValidFilter(inner) || len(outer)+len(inner) > 1000 {
			return // the naive twin makes names as long as both together, squared
		}
		if got, want := Covers(outer, inner), naiveCovers(outer, inner); got != want {
			t.Fatalf("Covers(%q, %q) = %t, want %t", outer, inner, got, want)
		}
		if !Covers(inner, inner) {
			t.Fatalf("%q does not cover itself", inner)
		}
	})
}

func FuzzParseShared(f *testing.F) {
	for _, s := range []string{"$share/g/a", "$share//a", "$share/+/a", "$share/g", "$share/g/", "$SHARE/g/a", "$share", "a/b", "$share/g//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		shareName, rest, shared, err := ParseShared(filter)
		switch {
		case shared != strings.HasPrefix(filter, "$share/"):
			t.Fatalf("%q is shared: %t", filter, shared)
		case !shared:
			if shareName != "" || rest != filter || err != nil {
				t.Fatalf("ParseShared(%q) = %q, %q, %v", filter, shareName, rest, err)
			}
		case err != nil:
			// Refused for a reason: no split of it is a Shared Subscription.
			parts := strings.SplitN(filter, "/", 3)
			if len(parts) == 3 && parts[1] != "" && !strings.ContainsAny(parts[1], "+#") && naiveValidFilter(parts[2]) {
				t.Fatalf("ParseShared(%q) refuses a valid filter: %v", filter, err)
			}
		default:
			if "$share/"+shareName+"/"+rest != filter || shareName == "" || strings.ContainsAny(shareName, "/+#") || !ValidFilter(rest) {
				t.Fatalf("ParseShared(%q) = %q, %q", filter, shareName, rest)
			}
		}
	})
}

// FuzzTrie reads a script, one operation a line: "+filter" subscribes, "-filter"
// unsubscribes, anything else is matched as a name.
func FuzzTrie(f *testing.F) {
	f.Add("+a/b\n+a/#\n+#\na/b\n-a/#\na/b\n-a/b\n-#")
	f.Add("+$share/g/a\n+$share/g/a\n+a\na\n-$share/g/a\na")
	f.Add("++/#\n+/\n+$SYS/#\n$SYS/a\n/\n-+/#\n/")
	f.Fuzz(func(t *testing.T, script string) {
		trie, naive := NewTrie[int](), naiveTrie{}
		for i, line := range strings.Split(script, "\n") {
			if line == "" {
				continue
			}
			op, arg := line[0], line[1:]
			key := naiveKey{arg, i % 3}
			_, there := naive[key]
			switch op {
			case '+':
				if _, _, ok := split(arg); ok {
					naive[key] = Options{ID: uint32(i)}
				}
				if existed := trie.Subscribe(arg, key.subscriber, Options{ID: uint32(i)}); existed != there {
					t.Fatalf("Subscribe(%q) = %t, want %t", arg, existed, there)
				}
			case '-':
				delete(naive, key)
				if existed := trie.Unsubscribe(arg, key.subscriber); existed != there {
					t.Fatalf("Unsubscribe(%q) = %t, want %t", arg, existed, there)
				}
			default:
				if !ValidName(line) {
					continue
				}
				entries, groups := entriesFor(trie, line)
				wantEntries, wantGroups := naive.match(line)
				if !maps.Equal(entries, wantEntries) {
					t.Fatalf("Match(%q) = %v, want %v", line, entries, wantEntries)
				}
				if !slices.Equal(slices.Sorted(maps.Keys(groups)), slices.Sorted(maps.Keys(wantGroups))) {
					t.Fatalf("Match(%q) has groups %v, want %v", line, groups, wantGroups)
				}
			}
		}
		mustCheck(t, trie)
		if trie.Len() != len(naive) {
			t.Fatalf("Len() = %d, want %d", trie.Len(), len(naive))
		}
	})
}
