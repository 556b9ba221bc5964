package serviceaccount

import "context"

// Nobody returns a [Verifier] that can tell of no token whose it is, because of
// why: Clients with a token are refused, and told that it is not their fault.
func Nobody(why error) Verifier { return nobody{why} }

type nobody struct{ why error }

// Verify implements [Verifier].
func (n nobody) Verify(context.Context, string) (Identity, error) {
	return Identity{}, unavailable("there is no API server to ask", n.why)
}
