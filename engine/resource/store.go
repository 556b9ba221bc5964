package resource

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Store is a directory as kubectl's verbs see a cluster. What it writes itself
// is one file KIND-NAME.yaml for each object; objects in other files of the
// directory can be read, changed and deleted all the same, and what else is in
// those files stays. Files are replaced atomically.
//
// Its methods are safe for concurrent use, by several processes too: those that
// write hold a lock on the directory.
type Store struct {
	Dir string
}

// Action is what a verb did to an object.
type Action string

// The actions, as kubectl prints them.
const (
	Created    Action = "created"
	Configured Action = "configured"
	Unchanged  Action = "unchanged"
	Deleted    Action = "deleted"
)

// Result is what a verb did.
type Result struct {
	Kind   Kind
	Name   string
	Action Action
}

// String returns what kubectl prints, such as "secret/broker-server-cert
// created" or `configmap "fabrikam-ca" deleted`.
func (r Result) String() string {
	if r.Action == Deleted {
		return fmt.Sprintf("%s %q %s", r.Kind.Resource(), r.Name, r.Action)
	}
	return fmt.Sprintf("%s/%s %s", r.Kind.Resource(), r.Name, r.Action)
}

// NotFoundError is returned for an object that is not there.
type NotFoundError struct {
	Kind Kind
	Name string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("Error from server (NotFound): %s %q not found", e.Kind.qualified(), e.Name)
}

// AlreadyExistsError is returned for an object that is there already.
type AlreadyExistsError struct {
	Kind Kind
	Name string
}

func (e *AlreadyExistsError) Error() string {
	return fmt.Sprintf("failed to create %s %s %q already exists", e.Kind.info().singular(), e.Kind.qualified(), e.Name)
}

// ApplyOptions say what a manifest does not.
type ApplyOptions struct {
	// FileName is the name of the file a manifest is from. Without directory
	// and extension it names the resource, if the manifest is one of the JSON
	// fragments that have no name of their own.
	FileName string
	// Name is used instead of FileName.
	Name string
	// Namespace is that of objects which name none. An object that names
	// another one is refused.
	Namespace string
}

func (o ApplyOptions) fragmentName() string {
	if o.Name != "" {
		return o.Name
	}
	return fragmentName(filepath.ToSlash(o.FileName))
}

// Apply creates the objects of a manifest, or replaces those that are there.
// It does not merge: a field that the manifest does not have is gone. When one
// object has an error nothing is written, and the error is a *ManifestError.
// References to other objects are not looked at: they may follow later.
func (s *Store) Apply(manifest []byte, o ApplyOptions) (results []Result, warnings Problems, err error) {
	objects, warnings, err := parseManifest(manifest, o)
	if err != nil {
		return nil, nil, err
	}
	unlock, err := s.lock()
	if err != nil {
		return nil, warnings, err
	}
	defer unlock()
	for _, object := range objects {
		action, err := s.put(object)
		if err != nil {
			return results, warnings, err
		}
		results = append(results, Result{object.Kind, object.Name, action})
	}
	return results, warnings, nil
}

// CreateSecretTLS creates a Secret of type kubernetes.io/tls from a
// certificate chain and its private key, both in PEM. A pair that does not
// belong together is refused with a *ManifestError.
func (s *Store) CreateSecretTLS(name, namespace string, certPEM, keyPEM []byte) (Result, error) {
	return s.create(KindSecret, name, namespace, map[string][]byte{tlsCertKey: certPEM, tlsKeyKey: keyPEM})
}

// CreateConfigMap creates a ConfigMap. Values that are not text become
// binaryData.
func (s *Store) CreateConfigMap(name, namespace string, data map[string][]byte) (Result, error) {
	return s.create(KindConfigMap, name, namespace, data)
}

func (s *Store) create(kind Kind, name, namespace string, data map[string][]byte) (Result, error) {
	r := &reading{}
	object := r.object(dataNode(kind, name, namespace, data), "")
	if object != nil {
		object.item = -1
		decodeObject(object, &r.problems)
	}
	if r.problems.HasErrors() {
		return Result{}, &ManifestError{r.problems}
	}
	unlock, err := s.lock()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if _, err := s.Get(kind, name); err == nil {
		return Result{}, &AlreadyExistsError{kind, name}
	}
	action, err := s.put(object)
	return Result{kind, name, action}, err
}

// parseManifest returns the objects of a manifest, if there is no error in any.
func parseManifest(manifest []byte, o ApplyOptions) (objects []*Object, warnings Problems, err error) {
	r := &reading{}
	r.file(o.FileName, manifest, o.fragmentName(), time.Time{})
	for _, object := range r.objects {
		if o.Namespace != "" && object.Namespace == "" {
			object.setNamespace(o.Namespace)
		}
		if o.Namespace != "" && object.Namespace != o.Namespace {
			d := &decoder{object: object, problems: &r.problems}
			d.fail(object.node.at("metadata.namespace"), "metadata.namespace", object.Namespace, "is not the namespace asked for, "+o.Namespace, "")
		}
		if v, ok := decodeObject(object, &r.problems); ok {
			checkAlone(v, &r.problems)
		}
	}
	if len(r.objects) == 0 && len(r.problems) == 0 {
		r.problem(Problem{File: o.FileName, Problem: "holds no object"})
	}
	r.problems = r.problems.sorted()
	if r.problems.HasErrors() {
		return nil, nil, &ManifestError{r.problems}
	}
	return r.objects, r.problems, nil
}

// checkAlone finds what reading an object does not, and what can be found without
// those that it refers to: policies must compile.
func checkAlone(v decoded, problems *Problems) {
	b := &builder{prev: emptySnapshot(), catalog: &catalog{}, problems: *problems}
	if policy, ok := v.value.(*authorization); ok {
		b.authorization(policy)
	}
	*problems = b.problems
}

func (o *Object) setNamespace(namespace string) {
	o.Namespace = namespace
	metadata := o.node.get("metadata")
	metadata.pairs = append(metadata.pairs, pair{"namespace", textNode(namespace)})
}

// Get returns an object, or a *NotFoundError.
func (s *Store) Get(kind Kind, name string) (*Object, error) {
	objects, err := s.objects(func(o *Object) bool { return o.Kind == kind && o.Name == name })
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, &NotFoundError{kind, name}
	}
	return objects[0], nil
}

// List returns the objects of a kind, or of all kinds if it is "", by kind and
// name. Objects that have errors are listed too; manifests that cannot be
// parsed are passed over.
func (s *Store) List(kind Kind) ([]*Object, error) {
	return s.objects(func(o *Object) bool { return kind == "" || o.Kind == kind })
}

func (s *Store) objects(wanted func(*Object) bool) ([]*Object, error) {
	scan := scanDir(s.Dir)
	if errors.Is(scan.err, fs.ErrNotExist) {
		return nil, nil // it is made when something is written
	}
	if scan.err != nil {
		return nil, fmt.Errorf("the directory %s: %w", s.Dir, scan.err)
	}
	objects := slices.DeleteFunc(scan.parse().objects, func(o *Object) bool { return !wanted(o) })
	for _, o := range objects {
		o.normalize()
	}
	order := Kinds()
	slices.SortStableFunc(objects, func(a, b *Object) int {
		if a.Kind != b.Kind {
			return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return objects, nil
}

// Delete removes an object, wherever in the directory it is: a file of its
// own, a document or List item of another, or plain files. It returns a
// *NotFoundError if the object is not there.
func (s *Store) Delete(kind Kind, name string) (Result, error) {
	if _, err := s.Get(kind, name); err != nil {
		return Result{}, err // without making the directory
	}
	unlock, err := s.lock()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	result := Result{kind, name, Deleted}
	object, err := s.Get(kind, name)
	if err != nil {
		return Result{}, err
	}
	// An object that is defined twice has to go twice.
	for err == nil {
		if err := s.remove(object); err != nil {
			return Result{}, err
		}
		object, err = s.Get(kind, name)
	}
	if errors.As(err, new(*NotFoundError)) {
		return result, nil
	}
	return Result{}, err
}

// DeleteManifest deletes the objects of a manifest. Objects that are not there
// are told by *NotFoundError values in the error, and the others deleted.
func (s *Store) DeleteManifest(manifest []byte, o ApplyOptions) ([]Result, error) {
	r := &reading{}
	r.file(o.FileName, manifest, o.fragmentName(), time.Time{})
	if r.problems.HasErrors() {
		return nil, &ManifestError{r.problems.sorted()}
	}
	var results []Result
	var errs []error
	for _, object := range r.objects {
		result, err := s.Delete(object.Kind, object.Name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		results = append(results, result)
	}
	return results, errors.Join(errs...)
}

// put writes an object where it is, or to a file of its own.
func (s *Store) put(o *Object) (Action, error) {
	old, err := s.Get(o.Kind, o.Name)
	var notFound *NotFoundError
	switch {
	case errors.As(err, &notFound):
		return Created, s.writeOwn(o)
	case err != nil:
		return "", err
	case reflect.DeepEqual(old.node.plain(), o.node.plain()):
		return Unchanged, nil
	case old.plain:
		// For a moment it is there twice, which a running engine bridges with
		// the version in force.
		if err := s.writeOwn(o); err != nil {
			return "", err
		}
		return Configured, s.remove(old)
	}
	return Configured, s.edit(old, o.node)
}

// writeOwn writes an object to KIND-NAME.yaml. Should other objects have found
// their way into that file, they stay.
func (s *Store) writeOwn(o *Object) error {
	name := strings.ToLower(string(o.Kind)) + "-" + o.Name + ".yaml"
	text := o.YAML()
	present, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err == nil {
		r := &reading{}
		if r.file(name, present, "", time.Time{}); len(r.objects) > 0 {
			text = slices.Concat(ensureNewline(present), []byte("---\n"), text)
		}
	}
	return s.write(name, text, o.Kind)
}

// remove takes an object out of the directory.
func (s *Store) remove(o *Object) error {
	if o.plain {
		return os.RemoveAll(filepath.Join(s.Dir, filepath.FromSlash(o.File)))
	}
	return s.edit(o, nil)
}

func ensureNewline(text []byte) []byte {
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		return append(slices.Clone(text), '\n')
	}
	return text
}
