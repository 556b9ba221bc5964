package e2e

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is the text that a process has written so far, to standard output and
// standard error as a terminal would show them.
type output struct {
	mu      sync.Mutex
	text    []byte
	ended   bool
	changed chan struct{} // closed, and replaced, when there is more
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	o.tell()
	return len(p), nil
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.tell()
}

func (o *output) tell() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// from returns what has been written after the first n bytes, whether that is
// all there will be, and a channel that is closed when there is more.
func (o *output) from(n int) (text string, ended bool, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text[n:]), o.ended, o.changed
}

func (o *output) String() string {
	text, _, _ := o.from(0)
	return text
}

// process is a program that runs until the test ends it, or it itself.
type process struct {
	t       testing.TB
	name    string
	command *exec.Cmd
	stdin   io.WriteCloser
	out     *output
	code    int // once exited is closed
	exited  chan struct{}
}

// start runs a program. The test's cleanup kills it, if it is still there.
func start(t testing.TB, dir string, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: program + " " + strings.Join(args, " "), out: newOutput(), exited: make(chan struct{})}
	p.command = exec.Command(program, args...)
	p.command.Dir = dir
	p.command.WaitDelay = patience // if something that it has started keeps the output open
	p.command.Env = append(os.Environ(), env...)
	p.command.Stdout, p.command.Stderr = p.out, p.out // the same one, so that lines keep their order
	var err error
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		err := p.command.Wait()
		p.code = p.command.ProcessState.ExitCode()
		if err != nil && !errors.As(err, new(*exec.ExitError)) {
			p.code = -1
		}
		p.out.end()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill() // an error means that it has ended
		<-p.exited
	})
	return p
}

// run runs a program to its end.
func run(t testing.TB, dir string, env []string, program string, args ...string) (out string, code int) {
	t.Helper()
	p := start(t, dir, env, program, args...)
	_ = p.stdin.Close()
	code = p.wait()
	return p.out.String(), code
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("%s is still running; it printed\n%s", p.name, p.out)
	}
	return p.code
}

// logged waits for a line after the first n bytes that has all of these parts.
func (p *process) logged(n int, parts ...string) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		text, ended, changed := p.out.from(n)
		for line := range strings.Lines(text) {
			if strings.HasSuffix(line, "\n") && containsAll(line, parts) {
				return
			}
		}
		if ended {
			p.t.Fatalf("%s ended without a line that has %q", p.name, parts)
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("%s printed no line that has %q", p.name, parts)
		}
	}
}

// mark returns how much has been printed, for logged.
func (p *process) mark() int {
	text, _, _ := p.out.from(0)
	return len(text)
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}
