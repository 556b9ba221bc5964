package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/conformance.md")

// document is what the test writes.
const document = "docs/conformance.md"

// statement is one line of testdata/v5.txt or v311.txt.
type statement struct {
	id       string // as tests cite it
	binds    string // server, client or both
	about    string
	untested string // why no test can hold it
	tests    []cited
}

// bindsServer reports whether it says anything about a Server.
func (s *statement) bindsServer() bool { return s.binds != "client" }

// standard is one of the two standards.
type standard struct {
	title      string
	file       string // in testdata
	known      string // the identifiers that exist, from the root
	prefix     string // of citations
	statements []*statement
}

func standards(t *testing.T) []*standard {
	t.Helper()
	list := []*standard{
		{title: "MQTT 5.0", file: "v5.txt", known: "codec/testdata/statements-v5.txt", prefix: "MQTT-"},
		{title: "MQTT 3.1.1", file: "v311.txt", known: "codec/testdata/statements-v311.txt", prefix: "MQTT311-"},
	}
	for _, s := range list {
		s.read(t)
	}
	return list
}

// read reads the statements, which must be those that exist, in their order.
func (s *standard) read(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", s.file))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		id, rest, _ := strings.Cut(line, " ")
		binds, rest, _ := strings.Cut(rest, " ")
		about, untested, _ := strings.Cut(rest, " | ")
		if about == "" || !slices.Contains([]string{"server", "client", "both"}, binds) {
			t.Errorf("testdata/%s: %q: want an identifier, server, client or both, and a few words", s.file, line)
		}
		ids = append(ids, "MQTT-"+id)
		s.statements = append(s.statements, &statement{id: s.prefix + id, binds: binds, about: about, untested: untested})
	}
	known, err := os.ReadFile(filepath.Join(root, s.known))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields(string(known)); !slices.Equal(ids, want) {
		t.Errorf("testdata/%s has not the %d identifiers of %s, in their order, but %d", s.file, len(want), s.known, len(ids))
	}
}

func (s *standard) find(id string) *statement {
	i := slices.IndexFunc(s.statements, func(x *statement) bool { return x.id == id })
	if i < 0 {
		return nil
	}
	return s.statements[i]
}

// assign gives each statement the tests that cite it, each once.
func assign(t *testing.T, list []*standard, tests []cited) {
	t.Helper()
	for _, c := range tests {
		for _, id := range c.ids {
			var x *statement
			for _, s := range list {
				if strings.HasPrefix(id, s.prefix) {
					x = s.find(id)
				}
			}
			switch {
			case x == nil:
				t.Errorf("%s: %s: there is no normative statement [%s]", c.file, c.name, id)
			case !slices.ContainsFunc(x.tests, func(d cited) bool { return d.file == c.file && d.name == c.name }):
				x.tests = append(x.tests, c)
			}
		}
	}
}

// uncovered returns the statements that bind a Server, and that neither have a
// test nor a word on why not.
func (s *standard) uncovered() (ids []string) {
	for _, x := range s.statements {
		if x.bindsServer() && len(x.tests) == 0 && x.untested == "" {
			ids = append(ids, x.id)
		}
	}
	return ids
}

// TestDocumentIsUpToDate compares docs/conformance.md with what the tests cite
// now; -update rewrites it.
func TestDocumentIsUpToDate(t *testing.T) {
	list := standards(t)
	assign(t, list, collect(t))
	text := write(list)
	path := filepath.Join(root, document)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != text {
		t.Errorf("%s is stale: run go test ./cmd/weir/internal/conformance -update (%v)", document, err)
	}
}

func TestEveryStatementThatBindsAServerHasATest(t *testing.T) {
	list := standards(t)
	assign(t, list, collect(t))
	for _, s := range list {
		if ids := s.uncovered(); len(ids) > 0 {
			t.Errorf("no test cites these statements of %s, and testdata/%s does not say why: %v", s.title, s.file, ids)
		}
	}
}

func TestReasonsAreOnlyWhereNoTestIs(t *testing.T) {
	list := standards(t)
	assign(t, list, collect(t))
	for _, s := range list {
		for _, x := range s.statements {
			switch {
			case x.untested == "":
			case !x.bindsServer():
				t.Errorf("[%s] binds the Client, which is reason enough to have no test: drop %q", x.id, x.untested)
			case len(x.tests) > 0:
				t.Errorf("[%s] is cited by %s, %s: drop %q", x.id, x.tests[0].file, x.tests[0].name, x.untested)
			}
		}
	}
}

func TestCitationsAreFound(t *testing.T) {
	const text = "# Preamble [MQTT-1.5.4-1].\n\n== One [MQTT-3.3.1-1], and [MQTT311-3.3.1.-1] | 5.0 Client\n" +
		"# more [MQTT-3.3.1-2]\n\n== None\nx\n\n== Three [MQTT-1.5.4-2]\n"
	got := fmt.Sprint(splitCases(text))
	if want := "[{ One, and [MQTT-3.3.1-1 MQTT311-3.3.1.-1 MQTT-3.3.1-2]} { Three [MQTT-1.5.4-2]}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
