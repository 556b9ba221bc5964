package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/weirmq/weir/engine/resource"
)

// everything stands for all kinds.
const everything = "all"

// Formats of -o, the default being a table.
const (
	formatTable = ""
	formatWide  = "wide"
	formatName  = "name"
	formatYAML  = "yaml"
	formatJSON  = "json"
)

var formats = []string{formatYAML, formatJSON, formatName, formatWide}

func (a *app) getCommand() *cobra.Command {
	var output, namespace string
	c := &cobra.Command{
		Use:   "get (KIND [NAME ...] | KIND/NAME ... | all)",
		Short: "Show resources as a table, or as manifests",
		Long: `Show resources as a table, or with -o yaml and -o json as manifests: those of
Secrets with their data. KIND may also be 'service', which shows the listeners as
Kubernetes would show the services it makes of them: '*' stands for every address
of this machine, and <pending> for ports that would not open.`,
		Example: `  weir get service mqtts-endpoint
  weir get brokerauthentication x509-auth -o yaml
  weir get configmaps`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if output != formatTable && !slices.Contains(formats, output) {
				return usagef("-o %q is unknown: write one of %s", output, strings.Join(formats, ", "))
			}
			if slices.Contains(serviceNames, strings.ToLower(args[0])) {
				return a.getServices(args[1:], output, namespace)
			}
			objects, err := a.getObjects(args, namespace)
			return gather(a.printObjects(objects, output, strings.ToLower(args[0]) == everything), err)
		},
		ValidArgsFunction: a.completeTargets(everything, serviceNames[0]),
	}
	c.Flags().StringVarP(&output, "output", "o", formatTable, "the `format`: "+strings.Join(formats, ", ")+" (default a table)")
	complete(c, "output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	namespaceFlag(c, &namespace)
	return c
}

// getObjects returns the objects that the arguments name. Beside an error
// there may be some that were found.
func (a *app) getObjects(args []string, namespace string) ([]*resource.Object, error) {
	var targets []target
	if strings.ToLower(args[0]) == everything {
		if len(args) > 1 {
			return nil, usagef("%q: 'all' takes no names", args[1])
		}
		targets = []target{{}}
	} else {
		var err error
		if targets, err = parseTargets(args); err != nil {
			return nil, err
		}
	}
	var objects []*resource.Object
	if targets[0].name == "" {
		all, err := a.store().List(targets[0].kind)
		if err != nil {
			return nil, err
		}
		for _, object := range all {
			if inNamespace(object.Namespace, namespace) {
				objects = append(objects, object)
			}
		}
		if len(objects) == 0 {
			fmt.Fprintf(a.stderr, "No resources found in %s.\n", a.config)
		}
		return objects, nil
	}
	err := each(targets, func(t target) error {
		object, err := a.find(t, namespace)
		if err != nil {
			return err
		}
		objects = append(objects, object)
		return nil
	})
	return objects, err
}

// printObjects prints objects in the format of -o. In tables of everything the
// names have their kind before them.
func (a *app) printObjects(objects []*resource.Object, format string, everything bool) error {
	if len(objects) == 0 {
		return nil
	}
	switch format {
	case formatYAML, formatJSON:
		return a.printManifests(objects, format)
	case formatName:
		for _, object := range objects {
			if _, err := fmt.Fprintf(a.stdout, "%s/%s\n", object.Kind.Resource(), object.Name); err != nil {
				return err
			}
		}
		return nil
	}
	now := time.Now()
	for i := 0; i < len(objects); {
		if i > 0 {
			if _, err := fmt.Fprintln(a.stdout); err != nil {
				return err
			}
		}
		kind := objects[i].Kind
		t := newTable(objectColumns(kind, format == formatWide)...)
		for ; i < len(objects) && objects[i].Kind == kind; i++ {
			row, err := objectRow(objects[i], format == formatWide, now)
			if err != nil {
				return err
			}
			if everything {
				row[0] = kind.Resource() + "/" + row[0]
			}
			t.add(row...)
		}
		if err := t.print(a.stdout); err != nil {
			return err
		}
	}
	return nil
}

// printManifests prints one object by itself and several as a List, which
// weir apply takes as well.
func (a *app) printManifests(objects []*resource.Object, format string) error {
	var out []byte
	switch {
	case len(objects) == 1 && format == formatYAML:
		out = objects[0].YAML()
	case len(objects) == 1:
		out = objects[0].JSON()
	default:
		list := struct {
			APIVersion string            `json:"apiVersion"`
			Items      []json.RawMessage `json:"items"`
			Kind       string            `json:"kind"`
		}{"v1", nil, "List"}
		for _, object := range objects {
			list.Items = append(list.Items, object.JSON())
		}
		var err error
		if format == formatYAML {
			out, err = yaml.Marshal(list)
		} else {
			out, err = json.MarshalIndent(list, "", "    ")
		}
		if err != nil {
			return err
		}
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	_, err := a.stdout.Write(out)
	return err
}

// objectColumns are the columns that kubectl shows for a kind.
func objectColumns(kind resource.Kind, wide bool) []string {
	columns := []string{"NAME"}
	switch kind {
	case resource.KindSecret:
		columns = append(columns, "TYPE", "DATA")
	case resource.KindConfigMap:
		columns = append(columns, "DATA")
	}
	columns = append(columns, "AGE")
	if wide {
		columns = append(columns, "FILE")
	}
	return columns
}

func objectRow(object *resource.Object, wide bool, now time.Time) ([]string, error) {
	row := []string{object.Name}
	switch object.Kind {
	case resource.KindSecret, resource.KindConfigMap:
		var content struct {
			Type                         string
			Data, BinaryData, StringData map[string]json.RawMessage
		}
		if err := json.Unmarshal(object.JSON(), &content); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", object.Kind.Resource(), object.Name, err)
		}
		if object.Kind == resource.KindSecret {
			row = append(row, content.Type)
		}
		row = append(row, fmt.Sprint(len(content.Data)+len(content.BinaryData)+len(content.StringData)))
	}
	row = append(row, age(now.Sub(object.Modified)))
	if wide {
		file := object.File
		if object.Line > 0 {
			file = fmt.Sprintf("%s:%d", file, object.Line)
		}
		row = append(row, file)
	}
	return row, nil
}
