package engine

import (
	"crypto/rand"
	"encoding/base32"
	"strings"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

// admission is a CONNECT that is being judged: what of it is still needed,
// in memory of its own, because judging can take a while and can end on
// another loop.
type admission struct {
	credentials    security.Credentials
	cleanStart     bool
	assigned       bool // the Server made the Client Identifier
	keepAlive      uint16
	expiryInterval uint32
	receiveMaximum uint16
	aliasMaximum   uint16
	will           *will

	hops int // loops it was moved to
}

// handleConnect begins the admission of a Client (3.1.4).
func (c *conn) handleConnect(f codec.Frame) bool {
	l := c.loop
	p := &l.connect
	if err := codec.DecodeConnect(p, f.Body); err != nil {
		c.refuseConnect(p, err)
		return false
	}
	c.version = p.Version
	a := &admission{
		cleanStart:     p.CleanStart,
		keepAlive:      p.KeepAlive,
		receiveMaximum: 65535,
	}
	c.admission = a
	id := string(p.ClientID)
	if id == "" {
		if p.Version != codec.V5 && !p.CleanStart || p.Version == codec.V31 {
			// [MQTT311-3.1.3-8]; 3.1 has no empty Client Identifier at all.
			c.refuse(codec.ClientIdentifierNotValid, CloseClientIdentifierNotValid, "")
			return false
		}
		id, a.assigned = newClientID(), true // [MQTT-3.1.3-6]
	}
	c.principal = &security.Principal{ClientID: id}
	props := &p.Properties
	switch {
	case p.Version == codec.V5:
		a.expiryInterval = props.SessionExpiryInterval
		if props.Has(codec.PropReceiveMaximum) {
			a.receiveMaximum = props.ReceiveMaximum
		}
		a.aliasMaximum = props.TopicAliasMaximum
		c.maximumPacketSize = props.MaximumPacketSize
	case !p.CleanStart:
		a.expiryInterval = sessionNeverExpires
	}
	if limit := l.engine.limits.MaximumSessionExpiry; limit != 0 && a.expiryInterval > limit {
		a.expiryInterval = limit
		l.stats.SessionExpiriesReduced++
	}
	if p.HasWill {
		if !l.engine.validTopicName(p.Will.TopicName) {
			l.stats.TopicsRefused++
			c.refuse(codec.TopicNameInvalid, CloseProtocolError, "Will Topic has too many levels")
			return false
		}
		if l.full() {
			l.stats.SessionsRefused++
			c.refuse(codec.QuotaExceeded, CloseQuotaExceeded, "no room for another Will")
			return false
		}
		a.will = l.newWill(&p.Will)
	}
	a.credentials = security.Credentials{
		ClientID:             id,
		HasUserName:          p.HasUserName,
		UserName:             string(p.UserName),
		AuthenticationMethod: string(props.AuthenticationMethod),
		AuthenticationData:   append([]byte(nil), props.AuthenticationData...),
		Listener:             c.port.name,
		ProtocolVersion:      byte(p.Version),
	}
	if p.HasPassword {
		a.credentials.Password = append([]byte{}, p.Password...)
	}
	c.state = stateAdmitting
	c.loop.wheel.Cancel(&c.timer)
	c.authenticate()
	return true
}

// newClientID makes a Client Identifier that nobody can guess, so that nobody
// can take the Session over.
func newClientID() string {
	var b [15]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand documents that it never fails
	}
	return "weir-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// refuseConnect answers a CONNECT that could not be decoded.
func (c *conn) refuseConnect(p *codec.Connect, err error) {
	e := asError(err)
	c.version = p.Version
	switch {
	case c.version == 0:
		c.closeDetail(closeReasonOf(e), e.Error()) // no telling what it would understand
	case e.Code == codec.UnsupportedProtocolVersion: // [MQTT-3.1.2-2]
		c.refuse(e.Code, CloseUnsupportedProtocolVersion, e.Error())
	case c.version == codec.V5: // [MQTT-3.1.4-1]
		c.refuse(e.Code, closeReasonOf(e), e.Error())
	default:
		c.closeDetail(closeReasonOf(e), e.Error())
	}
}

// refuse sends a CONNACK with an error, and closes [MQTT-3.2.2-7]. Where 3.1.1
// has no Return Code for it, it only closes [MQTT311-3.2.2-6].
func (c *conn) refuse(code codec.ReasonCode, reason CloseReason, detail string) {
	if c.state >= stateClosing {
		return
	}
	if c.version != codec.V5 && !code.HasReturnCode311() {
		c.closeDetail(reason, detail)
		return
	}
	out := c.output()
	start := len(out.B)
	out.B = codec.AppendConnack(out.B, c.version, &codec.Connack{ReasonCode: code})
	if c.fits(start) {
		c.code = code
	}
	c.closeDetail(reason, detail)
}

// admitted goes on once it is known who the Client is and that it may
// connect.
func (c *conn) admitted() {
	c.claimSession()
}

// claimSession finds the loop on which the Session of this Client Identifier
// lives, or makes it live here, and goes there.
func (c *conn) claimSession() {
	l := c.loop
	switch {
	case c.port.closed.Load():
		c.close(CloseListenerRemoved)
		return
	case c.policy != c.port.policy.Load():
		c.authenticate() // what was decided on the way here no longer counts
		return
	}
	home, _ := l.engine.registry.LoadOrStore(c.principal.ClientID, l)
	if home == l {
		l.attach(c)
		return
	}
	// It can end over there, and be made elsewhere, while the connection is
	// on its way; but not for ever.
	if c.admission.hops++; c.admission.hops > 2*len(l.engine.loops) {
		c.refuse(codec.ServerBusy, CloseQuotaExceeded, "the Session keeps moving")
		return
	}
	c.moveTo(home)
}

// moveTo has the connection handed to another loop at the end of the turn: up
// the stack it is still in use. Until it is there its input waits.
func (c *conn) moveTo(to *loop) {
	c.waiting = true
	c.loop.leaving = append(c.loop.leaving, departure{c, to})
}

// departure is a connection on its way to another loop.
type departure struct {
	conn *conn
	to   *loop
}

// dispatchLeaving lets go of the connections that live elsewhere from now on.
func (l *loop) dispatchLeaving() {
	for i, d := range l.leaving {
		l.leaving[i] = departure{}
		c := d.conn
		if c.state >= stateClosing {
			continue
		}
		l.conns.remove(c)
		l.wheel.Cancel(&c.timer)
		l.stats.ConnectionsMoved++
		c.loop = d.to
		c.tr.move(c, d.to)
	}
	l.leaving = l.leaving[:0]
}

// attach gives the connection its Session, new or old [MQTT-3.1.2-4]
// [MQTT-3.1.2-5] [MQTT-3.1.2-6], and sends CONNACK.
func (l *loop) attach(c *conn) {
	a := c.admission
	id := c.principal.ClientID
	old := l.sessions[id]
	s := old
	if s != nil && (a.cleanStart || s.conn != nil && s.expiryInterval == 0) {
		s = nil
	}
	present := s != nil
	if present && !c.knowsRights(s) {
		return
	}
	if !present && old == nil && l.engine.sessions.Load() >= int64(l.engine.limits.Sessions) {
		l.engine.registry.Delete(id)
		l.stats.SessionsRefused++
		c.refuse(codec.QuotaExceeded, CloseQuotaExceeded, "no room for another Session")
		return
	}
	if !c.connack(a, present) {
		if old == nil {
			l.engine.registry.Delete(id)
		}
		c.refuse(codec.PacketTooLarge, ClosePacketTooLarge, "CONNACK exceeds the Client's Maximum Packet Size")
		return
	}
	if !present {
		// The new Session takes its place before the old one ends, so that
		// the Client Identifier never leaves the registry in between.
		s = newSession(l, id)
		l.sessions[id] = s
		l.stats.Sessions++
		l.engine.sessions.Add(1)
	}
	if old != nil {
		if oc := old.conn; oc != nil {
			oc.disconnect(codec.SessionTakenOver, CloseSessionTakenOver) // [MQTT-3.1.4-3]
			oc.leaveSession()
		}
		if old != s {
			old.end()
		}
	}
	s.cancelDeadline()
	s.dropWill()
	s.will = a.will
	a.will = nil
	s.conn = c
	s.port, s.policy, s.principal = c.port, c.policy, c.principal
	s.version = c.version
	s.expiryInterval = a.expiryInterval
	c.session = s
	c.state = stateOpen
	c.receiveMaximum = min(a.receiveMaximum, l.engine.limits.Inflight)
	c.sendQuota = c.receiveMaximum
	c.aliasesOut = newOutboundAliases(a.aliasMaximum, l.engine.limits.TopicAliasMaximum)
	c.admission = nil
	if c.tls != nil {
		c.keepCertificates(c.tls)
	}
	if c.credential != nil {
		c.credential.method = a.credentials.AuthenticationMethod
	}
	c.watchExpiry()
	l.stats.ConnectionsAccepted++
	l.engine.connected(c)
	s.maximumPacketSize.Store(c.maximumPacketSize)
	s.available.Store(true)
	if present {
		c.dropSubscriptions(c.maySubscribe)
		if t := s.transit; t != nil {
			t.resend = t.inflight.inOrder(t.resend[:0]) // [MQTT-4.4.0-1]
		}
		c.pump()
	}
}

// connack accepts the Client, and tells it what differs from what it asked
// for (3.2.2.3). It returns false if the Client would not take the packet.
func (c *conn) connack(a *admission, present bool) (sent bool) {
	l := c.loop
	limits := &l.engine.limits
	keepAlive := a.keepAlive
	if m := limits.MaximumKeepAlive; m != 0 && (keepAlive == 0 || keepAlive > m) {
		keepAlive = m
	}
	ack := codec.Connack{SessionPresent: present}
	if c.version == codec.V5 {
		p := &ack.Properties
		p.SetReceiveMaximum(limits.ReceiveMaximum)
		p.SetMaximumPacketSize(limits.MaximumPacketSize)
		p.SetTopicAliasMaximum(limits.TopicAliasMaximum)
		if a.assigned {
			p.SetAssignedClientIdentifier(bytesOf(c.principal.ClientID)) // [MQTT-3.1.3-7]
		}
		if keepAlive != a.keepAlive {
			p.SetServerKeepAlive(keepAlive) // [MQTT-3.1.2-21]
		}
		if m := limits.MaximumSessionExpiry; m != 0 && a.expiryInterval == m {
			p.SetSessionExpiryInterval(m)
		}
		if a.credentials.AuthenticationMethod != "" {
			p.SetAuthenticationMethod(bytesOf(a.credentials.AuthenticationMethod)) // [MQTT-4.12.0-5]
		}
	}
	out := c.output()
	start := len(out.B)
	out.B = codec.AppendConnack(out.B, c.version, &ack)
	if !c.fits(start) {
		return false
	}
	if c.version != codec.V5 && limits.MaximumKeepAlive != 0 {
		// 3.1.1 cannot be told another Keep Alive, so the Client's counts.
		keepAlive = a.keepAlive
	}
	if keepAlive != a.keepAlive {
		l.stats.KeepAlivesReduced++
	}
	c.startKeepAlive(keepAlive)
	return true
}
