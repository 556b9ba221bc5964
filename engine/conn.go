package engine

import (
	"context"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine/internal/wheel"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/tlsstate"
)

// connState is where a Network Connection stands.
type connState byte

const (
	stateConnecting connState = iota // waits for CONNECT
	stateAdmitting                   // CONNECT is being judged
	stateOpen                        // CONNACK with Success was sent
	stateClosing                     // output is flushed at the end of the turn, input ignored
	stateClosed                      // let go of
)

// conn is one Network Connection. It belongs to a loop, and moves to another
// one at most while it is being admitted, when its Session lives there.
//
// There may be a million that say nothing: it is 240 bytes, which is a size of
// Go's allocator. What few of them need is behind a pointer, and what each
// packet needs comes first.
type conn struct {
	loop    *loop
	tr      transport
	session *Session // from admission on
	port    *port
	policy  *policy // see authorize.go
	// The topic of the last PUBLISH, its route and whether it was allowed:
	// most Clients publish to one topic, or to one many times in a row.
	lastRoute    *route
	lastReceived int64

	state       connState
	version     codec.Version
	reason      CloseReason
	code        codec.ReasonCode // what the peer was told when closing, if anything
	dirty       bool             // on loop.dirty
	waiting     bool             // for an answer; input gathers in carry
	congested   bool             // on loop.congested
	lastAllowed bool             // see lastRoute

	carry             *buffer // input: a packet cut by the end of a read
	out               *buffer // what this turn produced
	maximumPacketSize uint32  // the Client's; 0: no bound
	acksUnsent        uint16  // acknowledgements in out, for Receive Maximum
	sendQuota         uint16  // 4.9 Flow Control
	receiveMaximum    uint16  // the Client's, capped by Limits.Inflight
	keepAlive         uint16  // as agreed, in seconds; 0: none
	counted           uint32  // of carry, in Engine.input; a packet is 256 MiB at most
	aliasesIn         *inboundAliases
	aliasesOut        *outboundAliases

	tls *tlsstate.Conn // nil on a plain port
	ws  *webSocket     // nil where the port speaks MQTT itself

	// Who it is and what it may do; see authorize.go.
	principal  *security.Principal // from CONNECT on; replaced, never changed: Grants refer to it
	credential *credential         // which says who it is; nil if nothing did
	grant      *security.Grant
	decisions  *decisions

	prev, next *conn       // of the loop
	timer      wheel.Timer // CONNECT or Keep Alive
	admission  *admission  // from CONNECT to CONNACK
	rare       *rare
}

// rare is what few connections have, or only for a while.
type rare struct {
	cancel         context.CancelFunc // of what it waits for
	deniedAt       int64              // when a denied PUBLISH was last reported
	congestedSince int64
	congestedBytes int    // buffered when last looked at
	detail         string // of the reason to close, for people
}

// needRare returns what is rare of c, to write to.
func (c *conn) needRare() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// dropRare lets go of what is rare of c if nothing there counts any more.
func (c *conn) dropRare() {
	if r := c.rare; r != nil && r.cancel == nil && r.deniedAt == 0 && r.detail == "" && !c.congested {
		c.rare = nil
	}
}

// detail adds to the reason why c was closed, for people.
func (c *conn) detail() string {
	if c.rare == nil {
		return ""
	}
	return c.rare.detail
}

func newConn(p *port, tr transport, t *tlsstate.Conn) *conn {
	return &conn{port: p, tr: tr, tls: t, ws: newWebSocket(p)}
}

// opened takes a connection that was accepted.
func (l *loop) opened(c *conn) {
	l.begin()
	l.openedInTurn(c)
	if c.tls != nil {
		// Bytes read during the handshake may hold a whole CONNECT, and no
		// event will announce them.
		l.receive(c, nil)
	}
	l.end()
}

func (l *loop) openedInTurn(c *conn) {
	c.loop = l
	l.conns.add(c)
	l.stats.ConnectionsOpened++
	c.timer.Init(c)
	l.wheel.Set(&c.timer, l.now+int64(l.engine.limits.ConnectTimeout))
}

// arrived takes a connection that another loop moved here.
func (l *loop) arrived(c *conn) {
	l.begin()
	l.arrivedInTurn(c)
	l.end()
}

func (l *loop) arrivedInTurn(c *conn) {
	l.conns.add(c)
	c.waiting = false
	l.admit(c)
}

func (l *loop) admit(c *conn) {
	defer l.contain(c)
	if c.state == stateAdmitting {
		c.claimSession()
		c.resume()
	}
}

// Fire is called by the wheel: CONNECT did not come, or nothing came for one
// and a half times the Keep Alive.
func (c *conn) Fire(now int64) {
	l := c.loop
	defer l.contain(c)
	switch c.state {
	case stateConnecting:
		c.close(CloseConnectTimeout)
	case stateOpen:
		if c.keepAlive == 0 {
			return
		}
		due := c.lastReceived + c.patience()
		if now < due {
			l.wheel.Set(&c.timer, due)
			return
		}
		// [MQTT-3.1.2-22]
		c.disconnect(codec.KeepAliveTimeout, CloseKeepAliveTimeout)
	}
}

// neverArrived is the end of a connection that could not be moved here.
func (l *loop) neverArrived(c *conn, err error) {
	l.conns.add(c)
	c.closeDetail(CloseConnectionLost, err.Error())
}

// startKeepAlive begins to watch the Keep Alive, in seconds.
func (c *conn) startKeepAlive(seconds uint16) {
	c.keepAlive = seconds
	if c.keepAlive == 0 {
		c.loop.wheel.Cancel(&c.timer)
		return
	}
	c.loop.wheel.Set(&c.timer, c.loop.now+c.patience())
}

// patience is how long nothing may come: one and a half times the Keep Alive.
func (c *conn) patience() int64 { return int64(c.keepAlive) * int64(time.Second) * 3 / 2 }

// describe says in logs which connection is meant. It works on nil.
func (c *conn) describe() connInfo {
	if c == nil {
		return connInfo{}
	}
	var i connInfo
	if p := c.principal; p != nil {
		i.username, i.clientID = p.Username, p.ClientID
	}
	if c.port != nil {
		i.listener = c.port.name
	}
	if c.tr != nil {
		i.remote = c.tr.remoteAddr()
	}
	return i
}
