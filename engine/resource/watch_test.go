package resource

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watch runs a Watcher, without its poll unless that is tested.
func watch(t *testing.T, dir string, poll time.Duration) *Watcher {
	w := NewWatcher(dir, (&logLines{}).logger())
	w.poll = poll
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	told(t, w) // the value that a start gives
	return w
}

func told(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changes():
	case <-time.After(30 * time.Second):
		t.Fatal("the change was not told")
	}
}

// TestWatcherTellsEveryKindOfChange changes a directory in each way that
// matters, one after the other.
func TestWatcherTellsEveryKindOfChange(t *testing.T) {
	dir := t.TempDir()
	w := watch(t, dir, time.Hour)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		told(t, w)
	}
	at := func(name string) string { return filepath.Join(dir, name) }

	check(os.WriteFile(at("a.yaml"), []byte("a"), 0o644))
	check(os.WriteFile(at("a.yaml"), []byte("b"), 0o644))
	check(os.Rename(at("a.yaml"), at("b.yaml")))
	check(os.MkdirAll(at("secrets/cert/..data_1"), 0o755))
	check(os.WriteFile(at("secrets/cert/tls.crt"), nil, 0o644))
	// Kubernetes swaps the contents of a volume by renaming this link.
	check(os.Symlink("..data_1", at("secrets/cert/..data_tmp")))
	check(os.Rename(at("secrets/cert/..data_tmp"), at("secrets/cert/..data")))
	check(os.Remove(at("secrets/cert/tls.crt")))
	check(os.RemoveAll(at("secrets")))
	check(os.Remove(at("b.yaml")))
}

func TestWatcherPollsWhereThereAreNoEvents(t *testing.T) {
	w := watch(t, filepath.Join(t.TempDir(), "not there yet"), time.Millisecond)
	told(t, w)
	told(t, w)
}

// TestWatcherJoinsChanges holds that a reader who is slow gets one value for
// all that has happened, and none is lost after it.
func TestWatcherJoinsChanges(t *testing.T) {
	w := NewWatcher(t.TempDir(), (&logLines{}).logger())
	for range 3 {
		w.tell()
	}
	told(t, w)
	select {
	case <-w.Changes():
		t.Error("there is a second value")
	default:
	}
	w.tell()
	told(t, w)
}
