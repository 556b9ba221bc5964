package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags '-X main.version=v1.2.3'. A binary
// built otherwise reports what the Go command recorded about the module.
var version string

const gnetModule = "github.com/panjf2000/gnet/v2"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of weir and of what it is built with",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			own, gnet := versions(version, info)
			_, err := fmt.Fprintf(c.OutOrStdout(), "weir      %s\ngo        %s\ngnet      %s\nplatform  %s/%s\n",
				own, runtime.Version(), gnet, runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// versions returns the versions of weir and of gnet. linked is what the linker
// was told, and wins; info may be nil.
func versions(linked string, info *debug.BuildInfo) (own, gnet string) {
	own, gnet = linked, "unknown"
	if info == nil {
		if own == "" {
			own = "unknown"
		}
		return own, gnet
	}
	if own == "" {
		own = info.Main.Version // "(devel)" for a build without a tag
	}
	if own == "" {
		own = "(devel)"
	}
	for _, module := range info.Deps {
		if module.Path == gnetModule {
			gnet = module.Version
			if module.Replace != nil {
				gnet = module.Replace.Version
			}
		}
	}
	return own, gnet
}
