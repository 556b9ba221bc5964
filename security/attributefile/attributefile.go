package attributefile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/internal/tomltables"
)

// Error is what is wrong in a file.
type Error struct {
	Line    int    // counted from 1; 0 if unknown
	Entry   string // "" outside of an entry
	Problem string // what is wrong, and what would be right
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Entry != "" {
		fmt.Fprintf(&b, "entry %q: ", e.Entry)
	}
	return b.String() + e.Problem
}

// table is an entry as the file has it.
type table struct {
	Subject    string             `toml:"subject"`
	Attributes *map[string]string `toml:"attributes"` // not nil if it is there and empty
}

// Parse reads a file, and returns its entries by name. A file without any gives
// nobody attributes. The error joins one [*Error] for each fault found.
func Parse(text []byte) ([]security.X509Entry, error) {
	tables, faults := tomltables.Decode[table](text, "an entry has subject and attributes")
	var errs []error
	for _, f := range faults {
		if f.Err != nil {
			f.Problem = "is not TOML with a table for each entry: begin one with [root]"
		}
		errs = append(errs, &Error{f.Line, f.Table, f.Problem})
	}
	var entries []security.X509Entry
	named := make(map[string]string) // entries by subject
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := tables[name]
		subject, problem := t.check(name)
		if other, ok := named[subject.Key()]; ok && problem == "" {
			problem = fmt.Sprintf("has the same subject as entry %q; join the two", other)
		}
		if problem != "" {
			errs = append(errs, &Error{tomltables.LineOf(text, name), name, problem})
			continue
		}
		named[subject.Key()] = name
		attributes := make(map[string]string) // an X509Entry that gives none on purpose has a map too
		maps.Copy(attributes, *t.Attributes)
		entries = append(entries, security.X509Entry{Name: name, Subject: t.Subject, Attributes: attributes})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return entries, nil
}

// check returns the subject, or what is wrong with the entry.
func (t table) check(name string) (subject security.Subject, problem string) {
	const form = "write it as openssl x509 -noout -subject prints it, such as CN = name, OU = unit"
	if t.Subject == "" {
		return subject, "has no subject; " + form
	}
	subject, err := security.ParseSubject(t.Subject)
	if err != nil {
		return subject, "has a subject that is none; " + form
	}
	if t.Attributes == nil {
		return subject, fmt.Sprintf("has no attributes; begin them with [%s.attributes]", name)
	}
	if _, ok := (*t.Attributes)[""]; ok {
		return subject, "has an attribute without a name"
	}
	return subject, ""
}
