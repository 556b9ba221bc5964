//go:build linux

package kubetest

import (
	"os"
	"path/filepath"
	"testing"
)

// programs returns the directory of kube-apiserver and etcd, as make kubernetes
// leaves it. It ends the test if there is none.
func programs(t testing.TB) string {
	t.Helper()
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			break
		}
		if directory == filepath.Dir(directory) {
			t.Fatal("the test does not run within a module")
		}
		directory = filepath.Dir(directory)
	}
	directory = filepath.Join(directory, "bin", "kubernetes")
	if _, err := os.Stat(filepath.Join(directory, "kube-apiserver")); err != nil {
		const missing = "there is no kube-apiserver: run `make kubernetes`, which takes some minutes the first time"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return directory
}
