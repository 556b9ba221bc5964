package topics

import (
	"slices"
	"strings"
	"testing"
)

func TestNextLevelSplitsLikeStringsSplit(t *testing.T) {
	for _, s := range []string{"", "/", "a", "a/", "/a", "a/b", "a//b", "///", "sport/tennis/player1", "+/#"} {
		want := strings.Split(s, "/")

		var got []string
		for level, rest, more := "", s, true; more; {
			level, rest, more = NextLevel(rest)
			got = append(got, level)
		}
		if !slices.Equal(got, want) {
			t.Errorf("NextLevel walks %q as %q, want %q", s, got, want)
		}

		got = nil
		for level, rest, more := []byte(nil), []byte(s), true; more; {
			level, rest, more = NextLevelBytes(rest)
			got = append(got, string(level))
		}
		if !slices.Equal(got, want) {
			t.Errorf("NextLevelBytes walks %q as %q, want %q", s, got, want)
		}
		if n := Levels(s); n != len(want) {
			t.Errorf("Levels(%q) = %d, want %d", s, n, len(want))
		}
	}
}

func TestNextLevelBytesCannotBeAppendedInto(t *testing.T) {
	b := []byte("a/b")
	level, _, _ := NextLevelBytes(b)
	if _ = append(level, 'x'); string(b) != "a/b" {
		t.Errorf("appending to a level overwrote its source: %q", b)
	}
}
