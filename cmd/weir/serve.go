package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/engine/resource"
)

// Formats of --log-format.
const (
	logText = "text"
	logJSON = "json"
)

var logLevels = []string{"debug", "info", "warn", "error"}

// serving is what the flags of a command that serves say.
type serving struct {
	level, format string
	loops         int
	memoryLimit   amount
}

func (s *serving) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.level, "log-level", "info", "the least severe `level` that is logged: "+strings.Join(logLevels, ", "))
	f.StringVar(&s.format, "log-format", logText, "the `format` of the log: text or json")
	f.IntVar(&s.loops, "loops", 0, "the `number` of event loops (default one for each processor)")
	f.Var(&s.memoryLimit, "memory-limit", "the `amount` of memory to stay below, such as 64Mi (default no limit)")
	complete(c, "log-level", cobra.FixedCompletions(logLevels, cobra.ShellCompDirectiveNoFileComp))
	complete(c, "log-format", cobra.FixedCompletions([]string{logText, logJSON}, cobra.ShellCompDirectiveNoFileComp))
	complete(c, "loops", cobra.NoFileCompletions)
	complete(c, "memory-limit", cobra.NoFileCompletions)
}

func (a *app) serveCommand() *cobra.Command {
	var s serving
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve what the manifests describe",
		Long: `Serve the ports that the configuration directory describes, and follow the
directory while it changes. Ports with an error in what they refer to stay closed
and say why in the log; a port whose server certificate is missing waits for it.

SIGTERM or SIGINT ends it: connections are closed once what waits for them has
been written. A second signal ends it at once.

A memory limit is for a gateway that has little. Garbage is collected earlier the
closer memory comes to it. It is no fence: where Clients and their messages need
more, memory exceeds it, collecting takes up to half of the CPU time, and the log
says so. What Clients may make the broker hold is bounded by the limits of kind
Broker. When little happens garbage is collected as well, and memory given back
to the system. Where GOGC is set, garbage is collected as that says and at no
other time, but for the limit.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			logger, err := s.logger(a.stderr)
			if err != nil {
				return err
			}
			if err := a.configExists(); err != nil {
				return err
			}
			return s.serve(c.Context(), a.config, logger)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	s.flags(c)
	return c
}

// configExists tells a directory that is not there from one that is empty: an
// empty one is served, as manifests may be on their way.
func (a *app) configExists() error {
	info, err := os.Stat(a.config)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the configuration directory %s does not exist; name one with --config or %s", a.config, configVariable)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("--config %s is a file; name the directory that it is in", a.config)
	}
	return nil
}

// logger builds the log that the flags ask for.
func (s *serving) logger(w io.Writer) (*slog.Logger, error) {
	if s.loops < 0 {
		return nil, usagef("--loops %d: write at least 1, or leave it out", s.loops)
	}
	var level slog.Level
	if level.UnmarshalText([]byte(s.level)) != nil {
		return nil, usagef("--log-level %q is unknown: write one of %s", s.level, strings.Join(logLevels, ", "))
	}
	options := &slog.HandlerOptions{Level: level}
	switch s.format {
	case logText:
		return slog.New(slog.NewTextHandler(w, options)), nil
	case logJSON:
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usagef("--log-format %q is unknown: write text or json", s.format)
}

// serve runs a broker on a directory until ctx ends.
func (s *serving) serve(ctx context.Context, dir string, logger *slog.Logger) error {
	// The limits hold from the start, so the directory is read before there is
	// an engine for a Controller to drive.
	snapshot, problems := resource.Load(dir, nil)
	info, _ := debug.ReadBuildInfo()
	own, _ := versions(version, info)
	eng, err := engine.New(engine.Options{
		Version: own, Loops: s.loops, Limits: snapshot.Limits(), SharedSubscriptions: snapshot.SharedSubscriptions(), Logger: logger,
	})
	if err != nil {
		return err
	}
	spareProcessor()
	paceGC(s.memoryLimit, logger)
	controller := resource.NewController(dir, eng, logger)
	controller.Adopt(snapshot, problems)
	functions := []func(context.Context) error{eng.Run, controller.Run}
	if _, idle := gcTuning(s.memoryLimit); idle {
		functions = append(functions, giveBack)
	}
	return together(ctx, functions...)
}

// together runs functions side by side until all have returned. The first to
// return, for whatever reason, ends the context of the others. It returns
// their errors, except for those that only say that the context ended.
func together(ctx context.Context, functions ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(functions))
	for _, f := range functions {
		go func() {
			defer cancel()
			results <- f(ctx)
		}()
	}
	var errs []error
	for range functions {
		if err := <-results; !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	return gather(errs...)
}
