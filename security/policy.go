package security

import (
	"fmt"
	"strings"
)

// Policy is a set of rules as an operator wrote them. A request is allowed
// when at least one rule allows it. The zero value allows nothing.
type Policy struct {
	Rules []Rule
}

// Rule allows the requests of its BrokerResources to everyone its Principals
// describe.
type Rule struct {
	Name            string // a label for messages; may be empty
	Principals      Principals
	BrokerResources []BrokerResource
}

// Principals describes who a rule is for. A Client matches when any one
// element of any of the three lists does; all of them empty match nobody.
// Nothing here is folded in case, and '*' is an ordinary character.
type Principals struct {
	// ClientIDs and Usernames may hold the tokens {principal.clientId},
	// {principal.username} and {principal.attributes.NAME}, which stand for
	// the Client's own values.
	ClientIDs []string
	Usernames []string
	// Each map matches a Client that has all of its pairs.
	Attributes []map[string]string
}

// BrokerResource is one kind of request that a rule allows.
type BrokerResource struct {
	Method Action
	// ClientIDs restricts the resource to Clients whose Client Identifier
	// matches one of the patterns: '*' stands for any run of characters, and
	// tokens for the Client's own values. Empty means no restriction.
	ClientIDs []string
	// Topics are the Topic Filters that the Topic Name of a PUBLISH must match,
	// or one of which must cover the Topic Filter of a SUBSCRIBE. A token may
	// take the place of a whole level. Must be empty for [ActionConnect].
	Topics []string
}

// PolicyError is one reason why [Compile] refuses a Policy.
type PolicyError struct {
	Rule    int    // index of the rule, -1 for the policy as a whole
	Field   string // path of the field, such as rules[2].brokerResources[0].topics[1]
	Value   string // what is written there; "" when the fault is that nothing is
	Problem string // what is wrong with it
	Remedy  string // what would be right
}

// Error implements error.
func (e *PolicyError) Error() string {
	where := e.Field
	if e.Value != "" {
		where = fmt.Sprintf("%s %q", e.Field, e.Value)
	}
	return fmt.Sprintf("%s: %s; %s", where, e.Problem, e.Remedy)
}

// PolicyErrors is every reason why a Policy is refused, in the order of its
// text.
type PolicyErrors []*PolicyError

// Error implements error, one line for each reason.
func (es PolicyErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets [errors.As] find the *PolicyError values.
func (es PolicyErrors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// PolicyWarning points at something in a Policy that compiles but is unlikely
// to mean what its author intended.
type PolicyWarning PolicyError

// String formats the warning as [PolicyError.Error] formats an error.
func (w PolicyWarning) String() string { return (*PolicyError)(&w).Error() }
