package resource

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/engine"
)

// Bounds on the time between attempts to open ports that could not be opened.
const (
	firstRetry = 10 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// applier is the part of an engine that a Controller drives.
type applier interface {
	Apply(ctx context.Context, listeners []engine.Listener) error
}

// Controller keeps what an engine serves equal to a directory.
type Controller struct {
	dir     string
	engine  applier
	logger  *slog.Logger
	current atomic.Pointer[Snapshot]

	// What follows belongs to the goroutine of Run.
	applied   []engine.Listener // what the engine was last told
	settled   bool              // the engine took it without error
	toldError string            // the last error of the engine that was logged
	toldLines map[string]bool   // what has been logged and still holds
	retry     time.Duration     // until the next attempt
}

// NewController returns a Controller of an engine. A nil logger means
// slog.Default.
func NewController(dir string, eng *engine.Engine, logger *slog.Logger) *Controller {
	return newController(dir, eng, logger)
}

func newController(dir string, eng applier, logger *slog.Logger) *Controller {
	if logger == nil {
		logger = slog.Default()
	}
	return &Controller{dir: dir, engine: eng, logger: logger, retry: firstRetry}
}

// Snapshot returns what is in force, or nil before Run has read the directory
// for the first time. Safe for concurrent use.
func (c *Controller) Snapshot() *Snapshot { return c.current.Load() }

// Adopt makes Run begin with what Load returned before, so that a program which
// needed the limits for its engine does not read everything twice. Call it
// before Run, or not at all.
func (c *Controller) Adopt(s *Snapshot, problems Problems) {
	c.current.Store(s)
	c.report(s, problems)
}

// Run loads the directory, has the engine serve it, and follows its changes
// until ctx ends or the engine is closed. It may be started before the
// engine's Run. Ports that cannot be opened, because their address is in use
// perhaps, are tried again. It logs every problem once, when it comes up. It
// returns nil: what is wrong in the directory is no reason to stop.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	watcher := NewWatcher(c.dir, c.logger)
	var watching sync.WaitGroup
	watching.Go(func() { watcher.Run(ctx) })
	defer watching.Wait()
	defer cancel()

	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		c.reload()
		if err := c.apply(ctx); errors.Is(err, engine.ErrClosed) {
			return nil
		}
		if c.settled {
			c.retry = firstRetry
			retry.Stop()
		} else {
			retry.Reset(c.retry)
			c.retry = min(2*c.retry, lastRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Changes():
		case <-retry.C:
		}
	}
}

// reload takes over the directory if its contents have changed, or if what they
// come to has changed with time, as with a CRL that has become stale. The
// watcher asks for it every 2 seconds.
func (c *Controller) reload() {
	s := scanDir(c.dir)
	old := c.current.Load()
	if old != nil && old.sum == s.sum && !old.outdated(time.Now()) {
		return
	}
	snapshot, problems := s.load(old)
	c.current.Store(snapshot)
	c.report(snapshot, problems)
	if old != nil && old.limits != snapshot.limits {
		c.logger.Warn("the limits of the Broker have changed; they take effect at the next start")
	}
}

// report logs what has come up with a snapshot, and a summary.
func (c *Controller) report(s *Snapshot, problems Problems) {
	told := make(map[string]bool)
	tell := func(line string, log func()) {
		if !c.toldLines[line] && !told[line] {
			log()
		}
		told[line] = true
	}
	failures := 0
	for _, p := range problems {
		level := slog.LevelWarn
		if p.Severity == Error {
			level = slog.LevelError
			failures++
		}
		tell(p.String(), func() { c.logger.LogAttrs(context.Background(), level, "configuration problem", p.attrs()...) })
	}
	states := make(map[PortState]int)
	for _, p := range s.ports {
		states[p.State]++
		switch p.State {
		case PortWaiting:
			tell(p.Name+p.Reason, func() { c.logger.Info(p.Reason, "port", p.Name) })
		case PortClosed:
			tell(p.Name+p.Reason, func() { c.logger.Error("port stays closed", "port", p.Name, "reason", p.Reason) })
		}
	}
	c.toldLines = told
	s.logTo(c.logger)
	c.logger.Info("configuration loaded", "directory", c.dir, "digest", s.sum.String(),
		"open", states[PortOpen], "waiting", states[PortWaiting], "closed", states[PortClosed],
		"errors", failures, "warnings", len(problems)-failures)
}

// attrs returns the parts of a problem that are known, for a log.
func (p Problem) attrs() []slog.Attr {
	var attrs []slog.Attr
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("file", p.File)
	if p.Line > 0 {
		attrs = append(attrs, slog.Int("line", p.Line))
	}
	add("kind", string(p.Kind))
	add("name", p.Name)
	add("field", p.Field)
	add("value", shorten(p.Value))
	add("problem", oneLine(p.Problem))
	add("remedy", oneLine(p.Remedy))
	return attrs
}

// apply tells the engine what to serve, if it does not serve that already.
func (c *Controller) apply(ctx context.Context) error {
	listeners := c.current.Load().Listeners()
	if c.settled && slices.EqualFunc(listeners, c.applied, sameListener) {
		return nil
	}
	err := c.engine.Apply(ctx, listeners)
	c.applied, c.settled = listeners, err == nil
	text := ""
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, engine.ErrClosed):
	case errors.Is(err, engine.ErrNotRunning): // it is about to start
	default:
		// A port that is still occupied is told once, not at every attempt.
		if text = oneLine(err.Error()); text != c.toldError {
			c.logger.Error("not every port could be opened; trying again", "error", text)
		}
	}
	c.toldError = text
	return err
}

// sameListener reports whether the engine would do the same for both.
func sameListener(a, b engine.Listener) bool {
	return a.Name == b.Name && a.Address == b.Address && a.Listener == b.Listener && a.TLS == b.TLS &&
		a.Protocol == b.Protocol && slices.Equal(a.Origins, b.Origins) &&
		a.MaximumConnections == b.MaximumConnections && a.ConnectRate == b.ConnectRate &&
		a.Authenticator == b.Authenticator && a.Authorizer == b.Authorizer && a.OnPolicyChange == b.OnPolicyChange &&
		a.DisconnectExpired == b.DisconnectExpired
}
