package security

// Class is what a set of Principals may do, tokens aside. Classes of one Table
// are equal exactly when they are the same pointer, unless the Table had to
// forget one in between; classes of different Tables are always different. So
// a cache of decisions may use *Class in its key, and needs no flush when the
// policy changes. It is immutable and safe for concurrent use.
type Class struct {
	connect            bool
	publish, subscribe node // roots of the tries
	dependsPublish     bool
	dependsSubscribe   bool
	shared             *Grant // for every Principal, unless something depends
}

// newClass compiles the units in set. cost is the number of nodes it took.
func newClass(units []unit, set bitSet) (c *Class, cost int) {
	c = &Class{}
	cost = 1
	for i, u := range units {
		if !set.has(i) {
			continue
		}
		c.connect = c.connect || u.connect
		for _, f := range u.publish {
			cost += c.publish.insert(f)
			c.dependsPublish = c.dependsPublish || f.hasTokens()
		}
		for _, f := range u.subscribe {
			cost += c.subscribe.insert(f)
			c.dependsSubscribe = c.dependsSubscribe || f.hasTokens()
		}
	}
	if !c.dependsPublish && !c.dependsSubscribe {
		c.shared = &Grant{class: c}
	}
	return c, cost
}

// Depends reports whether decisions on a depend on values of the Principal
// besides its Class, because a rule has tokens in its topics. Where it is
// false, the decision is a function of the Class, the Action and the topic,
// and may be remembered for the Class as a whole. It is always false for
// [ActionConnect]: the Class has settled it.
func (c *Class) Depends(a Action) bool {
	switch a {
	case ActionPublish:
		return c.dependsPublish
	case ActionSubscribe:
		return c.dependsSubscribe
	}
	return false
}

func (f ruleFilter) hasTokens() bool {
	for _, l := range f {
		if l.token.kind != notToken {
			return true
		}
	}
	return false
}

// node is a node of the trie of a class's Topic Filters. Each node stands for
// one sequence of levels, so a walk that follows every branch a topic can take
// still visits no node twice: its cost is bounded by the policy, whatever topic
// the Client sends.
type node struct {
	few      []edge           // literal levels, while they are few
	many     map[string]*node // and all of them once they are not
	plus     *node            // "+"
	tokens   []tokenEdge      // levels that are tokens
	terminal bool             // a filter ends here
	rest     bool             // a filter ends here with a further level "#"
}

type edge struct {
	level string
	to    *node
}

type tokenEdge struct {
	token token
	to    *node
}

// maxFew is up to where comparing literals one by one beats hashing the level.
const maxFew = 8

// insert adds f below n, and returns the number of nodes that took.
func (n *node) insert(f ruleFilter) (added int) {
	for _, l := range f {
		if l.text == "#" {
			n.rest = true
			return added
		}
		to := n.child(l)
		if to == nil {
			to = &node{}
			n.link(l, to)
			added++
		}
		n = to
	}
	n.terminal = true
	return added
}

func (n *node) child(l ruleLevel) *node {
	switch {
	case l.token.kind != notToken:
		for _, e := range n.tokens {
			if e.token == l.token {
				return e.to
			}
		}
		return nil
	case l.text == "+":
		return n.plus
	}
	return n.literal(l.text)
}

func (n *node) link(l ruleLevel, to *node) {
	switch {
	case l.token.kind != notToken:
		n.tokens = append(n.tokens, tokenEdge{l.token, to})
	case l.text == "+":
		n.plus = to
	case n.many != nil:
		n.many[l.text] = to
	case len(n.few) < maxFew:
		n.few = append(n.few, edge{l.text, to})
	default:
		n.many = make(map[string]*node, 2*maxFew)
		for _, e := range n.few {
			n.many[e.level] = e.to
		}
		n.many[l.text] = to
		n.few = nil
	}
}

func (n *node) literal(level string) *node {
	if n.many != nil {
		return n.many[level]
	}
	for i := range n.few {
		if n.few[i].level == level {
			return n.few[i].to
		}
	}
	return nil
}
