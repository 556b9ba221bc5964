package peers

import (
	"bytes"
	"os/exec"
	"testing"
	"time"
)

func TestGCTimeIsTheSumOfItsParts(t *testing.T) {
	const output = `gc of something else
gc 1 @0.005s 2%: 0.018+1.1+0.010 ms clock, 0.5+0.25/1.0/0.25+0.125 ms cpu, 3->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P
a line of the log, 7.5 ms cpu
gc 2 @1.500s 0%: 0.01+2+0.01 ms clock, 0+0/2.5/0+0 ms cpu, 4->4->2 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)
gc 3 @2`
	if got, want := gcTime([]byte(output)), 4625*time.Microsecond; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The lines are as this version of Go writes them.
func TestGCTimeOfAProgram(t *testing.T) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "net/http")
	cmd.Env = append(cmd.Environ(), traceGC, "GOGC=1") // it is small
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if gcTime(stderr.Bytes()) <= 0 {
		t.Errorf("no garbage collection in\n%s", stderr.String())
	}
}
