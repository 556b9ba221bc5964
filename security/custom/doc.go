// Package custom lets a server of the operator's own decide about Clients: a
// custom authentication server, which is asked over HTTPS for every CONNECT,
// by the API of version 0.5.0, and for every AUTH that re-authenticates.
//
// # What is sent
//
// A POST to the endpoint with api-version=0.5.0 in the query, the configured
// headers, and a JSON object: type ("connect" or "auth"), username, password
// in base64, certs (the certificates of the TLS handshake in PEM, the leaf
// first), and enhancedAuthentication with method and data, the latter in
// base64. On a port without an X509 method nobody has verified certs: the
// Client holds the key of the leaf, and the rest is for the server to judge.
//
// # What the answer means
//
// The server grants with 200 and denies with 403; both are final. Whatever
// else happens, no answer included, is a [*security.Unavailable], for which a
// [security.Chain] asks the next method. Of a Client that authenticates again
// the server is told neither the user name nor the certificates; it keeps the
// user name that it connected with, and gets the attributes of the new answer.
//
// # What is bounded
//
// The time that one Client may take, the number of requests at once, the bytes
// of an answer. A server that does not answer several times in a row is left
// alone but for one request every few seconds, and Clients are told at once,
// instead of each waiting for as long as it may take.
//
// # Borrowed memory
//
// Credentials are borrowed for the call, as in package security.
//
// # Concurrency
//
// An [Authenticator] is safe for concurrent use. It starts no goroutines of
// its own, and needs no closing: connections that nobody uses are closed after
// a minute.
//
// # Errors
//
// [New] returns [*security.ConfigError] values for operators. No error and no
// line in a log holds a password, the value of a header or a key. What the
// server says is quoted with 200 bytes at most, without control characters, and
// not at all if it repeats a credential.
package custom
