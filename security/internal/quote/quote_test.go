package quote

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatOthersSayIsOneShortLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"plain":                              "plain",
		"two\r\nlines\x1b[31m":               "two  lines [31m",
		"\u202eright to left\u2028":          "right to left",
		"bad \xff utf-8":                     "bad ? utf-8",
		strings.Repeat("a", 200):             strings.Repeat("a", 200),
		strings.Repeat("a", 201):             strings.Repeat("a", 197) + "...",
		strings.Repeat("\u00fc", 99):         strings.Repeat("\u00fc", 99),
		strings.Repeat("\u00fc", 101) + "ab": strings.Repeat("\u00fc", 98) + "...",
	} {
		got := Line(in, Most)
		if got != want || len(got) > Most || !utf8.ValidString(got) {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
