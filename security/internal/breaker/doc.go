// Package breaker keeps Clients from waiting for a server that an authentication
// method depends on, and that does not answer.
package breaker
