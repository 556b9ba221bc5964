package serviceaccount

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// maxNumericDate is the year 9999. Later dates are mistakes, and time.Time
// could not be written as RFC 3339.
const maxNumericDate = 253402300799

// claims are the members of a JWT Claims Set (RFC 7519). It is a map because
// encoding/json finds the fields of a struct in any letter case, and EXP is
// not exp.
type claims map[string]json.RawMessage

func parseClaims(text []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(text, &c); err != nil || c == nil {
		return nil, errTokenClaims
	}
	return c, nil
}

// text returns the claim at a path, if it is a string which is not empty.
func (c claims) text(path string) (string, bool) {
	var s string
	raw, _ := c.find(path)
	err := json.Unmarshal(raw, &s)
	return s, err == nil && s != ""
}

// texts returns a claim that is a string or a list of strings.
func (c claims) texts(name string) []string {
	if s, ok := c.text(name); ok {
		return []string{s}
	}
	var list []string
	if json.Unmarshal(c[name], &list) != nil {
		return nil
	}
	return list
}

// date returns a claim that is a NumericDate, in whole seconds.
func (c claims) date(name string) (time.Time, bool) {
	var seconds *float64
	if err := json.Unmarshal(c[name], &seconds); err != nil || seconds == nil || *seconds < 0 || *seconds > maxNumericDate {
		return time.Time{}, false
	}
	return time.Unix(int64(math.Floor(*seconds)), 0), true
}

// expiry returns the exp claim of a token that has not expired.
func (c claims) expiry(now time.Time) (time.Time, error) {
	expiry, ok := c.date("exp")
	switch {
	case !ok:
		return time.Time{}, errTokenNoExpiry
	case !now.Before(expiry):
		return time.Time{}, errTokenExpired
	}
	return expiry, nil
}

// find returns the claim at a path: a name, or a JSON Pointer to a member of
// objects.
func (c claims) find(path string) (json.RawMessage, bool) {
	pointer, isPointer := strings.CutPrefix(path, "/")
	if !isPointer {
		raw, ok := c[path]
		return raw, ok
	}
	steps := strings.Split(pointer, "/")
	for n, step := range steps {
		raw, ok := c[strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")]
		if !ok || n == len(steps)-1 {
			return raw, ok
		}
		c = nil // a map would be added to
		if json.Unmarshal(raw, &c) != nil {
			return nil, false
		}
	}
	return nil, false
}
