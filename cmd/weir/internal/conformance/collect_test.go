package conformance

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the directory of the module, from here.
const root = "../../../.."

// citation matches the identifier of a normative statement in brackets. It
// matches more than is right, so that a slip of the pen is reported.
var citation = regexp.MustCompile(`\[(MQTT(?:311)?-[^\]\s]+)\]`)

// cited is one test that cites statements.
type cited struct {
	file string // from the root, with slashes
	name string
	ids  []string // such as MQTT-3.3.1-2 and MQTT311-3.3.1-2
}

// collect returns all tests that cite a statement, in the order of their files.
func collect(t *testing.T) (all []cited) {
	t.Helper()
	all = append(all, casesIn(t, "engine/testdata/sessions/*.txt")...)
	all = append(all, casesIn(t, "engine/testdata/badinput/*.txt")...)
	all = append(all, casesIn(t, "codec/testdata/packets/*.txt")...)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", "bin", "tidy", "conformance": // the last two cite to test citations
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, "_test.go") {
			all = append(all, functionsIn(t, path)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func fromRoot(t *testing.T, path string) string {
	t.Helper()
	relative, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(relative)
}

// casesIn reads files of cases, each of which begins with "== ". What stands
// before the first is of no case.
func casesIn(t *testing.T, pattern string) (all []cited) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no such files: %v", pattern, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range splitCases(string(text)) {
			c.file = fromRoot(t, path)
			all = append(all, c)
		}
	}
	return all
}

func splitCases(text string) (cases []cited) {
	parts := strings.Split("\n"+text, "\n== ")
	for _, part := range parts[1:] {
		title, _, _ := strings.Cut(part, "\n")
		title, _, _ = strings.Cut(title, " | ") // a packet's version and sender
		if ids := idsIn(part); len(ids) > 0 {
			cases = append(cases, cited{name: withoutCitations(title), ids: ids})
		}
	}
	return cases
}

func idsIn(text string) (ids []string) {
	for _, match := range citation.FindAllStringSubmatch(text, -1) {
		ids = append(ids, match[1])
	}
	return ids
}

var spaceBeforeCitation = regexp.MustCompile(` *` + citation.String())

func withoutCitations(title string) string {
	return strings.TrimSpace(spaceBeforeCitation.ReplaceAllString(title, ""))
}

// functionsIn reads what the functions of a file that "go test" runs cite, in
// their comments and in their text.
func functionsIn(t *testing.T, path string) (all []cited) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if !builtByDefault(parsed) {
		return nil
	}
	for _, declaration := range parsed.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !isTest(f.Name.Name) {
			continue
		}
		start := f.Pos()
		if f.Doc != nil {
			start = f.Doc.Pos()
		}
		source := string(text[set.Position(start).Offset:set.Position(f.End()).Offset])
		if ids := idsIn(source); len(ids) > 0 {
			all = append(all, cited{fromRoot(t, path), f.Name.Name, ids})
		}
	}
	return all
}

func isTest(name string) bool {
	for _, prefix := range []string{"Test", "Fuzz", "Example"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// builtByDefault reports whether "go test ./..." runs the file on Linux.
func builtByDefault(f *ast.File) bool {
	for _, group := range f.Comments {
		if group.Pos() > f.Package {
			break
		}
		for _, comment := range group.List {
			if expression, err := constraint.Parse(comment.Text); err == nil {
				return expression.Eval(func(tag string) bool { return tag == "linux" || tag == "unix" })
			}
		}
	}
	return true
}
