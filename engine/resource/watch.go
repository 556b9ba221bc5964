package resource

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quietTime is how long nothing must happen before a change is told: who
	// writes one file often writes another right after it.
	quietTime = 50 * time.Millisecond
	// maxDelay is the longest that a change waits for quiet.
	maxDelay = 500 * time.Millisecond
	// pollInterval is how often the directory is looked at without an event.
	// Network file systems have none, links may lead out of the directory, and
	// the kernel drops events that come too fast.
	pollInterval = 2 * time.Second
)

// Watcher tells when a directory, or anything below it, may have changed.
type Watcher struct {
	dir     string
	logger  *slog.Logger
	poll    time.Duration
	changes chan struct{}
}

// NewWatcher returns a Watcher of a directory, which need not exist yet.
func NewWatcher(dir string, logger *slog.Logger) *Watcher {
	return &Watcher{dir: dir, logger: logger, poll: pollInterval, changes: make(chan struct{}, 1)}
}

// Changes yields a value when there may be a change that no earlier value
// stood for. It tells every change some 50 ms after the last one in a row, at
// the latest after 500 ms, and gives a value every 2 seconds in any case: the
// receiver compares contents.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// Run watches until ctx ends. When the system has no events to give, it says
// so once and goes by the clock alone.
func (w *Watcher) Run(ctx context.Context) {
	var events <-chan fsnotify.Event
	var errs <-chan error
	add := func(string) {}
	if notify, err := fsnotify.NewWatcher(); err == nil {
		defer notify.Close()
		events, errs = notify.Events, notify.Errors
		// A directory that is gone or out of the kernel's bounds is left to
		// the poll. Adding one again costs nothing.
		add = func(dir string) { _ = notify.Add(dir) }
	} else {
		w.logger.Warn("no file system events; changes are noticed by polling", "directory", w.dir, "error", err)
	}
	poll := time.NewTicker(w.poll)
	defer poll.Stop()

	w.addTree(w.dir, 0, add)
	// A change between the caller's first look and the first watch would have
	// no event.
	w.tell()

	quiet := time.NewTimer(quietTime)
	quiet.Stop()
	var firstEvent time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				events = nil // the poll goes on
				continue
			}
			now := time.Now()
			if firstEvent.IsZero() {
				firstEvent = now
			}
			quiet.Reset(max(0, min(quietTime, firstEvent.Add(maxDelay).Sub(now))))
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			w.logger.Debug("file system events were lost", "directory", w.dir, "error", err)
			w.tell()
		case <-quiet.C:
			firstEvent = time.Time{}
			w.addTree(w.dir, 0, add)
			w.tell()
		case <-poll.C:
			w.addTree(w.dir, 0, add)
			w.tell()
		}
	}
}

func (w *Watcher) tell() {
	select {
	case w.changes <- struct{}{}:
	default: // the value that waits stands for this change too
	}
}

// addTree watches a directory and those below it.
func (w *Watcher) addTree(dir string, depth int, add func(string)) {
	add(dir)
	entries, err := os.ReadDir(dir)
	if err != nil || depth > maxDepth {
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if !entry.IsDir() && entry.Type()&os.ModeSymlink == 0 {
			continue
		}
		at := filepath.Join(dir, entry.Name())
		if info, err := os.Stat(at); err == nil && info.IsDir() {
			w.addTree(at, depth+1, add)
		}
	}
}
