package security

import "unsafe"

// maxClassNodes bounds what the classes of one Table cost together, in nodes of
// their tries at some 100 bytes each. Classes beyond it are compiled again when
// they are needed again; those in use stay alive through their Grants.
const maxClassNodes = 1 << 18

// Table is a compiled [Policy]. It is immutable and safe for concurrent use.
type Table struct {
	rules    []compiledRule
	units    []unit
	index    *principalIndex
	classes  *cache[string, *Class] // by the bytes of the set of units
	warnings []PolicyWarning
}

// compiledRule is what a rule gives to a Principal that it matches.
type compiledRule struct {
	open    int // unit of the resources without clientIds
	guarded []guardedUnit
}

// guardedUnit is a resource with clientIds. Whether a Principal passes them is
// settled when it is bound, so that Decide need not know of them.
type guardedUnit struct {
	unit  int
	guard []glob // one must match the Client Identifier
}

// unit is a part of the policy that a Principal either has as a whole or not
// at all. What a Principal may do depends on the set of its units, and else
// only on the values that tokens stand for.
type unit struct {
	connect            bool
	publish, subscribe []ruleFilter
}

func (u *unit) join(o unit) {
	u.connect = u.connect || o.connect
	u.publish = append(u.publish, o.publish...)
	u.subscribe = append(u.subscribe, o.subscribe...)
}

// Warnings returns what [Compile] found odd about the policy. The caller must
// not change it.
func (t *Table) Warnings() []PolicyWarning { return t.warnings }

// Bind finds what p may do. p must not change while the Grant is in use.
// Principals with the same units share one [Class], and one Grant too unless
// tokens make a difference between them. Safe for concurrent use.
func (t *Table) Bind(p *Principal) *Grant {
	// Room on the stack for policies of a usual size.
	var ruleRoom, unitRoom [256]byte
	rules := newBitSet(ruleRoom[:], len(t.rules))
	units := newBitSet(unitRoom[:], len(t.units))

	t.index.find(p, func(rule int) {
		if rules.has(rule) {
			return
		}
		rules.add(rule)
		units.add(t.rules[rule].open)
		for _, g := range t.rules[rule].guarded {
			if anyMatches(g.guard, p) {
				units.add(g.unit)
			}
		}
	})

	class := t.class(units)
	if class.shared != nil {
		return class.shared
	}
	return &Grant{class, p}
}

func anyMatches(guard []glob, p *Principal) bool {
	for _, g := range guard {
		if g.match(p.ClientID, p) {
			return true
		}
	}
	return false
}

// class returns the Class of a set of units, compiling it when it is new.
func (t *Table) class(units bitSet) *Class {
	// The lookup borrows the bytes of the set; only a new entry copies them.
	if c, ok := t.classes.get(unsafe.String(&units[0], len(units))); ok {
		return c
	}
	c, cost := newClass(t.units, units)
	// When two Clients of a new class connect at once, both compile it and the
	// first to get here wins, so that the class stays one.
	return t.classes.add(string(units), c, cost)
}

// bitSet is a set of small integers.
type bitSet []byte

// newBitSet returns an empty set for integers below n, in room if it is enough.
// It has at least one byte, even for a policy without rules.
func newBitSet(room []byte, n int) bitSet {
	size := n/8 + 1
	if size <= len(room) {
		return room[:size]
	}
	return make(bitSet, size)
}

func (s bitSet) add(i int)      { s[i/8] |= 1 << (i % 8) }
func (s bitSet) has(i int) bool { return s[i/8]&(1<<(i%8)) != 0 }
