package resource

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// section is one part of a text in testdata: a file of the directory, or what
// is expected when all files before it are in place.
type section struct {
	name, text string
}

// expectation is the name of the sections that are expected output.
const expectation = "want"

// parseSections splits a text into a comment and sections, each of which
// begins with a line "-- NAME --".
func parseSections(text string) (comment string, sections []section) {
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "-- ")
		if name, ok2 := strings.CutSuffix(name, " --"); ok && ok2 {
			sections = append(sections, section{name: name})
			continue
		}
		if len(sections) == 0 {
			comment += line
			continue
		}
		sections[len(sections)-1].text += line
	}
	return comment, sections
}

func formatSections(comment string, sections []section) string {
	var b strings.Builder
	b.WriteString(comment)
	for _, s := range sections {
		fmt.Fprintf(&b, "-- %s --\n%s", s.name, s.text)
	}
	return b.String()
}

// TestManifests runs the texts in testdata/manifests. Each is the story of a
// directory: files are written (or deleted, when their content is @delete, or
// linked, when it is @link TARGET), and then the directory is loaded on top of
// what was loaded before. Expected are all problems and the state of all ports.
func TestManifests(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // a pod may run the tests
	files := must[[]string](t)(filepath.Glob("testdata/manifests/*.txt"))
	if len(files) == 0 {
		t.Fatal("no texts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text := string(must[[]byte](t)(os.ReadFile(file)))
			comment, sections := parseSections(text)
			certs := testCertificates(t)
			dir := t.TempDir()
			var snapshot *Snapshot
			steps := 0
			for i, s := range sections {
				at := filepath.Join(dir, filepath.FromSlash(s.name))
				target, isLink := strings.CutPrefix(strings.TrimSpace(s.text), "@link ")
				switch {
				case s.name == expectation:
					var problems Problems
					snapshot, problems = Load(dir, snapshot)
					got := Report{Problems: problems, Ports: snapshot.Ports()}.String()
					if *update {
						sections[i].text = got
					} else if got != s.text {
						t.Errorf("step %d: got\n%s\nwant\n%s", steps, got, s.text)
					}
					steps++
				case strings.TrimSpace(s.text) == "@delete":
					if err := os.RemoveAll(at); err != nil {
						t.Fatal(err)
					}
				case isLink:
					if err := os.Symlink(target, at); err != nil {
						t.Fatal(err)
					}
				default:
					writeFile(t, dir, s.name, certs.expand(t, s.text))
				}
			}
			if steps == 0 {
				t.Fatal("the text expects nothing")
			}
			if *update {
				writeFile(t, ".", file, formatSections(comment, sections))
			}
		})
	}
}
