package security

import "strings"

// token stands for a value of the Principal.
type token struct {
	kind tokenKind
	name string // of the attribute, for tokenAttribute
}

type tokenKind byte

const (
	notToken tokenKind = iota
	tokenClientID
	tokenUsername
	tokenAttribute
)

// value returns what t stands for, "" when p has no such value.
func (t token) value(p *Principal) string {
	switch t.kind {
	case tokenClientID:
		return p.ClientID
	case tokenUsername:
		return p.Username
	case tokenAttribute:
		value, _ := p.Attributes.Get(t.name)
		return value
	}
	return ""
}

// substitutable reports whether a value may stand in for a token. An empty one
// would widen what the rule says. The others could not be one topic level, and
// a Client that chose "+" for a Client Identifier once could read everything
// from brokers that did not refuse it (CVE-2017-7650).
func substitutable(value string) bool {
	return value != "" && !strings.ContainsAny(value, "/+#\x00")
}

// piece is literal text or a token of a template such as
// {principal.attributes.building}-east.
type piece struct {
	literal string
	token   token // kind notToken for literal text
}

// template is text with tokens in it.
type template []piece

// expand returns the text for p. ok is false when a token has no value that
// may stand in for it; then the entry the template is part of never matches.
func (t template) expand(p *Principal) (text string, ok bool) {
	if len(t) == 1 && t[0].token.kind == notToken {
		return t[0].literal, true
	}
	var b strings.Builder
	for _, piece := range t {
		if piece.token.kind == notToken {
			b.WriteString(piece.literal)
			continue
		}
		value := piece.token.value(p)
		if !substitutable(value) {
			return "", false
		}
		b.WriteString(value)
	}
	return b.String(), true
}

func (t template) hasTokens() bool {
	for _, piece := range t {
		if piece.token.kind != notToken {
			return true
		}
	}
	return false
}

// fault says what is wrong with a piece of a policy and what would be right.
type fault struct{ problem, remedy string }

const knownTokens = "write {principal.clientId}, {principal.username} or {principal.attributes.NAME}"

// parseTemplate splits s at its tokens. Braces have no other use, so that a
// misspelled token is an error and not a literal that matches nothing.
func parseTemplate(s string) (template, *fault) {
	var t template
	for s != "" {
		open := strings.IndexAny(s, "{}")
		if open < 0 {
			return append(t, piece{literal: s}), nil
		}
		if s[open] == '}' {
			return nil, &fault{"a '}' has no '{' before it", knownTokens}
		}
		if open > 0 {
			t = append(t, piece{literal: s[:open]})
		}
		s = s[open+1:]
		end := strings.IndexAny(s, "{}")
		if end < 0 || s[end] == '{' {
			return nil, &fault{"a '{' is not closed", knownTokens}
		}
		tok, ok := parseToken(s[:end])
		if !ok {
			return nil, &fault{"unknown token {" + s[:end] + "}", knownTokens}
		}
		t = append(t, piece{token: tok})
		s = s[end+1:]
	}
	return t, nil
}

func parseToken(s string) (token, bool) {
	switch s {
	case "principal.clientId":
		return token{kind: tokenClientID}, true
	case "principal.username":
		return token{kind: tokenUsername}, true
	}
	name, ok := strings.CutPrefix(s, "principal.attributes.")
	return token{tokenAttribute, name}, ok && name != ""
}
