package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Types of PEM block: those of RFC 7468, the older forms that step writes, and
// the parameters that openssl ecparam puts before a key, which the key itself
// repeats.
const (
	blockCertificate  = "CERTIFICATE"
	blockKeyPKCS8     = "PRIVATE KEY"
	blockKeyEncrypted = "ENCRYPTED PRIVATE KEY"
	blockKeyEC        = "EC PRIVATE KEY"
	blockKeyRSA       = "RSA PRIVATE KEY"
	blockECParameters = "EC PARAMETERS"
)

// CertPEM returns the authority's certificate in PEM.
func (a *Authority) CertPEM() []byte { return appendCertPEM(nil, a.Cert) }

// KeyPEM returns the authority's private key in PEM, as unencrypted PKCS #8.
// Write it only to files that nobody else can read.
func (a *Authority) KeyPEM() ([]byte, error) { return keyPEM(a.Key) }

// LoadAuthority reads back an authority from PEM. certPEM holds its
// certificate, and after it may come its issuers upward, each having signed
// the one before it. keyPEM holds the private key of the first: PKCS #8,
// SEC 1 or PKCS #1, not encrypted. It fails with a [*LoadError] if there is
// anything else, or if the two do not belong together.
// Safe for concurrent use.
func LoadAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	key, err := parseKeyPEM(keyPEM)
	if err != nil {
		return nil, err
	}
	certs, err := parseCertsPEM(certPEM)
	if err != nil {
		return nil, err
	}
	if !samePublicKey(key.Public(), certs[0].PublicKey) {
		return nil, &LoadError{Part: "key", Problem: fmt.Sprintf("does not belong to the certificate %q", certs[0].Subject)}
	}
	var parent *Authority
	for i := len(certs) - 1; i >= 0; i-- {
		cert := certs[i]
		if !cert.IsCA {
			return nil, &LoadError{Part: "certificate", Problem: fmt.Sprintf("%q is not a CA", cert.Subject)}
		}
		if parent != nil {
			if err := cert.CheckSignatureFrom(parent.Cert); err != nil {
				return nil, &LoadError{"certificate",
					fmt.Sprintf("%q is not issued by %q, which follows it", cert.Subject, parent.Cert.Subject), err}
			}
		}
		parent = &Authority{Cert: cert, Parent: parent}
	}
	parent.Key = key
	return parent, nil
}

// parseCertsPEM returns the certificates in a PEM text, of which there is at
// least one.
func parseCertsPEM(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != blockCertificate {
			return nil, &LoadError{Part: "certificate", Problem: fmt.Sprintf("has a PEM block %q, want only %q", block.Type, blockCertificate)}
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &LoadError{"certificate", "cannot be parsed", err}
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, &LoadError{Part: "certificate", Problem: "has no PEM block"}
	}
	return certs, nil
}

// parseKeyPEM returns the private key in a PEM text. What the parsers report
// is left out of the error, so that nothing of a key can be quoted.
func parseKeyPEM(text []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(text)
	if block != nil && block.Type == blockECParameters {
		block, _ = pem.Decode(rest)
	}
	if block == nil {
		return nil, &LoadError{Part: "key", Problem: "has no PEM block"}
	}
	if block.Type == blockKeyEncrypted || block.Headers["DEK-Info"] != "" {
		return nil, &LoadError{Part: "key", Problem: "is encrypted; decrypt it first"}
	}
	var key any
	var err error
	switch block.Type {
	case blockKeyPKCS8:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case blockKeyEC:
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case blockKeyRSA:
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, &LoadError{Part: "key", Problem: fmt.Sprintf("has a PEM block %q, want %q", block.Type, blockKeyPKCS8)}
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, &LoadError{Part: "key", Problem: "cannot be parsed as a key that signs"}
	}
	return signer, nil
}

// appendCertPEM appends a certificate in PEM.
func appendCertPEM(dst []byte, cert *x509.Certificate) []byte {
	return append(dst, pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: cert.Raw})...)
}

// keyPEM returns a private key as PKCS #8 in PEM.
func keyPEM(key crypto.Signer) ([]byte, error) {
	if key == nil {
		return nil, errors.New("pki: there is no private key here to encode")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("pki: encoding a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKeyPKCS8, Bytes: der}), nil
}
