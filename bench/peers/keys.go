package peers

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// MakeKeys has weir pki make the certificates in a directory: a root and an
// intermediate for the server and for the Clients, and a leaf each.
func MakeKeys(ctx context.Context, weir, dir string) (Keys, error) {
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, side := range []struct{ name, leaf string }{{"server", "localhost"}, {"client", client}} {
		root, rootKey := in(side.name+"-root.crt"), in(side.name+"-root.key")
		middle, middleKey := in(side.name+"-intermediate.crt"), in(side.name+"-intermediate.key")
		leaf := []string{"leaf", side.leaf, in(side.name + ".crt"), in(side.name + ".key"), "--bundle", "--ca", middle, "--ca-key", middleKey}
		if side.name == "server" {
			leaf = append(leaf, "--san", "localhost", "--san", "127.0.0.1")
		}
		for _, args := range [][]string{
			{"root", "Bench " + side.name + " root", root, rootKey},
			{"intermediate", "Bench " + side.name + " intermediate", middle, middleKey, "--ca", root, "--ca-key", rootKey},
			leaf,
		} {
			if out, err := exec.CommandContext(ctx, weir, append([]string{"pki"}, args...)...).CombinedOutput(); err != nil {
				return Keys{}, fmt.Errorf("weir pki %s: %w: %s", args[0], err, bytes.TrimSpace(out))
			}
		}
	}
	return Keys{
		ServerCert: in("server.crt"), ServerKey: in("server.key"), ServerCA: in("server-root.crt"),
		ClientCert: in("client.crt"), ClientKey: in("client.key"), ClientCA: in("client-root.crt"),
	}, nil
}
