package tomltables

import "github.com/pelletier/go-toml/v2/unstable"

// Header is the beginning of a table, or a field outside of any.
type Header struct {
	Name string // the first part of its key
	Line int    // counted from 1
	Bare bool   // a field outside of any table, such as client1.password = ...
}

// Headers returns where tables begin in a text that is known to be TOML.
func Headers(text []byte) []Header {
	var all []Header
	var p unstable.Parser
	p.Reset(text)
	inTable := false
	for p.NextExpression() {
		n := p.Expression()
		isTable := n.Kind == unstable.Table || n.Kind == unstable.ArrayTable
		inTable = inTable || isTable
		key := n.Key()
		if (isTable || !inTable) && key.Next() {
			part := key.Node()
			all = append(all, Header{string(part.Data), p.Shape(part.Raw).Start.Line, !isTable})
		}
	}
	return all
}

// LineOf returns the line where a table begins, counted from 1, or 0.
func LineOf(text []byte, name string) int {
	for _, h := range Headers(text) {
		if h.Name == name {
			return h.Line
		}
	}
	return 0
}
