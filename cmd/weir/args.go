package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// arguments accepts exactly the named arguments, and says what they are if
// there are others.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) > len(names) {
			return usagef("%q is one argument too many: %s takes %s", args[len(names)], c.CommandPath(), strings.Join(names, " "))
		}
		return usagef("%s is missing: %s takes %s", names[len(args)], c.CommandPath(), strings.Join(names, " "))
	}
}

// require marks flags as required. It can fail only for a name that is no
// flag of c, which every run of the tests would show.
func require(c *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := c.MarkFlagRequired(flag); err != nil {
			panic(err)
		}
	}
}

// complete sets how a shell completes a flag of c. It can fail only as
// [require] can.
func complete(c *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}
