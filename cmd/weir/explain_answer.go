package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirmq/weir/engine/resource"
	"github.com/weirmq/weir/security"
)

// answer is a decision and the text that explains it.
type answer struct {
	decision security.Decision
	summary  string
	details  strings.Builder
}

// String returns the decision on the first line and the reasons below.
func (a *answer) String() string {
	return fmt.Sprintf("%s: %s\n\n%s", a.decision, a.summary, a.details.String())
}

// section adds a titled part of the explanation.
func (a *answer) section(title, text string) {
	fmt.Fprintf(&a.details, "%s\n", title)
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		a.details.WriteString("  " + line)
	}
}

// ask goes through what a connection to the port goes through: is the port
// open, who is the Client, may it connect, may it do what is asked.
func (q *question) ask(ctx context.Context, port *resource.Port) *answer {
	a := &answer{}
	a.section("Port "+port.Name, q.describePort(port))
	if port.State == resource.PortClosed {
		a.summary = fmt.Sprintf("%s: port %s is closed: %s", q, port.Name, port.Reason)
		return a
	}
	if port.Authentication == nil {
		a.decision, a.summary = security.Allow, q.String()+": the port has no authenticationRef, so that everyone may do everything"
		return a
	}
	principal, err := q.authenticate(ctx, port.Authentication, a)
	if err != nil {
		a.summary = fmt.Sprintf("%s: %v", q, err)
		return a
	}
	if port.Authorization == nil {
		a.decision, a.summary = security.Allow, q.String()+": the port has no authorizationRef, so that whoever is authenticated may do everything"
		return a
	}
	if q.action != security.ActionConnect && q.decide(port.Authorization, principal, security.ActionConnect, "", a) == security.Deny {
		return a // what it could do once connected is of no interest
	}
	q.decide(port.Authorization, principal, q.action, q.topic, a)
	return a
}

func (q *question) describePort(port *resource.Port) string {
	authentication, authorization := "none", "none"
	if port.Authentication != nil {
		authentication = port.Authentication.Name
	}
	if port.Authorization != nil {
		authorization = port.Authorization.Name
	}
	text := fmt.Sprintf("authentication %s, authorization %s", authentication, authorization)
	if port.State != resource.PortOpen {
		text += fmt.Sprintf("\n%s: %s", port.State, port.Reason)
	}
	return text
}

// authenticate finds out who the Client is. An error says why nobody does, as a
// *security.Denied if that is final.
func (q *question) authenticate(ctx context.Context, authentication *resource.Authentication, a *answer) (*security.Principal, error) {
	if q.username != "" || q.given.Len() > 0 {
		principal := &security.Principal{ClientID: q.clientID, Username: q.username, Attributes: q.given}
		a.section("Client", fmt.Sprintf("as given: username %q, attributes %v, Client Identifier %q",
			principal.Username, principal.Attributes, principal.ClientID))
		return principal, nil
	}
	methods := authentication.X509()
	for i, method := range methods {
		title := "Certificate"
		if len(methods) > 1 {
			title = fmt.Sprintf("Certificate, by X509 method %d of %d", i+1, len(methods))
		}
		if len(q.chain) > 0 {
			a.section(title, method.Explain(q.chain).String())
		}
	}
	if servers := authentication.CustomServers(); len(servers) > 0 {
		return nil, fmt.Errorf("who the Client is, %s decides, which is not asked from here; give its answer with --username and --attribute",
			strings.Join(servers, " or "))
	}
	result, err := authentication.Chain.Authenticate(ctx, &security.Credentials{
		ClientID:        q.clientID,
		PresentedChain:  q.chain,
		ProtocolVersion: 5,
	})
	if err != nil {
		return nil, err
	}
	return &security.Principal{ClientID: q.clientID, Username: result.Username, Attributes: result.Attributes}, nil
}

// decide asks the policy about one action, which may be the Connect that comes
// before the one in question.
func (q *question) decide(authorization *resource.Authorization, principal *security.Principal, action security.Action, topic string, a *answer) security.Decision {
	title := "Policy " + authorization.Name
	e := security.Explain(authorization.Policy, principal, action, topic)
	switch {
	case authorization.Table.Bind(principal).Decide(action, topic) != e.Decision:
		// The broker decides by the Table. Tests hold the two equal; should
		// they ever differ, the one thing not to do is to say "allow".
		a.decision, a.summary = security.Deny, "the compiled policy decides otherwise than this explanation; please report it"
		a.section(title, e.String())
		return a.decision
	case e.Decision == security.Allow && action != q.action:
		a.section(title, fmt.Sprintf("allow: %v, by rules[%d] and its principal %s", action, e.Rule, e.Principal))
		return e.Decision
	case e.Decision == security.Allow:
		a.summary = fmt.Sprintf("%s, by rules[%d] and its principal %s", q, e.Rule, e.Principal)
	case action != q.action:
		a.summary = fmt.Sprintf("%s: the Client may not even connect", q)
	default:
		a.summary = fmt.Sprintf("%s: no rule allows it", q)
	}
	a.decision = e.Decision
	a.section(title, e.String())
	return e.Decision
}
