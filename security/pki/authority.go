package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
)

// Path lengths of the profiles: below a root one intermediate, below an
// intermediate leaves alone.
const (
	rootPathLen         = 1
	intermediatePathLen = 0
)

// Authority is a certificate that may issue others, with its key. Build one
// with [NewRoot], [Authority.NewIntermediate] or [LoadAuthority].
// Safe for concurrent use.
type Authority struct {
	// Cert is the authority's certificate.
	Cert *x509.Certificate
	// Key is its private key. It is nil in the Parent of a loaded authority,
	// which can stand in a chain and issue nothing.
	Key crypto.Signer
	// Parent is the issuer of Cert: nil for a root, and for a loaded
	// intermediate whose issuer was not in the PEM.
	Parent *Authority
}

// NewRoot generates a key and a self-signed certificate for it: a CA with
// path length 1, that is with room for one intermediate.
// Safe for concurrent use.
func NewRoot(o Options) (*Authority, error) {
	return newAuthority(nil, o, rootPathLen)
}

// NewIntermediate generates a key and a certificate for it issued by a: a CA
// with path length 0, below which there are only leaves. It fails if a itself
// permits no CA below it.
func (a *Authority) NewIntermediate(o Options) (*Authority, error) {
	if a.Cert.MaxPathLen == 0 && a.Cert.MaxPathLenZero {
		return nil, fmt.Errorf("pki: %q has path length 0: it can issue leaves only; issue the intermediate from a root",
			a.Cert.Subject)
	}
	return newAuthority(a, o, intermediatePathLen)
}

// newAuthority issues the certificate of an authority, self-signed if parent
// is nil.
func newAuthority(parent *Authority, o Options, pathLen int) (*Authority, error) {
	template, err := o.template(DefaultAuthorityLifetime)
	if err != nil {
		return nil, err
	}
	if emptySubject(template) {
		return nil, &OptionError{"CommonName", "", "an authority must have a subject: give CommonName, Subject or RawSubject"}
	}
	template.BasicConstraintsValid = true
	template.IsCA = true
	template.MaxPathLen = pathLen
	template.MaxPathLenZero = pathLen == 0
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign

	cert, key, err := issue(template, parent, o.Key)
	if err != nil {
		return nil, err
	}
	return &Authority{Cert: cert, Key: key, Parent: parent}, nil
}

// NewLeaf generates a key and a certificate for it issued by a, for a Server
// or a Client: digitalSignature (with keyEncipherment if the key is RSA),
// serverAuth and clientAuth.
func (a *Authority) NewLeaf(o Options) (*Leaf, error) {
	template, err := o.template(DefaultLeafLifetime)
	if err != nil {
		return nil, err
	}
	if len(template.DNSNames)+len(template.IPAddresses)+len(template.URIs) == 0 {
		name := template.Subject.CommonName
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = []net.IP{ip}
		} else if hostName(name) {
			template.DNSNames = []string{name}
		} else if emptySubject(template) {
			return nil, &OptionError{"CommonName", "", "a leaf must have a subject or a subject alternative name"}
		}
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = o.ExtKeyUsage
	if template.ExtKeyUsage == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}

	cert, key, err := issue(template, a, o.Key)
	if err != nil {
		return nil, err
	}
	chain := []*x509.Certificate{cert}
	for issuer := a; issuer != nil && !selfIssued(issuer.Cert); issuer = issuer.Parent {
		chain = append(chain, issuer.Cert)
	}
	return &Leaf{Cert: cert, Key: key, Chain: chain}, nil
}

// issue generates a key of the given kind, and completes and signs the
// template with parent's key, or with the new key if parent is nil.
func issue(template *x509.Certificate, parent *Authority, kind string) (*x509.Certificate, crypto.Signer, error) {
	key, err := newKey(kind)
	if err != nil {
		return nil, nil, err
	}
	if template.SubjectKeyId, err = keyIdentifier(key.Public()); err != nil {
		return nil, nil, err
	}
	// RFC 5280, section 4.1.2.2: positive, and no more than 20 octets.
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, nil, fmt.Errorf("pki: drawing a serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))

	issuer, signer := template, key
	if parent != nil {
		if parent.Key == nil {
			return nil, nil, fmt.Errorf("pki: %q has no private key here, so it cannot issue", parent.Cert.Subject)
		}
		issuer, signer = parent.Cert, parent.Key
		// Left to itself, x509 leaves the identifier out when issuer and
		// subject have the same name, which is when it is needed most.
		template.AuthorityKeyId = parent.Cert.SubjectKeyId
	}
	if _, ok := key.(*rsa.PrivateKey); ok && !template.IsCA {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("pki: creating a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("pki: reading back a certificate: %w", err)
	}
	return cert, key, nil
}

// Pool returns a new pool that holds this authority, and no other, as a trust
// anchor. That is right for an intermediate too: Go then ends the chain there.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// emptySubject reports whether the encoded subject has no attribute: an empty
// SEQUENCE, which is two bytes.
func emptySubject(template *x509.Certificate) bool {
	return len(template.RawSubject) <= 2
}

// selfIssued reports whether a certificate names itself as its issuer and
// bears its own signature, as a root does.
func selfIssued(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer) && cert.CheckSignatureFrom(cert) == nil
}
