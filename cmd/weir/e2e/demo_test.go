//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// step is a command of the guide that weir demo prints, with what the comment
// above it promises.
type step struct {
	dir, comment, command string
}

// promise is what a comment says will be shown, word for word.
var promise = regexp.MustCompile(`RC:\d+|Subscribed \(mid: 1\): \d+|Not authorized`)

// guide reads the steps.
func guide(t *testing.T, text string) []step {
	t.Helper()
	var steps []step
	var current step
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line = strings.TrimRight(line, "\n")
		command, indented := strings.CutPrefix(line, "  ")
		switch {
		case !indented:
			current.comment = ""
		case strings.HasPrefix(command, "#"):
			current.comment += command
		case strings.HasPrefix(command, "cd "):
			current.dir = strings.TrimPrefix(command, "cd ")
		default:
			current.command = command
			steps = append(steps, current)
			current.comment = ""
		}
	}
	return steps
}

// TestDemoKeepsThePromisesOfItsGuide types the commands that weir demo prints.
func TestDemoKeepsThePromisesOfItsGuide(t *testing.T) {
	t.Parallel()
	needTools(t, "mosquitto_pub", "mosquitto_sub", "bash", "stdbuf")
	dir := filepath.Join(t.TempDir(), "weir demo") // with a blank: the guide must quote it
	port := freePort(t)
	demo := start(t, filepath.Dir(dir), nil, weirProgram, "demo", "--dir", dir, "--port", strconv.Itoa(port))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("weir demo printed\n%s", demo.out)
		}
	})
	demo.logged(0, `msg="listener open"`, fmt.Sprintf("listener=mqtts-endpoint:%d", port))
	printed := demo.out.String()
	_, printed, _ = strings.Cut(printed, "In a second terminal:\n")
	printed, _, _ = strings.Cut(printed, "The manifests are in")

	env := []string{"PATH=" + filepath.Dir(weirProgram) + string(os.PathListSeparator) + os.Getenv("PATH")}
	var heater, lightbulb *terminal
	ran := make(map[string]int)
	for _, s := range guide(t, printed) {
		program, _, _ := strings.Cut(s.command, " ")
		ran[program]++
		p := shell(t, filepath.Dir(dir), env, "cd "+s.dir+" && exec "+s.command)
		for _, want := range promise.FindAllString(s.comment, -1) {
			p.logged(0, want)
		}
		switch {
		case program == "weir":
			want := [][2]any{{"allow: ", 0}, {"deny: ", 1}}[ran[program]-1]
			p.ends(want[1].(int))
			if !strings.HasPrefix(p.out.String(), want[0].(string)) {
				t.Errorf("%s printed\n%s, want it to begin with %q", s.command, p.out, want[0])
			}
		case strings.Contains(s.comment, "receives it"):
			p.logged(0, "received PUBLISH", "telemetry/temperature")
			heater = p
		case strings.Contains(s.command, "--repeat"): // it goes on
			if strings.Contains(s.command, "health/heartbeat") {
				lightbulb = p
			}
		default:
			p.ends(0)
		}
	}
	if ran["mosquitto_pub"] != 3 || ran["mosquitto_sub"] != 2 || ran["weir"] != 2 || heater == nil || lightbulb == nil {
		t.Fatalf("the guide has other commands than expected: %v", ran)
	}
	// The next that the heater receives, after a heartbeat, is a temperature.
	heater.logged(heater.mark(), "received PUBLISH", "telemetry/temperature")
	if text := heater.out.String(); strings.Contains(text, "health/heartbeat") {
		t.Errorf("the heater saw a heartbeat:\n%s", text)
	}

	if err := demo.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := demo.wait(); code != 0 {
		t.Errorf("weir demo: exit code %d, want 0", code)
	}
}
