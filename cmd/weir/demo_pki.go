package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/weirmq/weir/security/pki"
)

// demoLeafLifetime is how long the tutorial's leaves are valid.
const demoLeafLifetime = 2400 * time.Hour

// demoDevices are the tutorial's Clients: each has a leaf from Fabrikam.
var demoDevices = []string{"thermostat", "hygrometer", "heater", "lightbulb"}

// demoPKI is the tutorial's certificates in a directory: Contoso's for the
// Server, Fabrikam's for the Clients, each a root, an intermediate and leaves.
type demoPKI struct {
	dir string
	now time.Time
	// note is told of each pair of files that is made, and why if others were
	// there before.
	note func(name, reason string)
}

// ensure makes what is missing or no longer good and keeps the rest. A new
// issuer makes what the old one had issued no longer good.
func (p *demoPKI) ensure() error {
	contoso, err := p.authorities("contoso", "Contoso")
	if err != nil {
		return err
	}
	err = p.leaf("mqtts-endpoint", contoso, pki.Options{
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	})
	if err != nil {
		return err
	}
	fabrikam, err := p.authorities("fabrikam", "Fabrikam")
	if err != nil {
		return err
	}
	for _, device := range demoDevices {
		if err := p.leaf(device, fabrikam, pki.Options{}); err != nil {
			return err
		}
	}
	return nil
}

// demoIssuer is what a company needs to issue and to check leaves.
type demoIssuer struct {
	root, intermediate *pki.Authority
}

// authorities returns the root and the intermediate of a company.
func (p *demoPKI) authorities(file, company string) (demoIssuer, error) {
	root, err := p.authority(file+"_root_ca", nil, func() (*pki.Authority, error) {
		return pki.NewRoot(pki.Options{CommonName: company + " Root CA"})
	})
	if err != nil {
		return demoIssuer{}, err
	}
	intermediate, err := p.authority(file+"_intermediate_ca", root, func() (*pki.Authority, error) {
		return root.NewIntermediate(pki.Options{CommonName: company + " Intermediate CA 1"})
	})
	return demoIssuer{root, intermediate}, err
}

// authority returns the authority in the files of that name, or what issue
// returns after writing it there. It must verify against root, or by itself if
// that is nil.
func (p *demoPKI) authority(name string, root *pki.Authority, issue func() (*pki.Authority, error)) (*pki.Authority, error) {
	crt, key := p.files(name)
	authority, err := loadAuthority(crt, key)
	if err == nil {
		anchor := root
		if anchor == nil {
			anchor = authority
		}
		err = p.verify(anchor, "", authority.Cert)
	}
	if err == nil {
		return authority, nil
	}
	authority, issueErr := issue()
	if issueErr != nil {
		return nil, issueErr
	}
	return authority, p.replace(name, err, authority.CertPEM(), authority.KeyPEM)
}

// leaf makes sure that the files of that name hold a leaf which verifies
// against the issuer's root, with the intermediate in its bundle.
func (p *demoPKI) leaf(name string, issuer demoIssuer, o pki.Options) error {
	crt, key := p.files(name)
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err == nil {
		var chain []*x509.Certificate
		for _, der := range pair.Certificate {
			cert, parseErr := x509.ParseCertificate(der)
			err = errors.Join(err, parseErr)
			chain = append(chain, cert)
		}
		if err == nil {
			host := ""
			if len(o.DNSNames) > 0 {
				host = o.DNSNames[0]
			}
			err = p.verify(issuer.root, host, chain...)
		}
	}
	if err == nil {
		return nil
	}
	o.CommonName = name
	o.NotAfter = p.now.Add(demoLeafLifetime)
	leaf, issueErr := issuer.intermediate.NewLeaf(o)
	if issueErr != nil {
		return issueErr
	}
	return p.replace(name, err, leaf.BundlePEM(), leaf.KeyPEM)
}

// verify checks a chain, the leaf first, as of an hour from now: a
// demonstration should not end in the middle.
func (p *demoPKI) verify(root *pki.Authority, host string, chain ...*x509.Certificate) error {
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         root.Pool(),
		Intermediates: intermediates,
		DNSName:       host,
		CurrentTime:   p.now.Add(time.Hour),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// replace writes a pair of files. Files that are there are kept under another
// name, as they may be somebody's own; why says what is wrong with them.
func (p *demoPKI) replace(name string, why error, certPEM []byte, keyPEM func() ([]byte, error)) error {
	crt, key := p.files(name)
	reason := ""
	for _, path := range []string{crt, key} {
		err := os.Rename(path, path+".old")
		if err == nil {
			reason = why.Error()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keeping a copy of %s, which cannot be used (%w): %w", path, why, err)
		}
	}
	if err := writePair(crt, certPEM, key, keyPEM); err != nil {
		return err
	}
	p.note(name, reason)
	return nil
}

// files returns the names of the files that hold a certificate and its key.
func (p *demoPKI) files(name string) (crt, key string) {
	return filepath.Join(p.dir, name+".crt"), filepath.Join(p.dir, name+".key")
}
