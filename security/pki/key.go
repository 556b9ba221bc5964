package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
)

// The values of [Options.Key].
const (
	KeyEC      = "EC"      // ECDSA on P-256
	KeyEC384   = "EC384"   // ECDSA on P-384
	KeyRSA     = "RSA"     // RSA with 2048 bits
	KeyEd25519 = "Ed25519" // Ed25519
)

const rsaBits = 2048

// newKey generates a key of the kind that [Options.Key] names.
func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "", KeyEC:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case KeyEC384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case KeyRSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case KeyEd25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, &OptionError{"Key", kind, "must be one of EC, EC384, RSA, Ed25519"}
}

// keyIdentifier returns the identifier of a public key: the leftmost 160 bits
// of the SHA-256 of its bits (RFC 7093, section 2, method 1).
func keyIdentifier(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("pki: encoding a public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("pki: reading back a public key: %w", err)
	}
	sum := sha256.Sum256(info.PublicKey.Bytes)
	return sum[:20], nil
}

// samePublicKey reports whether two public keys are one. Every public key of
// the standard library has the method it needs.
func samePublicKey(a, b crypto.PublicKey) bool {
	equal, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && equal.Equal(b)
}

// hexString writes bytes out for an error; a subject that is too long to be
// of use there is cut.
func hexString(b []byte) string {
	const most = 32
	if len(b) > most {
		return hex.EncodeToString(b[:most]) + "..."
	}
	return hex.EncodeToString(b)
}
