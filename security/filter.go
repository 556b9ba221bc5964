package security

import (
	"strings"
	"unicode/utf8"

	"github.com/weirmq/weir/topics"
)

// ruleFilter is a Topic Filter of a rule, split into levels.
type ruleFilter []ruleLevel

// ruleLevel is literal text, "+", "#" or a token that takes the whole level.
type ruleLevel struct {
	text  string
	token token // kind notToken unless the level is a token
}

// parseRuleFilter parses one of the topics of a rule.
func parseRuleFilter(s string) (ruleFilter, *fault) {
	if s == "" {
		return nil, &fault{"the Topic Filter is empty", "write a Topic Filter, or leave it out"}
	}
	if !utf8.ValidString(s) {
		return nil, &fault{"not valid UTF-8", "write the Topic Filter in UTF-8"}
	}
	if strings.Contains(s, "\x00") {
		return nil, &fault{"a Topic Filter must not contain U+0000", "remove it"}
	}
	if strings.HasPrefix(s, "$share/") {
		return nil, &fault{"a Shared Subscription is authorized by the Topic Filter inside it", "leave out $share/ and the ShareName"}
	}
	t, f := parseTemplate(s)
	if f != nil {
		return nil, f
	}

	// Braces have no other use, so "{}" can mark where the tokens were while
	// the rest is split. A token's own text may hold a '/', in the name of an
	// attribute.
	const mark = "{}"
	var marked strings.Builder
	var tokens []token
	for _, p := range t {
		if p.token.kind != notToken {
			tokens = append(tokens, p.token)
			marked.WriteString(mark)
		}
		marked.WriteString(p.literal)
	}
	if !topics.ValidFilter(marked.String()) {
		return nil, &fault{"not a valid Topic Filter", "'+' must be a whole level, and '#' a whole level and the last"}
	}

	var filter ruleFilter
	for level, rest, more := "", marked.String(), true; more; {
		level, rest, more = topics.NextLevel(rest)
		switch {
		case level == mark:
			filter = append(filter, ruleLevel{token: tokens[0]})
			tokens = tokens[1:]
		case strings.Contains(level, mark):
			return nil, &fault{"a token must be a whole level", "give it a level of its own, as in clients/{principal.clientId}/#"}
		default:
			filter = append(filter, ruleLevel{text: level})
		}
	}
	return filter, nil
}
