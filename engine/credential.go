package engine

import (
	"time"
	"unique"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine/internal/wheel"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/tlsstate"
)

// credential is what a Client was authenticated by, for as long as it is
// connected. Secrets are not kept. A conn has none where its port has no
// Authenticator.
type credential struct {
	conn          *conn
	authenticator security.Authenticator // whose word it is
	result        security.Result
	certificates  []unique.Handle[string] // the Client's chain, DER, leaf first
	expiry        wheel.Timer             // set while result has an Expiry

	method  string // Authentication Method of CONNECT [MQTT-4.12.0-5]
	renewal renewal
}

// authenticated notes who the Client is, and by whose word.
func (c *conn) authenticated(a security.Authenticator, r security.Result) {
	if a == nil {
		return
	}
	if c.credential == nil {
		c.credential = &credential{conn: c}
		c.credential.expiry.Init(c.credential)
	}
	c.credential.authenticator = a
	c.credential.result = r
}

// keepCertificates notes the Client's certificates for a recheck and lets go
// of their parsed form, which is several times as large. Issuers are shared by
// all Clients that have them.
func (c *conn) keepCertificates(t *tlsstate.Conn) {
	if peer := t.Peer(); peer != nil && c.credential != nil {
		for _, cert := range peer.Presented {
			c.credential.certificates = append(c.credential.certificates, unique.Make(string(cert.Raw)))
		}
	}
	t.ForgetPeer()
}

// maxExpiryWait is as long as a timer is set for at once.
const maxExpiryWait = 10 * 365 * 24 * time.Hour

// watchExpiry has the connection closed when the credential ends.
func (c *conn) watchExpiry() {
	k := c.credential
	switch {
	case k == nil:
	case k.result.Expiry.IsZero():
		c.loop.wheel.Cancel(&k.expiry)
	default:
		// Certificates "without an end" have one in the year 9999 (RFC 5280,
		// 4.1.2.5), which no int64 of nanoseconds reaches: Fire asks again.
		left := min(k.result.Expiry.Sub(c.loop.engine.wallClock()), maxExpiryWait)
		c.loop.wheel.Set(&k.expiry, c.loop.now+int64(max(left, 0)))
	}
}

// Fire is called by the wheel: the credential has ended, unless the wall clock
// was set back meanwhile. So may those of thousands that were issued together.
func (k *credential) Fire(int64) {
	c := k.conn
	defer c.loop.contain(c)
	if k.result.Expiry.After(c.loop.engine.wallClock()) {
		c.watchExpiry()
		return
	}
	// It is an abnormal end: the Will is published, and the Session lives on.
	code := codec.Success
	if c.port.disconnectExpired.Load() {
		code = codec.MaximumConnectTime
	}
	c.dismiss(code, CloseCredentialExpired, "")
}

// clockStep is the least change of the wall clock against the monotonic one
// that is taken for somebody setting it.
const clockStep = 250 * time.Millisecond

// watchClock has all expiries looked at again when the wall clock was set, or
// went on while the machine slept: when it did not go on by as much as the
// monotonic one.
func (e *Engine) watchClock(wall, monotonic time.Duration) {
	if (wall - monotonic).Abs() < clockStep {
		return
	}
	for _, l := range e.loops {
		l.post((*loop).rewatchExpiries)
	}
}

func (l *loop) rewatchExpiries() {
	for c := l.conns.first; c != nil; c = c.next {
		if c.state == stateOpen {
			c.watchExpiry()
		}
	}
}
