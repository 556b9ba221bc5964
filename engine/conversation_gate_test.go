package engine

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// testAuthenticator believes every User Name, on the loop. The Password may
// be "wrong", and "panic" makes it panic.
var testAuthenticator security.Authenticator = believer{}

type believer struct{}

func (believer) AuthenticatesImmediately() bool { return true }

func (believer) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	switch string(c.Password) {
	case "wrong":
		return security.Result{}, &security.Denied{Code: byte(codec.BadUserNameOrPassword), Reason: "wrong password"}
	case "panic":
		panic("the authenticator has a bug")
	}
	return security.Result{Username: c.UserName}, nil
}

// gate is an Authenticator and Authorizer whose answers the conversation
// gives.
type gate struct {
	asked chan *gateQuestion
	now   func() time.Time
	// waiting is, by Client Identifier, what has been asked and not answered.
	// It belongs to the test's goroutine.
	waiting map[string]*gateQuestion
}

type gateQuestion struct {
	client, text string
	answer       chan string
}

// setGate makes the gate the Authenticator of the port, and unless only that is
// asked for the Authorizer too.
func (c *conversation) setGate(only string) {
	next := &gate{asked: make(chan *gateQuestion), now: c.e.wallClock, waiting: make(map[string]*gateQuestion)}
	if c.gate != nil {
		// What the last one has asked still wants an answer.
		next.asked, next.waiting = c.gate.asked, c.gate.waiting
	}
	c.gate = next
	spec := Listener{Authenticator: c.gate, Authorizer: c.gate}
	switch only {
	case "":
	case "authenticator":
		spec.Authorizer = nil
	case "authenticator disconnect-expired":
		spec.Authorizer, spec.DisconnectExpired = nil, true
	default:
		c.fatalf("%q is no gate", only)
	}
	if changed, err := c.port.change(spec); err != nil || !changed {
		c.fatalf("the policy did not change: %v", err)
	}
	c.e.recheck(c.port)
	c.settle()
}

// answer answers what the engine asks about k, whose name is its Client
// Identifier.
func (c *conversation) answer(k *talker, text string) {
	c.t.Helper()
	q := c.gate.waiting[k.name]
	if q == nil {
		c.fatalf("nothing is asked about %s", k.name)
	}
	delete(c.gate.waiting, k.name)
	if text == "timeout" {
		time.Sleep(c.e.limits.AuthenticationTimeout) // of the bubble
	} else {
		i := strings.LastIndexByte(text, ' ')
		if i < 0 || text[:i] != q.text {
			c.fatalf("%q is asked about %s, not %q", q.text, k.name, text)
		}
		q.answer <- text[i+1:]
	}
	c.settle()
}

func (g *gate) ask(ctx context.Context, client, text string) (string, error) {
	q := &gateQuestion{client, text, make(chan string)}
	select {
	case g.asked <- q:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case verdict := <-q.answer:
		switch verdict {
		case "panic":
			panic("the authorizer has a bug")
		case "fail":
			return "", errors.New("the server cannot be reached")
		}
		return verdict, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Authenticate asks "authenticate".
func (g *gate) Authenticate(ctx context.Context, c *security.Credentials) (r security.Result, err error) {
	verdict, err := g.ask(ctx, c.ClientID, "authenticate")
	if err != nil {
		return r, err
	}
	if verdict == "deny" {
		return r, &security.Denied{Code: byte(codec.BadUserNameOrPassword), Reason: "unknown"}
	}
	if d, err := time.ParseDuration(verdict); err == nil {
		r.Expiry = g.now().Add(d)
	}
	r.Username = c.UserName
	return r, nil
}

// Reauthenticate asks "reauthenticate" and the Authentication Data.
func (g *gate) Reauthenticate(ctx context.Context, c *security.Credentials, previous security.Result) (security.Result, error) {
	verdict, err := g.ask(ctx, c.ClientID, "reauthenticate "+string(c.AuthenticationData))
	r := security.Result{Username: previous.Username}
	name, renamed := strings.CutPrefix(verdict, "as:")
	code, denied := strings.CutPrefix(verdict, "deny:")
	switch d, notTime := time.ParseDuration(verdict); {
	case err != nil:
		return r, err
	case notTime == nil:
		r.Expiry = g.now().Add(d)
	case renamed:
		r.Username = name
	case denied:
		n, _ := strconv.ParseUint(code, 0, 8)
		return r, &security.Denied{Code: byte(n), Reason: "not this one"}
	case verdict == "away":
		return r, &security.Unavailable{Method: "gate", Reason: "nobody there"}
	}
	return r, nil
}

// Authorize asks such as "publish a/b".
func (g *gate) Authorize(ctx context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error) {
	verdict, err := g.ask(ctx, p.ClientID, strings.TrimSpace(strings.ToLower(a.String())+" "+topic))
	return verdict == "allow", err
}
