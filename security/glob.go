package security

import "strings"

// glob is a pattern for Client Identifiers: '*' stands for any run of
// characters, tokens for values of the Principal, and everything else,
// including a '*' inside such a value, for itself.
type glob []template // the texts between the asterisks, so at least one

func parseGlob(s string) (glob, *fault) {
	whole, f := parseTemplate(s)
	if f != nil {
		return nil, f
	}
	g := glob{nil}
	for _, p := range whole {
		if p.token.kind != notToken {
			g[len(g)-1] = append(g[len(g)-1], p)
			continue
		}
		for i, text := range strings.Split(p.literal, "*") {
			if i > 0 {
				g = append(g, nil)
			}
			if text != "" {
				g[len(g)-1] = append(g[len(g)-1], piece{literal: text})
			}
		}
	}
	return g, nil
}

// match reports whether g matches s for p. It takes the leftmost place for
// each text, which cannot miss a match and never looks back.
func (g glob) match(s string, p *Principal) bool {
	for i, t := range g {
		text, ok := t.expand(p)
		if !ok {
			return false
		}
		first, last := i == 0, i == len(g)-1
		switch {
		case first && last:
			return s == text
		case first:
			if s, ok = strings.CutPrefix(s, text); !ok {
				return false
			}
		case last:
			return strings.HasSuffix(s, text)
		default:
			if _, s, ok = strings.Cut(s, text); !ok {
				return false
			}
		}
	}
	return false
}
