package passwords

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/internal/tomltables"
)

// File is the users of a password file. It prints as "[redacted]".
type File struct {
	users map[string]User
}

// User is one user of a [File].
type User struct {
	Hash       Hash
	Attributes security.Attributes
}

// maxUserName is what fits into a CONNECT, in bytes.
const maxUserName = 65535

// Error is what is wrong in a password file.
type Error struct {
	Source  string // of the file
	Line    int    // counted from 1; 0 if unknown
	User    string // "" outside of a user's table
	Problem string // what is wrong, and what would be right
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source)
	if e.Line > 0 {
		fmt.Fprintf(&b, ": line %d", e.Line)
	}
	if e.User != "" {
		fmt.Fprintf(&b, ": user %q", e.User)
	}
	return b.String() + ": " + e.Problem
}

// entry is a user as the file has it.
type entry struct {
	Password   *Hash             `toml:"password"`
	Attributes map[string]string `toml:"attributes"`
}

// Parse reads a password file. source is for messages. A file without a user is
// one that knows nobody. The error joins one [*Error] for each fault found.
func Parse(source string, text []byte) (*File, error) {
	entries, err := decode(source, text)
	if err != nil {
		return nil, err
	}
	f := &File{users: make(map[string]User, len(entries))}
	var errs []error
	refuse := func(name, problem string) {
		errs = append(errs, &Error{source, tomltables.LineOf(text, name), name, problem})
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		e := entries[name]
		if problem := nameProblem(name); problem != "" {
			refuse(name, problem)
			continue
		}
		if e.Password == nil {
			refuse(name, "has no password; let weir passwd write one")
			continue
		}
		if _, ok := e.Attributes[""]; ok {
			refuse(name, "has an attribute without a name")
			continue
		}
		f.users[name] = User{*e.Password, security.NewAttributes(e.Attributes)}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return f, nil
}

// nameProblem returns what is wrong with a User Name, or "".
func nameProblem(name string) string {
	switch {
	case name == "":
		return "a user has no name"
	case len(name) > maxUserName:
		return "is longer than a User Name can be, 65535 bytes"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "is no User Name: it has control characters"
	}
	return ""
}

// decode reads TOML that has tables of users and nothing else.
func decode(source string, text []byte) (map[string]entry, error) {
	entries, faults := tomltables.Decode[entry](text, "a user has password and attributes")
	var errs []error
	for _, f := range faults {
		problem := f.Problem
		if f.Err != nil {
			problem = "is not TOML with a table for each user: begin one with [client1]"
		}
		var bad badHash
		if errors.As(f.Err, &bad) { // of a number, for which TOML tells no line
			problem = "a password " + bad.Error()
		}
		errs = append(errs, &Error{source, f.Line, f.Table, problem})
	}
	return entries, errors.Join(errs...)
}

// Len returns the number of users.
func (f *File) Len() int { return len(f.users) }

// User returns a user of the file.
func (f *File) User(name string) (User, bool) {
	u, ok := f.users[name]
	return u, ok
}

// Format implements [fmt.Formatter]: whatever the verb, it writes "[redacted]".
func (f *File) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }
