// Package e2e tests the program from the outside, the way a newcomer meets it:
// the tutorial on TLS, X.509 client authentication and attribute-based access
// control, played against weir serve running as a process of its own.
//
// The scenarios T1 to T38 are written once and played with two kits:
//
//   - go: certificates by weir pki, Clients by paho.golang, and by raw packets
//     where MQTT 3.1.1 is meant. It needs nothing but Go and is part of make
//     test.
//   - mosquitto, with the build tag e2e: certificates by the step command,
//     Clients by mosquitto_pub and mosquitto_sub, with every line they print
//     and their exit codes. Tools that are missing skip these tests, unless the
//     environment variable REQUIRE_E2E_TOOLS is 1: then they fail. It is part
//     of make e2e, as are the tutorial, the tour of the README and the guide of
//     weir demo, typed into a shell as they are printed.
//
// The scenarios H1 to H31 are those of the page on authentication, P1 to P7
// those of the page on authorization that use what it brings. Each has a test
// named for its number. Where they are about a custom authentication server,
// that is the one of examples, or one that the test writes the answers of;
// Clients are raw packets there, and nothing that is logged may hold a password
// or a header. Where they are about service account tokens, a real
// kube-apiserver is asked about them, see package kubetest, on Linux.
//
// On WebSocket the Client is the npm package mqtt, run by node, also with the
// build tag e2e.
//
// Nothing here waits for time to pass: what is waited for is a line in a log or
// of a Client, a packet, or a connection.
//
// # Borrowed memory, concurrency, errors
//
// The package has no code of its own to call. A site and its Clients belong to
// the goroutine of one test; sites share nothing but the certificates that they
// were copied from, so that tests run side by side. What goes wrong fails the
// test, with the log of its broker.
package e2e
