package topics

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestCoversTable(t *testing.T) {
	for _, c := range []struct {
		outer, inner string
		want         bool
	}{
		// A literal covers itself alone.
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"a", "+", false},
		{"a/b", "a/+", false},
		{"a", "#", false},
		{"a/b", "a/#", false},
		// "a/#" covers its parent level and whatever is below.
		{"a/#", "a", true},
		{"a/#", "a/b", true},
		{"a/#", "a/+", true},
		{"a/#", "a/#", true},
		{"a/#", "a/+/c", true},
		{"a/#", "a/+/#", true},
		{"a/#", "a/", true},
		{"a/#", "b", false},
		{"a/#", "+", false},
		{"a/#", "+/b", false},
		{"a/#", "#", false},
		// "a/+" covers one level.
		{"a/+", "a/b", true},
		{"a/+", "a/", true},
		{"a/+", "a/+", true},
		{"a/+", "a/#", false},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"a/+", "a/+/c", false},
		{"a/+", "a/b/#", false},
		// Mixed.
		{"+/+", "/finance", true},
		{"+/+", "a/b", true},
		{"+/+", "+/+", true},
		{"+/+", "+", false},
		{"+/b", "a/b", true},
		{"+/b", "+/+", false},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/d", false},
		{"a/+/#", "a/b", true},
		{"a/+/#", "a/b/#", true},
		{"a/+/#", "a/#", false},
		{"a/b/#", "a/#", false},
		// Everything, which "+/#" is too, since a name has at least one level.
		{"#", "#", true},
		{"#", "a/+/#", true},
		{"#", "/", true},
		{"+/#", "#", true},
		{"+/#", "+", true},
		{"+/#", "a/#", true},
		{"/+/#", "/#", true}, // for the empty string is no Topic Name
		{"+/+/#", "/#", true},
		{"/+", "/#", false},
		{"+/+/#", "#", false},
		{"+/+/#", "+/#", false},
		{"+", "#", false},
		// [MQTT-4.7.2-1]: a wildcard first does not reach "$" first.
		{"#", "$SYS/#", false},
		{"#", "$SYS", false},
		{"+/#", "$SYS/#", false},
		{"+/a", "$SYS/a", false},
		{"$SYS/#", "$SYS/#", true},
		{"$SYS/#", "$SYS", true},
		{"$SYS/+", "$SYS/a", true},
		{"$SYS/#", "#", false},
		{"$SYS/#", "+/a", false},
		{"a/+", "a/$SYS", true},
	} {
		if got := Covers(c.outer, c.inner); got != c.want {
			t.Errorf("Covers(%q, %q) = %t, want %t", c.outer, c.inner, got, c.want)
		}
	}
}

// TestCoversIsExact compares Covers with its definition, over every pair of
// filters of up to three levels and every name of up to four, with a level ("z")
// that no filter has.
func TestCoversIsExact(t *testing.T) {
	names := combinations([]string{"a", "b", "z", "", "$s"}, 4)
	filters := combinations([]string{"a", "b", "", "$s", "+"}, 3)
	for _, prefix := range append(combinations([]string{"a", "b", "", "$s", "+"}, 2), "/") {
		filters = append(filters, strings.TrimSuffix(prefix, "/")+"/#")
	}
	filters = append(filters, "#")

	matches := make([][]bool, len(filters))
	for i, filter := range filters {
		matches[i] = make([]bool, len(names))
		for j, name := range names {
			matches[i][j] = naiveMatch(filter, name)
		}
	}
	for o, outer := range filters {
		for i, inner := range filters {
			witness := ""
			for j := range names {
				if matches[i][j] && !matches[o][j] {
					witness = names[j]
					break
				}
			}
			if got, want := Covers(outer, inner), witness == ""; got != want {
				t.Errorf("Covers(%q, %q) = %t, want %t (witness %q)", outer, inner, got, want, witness)
			}
			if got, want := naiveCovers(outer, inner), witness == ""; got != want {
				t.Errorf("naive: %q covers %q: %t, want %t (witness %q)", outer, inner, got, want, witness)
			}
		}
	}
}

// combinations returns every string of one to depth of the levels, except the
// empty one.
func combinations(levels []string, depth int) []string {
	var all []string
	last := []string{""}
	for d := range depth {
		var next []string
		for _, prefix := range last {
			for _, level := range levels {
				if d > 0 {
					next = append(next, prefix+"/"+level)
				} else {
					next = append(next, level)
				}
			}
		}
		all = append(all, next...)
		last = next
	}
	kept := all[:0]
	for _, s := range all {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

func TestCoversImpliesMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	covered := 0
	for range 300_000 {
		outer, inner, name := randomFilter(r), randomFilter(r), randomName(r)
		if Covers(outer, inner) && Match(inner, name) {
			covered++
			if !Match(outer, name) {
				t.Fatalf("%q covers %q, which matches %q, and does not match it", outer, inner, name)
			}
		}
		if got, want := Covers(outer, inner), naiveCovers(outer, inner); got != want {
			t.Fatalf("Covers(%q, %q) = %t, want %t", outer, inner, got, want)
		}
	}
	if covered < 1000 {
		t.Fatalf("only %d of the cases drawn say anything", covered)
	}
}
