//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"testing"
)

// installing says how to get the programs that are used.
var installing = map[string]string{
	"bash":          "apt-get install bash",
	"mosquitto_pub": "apt-get install mosquitto-clients",
	"mosquitto_sub": "apt-get install mosquitto-clients",
	"stdbuf":        "apt-get install coreutils",
	"step":          "go install github.com/smallstep/cli/cmd/step@v0.21.0",
}

// needTools skips the test unless these programs are on PATH, or fails it if
// REQUIRE_E2E_TOOLS is 1.
func needTools(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			giveUp(t, program+" is not on PATH; install it: "+installing[program])
		}
	}
}

// giveUp ends a test that lacks something on this machine.
func giveUp(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("REQUIRE_E2E_TOOLS") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// startUnbuffered starts a program, and what it starts in turn, so that each
// line that is printed comes at once, as it does on a terminal.
func startUnbuffered(t testing.TB, dir string, env []string, args ...string) *process {
	t.Helper()
	return start(t, dir, env, "stdbuf", append([]string{"-oL"}, args...)...)
}

// shell types a command into a shell.
func shell(t testing.TB, dir string, env []string, command string) *process {
	t.Helper()
	return startUnbuffered(t, dir, env, "bash", "-c", command)
}

// shows fails the test unless these lines come next in this order, perhaps with
// others between them.
func (p *process) shows(lines ...string) {
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
func (p *process) ends(code int) {
	p.t.Helper()
	if got := p.wait(); got != code {
		p.t.Fatalf("%s: exit code %d, want %d; it printed\n%s", p.name, got, code, p.out)
	}
}
