package resource

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestScanPassesOverWhatIsNoManifest(t *testing.T) {
	dir := t.TempDir()
	const wrong = "a: ["
	for _, name := range []string{".hidden.yaml", ".git/a.yaml", "notes.txt", "ca.crt", "a.yaml.swp", "..data/a.yaml"} {
		writeFile(t, dir, name, wrong)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.yaml"), 0o600); err != nil { // reading it would wait forever
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "void.yaml")); err != nil {
		t.Fatal(err)
	}
	if report := Check(dir); len(report.Problems) > 0 {
		t.Errorf("problems:\n%s", report)
	}
}

func TestScanReadsEveryManifestBelow(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a.yaml", "b.YML", "c.json", "sub/d.yaml", "sub/configmaps/e.yaml", "secrets/f.yaml"}
	for i, name := range names {
		writeFile(t, dir, name, fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: c%d}}", i))
	}
	objects := must[[]*Object](t)((&Store{Dir: dir}).List(KindConfigMap))
	if len(objects) != len(names) {
		t.Errorf("found %v", objects)
	}
	for i, o := range objects {
		if o.File != names[i] || o.Line != 1 || o.Modified.IsZero() {
			t.Errorf("object %d is at %s:%d, modified %v", i, o.File, o.Line, o.Modified)
		}
	}
}

// TestScanIsBounded points the configuration at places it should not be.
func TestScanIsBounded(t *testing.T) {
	t.Run("large file", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, dir, "a.yaml", strings.Repeat("# filler\n", maxFileBytes/9+1))
		expectText(t, "report", Check(dir).String(), "a.yaml: error: cannot be read: is larger than 4194304 bytes\n")
	})
	t.Run("circle of links", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink(dir, filepath.Join(dir, "self")); err != nil {
			t.Fatal(err)
		}
		expectText(t, "report", Check(dir).String(), "error: the directory "+dir+": has more than 8 levels of directories\n")
	})
	t.Run("many files", func(t *testing.T) {
		s := &scan{hash: scanDir(t.TempDir()).hash}
		for i := range maxFiles + 1 {
			s.add(scanned{path: fmt.Sprint(i)})
		}
		if s.err == nil {
			t.Error("there is no bound")
		}
	})
}

func TestScanSumFollowsContentAndNames(t *testing.T) {
	dir := t.TempDir()
	sums := make(map[digest]string)
	see := func(what string) {
		t.Helper()
		sum := scanDir(dir).sum
		if other, ok := sums[sum]; ok {
			t.Errorf("%s has the sum of %s", what, other)
		}
		sums[sum] = what
	}
	see("nothing")
	writeFile(t, dir, "a.yaml", "# bc")
	see("a file")
	writeFile(t, dir, "a.yaml", "# b")
	see("other content")
	if err := os.Rename(filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	see("another name")
	writeFile(t, dir, "secrets/a/k", "v")
	see("a plain file")
	writeFile(t, dir, "secrets/a/kv", "")
	see("another plain file")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	see("no directory")
}

// TestDirectoryThatCannotBeReadKeepsWhatIsInForce also covers a start without
// a directory.
func TestDirectoryThatCannotBeReadKeepsWhatIsInForce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	empty, problems := Load(dir, nil)
	if len(empty.Listeners()) != 0 || !problems.HasErrors() {
		t.Errorf("without a directory: %v, %v", empty.Listeners(), problems)
	}
	writeTutorial(t, dir, 8883)
	first, _ := Load(dir, empty)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	second, problems := Load(dir, first)
	expectText(t, "problems", problems.String(), "error: the directory "+dir+": no such file or directory\n")
	if len(second.Listeners()) != 1 || !sameListener(second.Listeners()[0], first.Listeners()[0]) {
		t.Errorf("in force is %v", second.Listeners())
	}
	writeTutorial(t, dir, 8883)
	third, _ := Load(dir, second)
	if len(third.Listeners()) != 1 || !sameListener(third.Listeners()[0], first.Listeners()[0]) {
		t.Errorf("back again, in force is %v", third.Listeners())
	}
}

func TestProblemIsOneLine(t *testing.T) {
	for _, c := range []struct {
		problem Problem
		want    string
	}{
		{Problem{Problem: "is wrong"}, "error: is wrong"},
		{Problem{Severity: Warning, File: "a.yaml", Problem: "two\nlines\r\n", Remedy: "do\nthat"}, "a.yaml: warning: two lines; do that"},
		{Problem{File: "a.yaml", Line: 3, Kind: KindSecret, Name: "s", Field: "data", Value: "x\ny", Problem: "is wrong"}, `a.yaml:3: error: Secret/s: data: "x\ny": is wrong`},
		{Problem{Value: strings.Repeat("ü", 100), Problem: "is long"}, `error: "` + strings.Repeat("ü", 60) + `...": is long`},
	} {
		expectText(t, "problem", c.problem.String(), c.want)
	}
}
