package topics

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// The naive twins: section 4.7 written down as directly as possible, over lists.

// naiveMatch says whether filter matches name. The levels left of a filter match
// the levels left of a name; "#" matches any number of them, none included.
func naiveMatch(filter, name string) bool {
	if strings.HasPrefix(name, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	var match func(filter, name []string) bool
	match = func(filter, name []string) bool {
		switch {
		case len(filter) > 0 && filter[0] == "#":
			return true
		case len(filter) == 0 || len(name) == 0:
			return len(filter) == len(name)
		case filter[0] != "+" && filter[0] != name[0]:
			return false
		}
		return match(filter[1:], name[1:])
	}
	return match(strings.Split(filter, "/"), strings.Split(name, "/"))
}

// naiveValidFilter checks a filter level by level.
func naiveValidFilter(filter string) bool {
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.Contains(level, "\x00") ||
			strings.Contains(level, "+") && level != "+" ||
			strings.Contains(level, "#") && (level != "#" || i != len(levels)-1) {
			return false
		}
	}
	return filter != "" && len(filter) <= 65535
}

// naiveCovers decides by example. If outer fails to cover inner, it fails on a
// name made from inner by putting a level that occurs in no filter for each "+",
// and none, one or more than outer has of them for "#".
func naiveCovers(outer, inner string) bool {
	fresh := strings.Repeat("z", len(outer)+1)
	frozen := strings.Split(inner, "/")
	for i, level := range frozen {
		if level == "+" {
			frozen[i] = fresh
		}
	}
	var names []string
	if last := len(frozen) - 1; frozen[last] == "#" {
		for _, levels := range []int{0, 1, len(outer) + 1} {
			name := strings.Join(append(frozen[:last:last], slices.Repeat([]string{fresh}, levels)...), "/")
			if name != "" { // [MQTT-4.7.3-1]
				names = append(names, name)
			}
		}
	} else {
		names = []string{strings.Join(frozen, "/")}
	}
	for _, name := range names {
		if !naiveMatch(outer, name) {
			return false
		}
	}
	return true
}

// A naiveTrie is a list of subscriptions.
type naiveTrie map[naiveKey]Options

type naiveKey struct {
	filter     string // with its "$share/{ShareName}/"
	subscriber int
}

// match returns the Non-shared Subscriptions that match name, and the members
// of each group that does.
func (t naiveTrie) match(name string) (entries map[Entry[int]]int, groups map[string]map[Entry[int]]int) {
	entries, groups = map[Entry[int]]int{}, map[string]map[Entry[int]]int{}
	for key, options := range t {
		e := Entry[int]{key.subscriber, options}
		if rest, shared := strings.CutPrefix(key.filter, "$share/"); shared {
			if _, filter, _ := strings.Cut(rest, "/"); naiveMatch(filter, name) {
				if groups[key.filter] == nil {
					groups[key.filter] = map[Entry[int]]int{}
				}
				groups[key.filter][e]++
			}
		} else if naiveMatch(key.filter, name) {
			entries[e]++
		}
	}
	return entries, groups
}

// Levels that collide often and hold every special case.
var (
	nameLevels   = []string{"a", "b", "c", "", "$SYS", "$share"}
	filterLevels = []string{"a", "b", "c", "", "$SYS", "$share", "+", "+"}
)

func randomName(r *rand.Rand) string {
	for {
		levels := make([]string, 1+r.IntN(4))
		for i := range levels {
			levels[i] = nameLevels[r.IntN(len(nameLevels))]
		}
		if name := strings.Join(levels, "/"); name != "" {
			return name
		}
	}
}

func randomFilter(r *rand.Rand) string {
	for {
		levels := make([]string, 1+r.IntN(4))
		for i := range levels {
			levels[i] = filterLevels[r.IntN(len(filterLevels))]
		}
		if r.IntN(4) == 0 {
			levels[len(levels)-1] = "#"
		}
		filter := strings.Join(levels, "/")
		if strings.HasPrefix(filter, "$share/") {
			continue // an ordinary filter is meant; see randomSubscription
		}
		if filter != "" {
			return filter
		}
	}
}

// randomSubscription is a filter that is shared one time in three.
func randomSubscription(r *rand.Rand) string {
	filter := randomFilter(r)
	if r.IntN(3) == 0 {
		return "$share/" + []string{"g", "h"}[r.IntN(2)] + "/" + filter
	}
	return filter
}
