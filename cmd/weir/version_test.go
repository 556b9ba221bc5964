package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionsComeFromTheLinkerThenTheModule(t *testing.T) {
	module := func(version string, deps ...*debug.Module) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Deps: deps}
	}
	gnet := &debug.Module{Path: gnetModule, Version: "v2.10.0"}
	for _, row := range []struct {
		name      string
		linked    string
		info      *debug.BuildInfo
		own, gnet string
	}{
		{"linked", "v1.2.3", module("(devel)", gnet), "v1.2.3", "v2.10.0"},
		{"installed", "", module("v1.2.2", gnet), "v1.2.2", "v2.10.0"},
		{"replaced", "", module("v1.2.2", &debug.Module{Path: gnetModule, Version: "v2.10.0",
			Replace: &debug.Module{Version: "v2.10.1"}}), "v1.2.2", "v2.10.1"},
		{"test binary", "", module(""), "(devel)", "unknown"},
		{"no build information", "", nil, "unknown", "unknown"},
	} {
		if own, gnet := versions(row.linked, row.info); own != row.own || gnet != row.gnet {
			t.Errorf("%s: %s and %s, want %s and %s", row.name, own, gnet, row.own, row.gnet)
		}
	}
}

func TestVersionNamesEachPart(t *testing.T) {
	out := mustWeir(t, "version")
	for _, part := range []string{"weir ", "go        go1.", "gnet ", "platform  "} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is missing in\n%s", part, out)
		}
	}
}
