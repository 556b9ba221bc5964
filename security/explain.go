package security

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/weirmq/weir/topics"
)

// The code in this file shares nothing with Compile's tables but the syntax
// check, on purpose: it reads the Policy as written, in the order it is
// written, and the tests hold the tables to its answers.

// Explanation is a decision with its reasons.
type Explanation struct {
	Decision  Decision
	Request   string            // what was asked, for people
	Rule      int               // the first rule that allows it, -1 when none does
	Principal string            // which principal of that rule matched
	Resource  string            // which resource of that rule allowed it
	PerRule   []RuleExplanation // every rule, in order
	Refused   error             // why the policy or the topic cannot be used at all; nil otherwise
}

// RuleExplanation is what one rule has to say about a request.
type RuleExplanation struct {
	Rule      int
	Name      string
	Decision  Decision
	Principal string   // the first principal that matched, such as attributes[0] {group: thermostats}; "" when none did
	Resource  string   // the first resource that allowed it, such as brokerResources[1].topics[0] "a/#"; "" when none did
	Reasons   []string // when Decision is Deny: what did not match, and why
}

// Explain decides as a Grant of the compiled Policy would, and says why. It is
// slow, and for people and tests; it is safe for concurrent use. A Policy that
// [Compile] refuses denies everything.
func Explain(p Policy, pr *Principal, a Action, topic string) Explanation {
	e := Explanation{Rule: -1, Request: describe(pr, a, topic)}
	filter := topic
	switch _, err := Compile(p); {
	case err != nil:
		e.Refused = err
		return e
	case a == ActionPublish && !topics.ValidName(topic):
		e.Refused = fmt.Errorf("%q is not a valid Topic Name", topic)
		return e
	case a == ActionSubscribe:
		if _, filter, _, err = topics.ParseShared(topic); err != nil {
			e.Refused = err
			return e
		}
		if !topics.ValidFilter(filter) {
			e.Refused = fmt.Errorf("%q is not a valid Topic Filter", filter)
			return e
		}
	}
	for i, rule := range p.Rules {
		r := explainRule(rule, pr, a, filter)
		r.Rule = i
		if r.Decision == Allow && e.Decision == Deny {
			e.Decision, e.Rule, e.Principal, e.Resource = Allow, i, r.Principal, r.Resource
		}
		e.PerRule = append(e.PerRule, r)
	}
	return e
}

func explainRule(rule Rule, pr *Principal, a Action, topic string) RuleExplanation {
	r := RuleExplanation{Name: rule.Name}
	principal, why := matchPrincipals(rule.Principals, pr)
	if principal == "" {
		r.Reasons = why
		return r
	}
	r.Principal = principal
	for i, resource := range rule.BrokerResources {
		if resource.Method != a {
			continue
		}
		path := fmt.Sprintf("brokerResources[%d]", i)
		match, why := matchResource(path, resource, pr, topic)
		if match != "" {
			r.Decision, r.Resource, r.Reasons = Allow, match, nil
			return r
		}
		r.Reasons = append(r.Reasons, why...)
	}
	if len(r.Reasons) == 0 {
		r.Reasons = []string{fmt.Sprintf("no resource has the method %v", a)}
	}
	return r
}

// matchPrincipals returns the first element of ps that pr matches, or why none
// does.
func matchPrincipals(ps Principals, pr *Principal) (match string, why []string) {
	names := func(list []string, path, have string) string {
		for i, name := range list {
			entry := fmt.Sprintf("%s[%d] %q", path, i, name)
			want, problem := substitute(name, pr)
			switch {
			case problem != "":
				why = append(why, entry+": "+problem)
			case want != have:
				why = append(why, fmt.Sprintf("%s is not %q", entry, have))
			default:
				return entry
			}
		}
		return ""
	}
	if match = names(ps.ClientIDs, "clientIds", pr.ClientID); match != "" {
		return match, nil
	}
	if match = names(ps.Usernames, "usernames", pr.Username); match != "" {
		return match, nil
	}
	for i, wanted := range ps.Attributes {
		entry := fmt.Sprintf("attributes[%d] %v", i, NewAttributes(wanted))
		missing := ""
		for name, want := range NewAttributes(wanted).All() {
			have, ok := pr.Attributes.Get(name)
			if !ok {
				missing = fmt.Sprintf("the Client has no attribute %q", name)
				break
			}
			if have != want {
				missing = fmt.Sprintf("the Client has %s: %s", name, have)
				break
			}
		}
		if missing == "" {
			return entry, nil
		}
		why = append(why, entry+": "+missing)
	}
	if len(why) == 0 {
		why = []string{"the rule names no principals"}
	}
	return "", why
}

// matchResource returns which part of r allows topic, or why no part does.
func matchResource(path string, r BrokerResource, pr *Principal, topic string) (match string, why []string) {
	restriction := ""
	for i, pattern := range r.ClientIDs {
		entry := fmt.Sprintf("%s.clientIds[%d] %q", path, i, pattern)
		expanded, problem := substituteGlob(pattern, pr)
		switch {
		case problem != "":
			why = append(why, entry+": "+problem)
		case !globMatches(expanded, pr.ClientID):
			why = append(why, fmt.Sprintf("%s does not match the Client Identifier %q", entry, pr.ClientID))
		default:
			restriction = entry
		}
	}
	if len(r.ClientIDs) > 0 && restriction == "" {
		return "", why
	}
	why = nil
	if r.Method == ActionConnect {
		if restriction != "" {
			return restriction, nil
		}
		return path, nil
	}

	for i, filter := range r.Topics {
		entry := fmt.Sprintf("%s.topics[%d] %q", path, i, filter)
		expanded, problem := substitute(filter, pr)
		switch {
		case problem != "":
			why = append(why, entry+": "+problem)
		case strings.HasPrefix(filter, "{") && strings.HasPrefix(topic, "$"):
			why = append(why, entry+": a token does not stand for a first level that begins with '$'")
		case r.Method == ActionPublish && !topics.Match(expanded, topic):
			why = append(why, entry+" does not match"+afterSubstitution(filter, expanded))
		case r.Method == ActionSubscribe && !topics.Covers(expanded, topic):
			why = append(why, entry+" does not cover it"+afterSubstitution(filter, expanded))
		default:
			return entry, nil
		}
	}
	return "", why
}

func afterSubstitution(written, expanded string) string {
	if written == expanded {
		return ""
	}
	return fmt.Sprintf(" (for this Client it reads %q)", expanded)
}

var tokenPattern = regexp.MustCompile(`\{principal\.(clientId|username|attributes\.([^{}]+))\}`)

// substitute replaces the tokens in s, or says why it cannot.
func substitute(s string, pr *Principal) (expanded, problem string) {
	return substituteEach(s, pr, func(value string) string { return value })
}

// substituteGlob is substitute for a pattern; the values are escaped, so that
// they stand for themselves.
func substituteGlob(s string, pr *Principal) (expanded, problem string) {
	s = strings.ReplaceAll(s, `\`, `\\`)
	return substituteEach(s, pr, strings.NewReplacer(`\`, `\\`, `*`, `\*`).Replace)
}

func substituteEach(s string, pr *Principal, escape func(string) string) (expanded, problem string) {
	expanded = tokenPattern.ReplaceAllStringFunc(s, func(token string) string {
		groups := tokenPattern.FindStringSubmatch(token)
		value, what := "", ""
		switch {
		case groups[2] != "":
			// The name has been through the escaping of substituteGlob.
			name := strings.ReplaceAll(groups[2], `\\`, `\`)
			value, _ = pr.Attributes.Get(name)
			what = fmt.Sprintf("attribute %q", name)
		case groups[1] == "clientId":
			value, what = pr.ClientID, "Client Identifier"
		default:
			value, what = pr.Username, "username"
		}
		switch {
		case value == "":
			problem = "the Client has no " + what
		case strings.ContainsAny(value, "/+#\x00"):
			problem = fmt.Sprintf("the Client's %s %q cannot be a topic level", what, value)
		}
		return escape(value)
	})
	return expanded, problem
}

// globMatches reports whether pattern, in which '*' is any run of characters
// and a backslash makes the next character literal, matches all of s. It keeps
// the set of positions in s that the pattern so far can have reached.
func globMatches(pattern, s string) bool {
	reached := make([]bool, len(s)+1)
	reached[0] = true
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '*' {
			for j := 1; j <= len(s); j++ {
				reached[j] = reached[j] || reached[j-1]
			}
			continue
		}
		if pattern[i] == '\\' {
			i++
		}
		for j := len(s); j > 0; j-- {
			reached[j] = reached[j-1] && s[j-1] == pattern[i]
		}
		reached[0] = false
	}
	return reached[len(s)]
}

func describe(pr *Principal, a Action, topic string) string {
	who := fmt.Sprintf("Client Identifier %q, username %q, attributes %v", pr.ClientID, pr.Username, pr.Attributes)
	if a == ActionConnect {
		return fmt.Sprintf("Connect by %s", who)
	}
	return fmt.Sprintf("%v %q by %s", a, topic, who)
}

// String formats the explanation for people, on several lines.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s\n", e.Decision, e.Request)
	if e.Refused != nil {
		fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(e.Refused.Error(), "\n", "\n  "))
	} else if len(e.PerRule) == 0 {
		b.WriteString("  the policy has no rules\n")
	}
	for _, r := range e.PerRule {
		fmt.Fprintf(&b, "  rules[%d]", r.Rule)
		if r.Name != "" {
			fmt.Fprintf(&b, " %q", r.Name)
		}
		switch {
		case r.Decision == Allow:
			fmt.Fprintf(&b, ": allows by %s and %s\n", r.Principal, r.Resource)
		case r.Principal != "":
			fmt.Fprintf(&b, ": applies by %s, but does not allow it\n", r.Principal)
		default:
			b.WriteString(": does not apply\n")
		}
		for _, reason := range r.Reasons {
			fmt.Fprintf(&b, "    %s\n", reason)
		}
	}
	return b.String()
}
