package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
)

// Leaf is a certificate that issues nothing: a Server's or a Client's. Build
// one with [Authority.NewLeaf]. Safe for concurrent use.
type Leaf struct {
	// Cert is the certificate itself.
	Cert *x509.Certificate
	// Key is its private key.
	Key crypto.Signer
	// Chain is what its holder sends in a TLS handshake: Cert, then its
	// intermediates upward. The root is not part of it, as the peer has it.
	Chain []*x509.Certificate
}

// TLSCertificate returns the chain and the key in the form that a
// [tls.Config] takes.
func (l *Leaf) TLSCertificate() tls.Certificate {
	out := tls.Certificate{PrivateKey: l.Key, Leaf: l.Cert}
	for _, cert := range l.Chain {
		out.Certificate = append(out.Certificate, cert.Raw)
	}
	return out
}

// CertPEM returns the certificate alone in PEM.
func (l *Leaf) CertPEM() []byte { return appendCertPEM(nil, l.Cert) }

// BundlePEM returns the whole chain in PEM, leaf first, as a Server's tls.crt
// or a Client's certificate file holds it.
func (l *Leaf) BundlePEM() []byte {
	var out []byte
	for _, cert := range l.Chain {
		out = appendCertPEM(out, cert)
	}
	return out
}

// KeyPEM returns the private key in PEM, as unencrypted PKCS #8. Write it
// only to files that nobody else can read.
func (l *Leaf) KeyPEM() ([]byte, error) { return keyPEM(l.Key) }
