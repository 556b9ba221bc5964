package main

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// users are those that a file knows, by name.
type users map[string]user

type user struct {
	// Password is $pbkdf2-sha512$i=ITERATIONS,l=LENGTH$SALT$HASH, with salt and
	// hash in base64 without padding.
	Password   string            `json:"password"`
	Attributes map[string]string `json:"attributes"`

	hash passwordHash
}

type passwordHash struct {
	iterations int
	salt, sum  []byte
}

// iterations is what a guess at a stolen hash costs, and each CONNECT too: some
// hundred milliseconds. A server with many Clients remembers for a while whom
// it has let in.
const iterations = 210_000

const (
	saltLength = 16
	hashLength = sha512.Size
)

// unknown stands in for a user that does not exist, so that the time an answer
// takes does not tell.
var unknown = passwordHash{iterations, make([]byte, saltLength), make([]byte, hashLength)}

// readUsers reads a file such as users.json beside this one.
func readUsers(file string) (users, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all users
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for name, u := range all {
		if u.hash, err = parseHash(u.Password); err != nil {
			return nil, fmt.Errorf("%s: the password of %q %w; make it with -hash", file, name, err)
		}
		all[name] = u
	}
	return all, nil
}

// decide grants those who know the password of their user name.
func (all users) decide(q *request) any {
	if q.Type == "auth" || q.UserName == nil {
		return badRequest("there is no user name in it")
	}
	u, known := all[*q.UserName]
	if !known {
		u.hash = unknown
	}
	sum, err := pbkdf2.Key(sha512.New, string(q.Password), u.hash.salt, u.hash.iterations, len(u.hash.sum))
	if err != nil || subtle.ConstantTimeCompare(sum, u.hash.sum) != 1 || !known {
		return refused{badUserNameOrPassword, "unknown user or wrong password"}
	}
	return granted{Attributes: u.Attributes}
}

func newHash(password string, iterations int) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	sum, err := pbkdf2.Key(sha512.New, password, salt, iterations, hashLength)
	if err != nil {
		return "", err
	}
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$pbkdf2-sha512$i=%d,l=%d$%s$%s", iterations, hashLength, encode(salt), encode(sum)), nil
}

// parseHash reads a hash. Its errors do not quote it.
func parseHash(text string) (h passwordHash, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "pbkdf2-sha512" {
		return h, fmt.Errorf("does not begin with $pbkdf2-sha512$")
	}
	count, length, found := strings.Cut(parts[2], ",")
	count, isCount := strings.CutPrefix(count, "i=")
	if h.iterations, err = strconv.Atoi(count); err != nil || !isCount || h.iterations < 1 || h.iterations > 10*iterations {
		return h, fmt.Errorf("has no number of iterations from 1 to %d", 10*iterations)
	}
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[3]); err != nil || len(h.salt) == 0 {
		return h, fmt.Errorf("has a salt that is not base64 without padding")
	}
	if h.sum, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(h.sum) == 0 || !found || length != fmt.Sprintf("l=%d", len(h.sum)) {
		return h, fmt.Errorf("has a hash that is not base64 of the length it says")
	}
	return h, nil
}
