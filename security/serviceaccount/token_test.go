package serviceaccount

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestTokensAreCheckedBeforeAnybodyIsAsked(t *testing.T) {
	good := encoded(`{"alg":"ES256"}`) + "." + encoded(`{"exp":1}`) + ".c2ln"
	for _, row := range []struct {
		name, token string
		want        error
	}{
		{"a good one", good, nil},
		{"nothing", "", errTokenMissing},
		{"more words, which an API server would pass over", good + " junk", errTokenMalformed},
		{"a line feed at the end", good + "\n", errTokenMalformed},
		{"a line feed within base64, which its decoder passes over", good[:3] + "\n" + good[3:], errTokenMalformed},
		{"a blank in front", " " + good, errTokenMalformed},
		{"no signature", strings.TrimSuffix(good, ".c2ln"), errTokenMalformed},
		{"an empty signature, as of alg none", strings.TrimSuffix(good, "c2ln"), errTokenMalformed},
		{"four parts", good + ".x", errTokenMalformed},
		{"padding", encoded("{}") + "." + base64.URLEncoding.EncodeToString([]byte("{}")) + ".c2ln", errTokenMalformed},
		{"a payload that is no base64", "e30.a.c2ln", errTokenMalformed},
		{"standard base64", "e30.+/+/.c2ln", errTokenMalformed},
		{"NUL", "e30.\x00.c2ln", errTokenMalformed},
		{"claims that are a list", "e30." + encoded("[]") + ".c2ln", errTokenClaims},
		{"claims that are null", "e30." + encoded("null") + ".c2ln", errTokenClaims},
		{"claims that are nonsense", "e30." + encoded("exp=1") + ".c2ln", errTokenClaims},
		{"two documents", "e30." + encoded("{}{}") + ".c2ln", errTokenClaims},
		{"the longest", "e30." + encoded("{}") + "." + strings.Repeat("A", maxTokenBytes-len("e30.e30.")), nil},
		{"longer", "e30." + encoded("{}") + "." + strings.Repeat("A", maxTokenBytes-len("e30.e30.")+1), errTokenTooLong},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := inspect([]byte(row.token)); !sameError(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
}

// sameError compares errors of which a nil may be of another type.
func sameError(got, want error) bool {
	return got == nil && want == nil || got != nil && want != nil && got.Error() == want.Error()
}

func TestExpiryIsANumericDate(t *testing.T) {
	now := epoch
	for _, row := range []struct {
		name, claims string
		want         error
		expiry       time.Time
	}{
		{"in the future", `{"exp":1767323046}`, nil, time.Unix(1767323046, 0)},
		{"with a fraction, which is cut", `{"exp":1767323046.9}`, nil, time.Unix(1767323046, 0)},
		{"now", `{"exp":1767323045}`, errTokenExpired, time.Time{}},
		{"long ago", `{"exp":0}`, errTokenExpired, time.Time{}},
		{"before time", `{"exp":-1}`, errTokenNoExpiry, time.Time{}},
		{"after the year 9999", `{"exp":253402300800}`, errTokenNoExpiry, time.Time{}},
		{"beyond what a number holds", `{"exp":1e400}`, errTokenNoExpiry, time.Time{}},
		{"text", `{"exp":"1767323046"}`, errTokenNoExpiry, time.Time{}},
		{"null", `{"exp":null}`, errTokenNoExpiry, time.Time{}},
		{"none", `{}`, errTokenNoExpiry, time.Time{}},
		{"in capitals, which is another claim", `{"EXP":1767323046}`, errTokenNoExpiry, time.Time{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := parseClaims([]byte(row.claims))
			if err != nil {
				t.Fatal(err)
			}
			expiry, err := c.expiry(now)
			if !sameError(err, row.want) || !expiry.Equal(row.expiry) {
				t.Errorf("%v, %v; want %v, %v", expiry, err, row.expiry, row.want)
			}
		})
	}
}

func TestClaimsAreFoundByPath(t *testing.T) {
	c, err := parseClaims([]byte(`{"sub":"s","a.b":{"c/d":{"e~f":"deep"}},"/top":"slash","empty":{"":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"sub": "s", "/sub": "s", "/a.b/c~1d/e~0f": "deep", "/~1top": "slash", "/empty/": "x",
		"/a.b/none": "", "/sub/x": "", "none": "", "a.b": "", "": "", "/": "", "/top": "",
	} {
		if got, _ := c.text(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// wellFormed is what a token looks like, in other words than inspect has.
var wellFormed = regexp.MustCompile(`\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\z`)

// FuzzToken holds inspect and expiry equal to a naive reading of the token.
func FuzzToken(f *testing.F) {
	for _, seed := range []string{
		"", "a.b.c", encoded(`{"alg":"none"}`) + "." + encoded(`{"exp":1767323046}`) + ".c2ln",
		"e30." + encoded(`{"exp":1.5e9}`) + ".c2ln", "e30." + encoded(`{"exp":1,"exp":99999999999}`) + ".c2ln",
		"e30." + encoded(`{"Exp":9999999999,"exp":null}`) + ".c2ln", "e30\n.e30.c2ln",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, token []byte) {
		c, err := inspect(token)
		var naive map[string]any
		good := len(token) <= maxTokenBytes && wellFormed.Match(token)
		if good {
			text, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[1])
			good = err == nil && json.Unmarshal(text, &naive) == nil && naive != nil
		}
		// A number too large for any is an error to the naive reading alone.
		if good != (err == nil) && !(err == nil && hasHugeNumber(c)) {
			t.Fatalf("inspect: %v, but the token is good: %v", err, good)
		}
		if err != nil || !good {
			return
		}
		expiry, err := c.expiry(epoch)
		number, isNumber := naive["exp"].(float64)
		isDate := isNumber && number >= 0 && number <= maxNumericDate
		if want := isDate && int64(number) > epoch.Unix(); want != (err == nil) {
			t.Fatalf("expiry of %v: %v", naive["exp"], err)
		}
		if err == nil && expiry.Unix() != int64(number) {
			t.Fatalf("expiry of %v: %v", naive["exp"], expiry)
		}
	})
}

// hasHugeNumber reports whether claims hold a number that no float64 is.
func hasHugeNumber(c claims) bool {
	for _, raw := range c {
		var v any
		if json.Unmarshal(raw, &v) != nil {
			return true
		}
	}
	return false
}
