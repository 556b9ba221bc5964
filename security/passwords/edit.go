package passwords

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirmq/weir/security/internal/tomltables"
)

// block is the lines of a user's tables, from the first to the one behind the
// last, counted from 0.
type block struct{ from, to int }

// Put returns the text of a password file in which the user has this password
// and these attributes; nil attributes leave those that it has. What the file
// says of others, comments included, stays as it is written. The error is that
// of [Parse] for the text as it was, or an [*Error].
func Put(source string, text []byte, name string, h Hash, attributes map[string]string) ([]byte, error) {
	if problem := nameProblem(name); problem != "" {
		return nil, &Error{source, 0, name, problem}
	}
	f, err := Parse(source, text)
	if err != nil {
		return nil, err
	}
	old, known := f.User(name)
	if attributes == nil {
		attributes = maps.Collect(old.Attributes.All())
	}
	written := writeUser(name, h, attributes)
	if !known {
		text = bytes.TrimRight(text, "\n")
		if len(text) > 0 {
			text = append(slices.Clip(text), "\n\n"...)
		}
		return append(text, written...), nil
	}
	b, err := blockOf(source, text, name)
	if err != nil {
		return nil, err
	}
	return replaceLines(text, b, written), nil
}

// Remove returns the text of a password file without a user. It is false if
// the file has no such user. Errors are those of [Put].
func Remove(source string, text []byte, name string) (edited []byte, found bool, err error) {
	f, err := Parse(source, text)
	if err != nil {
		return nil, false, err
	}
	if _, known := f.User(name); !known {
		return text, false, nil
	}
	b, err := blockOf(source, text, name)
	if err != nil {
		return nil, false, err
	}
	return replaceLines(text, b, nil), true, nil
}

// replaceLines puts other text in the place of some lines. With none in their
// place, the blank line that ended the block goes too.
func replaceLines(text []byte, b block, with []byte) []byte {
	lines := slices.Collect(bytes.Lines(text))
	if len(with) == 0 && b.to < len(lines) && len(bytes.TrimSpace(lines[b.to])) == 0 {
		b.to++
	}
	return slices.Concat(bytes.Join(lines[:b.from], nil), with, bytes.Join(lines[b.to:], nil))
}

// writeUser returns the tables of a user.
func writeUser(name string, h Hash, attributes map[string]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "[%s]\npassword = %s\n", writeKey(name), quote(h.Encode()))
	if len(attributes) > 0 {
		fmt.Fprintf(&b, "\n[%s.attributes]\n", writeKey(name))
		for _, key := range slices.Sorted(maps.Keys(attributes)) {
			fmt.Fprintf(&b, "%s = %s\n", writeKey(key), quote(attributes[key]))
		}
	}
	return b.Bytes()
}

// writeKey writes a key bare where TOML lets it stand so.
func writeKey(key string) string {
	for _, c := range []byte(key) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if digit := '0' <= c && c <= '9'; !letter && !digit && c != '-' && c != '_' {
			return quote(key)
		}
	}
	if key == "" {
		return quote(key)
	}
	return key
}

// quote writes a basic string of TOML, whose escapes are not those of Go.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7F:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// blockOf returns where the tables of a user stand. Comments and blank lines
// behind them belong to what follows.
func blockOf(source string, text []byte, name string) (block, error) {
	lines := slices.Collect(bytes.Lines(text))
	b := block{from: -1}
	all := tomltables.Headers(text)
	for i, h := range all {
		if h.Name != name {
			continue
		}
		if h.Bare || b.from >= 0 && all[i-1].Name != name {
			return block{}, &Error{source, h.Line, name, "is not written as tables one behind the other; write it as [" + writeKey(name) + "], or change it by hand"}
		}
		if b.from < 0 {
			b.from = h.Line - 1
		}
		b.to = len(lines)
		if i+1 < len(all) {
			b.to = all[i+1].Line - 1
		}
	}
	for b.to > b.from+1 {
		if line := bytes.TrimSpace(lines[b.to-1]); len(line) > 0 && line[0] != '#' {
			break
		}
		b.to--
	}
	return b, nil
}
