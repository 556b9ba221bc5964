package tomltables

import (
	"bytes"
	"errors"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Fault is one thing that is wrong in a file.
type Fault struct {
	Line    int    // counted from 1; 0 if unknown
	Table   string // "" outside of a table
	Problem string // what is wrong; "" if Err tells
	Err     error  // what the UnmarshalText of a field has returned
}

// Decode reads the tables of a file by their names. T is a struct with toml
// tags, the names of which end the sentence about a field that it does not
// have: fields is such as "a user has password and attributes".
func Decode[T any](text []byte, fields string) (map[string]T, []Fault) {
	var tables map[string]T
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&tables)
	if err == nil {
		return tables, nil
	}
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var faults []Fault
		for i := range unknown.Errors {
			e := &unknown.Errors[i]
			line, _ := e.Position()
			faults = append(faults, Fault{Line: line, Table: first(e.Key()), Problem: "has " + strings.Join(e.Key(), ".") + ", which is no field here; " + fields})
		}
		return nil, faults
	}
	var faulty *toml.DecodeError
	if !errors.As(err, &faulty) {
		return nil, []Fault{{Err: err}} // without a line
	}
	line, _ := faulty.Position()
	return nil, []Fault{{Line: line, Table: first(faulty.Key()), Problem: problemOf(faulty)}}
}

// misplaced matches what the decoder says of a value where one of another type
// belongs: what it is, and what Go calls the place.
var misplaced = regexp.MustCompile(`^(?:cannot decode TOML|cannot store an?) (.+?) (?:into|in) `)

// problemOf says what is wrong with a file that cannot be decoded. Only the
// error's message is used, since its String quotes the line; and of that not
// what strconv says, which quotes a number.
func problemOf(e *toml.DecodeError) string {
	problem, _, _ := strings.Cut(strings.TrimPrefix(e.Error(), "toml: "), ": strconv.")
	if m := misplaced.FindStringSubmatch(problem); m != nil {
		return strings.Join(e.Key(), ".") + " is of the type " + m[1] + ", which does not belong there; a text is written in quotes"
	}
	return problem
}

func first(key toml.Key) string {
	if len(key) == 0 {
		return ""
	}
	return key[0]
}
