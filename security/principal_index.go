package security

// principalIndex finds the rules whose principals match a Principal without
// looking at the others. It is built once and then only read.
type principalIndex struct {
	clientIDs  map[string][]int // name → rules
	usernames  map[string][]int
	attributes map[attribute][]attributeClause
	templates  []templateClause // names with tokens: tried one by one

	clauses []attributeClause // until finish
}

// attributeClause is one element of principals.attributes. It is filed under
// one of its pairs; others are those that a Client must have besides.
type attributeClause struct {
	others Attributes
	rule   int
}

// templateClause is an element of principals.clientIds or principals.usernames
// that has tokens.
type templateClause struct {
	field token // whose value is compared: a clientId or username token
	want  template
	rule  int
}

func newPrincipalIndex() *principalIndex {
	return &principalIndex{
		clientIDs:  make(map[string][]int),
		usernames:  make(map[string][]int),
		attributes: make(map[attribute][]attributeClause),
	}
}

func (x *principalIndex) addClientID(name template, rule int) {
	x.addName(x.clientIDs, tokenClientID, name, rule)
}

func (x *principalIndex) addUsername(name template, rule int) {
	x.addName(x.usernames, tokenUsername, name, rule)
}

func (x *principalIndex) addName(exact map[string][]int, field tokenKind, name template, rule int) {
	if name.hasTokens() {
		x.templates = append(x.templates, templateClause{token{kind: field}, name, rule})
		return
	}
	literal := name[0].literal
	exact[literal] = append(exact[literal], rule)
}

func (x *principalIndex) addAttributes(a Attributes, rule int) {
	x.clauses = append(x.clauses, attributeClause{a, rule})
}

// finish files every attribute clause under the pair that the fewest clauses
// have: a pair such as site=north, which every device of a site carries and
// every rule of it asks for, would find them all.
func (x *principalIndex) finish() {
	uses := make(map[attribute]int)
	for _, c := range x.clauses {
		for _, pair := range c.others.pairs {
			uses[pair]++
		}
	}
	for _, c := range x.clauses {
		pairs := c.others.pairs
		rarest := 0
		for i, pair := range pairs {
			if uses[pair] < uses[pairs[rarest]] {
				rarest = i
			}
		}
		others := make([]attribute, 0, len(pairs)-1)
		others = append(others, pairs[:rarest]...)
		others = append(others, pairs[rarest+1:]...)
		x.attributes[pairs[rarest]] = append(x.attributes[pairs[rarest]], attributeClause{Attributes{others}, c.rule})
	}
	x.clauses = nil
}

// find calls visit with every rule that has a principal p matches; more than
// once when several do.
func (x *principalIndex) find(p *Principal, visit func(rule int)) {
	// No rule names "", so a Principal that lacks a name finds none by it.
	for _, rule := range x.clientIDs[p.ClientID] {
		visit(rule)
	}
	for _, rule := range x.usernames[p.Username] {
		visit(rule)
	}
	for _, pair := range p.Attributes.pairs {
		for _, c := range x.attributes[pair] {
			if p.Attributes.contain(c.others) {
				visit(c.rule)
			}
		}
	}
	for _, c := range x.templates {
		if want, ok := c.want.expand(p); ok && c.field.value(p) == want {
			visit(c.rule)
		}
	}
}

// contain reports whether every pair of b is one of a's.
func (a Attributes) contain(b Attributes) bool {
	for _, pair := range b.pairs {
		if value, ok := a.Get(pair.name); !ok || value != pair.value {
			return false
		}
	}
	return true
}
