//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/weirmq/weir/bench"
)

// startPlain serves a plain port and returns its address.
func startPlain(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	writeTestFile(t, "site/listener.yaml", []byte(strings.NewReplacer(
		"PORT", fmt.Sprint(address.Port), "ADDRESS", "127.0.0.1", "PROTOCOL", "Mqtt").Replace(selfManifest)))
	serving := start(t, "serve", "--config", "site")
	serving.logs(t, "listener open")
	return address.String()
}

func TestBenchPrintsWhatItIsAskedFor(t *testing.T) {
	t.Chdir(t.TempDir())
	address := startPlain(t)
	short := []string{"--pairs", "2", "--warmup", "10ms", "--duration", "50ms", "--patience", "1m"}
	bencher := func(args ...string) outcome {
		t.Helper()
		r := weir(t, "", append(append([]string{"bench"}, args...), short...)...)
		if r.code != exitOK {
			t.Fatalf("weir bench %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
		}
		return r
	}

	text := bencher("pairs", "--broker", address, "--qos", "1")
	for _, want := range []string{"QoS 1, 64 B, window 32, 2 to 2", "none lost, duplicated or reordered"} {
		if !strings.Contains(text.stdout, want) {
			t.Errorf("%q is not in\n%s", want, text.stdout)
		}
	}
	if !strings.HasPrefix(text.stderr, bench.SampleHeader(bench.Pairs)) {
		t.Errorf("the table begins with\n%s", text.stderr)
	}

	one := bencher("latency", "--broker", address, "--mqtt", "3.1.1", "--pid", fmt.Sprint(os.Getpid()), "--json", "--quiet")
	var r bench.Result
	if err := json.Unmarshal([]byte(one.stdout), &r); err != nil || r.Version != "3.1.1" || r.Rate != 10_000 || r.Server == nil || one.stderr != "" {
		t.Errorf("%v: %+v, and on standard error %q", err, r, one.stderr)
	}
	writeTestFile(t, "run.json", []byte(one.stdout))

	storms := bencher("reconnect", "--broker", address, "--connections", "5", "--dropped", "3", "--storms", "2", "--quiet")
	for _, want := range []string{"3 of 5 others dropped", "6 in 2 storms", "before      p50 "} {
		if !strings.Contains(storms.stdout, want) {
			t.Errorf("%q is not in\n%s", want, storms.stdout)
		}
	}

	peers := []string{"--peer", "one=" + address, "--peer", "two=" + address + "," + fmt.Sprint(os.Getpid()), "--rounds", "2"}
	turns := bencher(append([]string{"compare", "pairs", "--baseline", "two", "--markdown"}, peers...)...)
	if !strings.Contains(turns.stdout, "| broker CPU | us/op | two |") || !strings.Contains(turns.stdout, "| range | of two |") ||
		!strings.Contains(turns.stderr, "two, round 2 of 2\n") {
		t.Errorf("printed\n%s\nand on standard error\n%s", turns.stdout, turns.stderr)
	}
	writeTestFile(t, "turns.json", []byte(bencher(append([]string{"compare", "pairs", "--json"}, peers...)...).stdout))

	mustWeir(t, "bench", "plot", "run.json", "turns.json")
	drawing, err := os.ReadFile("bench.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{">run<", ">one<", ">two<"} {
		if !strings.Contains(string(drawing), name) {
			t.Errorf("%s is not in the drawing", name)
		}
	}
	if out := mustWeir(t, "bench", "plot", "run.json", "-o", "-"); !strings.HasPrefix(out, "<svg ") {
		t.Errorf("on standard output: %.100s", out)
	}
}

func TestBenchSelfSaysWhenThePortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := weir(t, "", "bench", "pairs", "--self", "--broker", l.Addr().String())
	if r.code != exitFailure || !strings.Contains(r.stderr, "--self cannot have the address of --broker") {
		t.Errorf("exit code %d, %q", r.code, r.stderr)
	}
}
