package resource

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Object is one object of a directory as it is stored there, whether or not
// there are errors in it.
type Object struct {
	APIVersion string
	Kind       Kind
	Name       string
	Namespace  string    // "" if the manifest has none
	File       string    // relative to the directory, with slashes; the directory of plain files
	Line       int       // in File, counted from 1; 0 for plain files
	Modified   time.Time // of the file

	node     *node // the whole object
	document int   // index in File
	item     int   // index in the items of a List, or -1
	plain    bool  // from plain files
}

// YAML returns the object with its keys in alphabetical order, as `kubectl get
// -o yaml` does.
func (o *Object) YAML() []byte {
	text, err := yaml.Marshal(o.node.plain())
	if err != nil {
		panic("resource: encoding an object: " + err.Error()) // it came from YAML
	}
	return text
}

// JSON returns the object with its keys in alphabetical order, indented.
func (o *Object) JSON() []byte {
	text, err := json.MarshalIndent(o.node.plain(), "", "    ")
	if err != nil {
		panic("resource: encoding an object: " + err.Error()) // it came from YAML
	}
	return append(text, '\n')
}

// id identifies an object in a directory, which holds one namespace.
type id struct {
	kind Kind
	name string
}

func (o *Object) id() id { return id{o.Kind, o.Name} }

// envelope returns the fields that every object has, and the given ones.
func envelope(d *decoder, fields ...field) []field {
	return append(fields,
		optional("apiVersion", d.anything),
		optional("kind", d.anything),
		optional("metadata", d.anything),
		optional("status", d.anything),
	)
}

// textOf returns the text of a scalar field, or "".
func (n *node) textOf(key string) string {
	if v := n.get(key); v != nil && (v.kind == stringNode || v.kind == otherScalarNode) {
		return v.text
	}
	return ""
}

// objectsOf returns the objects of a document: one, or the items of a List, or
// one made of a fragment, whose name is the given one.
func (r *reading) objectsOf(n *node, file string, document int, fragmentName string) []*Object {
	if n.kind != mappingNode || n.get("kind") == nil {
		if fragment, ok := wrapFragment(n, fragmentName); ok {
			n = fragment
		}
	}
	if n.kind == mappingNode && strings.HasSuffix(n.textOf("kind"), "List") { // SecretList, say, is one too
		items := n.get("items")
		if items == nil || items.kind != sequenceNode {
			r.problem(Problem{File: file, Line: n.line, Kind: "List", Field: "items", Problem: "is missing"})
			return nil
		}
		var objects []*Object
		for i, item := range items.items {
			if o := r.object(item, file); o != nil {
				o.document, o.item = document, i
				objects = append(objects, o)
			}
		}
		return objects
	}
	o := r.object(n, file)
	if o == nil {
		return nil
	}
	o.document, o.item = document, -1
	return []*Object{o}
}

// object reads the envelope. It returns nil for what is no object here, and
// for one that cannot be told from others, after noting why.
func (r *reading) object(n *node, file string) *Object {
	fail := func(severity Severity, at *node, kind Kind, field, value, problem, remedy string) *Object {
		r.problem(Problem{severity, file, at.line, kind, "", field, value, problem, remedy})
		return nil
	}
	if n.kind != mappingNode {
		remedy := "an object is a mapping with apiVersion, kind and metadata"
		if fixed, ok := fixAssignment(n.text); ok {
			remedy = "write " + fixed
		}
		return fail(Error, n, "", "", n.text, "is no object", remedy)
	}
	kind := n.textOf("kind")
	if kind == "" {
		return fail(Error, n, "", "kind", "", "is missing", "an object has apiVersion, kind and metadata.name")
	}
	k := Kind(kind)
	if !k.known() {
		version := n.textOf("apiVersion")
		if best := closestKind(kind); best != "" && (version == "" || best.acceptsAPIVersion(version)) {
			return fail(Error, n.get("kind"), "", "kind", kind, "is not a kind here", "did you mean "+string(best)+"?")
		}
		return fail(Warning, n, k, "", "", "is of no use here and ignored", "")
	}
	version := n.textOf("apiVersion")
	if version == "" {
		return fail(Error, n, k, "apiVersion", "", "is missing", "write "+k.apiVersion())
	}
	if !k.acceptsAPIVersion(version) {
		return fail(Error, n.get("apiVersion"), k, "apiVersion", version, "is not an API version of this kind", "write "+k.apiVersion())
	}
	metadata := n.get("metadata")
	name := ""
	if metadata != nil {
		name = metadata.textOf("name")
	}
	if name == "" {
		return fail(Error, n, k, "metadata.name", "", "is missing", "give the object a name")
	}
	if problem := nameProblem(k, name); problem != "" {
		return fail(Error, metadata.get("name"), k, "metadata.name", name, problem, "")
	}
	return &Object{
		APIVersion: version,
		Kind:       k,
		Name:       name,
		Namespace:  metadata.textOf("namespace"),
		File:       file,
		Line:       n.line,
		node:       n,
	}
}

func closestKind(kind string) Kind {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return Kind(closest(kind, names))
}

// textNode, mappingOf and newObjectNode make what fragments and plain files are
// wrapped in.
func textNode(s string) *node { return &node{line: 1, kind: stringNode, text: s, value: s} }

func mappingOf(pairs ...pair) *node { return &node{line: 1, kind: mappingNode, pairs: pairs} }

func newObjectNode(kind Kind, name, namespace string, pairs ...pair) *node {
	metadata := mappingOf(pair{"name", textNode(name)})
	if namespace != "" {
		metadata.pairs = append(metadata.pairs, pair{"namespace", textNode(namespace)})
	}
	return mappingOf(append([]pair{
		{"apiVersion", textNode(kind.apiVersion())},
		{"kind", textNode(string(kind))},
		{"metadata", metadata},
	}, pairs...)...)
}

// dataNode wraps the data of a Secret or ConfigMap. Data of a Secret, and what
// is not text, is in base64.
func dataNode(kind Kind, name, namespace string, data map[string][]byte) *node {
	text, binary := mappingOf(), mappingOf()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if kind == KindConfigMap && isText(data[key]) {
			text.pairs = append(text.pairs, pair{key, textNode(string(data[key]))})
			continue
		}
		binary.pairs = append(binary.pairs, pair{key, textNode(encodeBase64(data[key]))})
	}
	if kind == KindSecret {
		return newObjectNode(kind, name, namespace, pair{"data", binary}, pair{"type", textNode(secretType(data))})
	}
	var pairs []pair
	if len(text.pairs) > 0 {
		pairs = append(pairs, pair{"data", text})
	}
	if len(binary.pairs) > 0 {
		pairs = append(pairs, pair{"binaryData", binary})
	}
	return newObjectNode(kind, name, namespace, pairs...)
}

// secretType tells the type of a Secret of plain files, which do not say it.
func secretType(data map[string][]byte) string {
	if data[tlsCertKey] != nil || data[tlsKeyKey] != nil {
		return secretTypeTLS
	}
	return "Opaque"
}

// normalize makes text of what is read as text, though YAML takes it for
// something else, so that it stays the same when it is written.
func (o *Object) normalize() { decodeObject(o, new(Problems)) }

// String returns "KIND/NAME".
func (o *Object) String() string { return fmt.Sprintf("%s/%s", o.Kind, o.Name) }
