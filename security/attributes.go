package security

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Attributes are the name and value pairs that an authentication method
// vouches for. They are immutable, so copies share memory and may be used from
// any goroutine. The zero value holds none.
type Attributes struct {
	// Sorted by name. A slice beats a map here: Clients carry a handful, and
	// one set is shared by every Client that got its attributes from one entry.
	pairs []attribute
}

type attribute struct{ name, value string }

// NewAttributes copies m.
func NewAttributes(m map[string]string) Attributes {
	if len(m) == 0 {
		return Attributes{}
	}
	pairs := make([]attribute, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, attribute{name, m[name]})
	}
	return Attributes{pairs}
}

// Get returns the value of the attribute called name, and whether there is one.
func (a Attributes) Get(name string) (value string, ok bool) {
	i, ok := slices.BinarySearchFunc(a.pairs, name, func(p attribute, name string) int {
		return strings.Compare(p.name, name)
	})
	if !ok {
		return "", false
	}
	return a.pairs[i].value, true
}

// Len returns the number of attributes.
func (a Attributes) Len() int { return len(a.pairs) }

// All iterates over names and values in the order of the names.
func (a Attributes) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, p := range a.pairs {
			if !yield(p.name, p.value) {
				return
			}
		}
	}
}

// Equal reports whether a and b hold the same pairs.
func (a Attributes) Equal(b Attributes) bool { return slices.Equal(a.pairs, b.pairs) }

// String returns the pairs as {name: value, name: value}.
func (a Attributes) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, p := range a.pairs {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.name + ": " + p.value)
	}
	b.WriteByte('}')
	return b.String()
}
