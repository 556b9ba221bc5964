package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File modes: what anybody may read, and what holds a private key.
const (
	modePublic  fs.FileMode = 0o644
	modePrivate fs.FileMode = 0o600
)

// maxInputBytes bounds what is read from a file or a pipe that the command
// line names: far above any manifest or bundle, far below what hurts.
const maxInputBytes = 16 << 20

// readInput returns the content of the file called name, or of standard input
// if that is "-".
func (a *app) readInput(name string) ([]byte, error) {
	in := a.stdin
	if name == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxInputBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(content) > maxInputBytes {
		return nil, fmt.Errorf("%s is longer than %d MiB, which no manifest or certificate is", name, maxInputBytes>>20)
	}
	return content, nil
}

// writeFile writes a file in one step: whoever opens path finds the old
// content or the new one, never a part.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	// os.CreateTemp makes files that only their owner can read, which is how
	// a private key has to begin.
	tmp, err := os.CreateTemp(filepath.Dir(path), ".weir-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, err), os.Remove(tmp.Name()))
	}
	return nil
}

// parseCertificates returns the certificates in PEM text, of which there must
// be at least one. Blocks of other types are passed over, so that a file that
// holds a key too will do. name is for errors.
func parseCertificates(name string, text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", name, len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("%s holds no certificate: want PEM that begins with -----BEGIN CERTIFICATE-----", name)
	}
	return certs, nil
}
