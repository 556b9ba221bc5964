package codec

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// citation matches a normative statement's identifier, in brackets in comments
// and bare in the Clause of an Error.
var citation = regexp.MustCompile(`MQTT(311)?-\d[\d.\-]*\d`)

func readLines(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]bool)
	for _, line := range strings.Fields(string(text)) {
		lines[line] = true
	}
	return lines
}

func TestCitedStatementsExist(t *testing.T) {
	v5, v311 := readLines(t, "testdata/statements-v5.txt"), readLines(t, "testdata/statements-v311.txt")
	var files []string
	for _, pattern := range []string{"*.go", "codectest/*.go", "testdata/packets/*.txt"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	cited := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range citation.FindAllString(string(text), -1) {
			cited++
			if after, ok := strings.CutPrefix(id, "MQTT311-"); ok {
				if !v311["MQTT-"+after] {
					t.Errorf("%s cites %s, which is not a statement of MQTT 3.1.1", file, id)
				}
			} else if !v5[id] {
				t.Errorf("%s cites %s, which is not a statement of MQTT 5.0", file, id)
			}
		}
	}
	if cited == 0 {
		t.Error("found no citations; the pattern must be wrong")
	}
}

// TestEveryErrorHasAPacketInTheCorpus reads the errors from the source, so that
// one added without a case is noticed.
func TestEveryErrorHasAPacketInTheCorpus(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`\t(err\w+) +=.*"([^"]+)", "([^"]+)"\}?\)`).FindAllStringSubmatch(string(source), -1)
	if declared := regexp.MustCompile(`(?m)^\terr\w+ +=`).FindAll(source, -1); len(declared) != len(made) {
		t.Fatalf("errors.go declares %d errors, of which the pattern finds %d", len(declared), len(made))
	}
	var corpus strings.Builder
	for _, cases := range readCorpus(t) {
		for _, c := range cases {
			corpus.WriteString(c.outcome + "\n")
		}
	}
	for _, m := range made {
		if want := m[3] + " [" + m[2] + "]"; !strings.Contains(corpus.String(), want) {
			t.Errorf("no packet in the corpus yields %s (%s)", m[1], want)
		}
	}
}
