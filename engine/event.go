package engine

import (
	"net"
	"time"
)

// EventKind says what happened.
type EventKind byte

const (
	// EventConnect: a CONNACK with Success was sent.
	EventConnect EventKind = iota + 1
	// EventClose: a connection ended, whether or not it ever got a CONNACK.
	EventClose
	// EventDeny: a CONNECT, PUBLISH or SUBSCRIBE was refused by an
	// authenticator or an authorizer.
	EventDeny
	// EventReauthenticate: a Client's AUTH was answered with Success, or, as
	// it could not be judged, with Continue authentication.
	EventReauthenticate
	// EventDrop: messages for a Client were dropped, other than of QoS 0 while
	// it was not connected. There is one every ten seconds at most for each
	// Client, and one when its connection ends, if there is more to tell.
	EventDrop
)

// Event is what Options.Observe is told. All of it may be kept.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Listener string
	Remote   net.Addr
	ClientID string
	// Username is the effective one, which the authenticator gave.
	Username string
	// Reason is set in EventClose.
	Reason CloseReason
	// ReasonCode is the one the Client was told, if any.
	ReasonCode byte
	// Action and Topic are set in EventDeny: what was refused.
	Action string
	Topic  string
	// Dropped is set in EventDrop: all that was dropped since the Session began.
	Dropped *DropCounts
	// Detail says more, for people.
	Detail string
}
