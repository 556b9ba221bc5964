// Package quote makes what others say fit for a log.
package quote

import (
	"strings"
	"unicode"
)

// Most is the length of what is quoted of a server, in bytes.
const Most = 200

// Line returns the beginning of a text as one line, of most bytes at most, in
// UTF-8 without control characters.
func Line(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.TrimSpace(text)
	const ellipsis = "..."
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most-len(ellipsis)], "") + ellipsis
	}
	return text
}
