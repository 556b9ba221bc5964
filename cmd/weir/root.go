package main

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// The configuration directory when neither flag nor environment names one.
const (
	configVariable = "WEIR_CONFIG"
	defaultConfig  = "weir-config"
)

// app is what all commands share: the streams and the persistent flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	config  string
	started bool // a command runs: an error is no longer one of usage
}

// command returns the whole command tree.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "An MQTT broker for edge gateways and appliances",
		Long: `Weir is an MQTT 5.0 and 3.1.1 broker with mutual TLS and attribute-based access
control. Its configuration is a directory of manifests, which the program also
edits with the verbs and the spellings of kubectl.

Start with 'weir demo'.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)

	config := os.Getenv(configVariable)
	if config == "" {
		config = defaultConfig
	}
	root.PersistentFlags().StringVar(&a.config, "config", config, "the `directory` of manifests; also "+configVariable)
	_ = root.MarkPersistentFlagDirname("config") // fails only if there is no such flag

	const running, resources, tools = "running", "resources", "tools"
	root.AddGroup(
		&cobra.Group{ID: running, Title: "Running a broker:"},
		&cobra.Group{ID: resources, Title: "Its resources:"},
		&cobra.Group{ID: tools, Title: "Tools:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
		}
		root.AddCommand(commands...)
	}
	add(running, a.demoCommand(), a.serveCommand(), a.checkCommand(), a.explainCommand())
	add(resources, a.createCommand(), a.applyCommand(), a.getCommand(), a.describeCommand(), a.deleteCommand())
	add(tools, a.benchCommand(), a.pkiCommand(), a.passwdCommand(), versionCommand())
	root.SetHelpCommandGroupID(tools)
	root.SetCompletionCommandGroupID(tools)

	a.prepare(root)
	return root
}

// prepare goes over the tree below c. A command that only groups others gets
// a body that refuses what is none of them, where cobra would print help and
// succeed; and every body notes that it has been reached.
func (a *app) prepare(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.prepare(sub)
	}
	if !c.Runnable() {
		c.Args = cobra.ArbitraryArgs
		c.DisableFlagsInUseLine = true
		c.RunE = groupOnly
		return
	}
	body := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		a.started = true
		return body(c, args)
	}
}

// groupOnly is the body of a command that has only subcommands.
func groupOnly(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		if c.HasParent() {
			return usagef("%s needs one of: %s", c.CommandPath(), strings.Join(subcommands(c), ", "))
		}
		return c.Help()
	}
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q for %q; did you mean %s?", args[0], c.CommandPath(), strings.Join(near, " or "))
	}
	return usagef("unknown command %q for %q", args[0], c.CommandPath())
}

func subcommands(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}
