// Package tidy holds the tests that look at the source tree as a whole: which
// package imports which, how files begin, whether the normative statements that
// comments cite exist, and whether every file could be read by a stranger.
// Nothing imports it.
package tidy
