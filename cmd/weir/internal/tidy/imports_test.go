package tidy

import (
	"slices"
	"strings"
	"testing"
)

// A rule says what a package and those below it may import. Of all rules that
// fit a package, the one with the longest name counts.
type rule struct {
	name string

	// ours lists the packages of this module, with those below them, that may
	// be imported. Nil permits all.
	ours []string

	// theirs lists the modules, beyond the standard library, that may be
	// imported. Nil permits all that no other rule reserves.
	theirs []string
}

// none permits nothing, where nil permits everything.
var none = []string{}

// rules is the direction of imports: down, from the command to the engine to
// what the engine is made of.
var rules = []rule{
	{"cmd", nil, nil},
	{"examples", []string{"bench", "codec", "engine", "examples", "security", "tlsstate", "topics"}, nil},
	{"bench", []string{"bench", "codec", "engine", "internal", "security", "tlsstate", "topics"}, nil},
	{"engine/resource", []string{"codec", "engine", "security", "tlsstate", "topics"}, nil},
	{"engine", []string{"codec", "engine/internal", "internal", "security", "tlsstate", "topics"}, nil},
	{"engine/internal", []string{"codec", "engine/internal"}, nil},
	{"security", []string{"security", "topics"}, nil},
	{"security/pki", none, none},
	{"tlsstate", []string{"tlsstate"}, none},
	{"topics", []string{"topics"}, []string{"github.com/cespare/xxhash/v2", "github.com/puzpuzpuz/xsync/v3"}},
	{"codec", []string{"codec"}, none},
	{"internal", none, none},
}

// reserved lists packages that only some of ours may import, themselves. The
// engine reaches HTTP and JSON through security, which calls other servers: off
// the loops, and never for a PUBLISH.
var reserved = []struct {
	pkg string
	// by lists those who may, exactly these and not those below them.
	by []string
	// notBy lists those who may not; nil stands for all who are not in by.
	notBy []string
}{
	{pkg: "github.com/panjf2000/gnet", by: []string{"engine"}},
	{pkg: "net/http", notBy: []string{"codec", "engine", "tlsstate", "topics"}},
	{pkg: "encoding/json", notBy: []string{"codec", "engine", "tlsstate", "topics"}},
	{pkg: "sigs.k8s.io/yaml", notBy: []string{"codec", "engine", "tlsstate", "topics"}},
	{pkg: "go.yaml.in/yaml", notBy: []string{"codec", "engine", "tlsstate", "topics"}},
}

// far lists the packages that may not reach what is reserved through others
// either.
var far = []string{"codec", "tlsstate", "topics"}

// below reports whether a path is the given one or below it.
func below(path, top string) bool {
	return path == top || strings.HasPrefix(path, top+"/")
}

// belowAny reports whether a path is one of those given or below one.
func belowAny(path string, tops []string) bool {
	return slices.ContainsFunc(tops, func(top string) bool { return below(path, top) })
}

// ruleFor returns the rule that counts for a package of ours.
func ruleFor(name string) (best rule, ok bool) {
	for _, r := range rules {
		if below(name, r.name) && len(r.name) >= len(best.name) {
			best, ok = r, true
		}
	}
	return best, ok
}

// violations returns what is wrong with the imports of one package of ours.
// standard tells the packages of the standard library.
func violations(p goPackage, standard func(pkg string) bool) []string {
	name := p.name()
	r, ok := ruleFor(name)
	if !ok {
		return []string{name + " has no place at the top of the tree"}
	}
	var found []string
	for _, imported := range p.Imports {
		ours, isOurs := strings.CutPrefix(imported, module+"/")
		switch {
		case isOurs && r.ours != nil && !belowAny(ours, r.ours):
			found = append(found, name+" imports "+ours+", which is not below it")
		case !isOurs && !standard(imported) && r.theirs != nil && !belowAny(imported, r.theirs):
			found = append(found, name+" imports "+imported+", which is not one of the few it may")
		}
	}
	for _, x := range reserved {
		forbidden := slices.Contains(x.notBy, name)
		if x.notBy == nil {
			forbidden = !slices.Contains(x.by, name)
		}
		uses := func(list []string) bool {
			return slices.ContainsFunc(list, func(imported string) bool { return below(imported, x.pkg) })
		}
		if forbidden && (uses(p.Imports) || belowAny(name, far) && uses(p.Deps)) {
			found = append(found, name+" must not know of "+x.pkg)
		}
	}
	return found
}

func TestImportsPointDownward(t *testing.T) {
	list := packages(t)
	standard := map[string]bool{"C": true, "unsafe": true}
	for _, p := range list {
		standard[p.ImportPath] = p.Standard
	}
	for _, p := range list {
		if p.name() == "" {
			continue
		}
		for _, violation := range violations(p, func(pkg string) bool { return standard[pkg] }) {
			t.Error(violation)
		}
	}
}

func TestRulesFindWhatTheyForbid(t *testing.T) {
	const gnet, xxhash = "github.com/panjf2000/gnet/v2", "github.com/cespare/xxhash/v2"
	for _, row := range []struct {
		name     string
		pkg      string
		imported string
		want     int
	}{
		{"codec is on its own", "codec", module + "/topics", 1},
		{"codec may use its parts", "codec/codectest", module + "/codec", 0},
		{"codec takes no library", "codec", xxhash, 1},
		{"topics may hash", "topics", xxhash, 0},
		{"topics takes no other library", "topics", "github.com/spf13/cobra", 1},
		{"security may match topics", "security", module + "/topics", 0},
		{"security knows no packets", "security/token", module + "/codec", 1},
		{"security may speak HTTP", "security", "net/http", 0},
		{"pki is on its own", "security/pki", module + "/security", 1},
		{"structures know no connections", "engine/internal/wheel", module + "/engine", 1},
		{"structures know no policies", "engine/internal/wheel", module + "/security", 1},
		{"the engine reads no manifests", "engine", module + "/engine/resource", 1},
		{"the engine speaks no HTTP", "engine", "net/http", 1},
		{"the engine reads no JSON", "engine", "encoding/json", 1},
		{"manifests may be JSON", "engine/resource", "encoding/json", 0},
		{"the engine drives gnet", "engine", gnet, 0},
		{"nobody else drives gnet", "bench", gnet, 1},
		{"not even a part of the engine", "engine/resource", gnet + "/pkg/pool", 1},
		{"bench is below the command", "bench", module + "/cmd/weir", 1},
		{"the command sees all", "cmd/weir", module + "/engine/resource", 0},
		{"no other top", "util", "fmt", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := goPackage{ImportPath: module + "/" + row.pkg, Imports: []string{row.imported}}
			standard := func(pkg string) bool { return !strings.Contains(pkg, ".") }
			if found := violations(p, standard); len(found) != row.want {
				t.Errorf("%s importing %s: found %q, want %d", row.pkg, row.imported, found, row.want)
			}
		})
	}
	reached := goPackage{ImportPath: module + "/topics", Imports: []string{"x"}, Deps: []string{"net/http"}}
	if found := violations(reached, func(string) bool { return true }); len(found) != 1 {
		t.Errorf("topics reaching net/http through another package: found %q, want 1", found)
	}
}
