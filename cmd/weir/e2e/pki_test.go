package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// playCertificates looks at the certificates of every kit, and nothing else.
func playCertificates(t *testing.T, scenario func(t *testing.T, dir string)) {
	t.Helper()
	t.Parallel()
	for _, k := range kits {
		t.Run(k.name, func(t *testing.T) { scenario(t, k.certificates(t)) })
	}
}

// chain reads the certificates of a file.
func chain(t *testing.T, dir, file string) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for block, rest := pem.Decode(mustRead(t, filepath.Join(dir, file))); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		certs = append(certs, cert)
	}
	return certs
}

// expectSubjects compares what weir pki subject prints, which is what a
// BrokerAuthentication wants.
func expectSubjects(t *testing.T, dir, file, want string) {
	t.Helper()
	if got, code := run(t, dir, nil, weirProgram, "pki", "subject", file); code != 0 || got != want {
		t.Errorf("weir pki subject %s: exit code %d\n\t%q, want\n\t%q", file, code, got, want)
	}
}

// expectAuthority expects a file with one certificate, of a CA.
func expectAuthority(t *testing.T, dir, file, issuer string) {
	t.Helper()
	certs := chain(t, dir, file)
	if len(certs) != 1 {
		t.Fatalf("%s holds %d certificates, want 1", file, len(certs))
	}
	cert := certs[0]
	if !cert.IsCA || cert.Issuer.CommonName != issuer {
		t.Errorf("%s: CA %v, issued by %q, want a CA issued by %q", file, cert.IsCA, cert.Issuer.CommonName, issuer)
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("%s: key %T, want one on P-256", file, cert.PublicKey)
	}
}

// expectLeaf expects a file with a leaf and its intermediate, that chain to a
// root for this use.
func expectLeaf(t *testing.T, dir, name, ca string, use x509.ExtKeyUsage) *x509.Certificate {
	t.Helper()
	certs := chain(t, dir, name+".crt")
	if len(certs) != 2 {
		t.Fatalf("%s.crt holds %d certificates, want the leaf and the intermediate", name, len(certs))
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(chain(t, dir, ca+"_root_ca.crt")[0])
	intermediates.AddCert(certs[1])
	if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
		t.Errorf("%s.crt: %v", name, err)
	}
	if left := time.Until(certs[0].NotAfter); left < 2390*time.Hour || left > 2400*time.Hour {
		t.Errorf("%s.crt is valid for %v, want 2400h", name, left)
	}
	return certs[0]
}

func TestT1RootCAIsOnP256(t *testing.T) {
	playCertificates(t, func(t *testing.T, dir string) {
		expectAuthority(t, dir, "contoso_root_ca.crt", "Contoso Root CA")
		expectSubjects(t, dir, "contoso_root_ca.crt", "CN = Contoso Root CA\n")
	})
}

func TestT2IntermediateCAIsIssuedByTheRoot(t *testing.T) {
	playCertificates(t, func(t *testing.T, dir string) {
		expectAuthority(t, dir, "contoso_intermediate_ca.crt", "Contoso Root CA")
		expectSubjects(t, dir, "contoso_intermediate_ca.crt", "CN = Contoso Intermediate CA 1\n")
	})
}

func TestT3ServerCertificateIsABundleForLocalhost(t *testing.T) {
	playCertificates(t, func(t *testing.T, dir string) {
		leaf := expectLeaf(t, dir, "mqtts-endpoint", "contoso", x509.ExtKeyUsageServerAuth)
		if !slices.Equal(leaf.DNSNames, []string{"localhost"}) {
			t.Errorf("subject alternative names %q, want localhost", leaf.DNSNames)
		}
		expectSubjects(t, dir, "mqtts-endpoint.crt", "CN = mqtts-endpoint\nCN = Contoso Intermediate CA 1\n")
	})
}

func TestT4ClientCertificatesAreBundles(t *testing.T) {
	playCertificates(t, func(t *testing.T, dir string) {
		expectAuthority(t, dir, "fabrikam_root_ca.crt", "Fabrikam Root CA")
		expectAuthority(t, dir, "fabrikam_intermediate_ca.crt", "Fabrikam Root CA")
		for _, c := range []client{thermostat, hygrometer, heater, lightbulb} {
			expectLeaf(t, dir, c.name, "fabrikam", x509.ExtKeyUsageClientAuth)
			expectSubjects(t, dir, c.name+".crt", "CN = "+c.name+"\nCN = Fabrikam Intermediate CA 1\n")
		}
	})
}
