package tidy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// citation matches what looks like the number of a normative statement in
// brackets, of MQTT 5.0 or, marked 311, of MQTT 3.1.1. It matches more than is
// right, so that a slip of the pen is reported and not overlooked.
var citation = regexp.MustCompile(`\[(MQTT(?:v?\d+)?[-.][^\]\s]*)\]`)

// statements returns the identifiers in a file of the codec, one a line, each
// with the prefix by which comments cite it in place of "MQTT-".
func statements(t *testing.T, name, prefix string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "codec", "testdata", name))
	if err != nil {
		t.Fatalf("codec/testdata/%s must list the identifiers of the normative statements, one a line: %v", name, err)
	}
	known := make(map[string]bool)
	for _, id := range strings.Fields(string(text)) {
		number, ok := strings.CutPrefix(id, "MQTT-")
		if !ok {
			t.Fatalf("codec/testdata/%s: %q does not begin with MQTT-", name, id)
		}
		known[prefix+number] = true
	}
	if len(known) < 100 {
		t.Fatalf("codec/testdata/%s has %d identifiers, and the standard well over 100", name, len(known))
	}
	return known
}

func TestCitedStatementsExist(t *testing.T) {
	known := statements(t, "statements-v5.txt", "MQTT-")
	for id := range statements(t, "statements-v311.txt", "MQTT311-") {
		known[id] = true
	}
	cited := 0
	for _, f := range files(t, func(p string) bool { return goFile(p) && !strings.HasSuffix(p, "internal/tidy/citations_test.go") }) {
		for i, line := range strings.Split(string(f.text), "\n") {
			for _, match := range citation.FindAllStringSubmatch(line, -1) {
				cited++
				if !known[match[1]] {
					t.Errorf("%s:%d: there is no normative statement [%s]", f.path, i+1, match[1])
				}
			}
		}
	}
	if cited == 0 {
		t.Error("nothing is cited anywhere: the test looks at nothing")
	}
}

func TestCitationsAreRecognized(t *testing.T) {
	for line, want := range map[string]string{
		"// [MQTT-3.3.2-2]":          "MQTT-3.3.2-2",
		"see [MQTT311-3.1.2-22].":    "MQTT311-3.1.2-22",
		"see [MQTT-3.3.2.2]":         "MQTT-3.3.2.2",
		"see [MQTTv5-3.3.2-2]":       "MQTTv5-3.3.2-2",
		"see [MQTT 5.0], section 3":  "",
		"// m[MQTT] and [mqtt-3.1]":  "",
		"the [MQTT] standard, 3.1-1": "",
	} {
		got := ""
		if match := citation.FindStringSubmatch(line); match != nil {
			got = match[1]
		}
		if got != want {
			t.Errorf("%q: found %q, want %q", line, got, want)
		}
	}
}
