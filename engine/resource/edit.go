package resource

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// edit replaces an object in its file, or takes it out if replacement is nil.
// The other documents of the file stay as they are, comments included. A file
// in which nothing is left is removed.
func (s *Store) edit(o *Object, replacement *node) error {
	name := filepath.Join(s.Dir, filepath.FromSlash(o.File))
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	docs := splitDocuments(text)
	if o.document >= len(docs) {
		return fmt.Errorf("%s has changed meanwhile; try again", o.File)
	}
	doc := docs[o.document]
	if o.item >= 0 {
		if replacement, err = replaceItem(doc, o, replacement); err != nil {
			return err
		}
	}
	var inserted []byte
	if replacement != nil {
		whole := &Object{node: replacement}
		if inserted = whole.YAML(); strings.EqualFold(path.Ext(o.File), ".json") {
			inserted = whole.JSON()
		}
		if i := bytes.IndexByte(doc.text, '\n'); i >= 0 && isSeparator(doc.text) {
			inserted = append([]byte("---\n"), inserted...)
		}
	}
	text = slices.Concat(text[:doc.start], inserted, text[doc.end:])
	if isVoid(text) {
		return os.Remove(name)
	}
	return s.write(o.File, text, o.Kind)
}

// replaceItem returns a List with an item replaced or, if replacement is nil,
// taken out. It returns nil if no item is left.
func replaceItem(doc document, o *Object, replacement *node) (*node, error) {
	list, syntax := parseDocument(doc)
	if syntax != nil || list == nil || list.get("items") == nil || o.item >= len(list.get("items").items) {
		return nil, fmt.Errorf("%s has changed meanwhile; try again", o.File)
	}
	items := list.get("items")
	for _, item := range items.items {
		if sibling := new(reading).object(item, o.File); sibling != nil {
			sibling.normalize()
		}
	}
	if replacement != nil {
		items.items[o.item] = replacement
		return list, nil
	}
	items.items = slices.Delete(items.items, o.item, o.item+1)
	if len(items.items) == 0 {
		return nil, nil
	}
	return list, nil
}

// isVoid reports whether a file holds nothing but comments.
func isVoid(text []byte) bool {
	for _, doc := range splitDocuments(text) {
		if n, err := parseDocument(doc); n != nil || err != nil {
			return false
		}
	}
	return true
}

// lock keeps other writers out of the directory, which it makes if necessary.
func (s *Store) lock() (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, modeDir); err != nil {
		return nil, err
	}
	return LockDirectory(s.Dir)
}

// LockDirectory keeps other writers, of other processes too, out of a directory
// until unlock is called; it waits for those who are there. Readers need no lock
// if writers replace files as a whole. A lock on a file would not do for that:
// it would be one on the file that is replaced.
func LockDirectory(name string) (unlock func(), err error) {
	dir, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("locking the directory %s: %w", name, err)
	}
	return func() { dir.Close() }, nil // which gives the lock back
}

// Modes of the files that the Store writes.
const (
	modePublic  = 0o644
	modePrivate = 0o600 // those with a Secret in them
	modeDir     = 0o755
)

// write replaces a file atomically: who reads it sees the old text or the new
// one, and after a power cut too.
func (s *Store) write(rel string, text []byte, kind Kind) (err error) {
	name := filepath.Join(s.Dir, filepath.FromSlash(rel))
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, modeDir); err != nil {
		return err
	}
	mode := os.FileMode(modePublic)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	if kind == KindSecret {
		mode = modePrivate
	}
	// The leading dot keeps it out of the directory's objects.
	temp, err := os.CreateTemp(dir, ".weir-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), name); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
