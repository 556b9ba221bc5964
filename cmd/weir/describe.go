package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) describeCommand() *cobra.Command {
	var namespace string
	c := &cobra.Command{
		Use:   "describe (KIND NAME ... | KIND/NAME ...)",
		Short: "Show a resource for people; of a Secret only the sizes",
		Example: `  weir describe configmap fabrikam-ca
  weir describe secret/broker-server-cert`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			targets, err := named(c, args)
			if err != nil {
				return err
			}
			first := true
			return each(targets, func(t target) error {
				if _, err := a.find(t, namespace); err != nil {
					return err
				}
				if !first {
					fmt.Fprint(a.stdout, "\n\n")
				}
				first = false
				return a.store().Describe(a.stdout, t.kind, t.name)
			})
		},
		ValidArgsFunction: a.completeTargets(),
	}
	namespaceFlag(c, &namespace)
	return c
}
