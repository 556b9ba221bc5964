package serviceaccount

import (
	"strings"
	"unicode"
)

// maxReasonBytes bounds what is passed on of somebody else's words.
const maxReasonBytes = 200

// printable makes a text of somebody else's fit for a log: at most most bytes,
// on one line. Text that is not UTF-8 shows as U+FFFD.
func printable(s string, most int) string {
	var b strings.Builder
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = ' '
		}
		if b.Len()+len(string(r)) > most {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// without puts TOKEN in the place of secrets. It comes before what shortens a
// text: a part of a secret is not found.
func without(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "TOKEN")
		}
	}
	return s
}
