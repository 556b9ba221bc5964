package resource

import (
	"fmt"
	"slices"
	"strings"
)

// catalog is the objects in force.
type catalog struct {
	objects map[id]decoded

	// broken are the objects that are there but have errors, whether or not a
	// good version of before is in force.
	broken map[id]bool
}

// decoded is an object by its kind: a *listener, *authentication,
// *authorization, *broker, *secret or *configMap.
type decoded struct {
	object *Object
	value  any
	// stale marks an object that is in force although its file says otherwise.
	stale bool
	// partial marks a listener some of whose ports have errors: what is good
	// in it is served, but it is no version to come back to.
	partial bool
}

// find returns an object in force, or nil.
func find[T any](c *catalog, kind Kind, name string) *T {
	v, _ := c.objects[id{kind, name}].value.(*T)
	return v
}

// all returns the objects in force of a kind, by name.
func all[T any](c *catalog, kind Kind) []*T {
	var names []string
	for i := range c.objects {
		if i.kind == kind {
			names = append(names, i.name)
		}
	}
	slices.Sort(names)
	values := make([]*T, len(names))
	for i, name := range names {
		values[i] = find[T](c, kind, name)
	}
	return values
}

// decode decodes what was read. An object with errors is replaced by its last
// version without, from prev.
func (r *reading) decode(prev *catalog) *catalog {
	c := &catalog{objects: make(map[id]decoded), broken: make(map[id]bool)}
	first := make(map[id]*Object)
	for _, o := range r.objects {
		if other, ok := first[o.id()]; ok {
			r.problem(Problem{File: o.File, Line: o.Line, Kind: o.Kind, Name: o.Name,
				Problem: "is defined twice, first in " + other.where(), Remedy: "keep one of the two"})
			c.broken[o.id()] = true
			continue
		}
		first[o.id()] = o
	}
	for _, o := range r.objects {
		if c.broken[o.id()] {
			continue // which of the two is meant, nobody knows
		}
		v, ok := decodeObject(o, &r.problems)
		if !ok {
			c.broken[o.id()] = true
		}
		if ok || v.partial {
			c.objects[o.id()] = v
		}
	}
	for i := range c.broken {
		if old, ok := prev.objects[i]; ok && !old.partial {
			c.keep(i, old)
		}
	}
	c.keepDamaged(prev, r.damaged, first)
	return c
}

// keepDamaged keeps the objects that were in files that cannot be read now.
func (c *catalog) keepDamaged(prev *catalog, damaged []string, present map[id]*Object) {
	if len(damaged) == 0 {
		return
	}
	for i, old := range prev.objects {
		if present[i] == nil && slices.ContainsFunc(damaged, old.object.isIn) {
			c.keep(i, old)
			c.broken[i] = true
		}
	}
}

func (c *catalog) keep(i id, old decoded) {
	old.stale = true
	c.objects[i] = old
}

// isIn reports whether the object is in a file or in a directory.
func (o *Object) isIn(path string) bool {
	return o.File == path || strings.HasPrefix(o.File, path+"/")
}

// where returns "FILE:LINE".
func (o *Object) where() string {
	if o.plain {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// decodeObject decodes an object and reports whether it is good by itself.
func decodeObject(o *Object, problems *Problems) (decoded, bool) {
	d := &decoder{object: o, problems: problems}
	v := decoded{object: o}
	spec := func(read func(spec *node)) {
		d.mapping(o.node, "", envelope(d, required("spec", func(n *node, _ string) { read(n) }))...)
	}
	switch o.Kind {
	case KindBrokerListener:
		var l *listener
		spec(func(n *node) { l = decodeListener(d, n) })
		if l != nil {
			l.markFaulty(d.errors)
			v.value, v.partial = l, d.errors > 0
		}
	case KindBrokerAuthentication:
		spec(func(n *node) { v.value = decodeAuthentication(d, n) })
	case KindBrokerAuthorization:
		spec(func(n *node) { v.value = decodeAuthorization(d, n) })
	case KindBroker:
		spec(func(n *node) { v.value = decodeBroker(d, n) })
	case KindSecret:
		v.value = decodeSecret(d, o.node)
	case KindConfigMap:
		v.value = decodeConfigMap(d, o.node)
	case KindServiceAccount: // the API server of the cluster is asked for its annotations
	}
	return v, d.errors == 0
}
