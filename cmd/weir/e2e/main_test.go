package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait. Unless something is broken they end within a
// second or so, even on a machine that is busy.
const patience = 30 * time.Second

// temporary are directories that several tests use.
var temporary []string

// ending are the ends of what several tests use.
var ending []func()

// weirProgram is the program under test.
var weirProgram string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "weir-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	weirProgram = filepath.Join(dir, "weir")
	if err := build(weirProgram); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	for _, end := range ending {
		end()
	}
	for _, k := range kits {
		if k.dir != "" {
			_ = os.RemoveAll(k.dir)
		}
	}
	for _, dir := range temporary {
		_ = os.RemoveAll(dir)
	}
	return code
}

// build compiles the program, with the race detector if the tests have it.
func build(output string) error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env GOMOD: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if err := visit(root); err != nil {
		return err
	}
	args := []string{"build", "-o", output}
	if raceDetector {
		args = append(args, "-race")
		// By default every process that ends sleeps for a second first.
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
			return err
		}
	}
	command := exec.Command("go", append(args, "./cmd/weir")...)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// visit reads the directories of the source, for the go command: it reuses the
// result of a test until something that the test has opened changes, and cannot
// see what the compiler opens that the test has started.
func visit(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if name := entry.Name(); err == nil && entry.IsDir() && path != root && (name == "bin" || strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		return err
	})
}
