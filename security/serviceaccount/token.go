package serviceaccount

import (
	"bytes"
	"encoding/base64"
)

// maxTokenBytes bounds a token. Those of Kubernetes have some 1 to 2 KiB.
const maxTokenBytes = 16 << 10

var (
	errTokenMissing   = denied("there is no token in the Authentication Data")
	errTokenTooLong   = denied("the token is longer than 16 KiB")
	errTokenMalformed = denied("the token is not a JSON Web Token: three parts of base64url with dots between")
	errTokenClaims    = denied("the claims of the token are not a JSON object")
	errTokenNoExpiry  = denied("the token has no exp claim that is a date")
	errTokenExpired   = denied("the token has expired")
)

// inspect checks the form of a token and reads its claims, which are as yet
// only what the bearer says. It must be called before a token is sent to
// anyone: the API server takes what it is sent to be an Authorization header,
// so that to it "TOKEN junk" is as good as TOKEN.
func inspect(token []byte) (claims, error) {
	switch {
	case len(token) == 0:
		return nil, errTokenMissing
	case len(token) > maxTokenBytes:
		return nil, errTokenTooLong
	}
	header, rest, _ := bytes.Cut(token, []byte{'.'})
	payload, signature, _ := bytes.Cut(rest, []byte{'.'})
	if !isBase64URL(header) || !isBase64URL(payload) || !isBase64URL(signature) {
		return nil, errTokenMalformed
	}
	text := make([]byte, base64.RawURLEncoding.DecodedLen(len(payload)))
	if _, err := base64.RawURLEncoding.Decode(text, payload); err != nil {
		return nil, errTokenMalformed
	}
	return parseClaims(text)
}

// isBase64URL reports whether part is made of the alphabet of base64url, and
// of at least one letter. The decoder alone would pass over line breaks.
func isBase64URL(part []byte) bool {
	for _, c := range part {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return len(part) > 0
}
