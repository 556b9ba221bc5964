package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

// legalHeader finds the header that some projects put on every file. The LICENSE
// at the root covers the tree.
var legalHeader = regexp.MustCompile(`(?i)copyright|spdx-license|licensed under|all rights reserved`)

// headerFault says what is wrong with what comes before the package clause of a
// Go file, or returns "". documented says whether it holds the package comment.
func headerFault(f file) (fault string, documented bool) {
	parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return "cannot be parsed: " + err.Error(), false
	}
	for _, comment := range parsed.Comments {
		if legalHeader.MatchString(comment.Text()) {
			return "begins with a license; LICENSE is enough", false
		}
	}
	if parsed.Doc == nil || parsed.Doc.Text() == "" {
		return "", false
	}
	doc, want := parsed.Doc.Text(), "Package "+parsed.Name.Name+" "
	if parsed.Name.Name == "main" {
		// "Weir is" and "Command weir runs" are both usual for a program.
		program := path.Base(path.Dir(f.path))
		doc, want = strings.TrimPrefix(doc, "Command "), program+" "
		if rest, ok := strings.CutPrefix(doc, strings.ToUpper(program[:1])); ok {
			doc = program[:1] + rest
		}
	}
	if !strings.HasPrefix(doc, want) {
		return "has a package comment that does not begin with " + want, true
	}
	return "", true
}

func TestEveryPackageHasOneComment(t *testing.T) {
	documentedIn := make(map[string]string)
	dirs := make(map[string]bool)
	for _, f := range files(t, func(p string) bool { return goFile(p) && !strings.Contains(p, "/testdata/") }) {
		fault, documented := headerFault(f)
		if fault != "" {
			t.Errorf("%s %s", f.path, fault)
		}
		if strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		dir := path.Dir(f.path)
		dirs[dir] = true
		if documented {
			if other := documentedIn[dir]; other != "" {
				t.Errorf("%s and %s both have a package comment", other, f.path)
			}
			documentedIn[dir] = f.path
		}
	}
	for dir := range dirs {
		if documentedIn[dir] == "" {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

func TestHeaderFault(t *testing.T) {
	for name, row := range map[string]struct {
		path, text string
		fault      string
		documented bool
	}{
		"plain":              {"a/b.go", "package a\n", "", false},
		"build constraint":   {"a/b.go", "//go:build linux\n\npackage a\n", "", false},
		"package comment":    {"a/b.go", "// Package a does it.\npackage a\n", "", true},
		"command comment":    {"a/weir/b.go", "// Command weir does it.\npackage main\n", "", true},
		"comment that is no": {"a/b.go", "// A thing.\npackage a\n", "does not begin with", true},
		"program's name":     {"a/weir/b.go", "// Weir does it.\npackage main\n", "", true},
		"other command":      {"a/weir/b.go", "// Command sluice does it.\npackage main\n", "does not begin with", true},
		"license":            {"a/b.go", "// Copyright 2020 Someone\n\npackage a\n", "license", false},
		"not Go":             {"a/b.go", "packing a\n", "cannot be parsed", false},
	} {
		t.Run(name, func(t *testing.T) {
			fault, documented := headerFault(file{row.path, []byte(row.text)})
			if !strings.Contains(fault, row.fault) || (fault == "") != (row.fault == "") || documented != row.documented {
				t.Errorf("got %q, %v, want %q, %v", fault, documented, row.fault, row.documented)
			}
		})
	}
}

func TestNoFileIsLong(t *testing.T) {
	const most = 600
	for _, f := range files(t, goFile) {
		if n := strings.Count(string(f.text), "\n"); n > most && !ast.IsGenerated(parse(t, f)) {
			t.Errorf("%s has %d lines; split it by mechanism, to %d or fewer", f.path, n, most)
		}
	}
}

func parse(t *testing.T, f file) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// strangers finds paths that only the machine a file was written on could make
// sense of. The parts are put together here so that this file does not find
// itself.
var strangers = regexp.MustCompile(`(?:^|[^\w.\-/}])/(?:` + strings.Join([]string{"root", "home/[a-z]+", "Users/[A-Za-z]+", "work", "tmp"}, "|") + `)(?:/|\b[^\w(-])`)

func TestNoFileSpeaksOfWhereItWasWritten(t *testing.T) {
	for _, f := range files(t, func(string) bool { return true }) {
		for i, line := range strings.Split(string(f.text), "\n") {
			if found := strangers.FindString(line + "\n"); found != "" {
				t.Errorf("%s:%d: %q means nothing to a stranger", f.path, i+1, strings.TrimSpace(found))
			}
		}
	}
}

func TestStrangersAreFound(t *testing.T) {
	for line, want := range map[string]bool{
		"see /" + "home/ada/weir":              true,
		"\"/" + "root\"":                       true,
		"cd /" + "Users/Ada/x":                 true,
		"the /" + "root/go path":               true,
		"in /" + "tmp/weir":                    true,
		"from /" + "work/weir to here":         true,
		"https://example.com/home/ada/":        false,
		"a topic such as home//kitchen":        false,
		"$(CURDIR)/bin":                        false,
		"/var/run/secrets and /etc/weir/root/": false,
		"a root, a home":                       false,
	} {
		if got := strangers.MatchString(line + "\n"); got != want {
			t.Errorf("%q: found %v, want %v", line, got, want)
		}
	}
}
