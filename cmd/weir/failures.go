package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirmq/weir/engine/resource"
)

// failures is what went wrong with some of the things a command was to do; it
// has gone on with the others.
type failures []error

// gather returns the errors that are not nil as one, or nil.
func gather(errs ...error) error {
	var out failures
	for _, err := range errs {
		if err != nil {
			out = append(out, err)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Error returns one line for each error, or more if it has more.
func (f failures) Error() string {
	lines := make([]string, len(f))
	for i, err := range f {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets [errors.Is] and [errors.As] find each error.
func (f failures) Unwrap() []error { return f }

// printError prints an error as kubectl does: what a server would have said
// stands by itself, and everything else gets a label.
func printError(w io.Writer, err error) {
	var all failures
	if errors.As(err, &all) {
		for _, err := range all {
			printError(w, err)
		}
		return
	}
	if errors.As(err, new(*resource.NotFoundError)) || errors.As(err, new(*resource.ManifestError)) {
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintf(w, "error: %v\n", err)
}
