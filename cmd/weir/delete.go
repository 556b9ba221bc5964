package main

import (
	"github.com/spf13/cobra"

	"github.com/weirmq/weir/engine/resource"
)

func (a *app) deleteCommand() *cobra.Command {
	var from sources
	c := &cobra.Command{
		Use:   "delete (KIND NAME ... | KIND/NAME ... | -f FILE)",
		Short: "Delete resources by name or by manifest",
		Long: `Delete resources. A port that still refers to a deleted resource closes: it
never becomes open to more than before.`,
		Example: `  weir delete brokerlistener mqtts-endpoint
  weir delete secret/broker-server-cert configmap/fabrikam-ca
  weir delete -f manifests/`,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && len(from.files) > 0:
				return usagef("give names or -f, not both")
			case len(args) == 0 && len(from.files) == 0:
				return usagef("%s needs KIND NAME or -f FILE", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(from.files) > 0 {
				return a.eachManifest(&from, func(manifest []byte, o resource.ApplyOptions) error {
					results, err := a.store().DeleteManifest(manifest, o)
					return gather(a.printResults(results...), err)
				})
			}
			targets, err := named(c, args)
			if err != nil {
				return err
			}
			return each(targets, func(t target) error {
				if _, err := a.find(t, from.namespace); err != nil {
					return err
				}
				result, err := a.store().Delete(t.kind, t.name)
				if err != nil {
					return err
				}
				return a.printResults(result)
			})
		},
		ValidArgsFunction: a.completeTargets(),
	}
	from.flags(c)
	return c
}
