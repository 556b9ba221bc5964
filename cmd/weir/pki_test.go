package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"time"
)

// issuers makes the root and the intermediate of a company in the current
// directory.
func issuers(t *testing.T, file, company string) {
	t.Helper()
	mustWeir(t, "pki", "root", company+" Root CA", file+"_root_ca.crt", file+"_root_ca.key")
	mustWeir(t, "pki", "intermediate", company+" Intermediate CA 1", file+"_intermediate_ca.crt", file+"_intermediate_ca.key",
		"--ca", file+"_root_ca.crt", "--ca-key", file+"_root_ca.key")
}

func readCertificates(t *testing.T, file string) []*x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := parseCertificates(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}

func TestLeafVerifiesThroughItsBundle(t *testing.T) {
	t.Chdir(t.TempDir())
	issuers(t, "contoso", "Contoso")
	ca := []string{"--ca", "contoso_intermediate_ca.crt", "--ca-key", "contoso_intermediate_ca.key"}
	mustWeir(t, append([]string{"pki", "leaf", "mqtts-endpoint", "server.crt", "server.key", "--bundle",
		"--san", "localhost", "--san", "192.0.2.7", "--san", "spiffe://contoso/broker", "--not-after", "2400h"}, ca...)...)

	certs := readCertificates(t, "server.crt")
	if len(certs) != 2 {
		t.Fatalf("the bundle holds %d certificates, want leaf and intermediate", len(certs))
	}
	for _, host := range []string{"localhost", "192.0.2.7"} {
		_, err := certs[0].Verify(x509.VerifyOptions{
			Roots:         pool(readCertificates(t, "contoso_root_ca.crt")...),
			Intermediates: pool(certs[1]),
			DNSName:       host,
		})
		if err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if uris := certs[0].URIs; len(uris) != 1 || uris[0].String() != "spiffe://contoso/broker" {
		t.Errorf("URIs = %v", uris)
	}
	if lifetime := time.Until(certs[0].NotAfter); lifetime < 2399*time.Hour || lifetime > 2400*time.Hour {
		t.Errorf("valid for %v from now, want 2400h", lifetime)
	}
	if _, err := tls.LoadX509KeyPair("server.crt", "server.key"); err != nil {
		t.Error(err)
	}

	mustWeir(t, append([]string{"pki", "leaf", "alone", "alone.crt", "alone.key"}, ca...)...)
	if certs := readCertificates(t, "alone.crt"); len(certs) != 1 {
		t.Errorf("without --bundle there are %d certificates, want 1", len(certs))
	}
}

func TestPrivateKeyIsReadableByItsOwnerOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	mustWeir(t, "pki", "root", "Root CA", "root.crt", "root.key")
	for file, want := range map[string]os.FileMode{"root.crt": 0o644, "root.key": 0o600} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", file, got, want)
		}
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("there are %d files, want the two asked for", len(entries))
	}
}

func TestKindsOfKey(t *testing.T) {
	t.Chdir(t.TempDir())
	for kty, ok := range map[string]func(any) bool{
		"EC":      func(k any) bool { key, ok := k.(*ecdsa.PublicKey); return ok && key.Curve.Params().BitSize == 256 },
		"ec384":   func(k any) bool { key, ok := k.(*ecdsa.PublicKey); return ok && key.Curve.Params().BitSize == 384 },
		"RSA":     func(k any) bool { _, ok := k.(*rsa.PublicKey); return ok },
		"Ed25519": func(k any) bool { _, ok := k.(ed25519.PublicKey); return ok },
	} {
		mustWeir(t, "pki", "root", "Root CA", "root.crt", "root.key", "--force", "--kty", kty)
		if key := readCertificates(t, "root.crt")[0].PublicKey; !ok(key) {
			t.Errorf("--kty %s made a %T", kty, key)
		}
	}
}

func TestParseInstant(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		in   string
		want time.Time
		ok   bool
	}{
		{"", time.Time{}, true},
		{"24h", now.Add(24 * time.Hour), true},
		{"-90s", now.Add(-90 * time.Second), true},
		{"2027-01-01T00:00:00Z", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), true},
		{"2027-01-01", time.Time{}, false},
		{"10", time.Time{}, false},
	} {
		got, err := parseInstant("--not-after", row.in, now)
		if !got.Equal(row.want) || (err == nil) != row.ok {
			t.Errorf("parseInstant(%q) = %v, %v; want %v, ok=%v", row.in, got, err, row.want, row.ok)
		}
	}
}
