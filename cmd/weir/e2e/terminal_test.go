//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// terminal is a program whose lines are read one after the other.
type terminal struct {
	*process
	cursor int // how much of the output has been read
}

// startUnbuffered starts a program, and what it starts in turn, so that each
// line that is printed comes at once, as it does on a terminal.
func startUnbuffered(t testing.TB, dir string, env []string, args ...string) *terminal {
	t.Helper()
	return &terminal{process: start(t, dir, env, "stdbuf", append([]string{"-oL"}, args...)...)}
}

// shell types a command into a shell.
func shell(t testing.TB, dir string, env []string, command string) *terminal {
	t.Helper()
	return startUnbuffered(t, dir, env, "bash", "-c", command)
}

// nextLine returns the next line that the program prints, and false if there
// will be none.
func (p *terminal) nextLine() (line string, ok bool) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		text, ended, changed := p.out.from(p.cursor)
		if line, _, found := strings.Cut(text, "\n"); found {
			p.cursor += len(line) + 1
			return line, true
		}
		if ended {
			return text, false
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("%s prints no further line; so far\n%s", p.name, p.out)
		}
	}
}

// prints fails the test unless exactly these lines come next.
func (p *terminal) prints(lines ...string) {
	p.t.Helper()
	for _, want := range lines {
		if got, ok := p.nextLine(); !ok || got != want {
			p.t.Fatalf("%s printed\n\t%q, want\n\t%q, in\n%s", p.name, got, want, p.out)
		}
	}
}

// exits fails the test unless the program prints nothing more and ends with
// this exit code.
func (p *terminal) exits(code int) {
	p.t.Helper()
	if line, ok := p.nextLine(); ok || line != "" {
		p.t.Fatalf("%s printed %q too, in\n%s", p.name, line, p.out)
	}
	if got := p.wait(); got != code {
		p.t.Fatalf("%s: exit code %d, want %d; it printed\n%s", p.name, got, code, p.out)
	}
}

// shows fails the test unless these lines come next in this order, perhaps with
// others between them.
func (p *terminal) shows(lines ...string) {
	p.t.Helper()
	for _, want := range lines {
		for {
			got, ok := p.nextLine()
			if got == want {
				break
			}
			if !ok {
				p.t.Fatalf("%s did not print\n\t%q in\n%s", p.name, want, p.out)
			}
		}
	}
}

// ends fails the test unless the program ends with this exit code.
func (p *terminal) ends(code int) {
	p.t.Helper()
	if got := p.wait(); got != code {
		p.t.Fatalf("%s: exit code %d, want %d; it printed\n%s", p.name, got, code, p.out)
	}
}
