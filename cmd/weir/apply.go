package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/engine/resource"
)

// manifestExtensions are the files of a directory that are taken for
// manifests.
var manifestExtensions = []string{".yaml", ".yml", ".json"}

// sources is what the flags of weir apply and weir delete say about manifests.
type sources struct {
	files           []string
	name, namespace string
}

func (s *sources) flags(c *cobra.Command) {
	c.Flags().StringArrayVarP(&s.files, "filename", "f", nil, "a manifest `file`, a directory of them, or - for standard input; may be repeated")
	c.Flags().StringVar(&s.name, "name", "", "the `name` of the resource, for bare JSON (default the file's, without extension)")
	namespaceFlag(c, &s.namespace)
}

func (a *app) applyCommand() *cobra.Command {
	var from sources
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Create or change resources from manifests",
		Long: `Create or change resources from manifests in YAML or JSON. A manifest with an
error in it changes nothing.

Bare JSON as a portal takes it will do too: the settings of an X.509 method, the
rules of an authorization policy, or an object "properties". The name of the file
is then the name of the resource.`,
		Example: `  weir apply -f x509-auth.json
  weir apply -f manifests/
  cat rules.json | weir apply -f - --name abac-authz`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.eachManifest(&from, func(manifest []byte, o resource.ApplyOptions) error {
				results, warnings, err := a.store().Apply(manifest, o)
				fmt.Fprint(a.stderr, warnings)
				return gather(a.printResults(results...), err)
			})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	from.flags(c)
	require(c, "filename")
	return c
}

// eachManifest calls f for every manifest the flags name, and goes on after an
// error.
func (a *app) eachManifest(from *sources, f func(manifest []byte, o resource.ApplyOptions) error) error {
	files, err := from.expand()
	if err != nil {
		return err
	}
	if from.name != "" && len(files) > 1 {
		return usagef("--name names one resource, but there are %d files", len(files))
	}
	var errs []error
	for _, file := range files {
		manifest, err := a.readInput(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o := resource.ApplyOptions{Name: from.name, Namespace: from.namespace}
		if file != "-" {
			o.FileName = filepath.Base(file)
		}
		errs = append(errs, f(manifest, o))
	}
	return gather(errs...)
}

// expand replaces directories by the manifests in them.
func (s *sources) expand() ([]string, error) {
	var files []string
	for _, file := range s.files {
		info, err := os.Stat(file)
		switch {
		case file == "-":
		case err != nil:
			return nil, err
		case info.IsDir():
			entries, err := os.ReadDir(file)
			if err != nil {
				return nil, err
			}
			before := len(files)
			for _, entry := range entries {
				extension := strings.ToLower(filepath.Ext(entry.Name()))
				if !entry.IsDir() && slices.Contains(manifestExtensions, extension) {
					files = append(files, filepath.Join(file, entry.Name()))
				}
			}
			if len(files) == before {
				return nil, fmt.Errorf("%s holds no manifest: want files named %s", file, "*"+strings.Join(manifestExtensions, ", *"))
			}
			continue
		}
		files = append(files, file)
	}
	return files, nil
}
