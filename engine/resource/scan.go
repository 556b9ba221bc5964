package resource

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Bounds on a directory, which someone may point at the wrong place.
const (
	maxFileBytes  = 4 << 20
	maxTotalBytes = 256 << 20
	maxFiles      = 10_000
	maxDepth      = 8
)

// Directories of plain files, at the top.
const (
	secretsDir    = "secrets"
	configMapsDir = "configmaps"
)

// manifestExtensions are those of the files that hold manifests.
var manifestExtensions = []string{".yaml", ".yml", ".json"}

// scanned is one manifest, or one directory of plain files.
type scanned struct {
	path     string // relative, with slashes
	text     []byte
	plain    Kind // Secret or ConfigMap, for plain files
	data     map[string][]byte
	modified time.Time
	err      error // why it could not be read
}

// scan is what a directory holds at one moment, before anything is parsed.
type scan struct {
	dir   string
	files []scanned
	sum   digest
	err   error // the directory itself could not be read, or is out of bounds
	total int
	hash  hash.Hash
}

// digest identifies content. It is cryptographic, for it decides whether what
// guards a port is left as it is.
type digest [sha256.Size]byte

// scanDir reads a directory.
func scanDir(dir string) *scan {
	s := &scan{dir: dir, hash: sha256.New()}
	s.directory("", 0)
	s.hash.Sum(s.sum[:0])
	return s
}

func (s *scan) join(rel string) string { return filepath.Join(s.dir, filepath.FromSlash(rel)) }

// directory reads the manifests in a directory and below. Symbolic links are
// followed: that is how Kubernetes mounts volumes.
func (s *scan) directory(rel string, depth int) {
	entries, err := os.ReadDir(s.join(rel))
	if err != nil {
		s.cannotRead(rel, err)
		return
	}
	if depth > maxDepth {
		s.stop("has more than %d levels of directories", maxDepth)
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") || s.err != nil {
			continue
		}
		at := path.Join(rel, entry.Name())
		info, err := os.Stat(s.join(at))
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone since, or a link into the void
		case err != nil:
			s.cannotRead(at, err)
		case info.IsDir() && rel == secretsDir:
			s.plainFiles(at, KindSecret, info)
		case info.IsDir() && rel == configMapsDir:
			s.plainFiles(at, KindConfigMap, info)
		case info.IsDir():
			s.directory(at, depth+1)
		case info.Mode().IsRegular() && isManifest(at):
			text, err := s.read(at)
			s.add(scanned{path: at, text: text, modified: info.ModTime(), err: err})
		}
	}
}

func isManifest(name string) bool {
	return slices.Contains(manifestExtensions, strings.ToLower(path.Ext(name)))
}

// plainFiles reads a directory whose files are the keys of a Secret or
// ConfigMap. Names with two leading dots are the machinery of a mounted
// volume: its files are links into a directory that is swapped as a whole.
func (s *scan) plainFiles(rel string, kind Kind, info fs.FileInfo) {
	f := scanned{path: rel, plain: kind, data: make(map[string][]byte), modified: info.ModTime()}
	entries, err := os.ReadDir(s.join(rel))
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "..") || err != nil || s.err != nil {
			continue
		}
		at := path.Join(rel, entry.Name())
		info, statErr := os.Stat(s.join(at))
		if statErr != nil {
			if !errors.Is(statErr, fs.ErrNotExist) {
				err = statErr
			}
			continue
		}
		if !info.Mode().IsRegular() {
			continue
		}
		f.data[entry.Name()], err = s.read(at)
	}
	f.err = err
	s.add(f)
}

// read reads a file within the bounds.
func (s *scan) read(rel string) ([]byte, error) {
	file, err := os.Open(s.join(rel))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("is larger than %d bytes", maxFileBytes)
	}
	s.total += len(text)
	if s.total > maxTotalBytes {
		s.stop("holds more than %d bytes", maxTotalBytes)
	}
	return text, nil
}

func (s *scan) add(f scanned) {
	s.files = append(s.files, f)
	if len(s.files) > maxFiles {
		s.stop("holds more than %d files", maxFiles)
	}
	s.mix(f.path, []byte(f.plain), f.text)
	for _, key := range sortedKeys(f.data) {
		s.mix(key, f.data[key])
	}
	if f.err != nil {
		s.mix("error", []byte(f.err.Error()))
	}
}

// mix hashes parts with their lengths, so that what ends one cannot be taken
// for the beginning of the next.
func (s *scan) mix(name string, parts ...[]byte) {
	for _, part := range append(parts, []byte(name)) {
		s.hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		s.hash.Write(part)
	}
}

// cannotRead notes a file or directory that is there but cannot be read.
func (s *scan) cannotRead(rel string, err error) {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err // the path is told relative to the directory
	}
	if rel == "" {
		s.err = err
		s.mix("error", []byte(err.Error()))
		return
	}
	s.add(scanned{path: rel, err: err})
}

func (s *scan) stop(format string, args ...any) {
	s.err = fmt.Errorf(format, args...)
	s.mix("error", []byte(s.err.Error()))
}

// String returns the first bytes of the digest in hexadecimal, for logs.
func (d digest) String() string { return hex.EncodeToString(d[:6]) }
