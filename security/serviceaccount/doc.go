// Package serviceaccount authenticates MQTT Clients by Kubernetes service
// account tokens, the Authentication Method K8S-SAT.
//
// An [Authenticator] takes the token from the Authentication Data of a CONNECT
// or AUTH and asks a [Verifier] whose it is. There are two:
//
//   - A [TokenReviewer] asks the API server of a cluster, by TokenReview, and
//     reads the attributes from the annotations of the ServiceAccount. It finds
//     the API server [InCluster] or by [ParseKubeconfig].
//   - An [Issuer] verifies the signature itself, for a gateway that reaches no
//     API server, with the keys of a JWK Set that is at hand or fetched.
//
// Neither believes anything in a token before somebody vouches for it. What is
// read from one ahead of that can only refuse it sooner.
//
// # What is bounded
//
// Verifications that run at once are capped, and Clients that show the same
// token share one; the others wait, as long as their context allows. Whoever
// waits for keys to be fetched counts among those that do not run yet. An API
// server that does not answer is left alone but for a request every two seconds,
// and Clients are told so at once. Answers
// are remembered for seconds, in bounded caches keyed by the SHA-256 of the
// token, and never beyond its exp. A token is at most 16 KiB long, a request
// takes at most 5 seconds, an answer at most 1 MiB. What the API server says in
// Retry-After is honored for all requests.
//
// # Borrowed memory
//
// Nothing of the Credentials is kept. Attributes of a Result are immutable.
//
// # Concurrency
//
// Everything is safe for concurrent use. An Authenticator waits for I/O, so it
// must not be called on an event loop.
//
// # Errors
//
// A token that is no good yields a [*security.Denied] with Reason Code Not
// authorized. When nobody could be asked it is Server unavailable, and its Err
// a [*security.Unavailable]: the token was relevant, so no other method may
// save the Client, but it can try again. Tokens are in no error, and in no
// String of a value that holds one.
package serviceaccount
