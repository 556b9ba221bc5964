//go:build e2e

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeOfTheCustomAuthServerIsTrue types what the README of the example
// has, but for what builds the programs: certificates, server, manifests,
// broker, Clients.
func TestReadmeOfTheCustomAuthServerIsTrue(t *testing.T) {
	needTools(t, "mosquitto_pub", "bash", "stdbuf")
	for _, address := range []string{":8443", ":1883"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			giveUp(t, "a port of the README is taken: "+err.Error())
		}
		_ = l.Close()
	}
	program, err := authServer()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"bin/weir": weirProgram, "bin/custom-auth-server": program, "examples": filepath.Join(root, "examples")} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	readme := string(mustRead(t, filepath.Join(root, "examples/custom-auth-server/README.md")))
	blocks := shellBlocks(readme)
	steps := consoleSteps(readme)
	if len(blocks) != 4 || len(steps) < 4 {
		t.Fatalf("the README has %d blocks for a shell and %d commands of Clients, want 4 of each", len(blocks), len(steps))
	}
	certificates, serve, manifests, broker := blocks[0], blocks[1], blocks[2], blocks[3]
	_, certificates, found := strings.Cut(certificates, "./examples/custom-auth-server\n")
	if !found {
		t.Fatal("the README does not build the server first")
	}
	demo := filepath.Join(dir, "custom-auth-demo")
	typed := func(dir, script string) {
		t.Helper()
		p := shell(t, dir, nil, "set -e\n"+script)
		if code := p.wait(); code != 0 {
			t.Fatalf("%s\nexit code %d:\n%s", script, code, p.out)
		}
	}
	typed(dir, certificates)
	server := shell(t, dir, nil, lastInPlace(serve))
	server.logged(0, "msg=listening")
	typed(demo, manifests)
	weir := shell(t, dir, nil, lastInPlace(broker))
	weir.logged(0, `msg="listener open"`)
	for _, s := range steps {
		p := shell(t, dir, nil, s.command)
		p.wait()
		for _, line := range s.output {
			if !strings.Contains(p.out.String(), line) {
				t.Errorf("$ %s\nprinted\n%s\nand not %q\nthe broker:\n%s", s.command, p.out, line, weir.out)
			}
		}
	}
}

// shellBlocks returns the blocks of commands that print nothing of interest.
func shellBlocks(readme string) (blocks []string) {
	for _, part := range strings.Split(readme, "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	return blocks
}

// lastInPlace has the last command take the place of the shell, so that who
// ends the one ends the other.
func lastInPlace(script string) string {
	lines := strings.Split(strings.TrimSpace(script), "\n")
	lines[len(lines)-1] = "exec " + lines[len(lines)-1]
	return strings.Join(lines, "\n")
}
