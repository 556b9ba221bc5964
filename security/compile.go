package security

import (
	"fmt"
	"slices"
	"strings"
)

// Compile turns p into a Table, or refuses it with [PolicyErrors] that name
// every fault it found: what cannot be understood must not be guessed at. The
// Table keeps nothing of p. A Policy without rules compiles, and denies
// everything.
func Compile(p Policy) (*Table, error) {
	c := compiler{index: newPrincipalIndex()}
	const wholePolicy = -1
	c.rule = wholePolicy
	if len(p.Rules) == 0 {
		c.warn("rules", "", "there are no rules, so everything is denied", "add a rule for whoever shall connect")
	}
	connects := false
	for i := range p.Rules {
		c.rule = i
		c.compileRule(&p.Rules[i])
		connects = connects || slices.ContainsFunc(p.Rules[i].BrokerResources, func(r BrokerResource) bool {
			return r.Method == ActionConnect
		})
	}
	c.rule = wholePolicy
	if len(p.Rules) > 0 && !connects {
		c.warn("rules", "", "no rule allows Connect, so no Client can ever connect", "add a brokerResource with method Connect")
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	c.index.finish()
	return &Table{
		rules:    c.rules,
		units:    c.units,
		index:    c.index,
		classes:  newCache[string, *Class](maxClassNodes),
		warnings: c.warnings,
	}, nil
}

// compiler collects what Compile makes of the rules and finds wrong with them.
type compiler struct {
	rule     int // index of the rule being compiled
	rules    []compiledRule
	units    []unit
	index    *principalIndex
	errs     PolicyErrors
	warnings []PolicyWarning
}

func (c *compiler) refuse(field, value string, f fault) {
	c.errs = append(c.errs, &PolicyError{c.rule, field, value, f.problem, f.remedy})
}

func (c *compiler) warn(field, value, problem, remedy string) {
	c.warnings = append(c.warnings, PolicyWarning{c.rule, field, value, problem, remedy})
}

func (c *compiler) compileRule(r *Rule) {
	path := fmt.Sprintf("rules[%d]", c.rule)
	c.compilePrincipals(path+".principals", r.Principals)

	var compiled compiledRule
	open := unit{}
	for i, resource := range r.BrokerResources {
		u, guard := c.compileResource(fmt.Sprintf("%s.brokerResources[%d]", path, i), resource)
		if len(guard) == 0 {
			open.join(u)
			continue
		}
		compiled.guarded = append(compiled.guarded, guardedUnit{len(c.units), guard})
		c.units = append(c.units, u)
	}
	compiled.open = len(c.units)
	c.units = append(c.units, open)
	c.rules = append(c.rules, compiled)
}

func (c *compiler) compilePrincipals(path string, p Principals) {
	if len(p.ClientIDs)+len(p.Usernames)+len(p.Attributes) == 0 {
		c.warn(path, "", "nobody is named, so the rule never applies", "name clientIds, usernames or attributes")
	}
	for i, s := range p.ClientIDs {
		field := fmt.Sprintf("%s.clientIds[%d]", path, i)
		if t, ok := c.compileName(field, s); ok {
			c.index.addClientID(t, c.rule)
		}
	}
	for i, s := range p.Usernames {
		field := fmt.Sprintf("%s.usernames[%d]", path, i)
		if t, ok := c.compileName(field, s); ok {
			c.index.addUsername(t, c.rule)
		}
	}
	for i, m := range p.Attributes {
		field := fmt.Sprintf("%s.attributes[%d]", path, i)
		if len(m) == 0 {
			c.refuse(field, "{}", fault{"an empty map would match every Client", "name at least one attribute, or leave it out"})
			continue
		}
		attributes := NewAttributes(m)
		for name, value := range attributes.All() {
			if name == "" {
				c.refuse(field, attributes.String(), fault{"an attribute has no name", "write name: value"})
			}
			if strings.Contains(value, "{principal.") {
				c.warn(field, attributes.String(), "tokens are not replaced in attribute values", "write the value itself")
			}
		}
		c.index.addAttributes(attributes, c.rule)
	}
}

// compileName parses an element of principals.clientIds or principals.usernames.
func (c *compiler) compileName(field, s string) (template, bool) {
	if s == "" {
		c.refuse(field, "", fault{"the name is empty, which no Client's is", "write a name, or leave it out"})
		return nil, false
	}
	if strings.Contains(s, "*") {
		c.warn(field, s, "'*' is an ordinary character in principals", "list the names, or restrict clientIds of a brokerResource")
	}
	t, f := parseTemplate(s)
	if f != nil {
		c.refuse(field, s, *f)
		return nil, false
	}
	return t, true
}

func (c *compiler) compileResource(path string, r BrokerResource) (u unit, guard []glob) {
	for i, s := range r.ClientIDs {
		field := fmt.Sprintf("%s.clientIds[%d]", path, i)
		if s == "" {
			c.refuse(field, "", fault{"the pattern is empty, and so is no Client Identifier", "write a pattern, or leave it out"})
			continue
		}
		g, f := parseGlob(s)
		if f != nil {
			c.refuse(field, s, *f)
			continue
		}
		guard = append(guard, g)
	}

	var filters []ruleFilter
	for i, s := range r.Topics {
		field := fmt.Sprintf("%s.topics[%d]", path, i)
		filter, f := parseRuleFilter(s)
		if f != nil {
			c.refuse(field, s, *f)
			continue
		}
		if strings.Contains(s, "*") {
			c.warn(field, s, "'*' is an ordinary character in a Topic Filter", "did you mean '+' for one level or '#' for all that follow?")
		}
		filters = append(filters, filter)
	}

	switch r.Method {
	case ActionConnect:
		if len(r.Topics) > 0 {
			c.refuse(path+".topics", strings.Join(r.Topics, ", "), fault{"Connect has no topics", "remove them, or restrict clientIds instead"})
		}
		u.connect = true
	case ActionPublish, ActionSubscribe:
		if len(r.Topics) == 0 {
			c.refuse(path+".topics", "", fault{r.Method.String() + " needs topics", "list Topic Filters; # is for all topics that do not begin with $"})
		}
		if r.Method == ActionPublish {
			u.publish = filters
		} else {
			u.subscribe = filters
		}
	default:
		c.refuse(path+".method", r.Method.String(), fault{"unknown method", "write Connect, Publish or Subscribe"})
	}
	return u, guard
}
