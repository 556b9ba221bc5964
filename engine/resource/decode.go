package resource

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder reads the fields of one object and notes what is wrong with them. It
// never stops at the first problem: an operator wants to see all of them.
type decoder struct {
	object   *Object
	problems *Problems
	errors   int  // those noted so far
	stale    bool // the object is no longer what its file says
}

func (d *decoder) note(severity Severity, n *node, field, value, problem, remedy string) {
	p := Problem{
		Severity: severity,
		File:     d.object.File,
		Line:     d.object.Line,
		Kind:     d.object.Kind,
		Name:     d.object.Name,
		Field:    field,
		Value:    value,
		Problem:  problem,
		Remedy:   remedy,
	}
	if n != nil {
		p.Line = n.line
	}
	if d.stale || d.object.plain {
		p.Line = 0
	}
	if severity == Error {
		d.errors++
	}
	*d.problems = append(*d.problems, p)
}

func (d *decoder) fail(n *node, field, value, problem, remedy string) {
	d.note(Error, n, field, value, problem, remedy)
}

func (d *decoder) warn(n *node, field, value, problem, remedy string) {
	d.note(Warning, n, field, value, problem, remedy)
}

// notSupported refuses what the manifests may ask for and this version cannot
// do: to serve without it would serve something else than what was asked for.
func (d *decoder) notSupported(n *node, field, value, remedy string) {
	d.fail(n, field, value, "not supported in this version", remedy)
}

// reader reads the value of a field. path is that of the value.
type reader func(n *node, path string)

// field is one that a mapping may have.
type field struct {
	names    []string // the current spelling, then older ones
	required bool
	read     reader
}

// optional and required make a field. names holds the current spelling and,
// separated by '|', the older ones.
func optional(names string, read reader) field {
	return field{names: strings.Split(names, "|"), read: read}
}

func required(names string, read reader) field {
	return field{names: strings.Split(names, "|"), read: read, required: true}
}

// mapping reads a mapping, and refuses fields it does not have. A field that is
// there without a value is refused too: taken as absent, an authenticationRef
// whose name got lost would open the port to everyone.
func (d *decoder) mapping(n *node, path string, fields ...field) {
	if !d.isKind(n, path, mappingNode) {
		return
	}
	seen := make([]string, len(fields))
	for _, p := range n.pairs {
		i := slices.IndexFunc(fields, func(f field) bool { return slices.Contains(f.names, p.key) })
		at := join(path, p.key)
		switch {
		case i < 0:
			d.unknownField(p, path, fields)
		case seen[i] != "":
			d.fail(p.value, at, "", "says the same as "+seen[i]+", which is there too", "keep one of them")
		case p.value.kind == nullNode:
			seen[i] = p.key
			d.fail(p.value, at, "", "has no value", "give it one, or remove the field")
		default:
			seen[i] = p.key
			fields[i].read(p.value, at)
		}
	}
	for i, f := range fields {
		if f.required && seen[i] == "" {
			d.fail(n, join(path, f.names[0]), "", "is missing", "")
		}
	}
}

func (d *decoder) unknownField(p pair, path string, fields []field) {
	var names []string
	for _, f := range fields {
		names = append(names, f.names...)
	}
	remedy := "remove it"
	if best := closest(p.key, names); best != "" {
		remedy = "did you mean " + best + "?"
	}
	d.fail(p.value, join(path, p.key), "", "is not a field here", remedy)
}

// isKind refuses a node of another kind.
func (d *decoder) isKind(n *node, path string, want nodeKind) bool {
	if n.kind == want {
		return true
	}
	remedy := ""
	if fixed, ok := fixAssignment(n.text); ok {
		remedy = "write " + fixed
	}
	d.fail(n, path, n.text, "is "+n.kind.String()+" where "+want.String()+" belongs", remedy)
	return false
}

// scalarText returns the text of a scalar. What YAML takes for a number or a
// boolean is taken as it is written, with a warning, and is text from then on:
// written out again as the number, 1.10 would become 1.1.
func (d *decoder) scalarText(n *node, path string) (string, bool) {
	if n.kind == otherScalarNode {
		n.becomeText()
		d.warn(n, path, n.text, "is not a string; it is taken as the text it is written with", "write "+strconv.Quote(n.text))
		return n.text, true
	}
	return n.text, d.isKind(n, path, stringNode)
}

// str reads a string that is not empty.
func (d *decoder) str(to *string) reader {
	return func(n *node, path string) {
		s, ok := d.scalarText(n, path)
		if !ok {
			return
		}
		if s == "" {
			d.fail(n, path, "", "is empty", "give it a value, or remove the field")
			return
		}
		*to = s
	}
}

// matching reads a string that check accepts; check returns what is wrong.
func (d *decoder) matching(to *string, check func(string) string) reader {
	return func(n *node, path string) {
		var s string
		d.str(&s)(n, path)
		if s == "" {
			return
		}
		if problem := check(s); problem != "" {
			d.fail(n, path, s, problem, "")
			return
		}
		*to = s
	}
}

// integer reads a whole number within bounds.
func (d *decoder) integer(to *int64, least, most int64) reader {
	return func(n *node, path string) {
		var v int64
		switch i := n.value.(type) {
		case int:
			v = int64(i)
		case int64:
			v = i
		case uint64:
			v = math.MaxInt64
		default:
			d.fail(n, path, n.text, "is not a whole number", fmt.Sprintf("write one from %d to %d", least, most))
			return
		}
		if v < least || v > most {
			d.fail(n, path, n.text, "is out of range", fmt.Sprintf("write a number from %d to %d", least, most))
			return
		}
		*to = v
	}
}

// boolean reads true or false.
func (d *decoder) boolean(to *bool) reader {
	return func(n *node, path string) {
		b, ok := n.value.(bool)
		if !ok {
			d.fail(n, path, n.text, "is not a boolean", "write true or false")
			return
		}
		*to = b
	}
}

// enum reads one of the values, in any letter case, and stores it as spelled
// here.
func (d *decoder) enum(to *string, values ...string) reader {
	return func(n *node, path string) {
		s, ok := d.scalarText(n, path)
		if !ok {
			return
		}
		for _, v := range values {
			if strings.EqualFold(s, v) {
				*to = v
				return
			}
		}
		d.fail(n, path, s, "is not a value of this field", "use "+orList(values))
	}
}

// operationalMode reads the enumeration that switches things on and off.
func (d *decoder) operationalMode(to *string) reader { return d.enum(to, "Enabled", "Disabled") }

// enabled reads whether such an enumeration is Enabled.
func (d *decoder) enabled(to *bool) reader {
	return func(n *node, path string) {
		var mode string
		d.operationalMode(&mode)(n, path)
		*to = mode == "Enabled"
	}
}

// duration reads a positive duration in Go's spelling.
func (d *decoder) duration(n *node, path string) {
	var s string
	d.str(&s)(n, path)
	if s == "" {
		return
	}
	if v, err := time.ParseDuration(s); err != nil || v <= 0 {
		d.fail(n, path, s, "is not a duration", "write one such as 240h or 45m")
	}
}

// list reads a list, item by item.
func (d *decoder) list(read reader) reader {
	return func(n *node, path string) {
		if !d.isKind(n, path, sequenceNode) {
			return
		}
		for i, item := range n.items {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item.kind == nullNode {
				d.fail(item, at, "", "has no value", "give it one, or remove it")
				continue
			}
			read(item, at)
		}
	}
}

// strs reads a list of strings. An empty list is one that is not set.
func (d *decoder) strs(to *[]string) reader {
	return d.list(func(n *node, path string) {
		if s, ok := d.scalarText(n, path); ok {
			*to = append(*to, s)
		}
	})
}

// entries reads a mapping whose keys are names of the operator's choice.
func (d *decoder) entries(read func(key string, n *node, path string)) reader {
	return func(n *node, path string) {
		if !d.isKind(n, path, mappingNode) {
			return
		}
		for _, p := range n.pairs {
			at := join(path, p.key)
			if p.value.kind == nullNode {
				d.fail(p.value, at, "", "has no value", "give it one, or remove it")
				continue
			}
			read(p.key, p.value, at)
		}
	}
}

// stringMap reads a mapping of strings. *to is not nil afterwards, if n is a
// mapping.
func (d *decoder) stringMap(to *map[string]string) reader {
	return func(n *node, path string) {
		if n.kind == mappingNode {
			*to = make(map[string]string, len(n.pairs))
		}
		d.entries(func(key string, n *node, path string) {
			if s, ok := d.scalarText(n, path); ok {
				(*to)[key] = s
			}
		})(n, path)
	}
}

// base64Map adds a mapping of base64 to a mapping of bytes. The text is not
// shown in problems, for it may be a key's.
func (d *decoder) base64Map(to map[string][]byte) reader {
	return d.entries(func(key string, n *node, path string) {
		if n.kind != stringNode && n.kind != otherScalarNode { // digits alone are base64 too
			d.fail(n, path, "", "is "+n.kind.String()+" where base64 belongs", "")
			return
		}
		n.becomeText()
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.text), ""))
		if err != nil {
			d.fail(n, path, "", "is not base64", "encode it, or put the plain text under stringData")
			return
		}
		to[key] = data
	})
}

// anything accepts every value: it is for what belongs to others.
func (d *decoder) anything(*node, string) {}

// anyMapping accepts every mapping.
func (d *decoder) anyMapping(n *node, path string) { d.isKind(n, path, mappingNode) }

// withoutEffect reads a field whose values are checked but used nowhere yet,
// and says so.
func (d *decoder) withoutEffect(read reader) reader {
	return func(n *node, path string) {
		before := d.errors
		read(n, path)
		if d.errors == before {
			d.warn(n, path, "", "accepted, has no effect in this version", "")
		}
	}
}

// join appends a field to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// orList writes values as people do: "A, B or C".
func orList(values []string) string {
	if len(values) < 2 {
		return strings.Join(values, "")
	}
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// maxTypos is how many letters may be wrong in a short word.
const maxTypos = 2

// closest returns the candidate that somebody who wrote s most likely meant,
// or "".
func closest(s string, candidates []string) string {
	best, bestDistance := "", min(len(s), max(maxTypos, len(s)/3)+1)
	for _, c := range candidates {
		if distance := editDistance(strings.ToLower(s), strings.ToLower(c)); distance < bestDistance {
			best, bestDistance = c, distance
		}
	}
	return best
}

// maxWord is the length above which a string is no mistyped word.
const maxWord = 64

// editDistance counts the insertions, deletions and replacements of bytes that
// turn a into b.
func editDistance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
