//go:build linux

package kubetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Names of the files in a Server's directory.
const (
	caFile         = "ca.crt"
	serverCertFile = "tls.crt"
	serverKeyFile  = "tls.key"
	signingKeyFile = "sa.key"
	verifyKeyFile  = "sa.pub"
	tokensFile     = "tokens.csv"
)

// writeKeys makes the server's certificate, the key that signs the tokens of
// service accounts, and the token of an administrator.
func (s *Server) writeKeys() error {
	var errs []error
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		errs = append(errs, err)
		return key
	}
	authorityKey, serverKey, signingKey := newKey(), newKey(), newKey()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.signingKey = signingKey
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubetest"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost", "kubernetes.default.svc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	block := func(kind string) func(der []byte, err error) []byte {
		return func(der []byte, err error) []byte {
			errs = append(errs, err)
			return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		}
	}
	s.AdministratorToken = rand.Text()
	s.CA = block("CERTIFICATE")(x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey))
	for name, text := range map[string][]byte{
		caFile:         s.CA,
		serverCertFile: block("CERTIFICATE")(x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)),
		serverKeyFile:  block("EC PRIVATE KEY")(x509.MarshalECPrivateKey(serverKey)),
		signingKeyFile: block("EC PRIVATE KEY")(x509.MarshalECPrivateKey(signingKey)),
		verifyKeyFile:  block("PUBLIC KEY")(x509.MarshalPKIXPublicKey(signingKey.Public())),
		tokensFile:     []byte(s.AdministratorToken + ",kubetest-admin,kubetest-admin,system:masters\n"),
	} {
		errs = append(errs, os.WriteFile(filepath.Join(s.directory, name), text, 0o600))
	}
	return errors.Join(errs...)
}

// Sign makes a token of any claims with the cluster's own key. A token that has
// expired can be had in no other way: the API server issues none for less than
// 10 minutes.
func (s *Server) Sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(s.signingKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(public)
	encode := base64.RawURLEncoding.EncodeToString
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return encode(text)
	}
	input := part(map[string]string{"alg": "ES256", "kid": encode(id[:])}) + "." + part(claims)
	sum := sha256.Sum256([]byte(input))
	r, z, err := ecdsa.Sign(rand.Reader, s.signingKey, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	z.FillBytes(signature[32:])
	return input + "." + encode(signature)
}
