package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// numbered lists the scenarios: those of the tutorial, of the page on
// authentication, and of the page on authorization.
var numbered = []struct {
	letter string
	most   int
}{{"T", 38}, {"H", 31}, {"P", 7}}

// TestEachScenarioHasATest reads the files, since some are built with a tag
// alone, or on Linux.
func TestEachScenarioHasATest(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	declaration := regexp.MustCompile(`(?m)^func Test([THP]\d+)[A-Z]\w*\(t \*testing\.T\)`)
	tests := make(map[string]int) // by scenario
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range declaration.FindAllStringSubmatch(string(text), -1) {
			tests[match[1]]++
		}
	}
	for _, n := range numbered {
		for i := range n.most {
			scenario := fmt.Sprintf("%s%d", n.letter, i+1)
			if tests[scenario] == 0 {
				t.Errorf("scenario %s has no test that begins with Test%s", scenario, scenario)
			}
			delete(tests, scenario)
		}
	}
	for scenario := range tests {
		t.Errorf("there is a test of %s, which is no scenario", scenario)
	}
}
