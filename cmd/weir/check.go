package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/engine/resource"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the manifests, and say which ports would open",
		Long: `Read the configuration directory as 'weir serve' would and print every problem:
file, line, resource, field, value, what is wrong, and what would be right. Then
print each port and whether it would open.

The exit code is 1 if there are errors. Warnings alone leave it 0.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := a.configExists(); err != nil {
				return err
			}
			report := resource.Check(a.config)
			if _, err := fmt.Fprint(a.stdout, report); err != nil {
				return err
			}
			if report.Problems.HasErrors() {
				return errAnswered
			}
			if len(report.Ports) == 0 {
				_, err := fmt.Fprintln(a.stdout, "There is no BrokerListener, so that no port would open.")
				return err
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}
