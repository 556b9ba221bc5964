// Package pki issues the X.509 certificates that a tutorial, a demonstration
// and a test need: a root, an intermediate below it, and leaves for a Server
// and its Clients. The shapes are those of `step certificate create` with the
// profiles root-ca, intermediate-ca and leaf, so that a walk-through written
// for that tool can be run without it.
//
// It is no certificate authority for production: it keeps no record of what
// it has issued, and revokes nothing.
//
// # Borrowed memory
//
// Nothing is lent. An [Authority] and a [Leaf] share the certificates they
// were built from, which are never written to again; the slices that come out
// of the PEM functions belong to the caller.
//
// # Concurrency
//
// An Authority or a Leaf is not changed once built, and all methods are safe
// for concurrent use, as long as the caller changes no exported field.
//
// # Errors
//
// A value in [Options] that cannot be used yields an [*OptionError], and PEM
// that cannot be used a [*LoadError]. Private keys never appear in an error.
package pki
