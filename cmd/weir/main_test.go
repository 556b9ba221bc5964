package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waitTime bounds waits that end much sooner unless something is broken.
const waitTime = 20 * time.Second

func TestFirstSignalDrainsAndSecondExits(t *testing.T) {
	exited := make(chan int, 1)
	ctx, stop := interruptible(context.Background(), func(code int) { exited <- code })
	defer stop()

	signal := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	select {
	case <-ctx.Done():
	case <-time.After(waitTime):
		t.Fatal("the first signal did not end the context")
	}
	select {
	case <-exited:
		t.Fatal("the first signal exited")
	default:
	}
	signal()
	select {
	case code := <-exited:
		if code != exitInterrupted {
			t.Errorf("exit code %d, want %d", code, exitInterrupted)
		}
	case <-time.After(waitTime):
		t.Fatal("the second signal did not exit")
	}
}

func TestTogetherEndsAllWhenOneReturns(t *testing.T) {
	broken := errors.New("broken")
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, row := range []struct {
		name      string
		functions []func(context.Context) error
		want      string
	}{
		{"one fails", []func(context.Context) error{waits, func(context.Context) error { return broken }}, "broken"},
		{"one is done", []func(context.Context) error{func(context.Context) error { return nil }, waits}, ""},
		{"both fail", []func(context.Context) error{
			func(context.Context) error { return broken },
			func(ctx context.Context) error { <-ctx.Done(); return errors.New("and torn down badly") },
		}, "broken\nand torn down badly"},
	} {
		got := ""
		if err := together(t.Context(), row.functions...); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestConfigComesFromFlagThenEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	configOf := func(args ...string) string {
		a := &app{}
		root := a.command()
		root.SetArgs(append(args, "version"))
		root.SetOut(new(strings.Builder))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		return a.config
	}
	t.Setenv(configVariable, "")
	if got := configOf(); got != defaultConfig {
		t.Errorf("by default %q", got)
	}
	t.Setenv(configVariable, "/etc/weir")
	if got := configOf(); got != "/etc/weir" {
		t.Errorf("with the environment variable %q", got)
	}
	if got := configOf("--config", "here"); got != "here" {
		t.Errorf("with the flag %q", got)
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"pki", "--help"}, {"help", "serve"}, {"completion", "bash"}} {
		r := weir(t, "", args...)
		if r.code != exitOK || r.stdout == "" || r.stderr != "" {
			t.Errorf("weir %s: exit code %d, standard error %q", strings.Join(args, " "), r.code, r.stderr)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(configVariable, "")
	mustWeir(t, "create", "configmap", "alpha", "--from-literal=k=v")
	mustWeir(t, "create", "configmap", "beta", "--from-literal=k=v")
	for _, row := range []struct {
		args string
		want []string
	}{
		{"get ", []string{"all", "service", "brokerlistener", "configmap"}},
		{"delete ", []string{"secret", "configmap"}},
		{"get configmap ", []string{"alpha", "beta"}},
		{"describe cm alpha ", []string{"beta"}},
		{"get pods ", nil},
		{"get cm -o ", []string{"yaml", "json", "name", "wide"}},
		{"explain ", []string{"connect", "publish", "subscribe"}},
		{"serve --log-level ", []string{"debug", "info"}},
		{"pki root a b c --kty ", []string{"EC", "EC384", "RSA", "Ed25519"}},
	} {
		words := strings.Split(row.args, " ")
		out := mustWeir(t, append([]string{"__completeNoDesc"}, words...)...)
		lines := strings.Split(out, "\n")
		for _, want := range row.want {
			found := false
			for _, line := range lines {
				found = found || line == want
			}
			if !found {
				t.Errorf("weir %s: %q is not among %q", row.args, want, lines)
			}
		}
		if row.want == nil && !strings.HasPrefix(out, ":") {
			t.Errorf("weir %s: %q, want no completion", row.args, out)
		}
	}
	if out := mustWeir(t, "__completeNoDesc", "describe", "cm", "alpha", ""); strings.Contains(out, "alpha") {
		t.Errorf("a name that is there is offered again: %q", out)
	}
}
