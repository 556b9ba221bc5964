package engine

import (
	"context"
	"errors"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// renewal is where a Client's re-authentication stands (4.12.1).
type renewal struct {
	pending bool
	cancel  context.CancelFunc
	// next is the Authentication Data of an AUTH that came meanwhile. Clients
	// whose tokens are rotated in quick succession send such.
	next    []byte
	hasNext bool
}

// handleAuth begins a re-authentication. Other packets are handled meanwhile,
// and the previous credential counts until there is an answer.
func (c *conn) handleAuth(f codec.Frame) bool {
	a := &c.loop.auth
	if err := codec.DecodeAuth(a, c.version, f.Body); err != nil {
		c.fail(err)
		return false
	}
	k := c.credential
	switch {
	case k == nil || k.method == "":
		c.protocolError(codec.ProtocolError, "AUTH, and no Authentication Method in CONNECT") // [MQTT-4.12.0-7]
		return false
	case string(a.Properties.AuthenticationMethod) != k.method:
		c.protocolError(codec.ProtocolError, "AUTH with another Authentication Method than CONNECT") // [MQTT-4.12.1-1]
		return false
	}
	// Continue authentication is how a Client tries again that was answered
	// with it, but it may as well begin anew.
	if k.renewal.pending {
		k.renewal.next = append(k.renewal.next[:0], a.Properties.AuthenticationData...)
		k.renewal.hasNext = true
		return true
	}
	c.renew(append([]byte(nil), a.Properties.AuthenticationData...))
	return true
}

// renew has new Authentication Data judged on a goroutine.
func (c *conn) renew(data []byte) {
	k, p := c.credential, c.port.policy.Load()
	r, ok := p.authenticator.(security.Reauthenticator)
	if !ok {
		c.renewed(p, security.Result{}, errNoReauthentication)
		return
	}
	cr := &security.Credentials{
		ClientID:             c.principal.ClientID,
		AuthenticationMethod: k.method,
		AuthenticationData:   data,
		RemoteAddr:           c.tr.remoteAddr().String(),
		Listener:             c.port.name,
		ProtocolVersion:      byte(c.version),
	}
	previous := k.result
	k.renewal.pending = true
	started := c.ask(&k.renewal.cancel, func(ctx context.Context) func() {
		result, err := r.Reauthenticate(ctx, cr, previous)
		return func() {
			k.renewal.pending = false
			switch {
			case c.state != stateOpen:
			case p != c.port.policy.Load():
				c.renew(data) // judged by what no longer counts
			default:
				c.renewed(p, result, err)
			}
		}
	})
	if !started {
		k.renewal.pending = false
		c.renewed(p, security.Result{}, &security.Unavailable{Reason: errTooManyWaiting.Error()})
	}
}

var (
	errNoReauthentication = errors.New("the port's authentication cannot re-authenticate")
	errOtherIdentity      = errors.New("with the credential of somebody else")
)

// renewed answers a re-authentication.
func (c *conn) renewed(p *policy, result security.Result, err error) {
	k := c.credential
	if err == nil && result.Username != k.result.Username {
		err = errOtherIdentity
	}
	var unavailable *security.Unavailable
	switch {
	case err == nil:
		c.sendAuth(codec.Success)
		c.loop.stats.Reauthentications++
		c.loop.engine.reauthenticated(c, codec.Success, "")
		c.authenticated(p.authenticator, result)
		c.watchExpiry()
		c.become(p, result)
	case errors.As(err, &unavailable), errors.Is(err, context.DeadlineExceeded):
		c.sendAuth(codec.ContinueAuthentication)
		c.loop.stats.ReauthenticationsDeferred++
		c.loop.engine.reauthenticated(c, codec.ContinueAuthentication, err.Error())
	default:
		c.loop.stats.AuthenticationsDenied++
		c.disconnectDetail(disconnectCode(err), CloseNotAuthenticated, "re-authentication: "+err.Error()) // [MQTT-4.12.0-6]
	}
	if k.renewal.hasNext && c.state == stateOpen {
		next := k.renewal.next
		k.renewal.next, k.renewal.hasNext = nil, false // it is a secret
		c.renew(next)
	}
}

// sendAuth answers an AUTH [MQTT-4.12.0-5].
func (c *conn) sendAuth(code codec.ReasonCode) {
	a := codec.Auth{ReasonCode: code}
	a.Properties.SetAuthenticationMethod(bytesOf(c.credential.method))
	out := c.output()
	start := len(out.B)
	out.B = codec.AppendAuth(out.B, &a)
	c.fits(start)
}

// become gives the Client, which is connected, what a new Result says it is,
// and takes what that does not allow.
func (c *conn) become(p *policy, r security.Result) {
	c.principal = &security.Principal{ClientID: c.principal.ClientID, Username: r.Username, Attributes: r.Attributes}
	c.session.principal = c.principal
	c.bind(p)
	c.recheckRights()
}

// disconnectCode returns the Reason Code for a Client that was connected and is
// no longer authenticated because of err.
func disconnectCode(err error) codec.ReasonCode {
	var denied *security.Denied
	if errors.As(err, &denied) {
		if code := codec.ReasonCode(denied.Code); code.IsError() && code.AllowedInServerDisconnect() {
			return code
		}
	}
	return codec.NotAuthorized
}
