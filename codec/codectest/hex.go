package codectest

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// Hex returns the bytes that s writes down: hexadecimal digits in pairs, and
// text in double quotes as in Go, with space wherever it helps to read. From #
// to the end of the line is a comment. It panics on anything else, which in a
// test is a typing error.
//
//	Hex(`30 07  0003 "a/b"  "hi"  # PUBLISH`)
func Hex(s string) (b []byte) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		switch s[0] {
		case '#':
			_, s, _ = strings.Cut(s, "\n")
		case '"':
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				panic("codectest: text without end: " + s)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				panic("codectest: bad text: " + quoted)
			}
			b, s = append(b, text...), s[len(quoted):]
		default:
			end := strings.IndexAny(s, " \t\r\n\"#")
			if end < 0 {
				end = len(s)
			}
			decoded, err := hex.DecodeString(s[:end])
			if err != nil {
				panic("codectest: not hexadecimal: " + s[:end])
			}
			b, s = append(b, decoded...), s[end:]
		}
	}
	return b
}
