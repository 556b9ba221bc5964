package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// policy is who may use a port and what they may do there. A port has one at
// a time, and replaces it whole; connections notice by comparing pointers.
type policy struct {
	authenticator security.Authenticator // nil: everyone
	table         *security.Table        // or
	custom        security.Authorizer    // or neither: everything is allowed
}

func newPolicy(l *Listener) *policy {
	p := &policy{authenticator: l.Authenticator}
	if t, ok := l.Authorizer.(*security.Table); ok {
		p.table = t
	} else {
		p.custom = l.Authorizer
	}
	return p
}

// verdict is the answer to a CONNECT.
type verdict struct {
	result security.Result
	err    error
	// What was refused, if the Client is known but not allowed.
	denied security.Action
	topic  string
}

// authenticate finds out who the Client is, here or on a goroutine, and goes
// on with judge.
func (c *conn) authenticate() {
	a := c.admission
	cr := &a.credentials
	p := c.port.policy.Load()
	if p.authenticator != nil {
		cr.RemoteAddr = c.tr.remoteAddr().String()
		if c.tls != nil {
			if peer := c.tls.Peer(); peer != nil {
				cr.PresentedChain, cr.VerifiedChains = peer.Presented, peer.Chains
			}
		}
	}
	if v, ok := p.promptly(cr); ok {
		c.judge(p, v)
		return
	}
	will := ""
	if a.will != nil {
		will = a.will.msg.topic
	}
	c.wait(func(ctx context.Context) func() {
		v := p.ask(ctx, cr, will)
		return func() { c.judge(p, v) }
	})
}

// promptly is the judgement, if it does not have to wait.
func (p *policy) promptly(cr *security.Credentials) (v verdict, ok bool) {
	switch {
	case p.authenticator == nil && cr.AuthenticationMethod != "":
		v.err = &security.Denied{Code: byte(codec.BadAuthenticationMethod), Reason: "the port has no authentication"}
	case p.authenticator == nil:
	case p.custom != nil:
		return v, false
	default:
		v.result, v.err = security.Promptly(p.authenticator, cr)
	}
	return v, !errors.Is(v.err, security.ErrMustWait)
}

// ask is the part of the judgement that may wait.
func (p *policy) ask(ctx context.Context, cr *security.Credentials, willTopic string) (v verdict) {
	if v.result, v.err = p.authenticator.Authenticate(ctx, cr); v.err != nil || p.custom == nil {
		return v
	}
	who := &security.Principal{ClientID: cr.ClientID, Username: v.result.Username, Attributes: v.result.Attributes}
	v.denied = security.ActionConnect
	d, err := p.custom.Authorize(ctx, who, security.ActionConnect, "")
	if err == nil && d == security.Allow && willTopic != "" {
		v.denied, v.topic = security.ActionPublish, willTopic
		d, err = p.custom.Authorize(ctx, who, security.ActionPublish, willTopic)
	}
	if err == nil && d == security.Deny {
		err = errNotAuthorized
	}
	v.err = err
	return v
}

var errNotAuthorized = errors.New("not authorized")

// judge admits or refuses the Client.
func (c *conn) judge(p *policy, v verdict) {
	a := c.admission
	if p != c.port.policy.Load() {
		c.authenticate()
		return
	}
	if who := c.principal; p.authenticator != nil || who.Username != "" || who.Attributes.Len() > 0 {
		c.principal = &security.Principal{ClientID: who.ClientID, Username: v.result.Username, Attributes: v.result.Attributes}
	}
	if v.err != nil && v.denied != 0 {
		c.refuseAction(v.denied, v.topic, v.err.Error())
		return
	}
	if v.err != nil {
		c.refuseAuthentication(v.err)
		return
	}
	if w := a.will; w != nil && isSys(bytesOf(w.msg.topic)) {
		c.refuseAction(security.ActionPublish, w.msg.topic, "Will: these topics are the Server's")
		return
	}
	c.authenticated(p.authenticator, v.result)
	c.bind(p)
	if c.grant != nil {
		if c.grant.Decide(security.ActionConnect, "") == security.Deny {
			c.refuseAction(security.ActionConnect, "", "no rule allows it")
			return
		}
		if w := a.will; w != nil && c.grant.Decide(security.ActionPublish, w.msg.topic) == security.Deny {
			c.refuseAction(security.ActionPublish, w.msg.topic, "Will")
			return
		}
	}
	c.admitted()
}

func (c *conn) refuseAuthentication(err error) {
	c.loop.stats.AuthenticationsDenied++
	if errors.Is(err, errTooManyWaiting) {
		c.loop.stats.AuthenticationsRefused++
	}
	c.refuse(connackCode(c.version, err), CloseNotAuthenticated, err.Error())
}

// connackCode returns the Reason Code for a Client that was not authenticated
// because of err. MQTT 3.1.1 has fewer, and Not authorized says the most.
func connackCode(v codec.Version, err error) codec.ReasonCode {
	code := codec.NotAuthorized
	var denied *security.Denied
	switch {
	case errors.As(err, &denied):
		code = codec.ReasonCode(denied.Code)
	case errors.Is(err, errTooManyWaiting):
		code = codec.ServerBusy
	}
	if !code.IsError() || !code.AllowedInConnack() || v != codec.V5 && !code.HasReturnCode311() {
		return codec.NotAuthorized
	}
	return code
}

func (c *conn) refuseAction(a security.Action, topic, detail string) {
	c.loop.stats.ConnectionsDenied++
	c.loop.engine.denied(c.describe(), a, topic, detail)
	what := a.String()
	if topic != "" {
		what += " " + topic
	}
	c.refuse(codec.NotAuthorized, CloseNotAuthorized, what+": "+detail)
}

// bind makes p the policy of the connection.
func (c *conn) bind(p *policy) {
	c.policy = p
	c.lastRoute = nil
	c.abandonRecheck()
	c.grant, c.decisions = nil, nil
	switch {
	case p.table != nil:
		c.grant = p.table.Bind(c.principal)
	case p.custom != nil:
		c.decisions = new(decisions)
	}
}

// current makes sure that the connection uses its port's policy: one pointer
// comparison, so that no packet that arrives after a change of policy is
// judged by the old one.
func (c *conn) current() {
	if c.port.policy.Load() != c.policy || c.decisions != nil {
		c.refresh()
	}
}

// refresh is the part of current that few connections need.
func (c *conn) refresh() {
	if p := c.port.policy.Load(); p != c.policy {
		c.bind(p)
	}
	if d := c.decisions; d != nil && d.denyOnce {
		d.denyOnce, c.lastRoute = false, nil
	}
}

// mayPublish decides about a PUBLISH to r's topic. It is not known while a
// custom Authorizer is being asked; then the packet has to wait.
func (c *conn) mayPublish(r *route) (allowed, known bool) {
	switch {
	case c.grant != nil:
		return r.decide(c.grant) == security.Allow, true
	case c.decisions != nil:
		return c.decided(security.ActionPublish, r.topic)
	}
	return true, true
}

// decisions is the answers of a custom Authorizer for one connection.
type decisions struct {
	answers map[question]security.Decision
	// open is what it was asked for the packet or Session at hand, and has not
	// answered: that is denied this time, and the next one is asked about again.
	open     map[question]bool
	denyOnce bool // lastRoute is denied for that reason
	recheck  rightsCheck
}

type question struct {
	action security.Action
	topic  string
}

// answer is what an Authorizer said to a question, if it did.
type answer struct {
	decision security.Decision
	known    bool
}

// unanswered returns those of qs that must be asked. It is all of them when
// the answers to others would have to go for want of room: one packet or
// Session whose questions drove each other out would be asked about for ever.
func (d *decisions) unanswered(qs []question) []question {
	var missing []question
	for _, q := range qs {
		if _, ok := d.answers[q]; !ok && !d.open[q] {
			missing = append(missing, q)
		}
	}
	switch {
	case len(missing) == 0:
		d.open = nil
	case len(d.answers)+len(missing) > maxDecisions:
		return qs
	}
	return missing
}

// learn takes note of the answers to the first of qs.
func (d *decisions) learn(qs []question, answers []answer) {
	if d.answers == nil || len(d.answers)+len(qs) > maxDecisions {
		d.answers = make(map[question]security.Decision, len(qs))
	}
	for i, q := range qs {
		if i < len(answers) && answers[i].known {
			d.answers[q] = answers[i].decision
			continue
		}
		if d.open == nil {
			d.open = make(map[question]bool)
		}
		d.open[q] = true
	}
}

// decided returns the Authorizer's answer, or has it asked.
func (c *conn) decided(a security.Action, topic string) (allowed, known bool) {
	d, q := c.decisions, question{a, topic}
	if v, ok := d.answers[q]; ok {
		return v == security.Allow, true
	}
	if d.open[q] {
		d.open, d.denyOnce = nil, true
		return false, true
	}
	c.askAuthorizer([]question{q}, nil, false, func() {})
	return false, false
}

// askAuthorizer has those of qs answered to which there is no answer in so far,
// while the connection waits, then calls then on the loop. If it asks on, time
// may run out as often as it likes, as long as there were answers meanwhile.
func (c *conn) askAuthorizer(qs []question, soFar []answer, on bool, then func()) {
	p, d, who := c.policy, c.decisions, c.principal
	c.wait(func(ctx context.Context) func() {
		more := p.answers(ctx, who, qs[len(soFar):])
		return func() {
			answers := append(soFar, more...)
			if on && d == c.decisions && len(answers) < len(qs) && anyKnown(more) {
				c.askAuthorizer(qs, answers, on, then)
				return
			}
			d.learn(qs, answers)
			then()
		}
	})
}

// answers asks the Authorizer, until ctx ends: there may be fewer answers than
// questions. It may wait.
func (p *policy) answers(ctx context.Context, who *security.Principal, qs []question) []answer {
	var answers []answer
	for _, q := range qs {
		if ctx.Err() != nil {
			break
		}
		v, err := p.custom.Authorize(ctx, who, q.action, q.topic)
		if err != nil && ctx.Err() != nil {
			break
		}
		answers = append(answers, answer{v, err == nil})
	}
	return answers
}

func anyKnown(answers []answer) bool {
	return slices.ContainsFunc(answers, func(a answer) bool { return a.known })
}

// knowsRights reports whether it is known which Subscriptions of s the Client
// may keep. If not, a custom Authorizer is being asked, and attach is called
// again with its answers.
func (c *conn) knowsRights(s *Session) bool {
	if c.decisions == nil {
		return true
	}
	var qs []question
	for _, sub := range s.subscriptions.all() {
		qs = append(qs, question{security.ActionSubscribe, sub.filter})
	}
	if qs = c.decisions.unanswered(qs); len(qs) > 0 {
		c.askAuthorizer(qs, nil, true, c.claimSession)
	}
	return len(qs) == 0
}
