package topics

import (
	"bytes"
	"strings"
)

// MaxLevels is a sensible bound, in levels, on the Topic Names and Topic Filters
// that a Server accepts from its Clients. The standard sets none besides the
// 65,535 bytes of the string, which leaves room for 65,536 levels; real topics
// have fewer than twenty. Nothing in this package applies the bound: everything
// works at any depth, and a Server refuses what [Levels] counts beyond it.
const MaxLevels = 128

// Levels returns the number of levels in a Topic Name or Topic Filter: one more
// than its separators, so an empty string counts one.
func Levels(s string) int {
	return strings.Count(s, "/") + 1
}

// NextLevel splits the first level off a Topic Name or Topic Filter. more tells
// whether a separator followed, and so whether rest holds further levels: "a/"
// has two, of which the second is empty. Both results are views of s.
//
//	for level, rest, more := "", filter, true; more; {
//		level, rest, more = topics.NextLevel(rest)
//		// use level
//	}
func NextLevel(s string) (level, rest string, more bool) {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// NextLevelBytes is [NextLevel] for bytes. Both results borrow from b.
func NextLevelBytes(b []byte) (level, rest []byte, more bool) {
	if i := bytes.IndexByte(b, '/'); i >= 0 {
		return b[:i:i], b[i+1:], true
	}
	return b, nil, false
}
