//go:build e2e

package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadmeIsTrue types the tour of the README into a shell, beside the
// broker that make demo starts, and compares what is printed.
func TestReadmeIsTrue(t *testing.T) {
	needTools(t, "mosquitto_pub", "mosquitto_sub", "bash", "stdbuf")
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := consoleSteps(string(readme))
	if len(steps) < 5 {
		t.Fatalf("the README has %d commands in console blocks; the tour has more", len(steps))
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "bin", "weir")
	if err := os.Link(weirProgram, program); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	demo := exec.CommandContext(ctx, program, "demo")
	demo.Dir = dir
	log := new(strings.Builder)
	demo.Stdout, demo.Stderr = log, log
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = demo.Wait()
		if t.Failed() {
			t.Logf("weir demo said:\n%s", log)
		}
	}()
	waitForPort(t, "localhost:8883")

	cwd := dir
	for _, s := range steps {
		// What the shell is left in is the next command's directory.
		shell := exec.Command("stdbuf", "-oL", "bash", "-c", s.command+"\nstatus=$?; echo; echo \"cwd $PWD\"; exit $status")
		shell.Dir = cwd
		out, _ := shell.CombinedOutput() // some of them are to fail
		text := string(out)
		if i := strings.LastIndex(text, "cwd "); i >= 0 {
			cwd = strings.TrimSpace(text[i+len("cwd "):])
			text = text[:i]
		}
		rest := text
		for _, line := range s.output {
			i := strings.Index(rest, line)
			if i < 0 {
				t.Fatalf("$ %s\nthe README has this line next:\n%s\nand this was printed:\n%s", s.command, line, text)
			}
			rest = rest[i+len(line):]
		}
	}
}

type readmeStep struct {
	command string
	output  []string
}

// consoleSteps returns the commands of the console blocks, with the lines that
// are to be printed.
func consoleSteps(readme string) (steps []readmeStep) {
	inBlock := false
	for line := range strings.Lines(readme) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inBlock = line == "```console"
		case !inBlock:
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, readmeStep{command: line[2:]})
		case len(steps) > 0:
			last := &steps[len(steps)-1]
			last.output = append(last.output, strings.TrimSpace(line))
		}
	}
	return steps
}

func waitForPort(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens on %s: %v", address, err)
		}
		time.Sleep(20 * time.Millisecond) // what the program prints is not looked at while it runs
	}
}
