package resource

import (
	"cmp"
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// reading is the objects of a directory, before it is known whether they are
// good.
type reading struct {
	objects  []*Object
	problems Problems
	damaged  []string // files and directories in which objects may be that could not be read
}

func (r *reading) problem(p Problem) { r.problems = append(r.problems, p) }

// parse finds the objects of a scan.
func (s *scan) parse() *reading {
	r := &reading{}
	for i := range s.files {
		f := &s.files[i]
		before := len(r.problems)
		switch {
		case f.err != nil:
			r.problem(Problem{File: f.path, Problem: "cannot be read: " + f.err.Error()})
		case f.plain != "":
			r.plain(f)
		default:
			r.file(f.path, f.text, fragmentName(f.path), f.modified)
		}
		if r.problems[before:].HasErrors() {
			r.damaged = append(r.damaged, f.path)
		}
	}
	r.warnOfNamespaces()
	return r
}

// fragmentName is the name of a resource whose manifest has none.
func fragmentName(file string) string {
	if file == "" {
		return ""
	}
	return strings.TrimSuffix(path.Base(file), path.Ext(file))
}

// file finds the objects of a manifest.
func (r *reading) file(name string, text []byte, fragmentName string, modified time.Time) {
	for i, doc := range splitDocuments(text) {
		n, err := parseDocument(doc)
		if err != nil {
			r.problem(Problem{File: name, Line: err.line, Value: err.value, Problem: err.problem, Remedy: err.remedy})
			continue
		}
		if n == nil {
			continue
		}
		for _, o := range r.objectsOf(n, name, i, fragmentName) {
			o.Modified = modified
			r.objects = append(r.objects, o)
		}
	}
}

// plain makes an object of a directory of plain files.
func (r *reading) plain(f *scanned) {
	name := path.Base(f.path)
	if problem := nameProblem(f.plain, name); problem != "" {
		r.problem(Problem{File: f.path, Kind: f.plain, Field: "metadata.name", Value: name, Problem: problem, Remedy: "rename the directory"})
		return
	}
	r.objects = append(r.objects, &Object{
		APIVersion: coreAPIVersion,
		Kind:       f.plain,
		Name:       name,
		File:       f.path,
		Modified:   f.modified,
		node:       dataNode(f.plain, name, "", f.data),
		item:       -1,
		plain:      true,
	})
}

// warnOfNamespaces tells the first object that is in another namespace than
// one before it.
func (r *reading) warnOfNamespaces() {
	var first *Object
	for _, o := range r.objects {
		switch {
		case o.Namespace == "":
		case first == nil:
			first = o
		case first.Namespace != o.Namespace:
			r.problem(Problem{
				Severity: Warning, File: o.File, Line: o.Line, Kind: o.Kind, Name: o.Name,
				Field: "metadata.namespace", Value: o.Namespace,
				Problem: "is another namespace than " + first.Namespace + " of " + first.String() + ", but a directory is one namespace",
				Remedy:  "keep each namespace in a directory of its own",
			})
			return
		}
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func encodeBase64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// isText reports whether data can stand in YAML as it is.
func isText(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, c := range data {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}
