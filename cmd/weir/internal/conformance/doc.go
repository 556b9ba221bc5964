// Package conformance holds the test that writes docs/conformance.md: for each
// normative statement of MQTT 5.0 and 3.1.1 the tests that cite it. Nothing
// imports it.
package conformance
