// Package security answers two questions about an MQTT Client: who is this,
// and may they?
//
// # Who is this
//
// An [Authenticator] looks at the [Credentials] of a CONNECT and gives a
// [Result]: the effective user name, the attributes, and the moment at which
// both cease to hold. A [Chain] asks its methods in order. A method that finds
// nothing in the Credentials it could judge answers [ErrNotRelevant] and the
// next is asked; any other answer is final, so a Client with one bad
// credential is never rescued by a later method. [X509] is the method that
// reads TLS client certificates, and asks a [Revocation] which have been taken
// back; package passwords has a method for User Names and Passwords. A
// [Reauthenticator] lets its Clients replace a credential before it ends.
//
// # May they
//
// A [Policy] is the rules as an operator wrote them. [Compile] refuses what it
// cannot understand and turns the rest into a [Table]. When a Client connects,
// [Table.Bind] finds the rules that speak of its [Principal] and returns a
// [Grant]; [Grant.Decide] then answers for one [Action] and one Topic Name or
// Topic Filter at a time. Rules only ever allow: what no rule allows is
// denied, and [Deny] is the zero value of [Decision].
//
// [Explain] computes the same decision from the Policy as written, by other
// and slower code, and says which rule gave it or why each one did not. It is
// what an operator reads, and what the tests hold Decide equal to.
//
// # Borrowed memory
//
// Credentials borrow everything they point to, and only for the call that
// takes them. A Grant keeps the Principal it was bound to, which must not
// change while the Grant is in use. Attributes are immutable and shared freely.
//
// # Concurrency
//
// Everything here is safe for concurrent use once built. Decide takes no lock
// and allocates nothing; Bind and [X509.Authenticate] take a short lock on a
// bounded cache.
//
// # Errors
//
// [*Denied] carries the MQTT 5.0 Reason Code for the CONNACK. [*PolicyError]
// and [*ConfigError] are for operators: where, the offending value, and what
// would be right. No error holds a password, a token or a key.
//
// References such as [MQTT-4.12.0-1] are the normative statements of the MQTT
// 5.0 standard.
package security
