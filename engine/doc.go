// Package engine is an MQTT broker as a library: event loops, Network
// Connections, Sessions and delivery. The program weir is flags and files
// around it.
//
// # Embedding
//
// [New] checks the [Options], [Engine.Run] opens the listeners and serves until
// its context ends, [Engine.Publish] and [Engine.Subscribe] are for the program
// itself, and [Engine.Apply] changes listeners, TLS and policies while Clients
// are connected. Who a Client is and what it may do is decided by a
// [security.Authenticator] and a [security.Authorizer] of each listener: those
// of package security, or the program's own.
//
//	e, err := engine.New(engine.Options{Listeners: []engine.Listener{{Address: ":1883"}}})
//	...
//	err = e.Run(ctx)
//
// A program may have several Engines. They share nothing but the processors.
//
// # Loops
//
// There is one event loop for each processor. A Network Connection and its
// Session belong to one loop, and what belongs to a loop is read and written
// there alone: it has no locks, and the packets of a connection are handled one
// after another. A Session stays on its loop for as long as it exists; a
// connection that claims it elsewhere is moved there before its CONNACK.
//
// Between loops the way is the mailbox: a message for another loop
// crosses once, with the list of its receivers, together with whatever else
// the turn has for that loop. While one goroutine runs both, it gives the
// message to the other loop's Sessions itself, see visit.go. Read by all loops
// and written seldom are the trie of Subscriptions, the retained messages, the
// registry of Client Identifiers and the policy of each listener.
//
// What waits for somebody runs on a goroutine and comes back as a task of the
// loop: TLS handshakes, authenticators that must wait, custom authorizers,
// logging and [Options].Observe, handlers of in-process Subscriptions. A program in
// which hundreds of those may be busy gives loops a processor of Go's to spare by
// raising GOMAXPROCS by one once the engine is made, as weir serve does.
//
// # The life of a PUBLISH
//
//  1. Bytes arrive. On a TLS port they are decrypted, and on a WebSockets port
//     taken out of their frames; a packet cut by the end of the read is kept
//     until the rest comes. See inbound.go.
//  2. The packet is decoded in place. See package codec.
//  3. The Topic Name leads to a route: who receives, on which loops, and
//     whether this class of Clients may publish. See route.go.
//  4. QoS 1 and 2 are refused when the sender exceeds Receive Maximum, or when
//     a loop that they would go to has too much to do.
//  5. A retained message replaces the one that was stored. See retained.go.
//  6. Receivers on this loop get it now: encoded once for all that get the
//     same bytes, with the Packet Identifier of each filled in. See deliver.go.
//  7. Receivers on other loops get it in one batch for each loop, or at once
//     where the same goroutine runs that loop. A group of
//     a Shared Subscription has one receiver, see shared.go.
//  8. With QoS 1 and 2 a receiver's Session takes it: in flight while there is
//     send quota and room, else into the queue. See send.go.
//  9. The sender gets its PUBACK or PUBREC.
//  10. The turn ends: the mailboxes are posted, and each connection with output
//     is written to once. See loop.go and outbound.go.
//
// # Concurrency
//
// The methods of [Engine] and [Subscription] are safe for concurrent use, and
// so must be the Authenticators, Authorizers and handlers that a program
// brings: each handler is called from one goroutine of its own, an
// Authenticator from many. One that implements [security.Immediate] or
// [security.Prompt] is called on an event loop, where everybody waits for it.
//
// [Options].Observe and the Logger are called from one goroutine, after the
// fact, and cannot delay anybody.
//
// # Limits
//
// Whatever a peer could make the engine hold or wait for has a bound, in
// [Limits] or with the mechanism: connections, handshakes, Clients that wait
// for an answer, packet sizes, input that waits, Subscriptions, Topic Aliases,
// messages in flight and in the queue, output that a Client does not read.
// What happens at the bound is said there. A connection that ends says why with
// a [CloseReason], in the log, in an [Event] and in [Stats].
//
// # What it tells of itself
//
// Every [Options].SysInterval the engine publishes versions, counts and memory
// below "$SYS/broker/", as retained messages. Who may subscribe to them is for
// the Authorizer to say, as for any topic; to publish there is the Server's
// alone. [Engine.Stats] has more.
//
// # Errors
//
// [*ListenerError] says which listener could not be used. [ErrNotRunning],
// [ErrClosed] and [ErrBusy] are the states in which an Engine cannot do what it
// is asked. What peers do wrong is no error of a method: it ends their
// connection.
//
// References such as [MQTT-3.3.2-2] are normative statements of the MQTT 5.0
// standard, those such as [MQTT311-3.1.3-8] of MQTT 3.1.1, and (4.12.1) is a
// section of the former.
package engine
