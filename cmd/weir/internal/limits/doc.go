// Package limits holds the test that writes docs/limits.md: each limit with its
// default, what a peer sees at it, what counts it, and the tests that go there.
// Nothing imports it.
package limits
