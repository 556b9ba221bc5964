package tidy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path of the tree, and the prefix of all its packages.
const module = "github.com/weirmq/weir"

// root returns the directory of the module.
func root(t testing.TB) string {
	t.Helper()
	return filepath.Dir(strings.TrimSpace(string(goCommand(t, "", "env", "GOMOD"))))
}

// goCommand runs the go command in a directory and returns what it prints.
func goCommand(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.Command("go", args...)
	command.Dir = dir
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// A goPackage is what go list tells about one package.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// name returns the path below the module's, or "" if the package is not ours.
func (p goPackage) name() string {
	name, ours := strings.CutPrefix(p.ImportPath, module+"/")
	if !ours {
		return ""
	}
	return name
}

// packages lists the packages of the module, without their tests, with all
// that they import.
func packages(t testing.TB) []goPackage {
	t.Helper()
	// A package that does not compile at the moment still has imports: -e.
	out := goCommand(t, root(t), "list", "-e", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	var list []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if !slices.ContainsFunc(list, func(p goPackage) bool { return p.name() == "cmd/weir/internal/tidy" }) {
		t.Fatal("go list does not list this package: the tests below would look at nothing")
	}
	return list
}

// A file is one text file of the tree.
type file struct {
	path string // from the root, with slashes
	text []byte
}

// files reads the text files whose path the filter accepts. It leaves out
// version control, what make builds, and binary files.
func files(t testing.TB, accept func(path string) bool) []file {
	t.Helper()
	var list []file
	dir := root(t)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() && (relative == ".git" || relative == "bin") {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() || !accept(relative) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.ContainsRune(text, 0) {
			list = append(list, file{relative, text})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatalf("there are no such files in %s: the test would look at nothing", dir)
	}
	return list
}

// goFile is a filter for files.
func goFile(path string) bool { return strings.HasSuffix(path, ".go") }
