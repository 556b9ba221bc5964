package resource

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Severity says what a Problem does.
type Severity byte

const (
	// Error keeps what has it out of force: an object keeps the last version
	// without errors, or has no effect when there is none.
	Error Severity = iota
	// Warning changes nothing but deserves a look.
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Problem is one thing that is wrong in a directory: where it is, what is
// wrong, and what would be right. No field ever holds data of a Secret.
type Problem struct {
	Severity Severity
	File     string // relative to the directory, with slashes; "" if there is none
	Line     int    // counted from 1; 0 if unknown
	Kind     Kind   // of the object; "" outside of objects
	Name     string // of the object
	Field    string // path, such as spec.ports[0].tls.mode
	Value    string // as written, shortened if long; "" if there is none to show
	Problem  string // what is wrong
	Remedy   string // what would be right; may be ""
}

// String returns the problem in one line:
//
//	FILE:LINE: SEVERITY: KIND/NAME: FIELD: "VALUE": PROBLEM; REMEDY
//
// without the parts that are unknown.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Severity.String())
	b.WriteString(": ")
	switch {
	case p.Kind != "" && p.Name != "":
		fmt.Fprintf(&b, "%s/%s: ", p.Kind, p.Name)
	case p.Kind != "":
		fmt.Fprintf(&b, "%s: ", p.Kind)
	}
	if p.Field != "" {
		b.WriteString(p.Field)
		b.WriteString(": ")
	}
	if p.Value != "" {
		b.WriteString(strconv.Quote(shorten(p.Value)))
		b.WriteString(": ")
	}
	b.WriteString(oneLine(p.Problem))
	if p.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(oneLine(p.Remedy))
	}
	return b.String()
}

// maxValueLength is how much of an offending value a Problem shows.
const maxValueLength = 120

func shorten(s string) string {
	if len(s) <= maxValueLength {
		return s
	}
	return strings.ToValidUTF8(s[:maxValueLength], "") + "..."
}

// oneLine replaces line breaks, which errors of other packages may have.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}

// Problems is a list of problems. The list that Load and Check return is in
// the order of files and lines.
type Problems []Problem

// HasErrors reports whether one of the problems is an Error.
func (ps Problems) HasErrors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == Error })
}

// String returns one line for each problem, each ended by a line feed.
func (ps Problems) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// sorted orders by file and line and drops repetitions.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return slices.Compact(ps)
}

// ManifestError is returned for a manifest that is refused as a whole because
// of the errors in it. Nothing of it has been stored.
type ManifestError struct {
	Problems Problems
}

func (e *ManifestError) Error() string {
	return strings.TrimSuffix(e.Problems.String(), "\n")
}
