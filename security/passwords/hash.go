package passwords

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds on the cost of a hash, which whoever writes the file chooses: below,
// guessing is too cheap, and above, every CONNECT takes seconds.
const (
	MinIterations     = 1_000
	MaxIterations     = 10_000_000
	DefaultIterations = 210_000 // what OWASP recommends for SHA-512
)

const (
	scheme = "pbkdf2-sha512"

	minSalt, newSalt, maxSalt = 8, 16, 64
	minKey, maxKey            = 16, sha512.Size
)

// Hash is a password that has been hashed with PBKDF2 (RFC 8018) and
// HMAC-SHA-512. It prints as "[redacted]"; [Hash.Encode] returns its text.
type Hash struct {
	iterations int
	salt       string
	key        string
}

// NewHash hashes a password with a new salt. It refuses an empty password, and
// a number of iterations that is out of bounds.
func NewHash(password []byte, iterations int) (Hash, error) {
	if len(password) == 0 {
		return Hash{}, errors.New("the password is empty")
	}
	if iterations < MinIterations || iterations > MaxIterations {
		return Hash{}, fmt.Errorf("%d iterations: want %d to %d", iterations, MinIterations, MaxIterations)
	}
	salt := make([]byte, newSalt)
	_, _ = rand.Read(salt) // never fails
	h := Hash{iterations: iterations, salt: string(salt), key: string(make([]byte, maxKey))}
	key, err := h.derive(password)
	h.key = string(key)
	return h, err
}

// badHash is what is wrong with the text of a hash.
type badHash string

func (b badHash) Error() string { return string(b) }

var encoding = base64.RawStdEncoding.Strict()

// ParseHash reads a hash as [Hash.Encode] writes it. No error holds a part of
// the text, which may well be a password.
func ParseHash(text string) (Hash, error) {
	const form = "write $pbkdf2-sha512$i=ITERATIONS,l=LENGTH$SALT$HASH, or let weir passwd write it"
	parts := strings.Split(text, "$")
	if len(parts) != 5 || parts[0] != "" || parts[1] != scheme {
		return Hash{}, badHash("is not a hash of a password by PBKDF2 and SHA-512; " + form)
	}
	i, l, found := strings.Cut(parts[2], ",")
	i, hasI := strings.CutPrefix(i, "i=")
	l, hasL := strings.CutPrefix(l, "l=")
	if !found || !hasI || !hasL {
		return Hash{}, badHash("has parameters other than i and l; " + form)
	}
	iterations, err := strconv.Atoi(i)
	if err != nil || iterations < MinIterations || iterations > MaxIterations {
		return Hash{}, badHash(fmt.Sprintf("has a number of iterations that is not from %d to %d; hash the password again", MinIterations, MaxIterations))
	}
	salt, err := encoding.DecodeString(parts[3])
	if err != nil || len(salt) < minSalt || len(salt) > maxSalt {
		return Hash{}, badHash(fmt.Sprintf("has a salt that is not %d to %d bytes in base64 without padding; hash the password again", minSalt, maxSalt))
	}
	key, err := encoding.DecodeString(parts[4])
	if length, lengthErr := strconv.Atoi(l); err != nil || lengthErr != nil || len(key) != length || length < minKey || length > maxKey {
		return Hash{}, badHash(fmt.Sprintf("has a hash that is not l bytes, %d to %d, in base64 without padding; hash the password again", minKey, maxKey))
	}
	return Hash{iterations, string(salt), string(key)}, nil
}

// Encode returns the text that stands in a file. It is a secret.
func (h Hash) Encode() string {
	return fmt.Sprintf("$%s$i=%d,l=%d$%s$%s", scheme, h.iterations, len(h.key),
		encoding.EncodeToString([]byte(h.salt)), encoding.EncodeToString([]byte(h.key)))
}

// Matches reports whether password is the one that was hashed. It takes tens of
// milliseconds, the same for a right and a wrong one.
func (h Hash) Matches(password []byte) bool {
	key, err := h.derive(password)
	return err == nil && subtle.ConstantTimeCompare(key, []byte(h.key)) == 1
}

// derive can fail only where FIPS 140 mode is enforced, for a salt that is too
// short.
func (h Hash) derive(password []byte) ([]byte, error) {
	return pbkdf2.Key(sha512.New, string(password), []byte(h.salt), h.iterations, len(h.key))
}

// redacted is what stands for a secret where a value is printed.
const redacted = "[redacted]"

// Format implements [fmt.Formatter]: whatever the verb, it writes "[redacted]".
func (h Hash) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHash(string(text))
	return err
}
