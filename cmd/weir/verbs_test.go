package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// TestListCanBeAppliedAgain takes everything out of one directory as a List
// and puts it into another.
func TestListCanBeAppliedAgain(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	issuers(t, "fabrikam", "Fabrikam")
	mustWeir(t, "--config", "one", "create", "secret", "tls", "server", "--cert", "fabrikam_root_ca.crt", "--key", "fabrikam_root_ca.key")
	mustWeir(t, "--config", "one", "create", "configmap", "ca", "--from-file=client_ca.pem=fabrikam_root_ca.crt")
	if r := weir(t, `[{"principals": {"usernames": ["a"]}, "brokerResources": [{"method": "Connect"}]}]`, "--config", "one", "apply", "-f", "-", "--name", "rules"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	for _, format := range []string{"yaml", "json"} {
		list := mustWeir(t, "--config", "one", "get", "all", "-o", format)
		if r := weir(t, list, "--config", format, "apply", "-f", "-"); r.code != 0 || strings.Count(r.stdout, " created\n") != 3 {
			t.Errorf("-o %s: exit code %d\n%s%s", format, r.code, r.stdout, r.stderr)
		}
		if again := mustWeir(t, "--config", format, "get", "all", "-o", format); again != list {
			t.Errorf("-o %s: got\n%swant\n%s", format, again, list)
		}
	}
}

func TestManifestsOfADirectoryAreItsOwnFilesOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	configMap := func(name string) []byte {
		return []byte("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata: {k: v}\n")
	}
	for file, name := range map[string]string{"m/a.yaml": "a", "m/B.YML": "b", "m/c.json": "c", "m/d.txt": "d", "m/e/e.yaml": "e"} {
		writeTestFile(t, file, configMap(name))
	}
	out := mustWeir(t, "apply", "-f", "m")
	if want := "configmap/b created\nconfigmap/a created\nconfigmap/c created\n"; out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

func TestInputIsBounded(t *testing.T) {
	large := strings.Repeat("#", maxInputBytes+1)
	r := weir(t, large, "apply", "--config", filepath.Join(t.TempDir(), "c"), "-f", "-")
	if r.code != exitFailure || !strings.Contains(r.stderr, "16 MiB") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

// brokenWriter is an output that cannot be written to: a full disk, say.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestLostOutputIsAFailure(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(configVariable, "")
	mustWeir(t, "create", "configmap", "a", "--from-literal=k=v")
	for _, args := range [][]string{
		{"version"},
		{"check"},
		{"get", "configmaps"},
		{"get", "configmaps", "-o", "name"},
		{"get", "configmap", "a", "-o", "yaml"},
		{"describe", "configmap", "a"},
		{"delete", "configmap", "a"},
	} {
		var stderr strings.Builder
		code := run(t.Context(), args, strings.NewReader(""), brokenWriter{}, &stderr)
		if code != exitFailure || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("weir %s: exit code %d, standard error %q", strings.Join(args, " "), code, stderr.String())
		}
	}
}
