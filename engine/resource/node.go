package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v2"
)

// nodeKind is the shape of a node.
type nodeKind byte

const (
	nullNode nodeKind = iota
	stringNode
	otherScalarNode // number, boolean, date
	mappingNode
	sequenceNode
)

func (k nodeKind) String() string {
	switch k {
	case stringNode:
		return "a string"
	case otherScalarNode:
		return "a number, boolean or date"
	case mappingNode:
		return "a mapping"
	case sequenceNode:
		return "a list"
	}
	return "nothing"
}

// node is a YAML value that knows its line, so that a problem in it can be
// found. Aliases and merge keys are resolved.
type node struct {
	line  int // counted from 1
	kind  nodeKind
	text  string // a scalar as written, quotes and escapes undone
	value any    // a scalar as YAML resolves it: string, bool, int, int64, uint64, float64
	pairs []pair // a mapping, in the order of lines
	items []*node
}

// pair is one entry of a mapping.
type pair struct {
	key   string
	value *node
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return n.pairs[i].value
		}
	}
	return nil
}

// at follows a path such as rules[2].brokerResources[0].topics[1] as far as it
// leads, and returns the last node on it.
func (n *node) at(path string) *node {
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := n.get(step)
		if i, err := strconv.Atoi(step); err == nil && n.kind == sequenceNode && i >= 0 && i < len(n.items) {
			next = n.items[i]
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// becomeText makes a scalar a string, spelled as it is written.
func (n *node) becomeText() { n.kind, n.value = stringNode, n.text }

// plain returns the value as encoding/json knows it.
func (n *node) plain() any {
	switch n.kind {
	case mappingNode:
		m := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			m[p.key] = p.value.plain()
		}
		return m
	case sequenceNode:
		s := make([]any, len(n.items))
		for i, item := range n.items {
			s[i] = item.plain()
		}
		return s
	case nullNode:
		return nil
	}
	if f, ok := n.value.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return n.text // JSON has no number for these
	}
	return n.value
}

// shift moves the lines down by the lines that come before the document.
func (n *node) shift(lines int) {
	n.line += lines
	for i := range n.pairs {
		n.pairs[i].value.shift(lines)
	}
	for _, item := range n.items {
		item.shift(lines)
	}
}

// UnmarshalYAML builds the node from what the YAML parser has read.
func (n *node) UnmarshalYAML(unmarshal func(any) error) error {
	if err := n.probe(unmarshal); err != nil {
		return err
	}
	switch n.kind {
	case mappingNode:
		var m map[string]*node
		if err := unmarshal(&m); err != nil {
			return err
		}
		for key, value := range m {
			if keyIsLong(key) {
				return &syntaxError{
					line: orNull(value, n.line).line, value: strings.ToValidUTF8(key[:shownKey], "") + "...",
					problem: fmt.Sprintf("is a key of %d bytes", len(key)), remedy: "use a shorter one",
				}
			}
			n.pairs = append(n.pairs, pair{key, orNull(value, n.line)})
		}
		slices.SortFunc(n.pairs, func(a, b pair) int {
			if a.value.line != b.value.line {
				return a.value.line - b.value.line
			}
			return strings.Compare(a.key, b.key)
		})
	case sequenceNode:
		if err := unmarshal(&n.items); err != nil {
			return err
		}
		for i := range n.items {
			n.items[i] = orNull(n.items[i], n.line)
		}
	default:
		if err := unmarshal(&n.text); err != nil {
			return err
		}
		return unmarshal(&n.value)
	}
	return nil
}

const (
	// maxKey is how long a key may be as JSON: of a longer one YAML's parser does
	// not see that it is one.
	maxKey = 1000
	// shownKey is how much of it an error shows.
	shownKey = 40
)

func keyIsLong(key string) bool {
	if len(key) <= maxKey/len(`\u0000`) {
		return false
	}
	text, err := json.Marshal(key)
	return err != nil || len(text) > maxKey
}

// orNull stands in for what the parser leaves out: it does not call
// UnmarshalYAML for null.
func orNull(n *node, line int) *node {
	if n == nil {
		return &node{line: line}
	}
	return n
}

// probe finds line and kind. The parser tells them in one place only, the
// error for a value that does not fit its target, and so it is given a target
// that no value fits.
func (n *node) probe(unmarshal func(any) error) error {
	var unfit chan struct{}
	err := unmarshal(&unfit)
	var mismatch *yaml.TypeError
	if !errors.As(err, &mismatch) || len(mismatch.Errors) == 0 {
		return err
	}
	// fmt.Sscanf would take as long as all of the parsing.
	line, rest, _ := strings.Cut(strings.TrimPrefix(mismatch.Errors[0], "line "), ": cannot unmarshal ")
	tag, _, _ := strings.Cut(rest, " ")
	if n.line, err = strconv.Atoi(line); err != nil {
		return mismatch
	}
	switch tag {
	case "!!map":
		n.kind = mappingNode
	case "!!seq":
		n.kind = sequenceNode
	case "!!str", "!!binary":
		n.kind = stringNode
	case "!!int", "!!float", "!!bool", "!!timestamp":
		n.kind = otherScalarNode
	default:
		return &syntaxError{line: n.line, problem: "the YAML tag " + tag + " has no meaning here"}
	}
	return nil
}

// syntaxError is text that is not YAML, or YAML that no manifest may have.
type syntaxError struct {
	line    int // counted from 1; 0 if unknown
	value   string
	problem string
	remedy  string
}

func (e *syntaxError) Error() string { return e.problem }

// document is one YAML document of a file.
type document struct {
	start, end int // bytes of the file, with the line that separates it from the one before
	firstLine  int // lines of the file before it
	text       []byte
}

// splitDocuments cuts a file at its document separators. YAML ends every
// scalar there, block scalars included, so no content can be taken for one.
func splitDocuments(text []byte) []document {
	var docs []document
	doc := document{}
	line := 0
	for at := 0; at < len(text); {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if at > doc.start && isSeparator(text[at:end]) {
			doc.end = at
			docs = append(docs, doc)
			doc = document{start: at, firstLine: line}
		}
		at = end
		line++
	}
	doc.end = len(text)
	docs = append(docs, doc)
	for i := range docs {
		docs[i].text = text[docs[i].start:docs[i].end]
	}
	return docs
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n')
}

// parseDocument parses a document of YAML or JSON. It returns nil without an
// error if there is nothing in it.
func parseDocument(d document) (*node, *syntaxError) {
	dec := yaml.NewDecoder(bytes.NewReader(joinSurrogates(d.text)))
	dec.SetStrict(true)
	var n node
	err := dec.Decode(&n)
	if err == nil {
		// The parser stops behind the first document, and for YAML a lone
		// carriage return ends a line: what follows must not be lost silently.
		if err = dec.Decode(new(node)); err == nil {
			err = errors.New("a second document, which no line feed separates from the first")
		}
	}
	if !errors.Is(err, io.EOF) {
		e := asSyntaxError(err, d.text)
		if e.line > 0 {
			e.line += d.firstLine
		}
		return nil, e
	}
	if n.kind == nullNode {
		return nil, nil
	}
	n.shift(d.firstLine)
	return &n, nil
}

// asSyntaxError adds line and remedy to an error of the YAML parser.
func asSyntaxError(err error, text []byte) *syntaxError {
	var own *syntaxError
	if errors.As(err, &own) {
		return own
	}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	var mismatch *yaml.TypeError
	if errors.As(err, &mismatch) && len(mismatch.Errors) > 0 {
		message = mismatch.Errors[0]
	}
	e := &syntaxError{problem: message}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				e.line, e.problem = line, rest
			}
		}
	}
	if mismatch == nil {
		if line, value, remedy := findAssignment(text); line > 0 {
			return &syntaxError{line: line, value: value, problem: "is not YAML (" + e.problem + ")", remedy: remedy}
		}
	}
	e.problem = "is not YAML: " + e.problem
	return e
}

// findAssignment looks for the first line that assigns with '=', as TOML does
// and as a widespread example of authorizationAttributes was printed.
func findAssignment(text []byte) (line int, value, remedy string) {
	for s := range strings.Lines(string(text)) {
		line++
		s = strings.TrimSpace(s)
		if fixed, ok := fixAssignment(s); ok {
			return line, s, "write " + fixed
		}
	}
	return 0, "", ""
}

// fixAssignment turns an assignment in the manner of TOML into YAML.
func fixAssignment(s string) (string, bool) {
	key, value, ok := strings.Cut(strings.TrimPrefix(s, "- "), "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || key == "" || value == "" || strings.ContainsAny(key, " \t:\"'#{}[],") {
		return "", false
	}
	if !strings.HasPrefix(value, `"`) && !strings.HasPrefix(value, "'") {
		value = strconv.Quote(value)
	}
	return key + ": " + value, true
}

// joinSurrogates replaces the escaped surrogate pairs by which JSON may write
// a character outside of the basic plane: YAML, read by the same parser, does
// not know them.
func joinSurrogates(text []byte) []byte {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	isJSON := len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[')
	if !isJSON || !bytes.Contains(bytes.ToLower(text), []byte(`\ud`)) || !json.Valid(text) {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			out = append(out, text[i])
			i++
			continue
		}
		r := utf16.DecodeRune(escapedRune(text[i:]), escapedRune(text[min(i+6, len(text)):]))
		if r != '\uFFFD' {
			out = append(out, string(r)...)
			i += 12
			continue
		}
		out = append(out, text[i], text[i+1]) // an escape is two bytes at least, for the text is valid
		i += 2
	}
	return out
}

// escapedRune decodes the \uXXXX that text starts with, or returns 0.
func escapedRune(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	v, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(v)
}
