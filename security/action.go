package security

import (
	"fmt"
	"strings"
)

// Action is what a Client asks to do. The zero value is no action at all and
// is denied everywhere.
type Action byte

// The actions that rules speak of.
const (
	ActionConnect   Action = iota + 1 // establish a Session under a Client Identifier
	ActionPublish                     // publish to a Topic Name
	ActionSubscribe                   // subscribe to a Topic Filter
)

// ParseAction returns the Action a policy calls Connect, Publish or Subscribe,
// in whatever letter case.
func ParseAction(s string) (Action, error) {
	for _, a := range []Action{ActionConnect, ActionPublish, ActionSubscribe} {
		if strings.EqualFold(s, a.String()) {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown method %q: write Connect, Publish or Subscribe", s)
}

// String returns the name policies use.
func (a Action) String() string {
	switch a {
	case ActionConnect:
		return "Connect"
	case ActionPublish:
		return "Publish"
	case ActionSubscribe:
		return "Subscribe"
	}
	return fmt.Sprintf("Action(%d)", byte(a))
}

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseAction].
func (a *Action) UnmarshalText(text []byte) error {
	parsed, err := ParseAction(string(text))
	*a = parsed
	return err
}

// Decision is the answer to a request. The zero value is Deny.
type Decision bool

// The two decisions.
const (
	Deny  Decision = false
	Allow Decision = true
)

// String returns "deny" or "allow".
func (d Decision) String() string {
	if d == Allow {
		return "allow"
	}
	return "deny"
}
