package engine

import (
	"context"
	"errors"
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
	// waiting is, by Client Identifier, what has been asked and not answered.
	// It belongs to the test's goroutine.
	waiting map[string]*gateQuestion
}

type gateQuestion struct {
	client, text string
	answer       chan string
}

func (c *conversation) setGate() {
	c.gate = &gate{asked: make(chan *gateQuestion), waiting: make(map[string]*gateQuestion)}
	if changed, err := c.port.change(Listener{Authenticator: c.gate, Authorizer: c.gate}); err != nil || !changed {
		c.fatalf("the policy did not change: %v", err)
	}
	c.e.recheck(c.port)
	c.m.settle()
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
	if text != "timeout" {
		i := strings.LastIndexByte(text, ' ')
		if i < 0 || text[:i] != q.text {
			c.fatalf("%q is asked about %s, not %q", q.text, k.name, text)
		}
		q.answer <- text[i+1:]
	}
	c.quiesce(k)
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
		r.Expiry = time.Now().Add(d)
	}
	r.Username = c.UserName
	return r, nil
}

// Authorize asks such as "publish a/b".
func (g *gate) Authorize(ctx context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error) {
	verdict, err := g.ask(ctx, p.ClientID, strings.TrimSpace(strings.ToLower(a.String())+" "+topic))
	return verdict == "allow", err
}
