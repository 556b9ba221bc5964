package serviceaccount

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// maxKeys bounds what a token without kid can make us try. Issuers have two or
// three keys.
const maxKeys = 32

// leastRSABits is what RFC 7518, section 3.3, asks of RS256.
const leastRSABits = 2048

// KeySet is the public keys of an issuer: a JWK Set (RFC 7517). It never
// changes.
type KeySet struct {
	keys []jose.JSONWebKey
}

// ParseKeySet reads a JWK Set. Keys for other uses or of other kinds than RS256,
// ES256 and EdDSA have are passed over. A set without a usable key, or with one
// that is not public, is refused; the error holds nothing of the keys.
func ParseKeySet(text []byte) (*KeySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil || document.Keys == nil {
		return nil, errors.New("is not a JWK Set: an object whose keys are a list")
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("has %d keys; at most %d are taken", len(document.Keys), maxKeys)
	}
	s := new(KeySet)
	for i, raw := range document.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil {
			continue // RFC 7517, section 5: what is not understood is to be ignored
		}
		if !key.IsPublic() {
			return nil, fmt.Errorf("has a key that is secret, keys[%d]: give the public keys of the issuer alone, and replace this one", i)
		}
		if algorithm := algorithmOf(key.Key); algorithm != "" && (key.Use == "" || key.Use == "sig") &&
			(key.Algorithm == "" || key.Algorithm == string(algorithm)) {
			s.keys = append(s.keys, key)
		}
	}
	if len(s.keys) == 0 {
		return nil, errors.New("has no key for signatures by RS256 (of 2048 bits at least), ES256 or EdDSA")
	}
	return s, nil
}

// algorithmOf returns the one algorithm that a public key is for, or "".
func algorithmOf(key any) jose.SignatureAlgorithm {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= leastRSABits {
			return jose.RS256
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return jose.ES256
		}
	case ed25519.PublicKey:
		return jose.EdDSA
	}
	return ""
}

// candidates returns the keys that a signature may be verified with: those
// with its key ID, if it has one, that are for its algorithm.
func (s *KeySet) candidates(id string, algorithm jose.SignatureAlgorithm) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, key := range s.keys {
		if (id == "" || key.KeyID == id) && algorithmOf(key.Key) == algorithm {
			found = append(found, key)
		}
	}
	return found
}

// has reports whether there is a key with this ID.
func (s *KeySet) has(id string) bool {
	for _, key := range s.keys {
		if key.KeyID == id {
			return true
		}
	}
	return false
}
