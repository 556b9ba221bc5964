package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes of the program.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // what a shell reports for SIGINT
)

func main() {
	ctx, stop := interruptible(context.Background(), os.Exit)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: it executes the command line args and returns the exit
// code. ctx ends commands that serve.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.command()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errAnswered):
		return exitFailure
	case !a.started || errors.As(err, new(*usageError)):
		printError(stderr, err)
		fmt.Fprintf(stderr, "See '%s --help'.\n", command.CommandPath())
		return exitUsage
	}
	printError(stderr, err)
	return exitFailure
}

// errAnswered makes the exit code 1 where the output already says all: the
// problems of weir check, the denial of weir explain.
var errAnswered = errors.New("answered in the output")

// usageError is a mistake in the command line that only the command itself
// could see.
type usageError struct{ problem string }

func (e *usageError) Error() string { return e.problem }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// interruptible returns a context that the first SIGINT or SIGTERM ends, so
// that what serves can drain. Someone who sends a second one does not want to
// wait for that: it calls exit.
func interruptible(parent context.Context, exit func(code int)) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for range signals {
			if ctx.Err() != nil {
				exit(exitInterrupted)
				return
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}
