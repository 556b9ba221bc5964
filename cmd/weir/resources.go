package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/engine/resource"
)

// store returns the configuration directory as the verbs see it.
func (a *app) store() *resource.Store { return &resource.Store{Dir: a.config} }

// namespaceFlag gives a verb kubectl's -n. A directory is one namespace, so
// for most verbs it only guards against the wrong directory.
func namespaceFlag(c *cobra.Command, namespace *string) {
	c.Flags().StringVarP(namespace, "namespace", "n", "", "the `namespace` of the resource (default whichever it is in)")
}

// target is one object that a command line names.
type target struct {
	kind resource.Kind
	name string
}

// parseTargets reads KIND NAME ... or KIND/NAME ..., as kubectl does. Without
// names the one target has an empty name.
func parseTargets(args []string) ([]target, error) {
	if !strings.Contains(args[0], "/") {
		kind, err := resource.ParseKind(args[0])
		if err != nil {
			return nil, err
		}
		if len(args) == 1 {
			return []target{{kind: kind}}, nil
		}
		targets := make([]target, 0, len(args)-1)
		for _, name := range args[1:] {
			if strings.Contains(name, "/") {
				return nil, usagef("%q: give KIND once, or KIND/NAME each time", name)
			}
			targets = append(targets, target{kind, name})
		}
		return targets, nil
	}
	targets := make([]target, 0, len(args))
	for _, arg := range args {
		kindName, name, found := strings.Cut(arg, "/")
		if !found || name == "" {
			return nil, usagef("%q: give KIND once, or KIND/NAME each time", arg)
		}
		kind, err := resource.ParseKind(kindName)
		if err != nil {
			return nil, err
		}
		targets = append(targets, target{kind, name})
	}
	return targets, nil
}

// named is parseTargets for a verb that is never for all objects of a kind.
func named(c *cobra.Command, args []string) ([]target, error) {
	targets, err := parseTargets(args)
	if err == nil && targets[0].name == "" {
		err = usagef("%s needs a name: %s %s NAME", c.CommandPath(), c.CommandPath(), args[0])
	}
	return targets, err
}

// find returns an object, if it is in the namespace asked for. An object
// whose manifest names no namespace is in every one.
func (a *app) find(t target, namespace string) (*resource.Object, error) {
	object, err := a.store().Get(t.kind, t.name)
	if err != nil {
		return nil, err
	}
	if !inNamespace(object.Namespace, namespace) {
		return nil, &resource.NotFoundError{Kind: t.kind, Name: t.name}
	}
	return object, nil
}

// inNamespace reports whether something that says it is in namespace has is
// meant when asked is asked for. Either is "" if nothing was said.
func inNamespace(has, asked string) bool { return asked == "" || has == "" || has == asked }

// each calls f for every target and goes on after an error, as kubectl does.
func each(targets []target, f func(target) error) error {
	var errs []error
	for _, t := range targets {
		errs = append(errs, f(t))
	}
	return gather(errs...)
}

// completeTargets completes a kind, and after it the names of its objects.
// extra are kinds that only the command knows.
func (a *app) completeTargets(extra ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp
		if len(args) == 0 {
			completions := extra
			for _, kind := range resource.Kinds() {
				completions = append(completions, singular(kind))
			}
			return completions, directive
		}
		kind, err := resource.ParseKind(args[0])
		if err != nil {
			return nil, directive
		}
		objects, err := a.store().List(kind)
		if err != nil {
			return nil, directive
		}
		var completions []cobra.Completion
		for _, object := range objects {
			if !slices.Contains(args[1:], object.Name) {
				completions = append(completions, object.Name)
			}
		}
		return completions, directive
	}
}

func singular(kind resource.Kind) string { return strings.ToLower(string(kind)) }

// printResults prints what was done, one line for each object.
func (a *app) printResults(results ...resource.Result) error {
	for _, r := range results {
		if _, err := fmt.Fprintln(a.stdout, r); err != nil {
			return err
		}
	}
	return nil
}
