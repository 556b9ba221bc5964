package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAuthoritySurvivesPEM(t *testing.T) {
	for name, keys := range keyChains {
		t.Run(name, func(t *testing.T) {
			root, intermediate, _ := issueChain(t, keys)
			bundle := append(intermediate.CertPEM(), root.CertPEM()...)
			loaded := must[*Authority](t)(LoadAuthority(bundle, must[[]byte](t)(intermediate.KeyPEM())))
			if !loaded.Cert.Equal(intermediate.Cert) || !samePublicKey(loaded.Key.Public(), intermediate.Key.Public()) {
				t.Fatal("certificate or key came back different")
			}
			if loaded.Parent == nil || !loaded.Parent.Cert.Equal(root.Cert) || loaded.Parent.Parent != nil {
				t.Fatal("parent is not the root that follows in the bundle")
			}
			leaf := must[*Leaf](t)(loaded.NewLeaf(Options{CommonName: "a"}))
			if len(leaf.Chain) != 2 {
				t.Errorf("chain has %d certificates, want 2", len(leaf.Chain))
			}
			if _, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: root.Pool(), Intermediates: intermediates(leaf)}); err != nil {
				t.Error(err)
			}
			if _, err := loaded.Parent.NewLeaf(Options{CommonName: "a"}); err == nil {
				t.Error("an authority without a key issued a certificate")
			}
			if _, err := loaded.Parent.KeyPEM(); err == nil {
				t.Error("an authority without a key has a key in PEM")
			}
		})
	}
}

func TestIntermediateLoadedAloneStaysInChain(t *testing.T) {
	root, intermediate, _ := issueChain(t, keyChains["EC"])
	loaded := must[*Authority](t)(LoadAuthority(intermediate.CertPEM(), must[[]byte](t)(intermediate.KeyPEM())))
	leaf := must[*Leaf](t)(loaded.NewLeaf(Options{CommonName: "a"}))
	if len(leaf.Chain) != 2 {
		t.Fatalf("chain has %d certificates, want 2", len(leaf.Chain))
	}
	if _, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: root.Pool(), Intermediates: intermediates(leaf)}); err != nil {
		t.Fatal(err)
	}
}

func TestLeafPEM(t *testing.T) {
	_, intermediate, leaf := issueChain(t, keyChains["EC"])
	if want := append(leaf.CertPEM(), intermediate.CertPEM()...); !bytes.Equal(leaf.BundlePEM(), want) {
		t.Error("bundle is not the leaf followed by the intermediate")
	}
	signer, err := parseKeyPEM(must[[]byte](t)(leaf.KeyPEM()))
	if err != nil || !samePublicKey(signer.Public(), leaf.Cert.PublicKey) {
		t.Errorf("key does not come back: %v", err)
	}
}

func TestLoadAuthorityReadsOlderKeyFormats(t *testing.T) {
	for _, kind := range []string{KeyEC, KeyRSA} {
		t.Run(kind, func(t *testing.T) {
			root := must[*Authority](t)(NewRoot(Options{CommonName: "root", Key: kind}))
			var text []byte
			switch key := root.Key.(type) {
			case *ecdsa.PrivateKey:
				text = pem.EncodeToMemory(&pem.Block{Type: blockECParameters, Bytes: []byte{6, 0}})
				der := must[[]byte](t)(x509.MarshalECPrivateKey(key))
				text = append(text, pem.EncodeToMemory(&pem.Block{Type: blockKeyEC, Bytes: der})...)
			case *rsa.PrivateKey:
				text = pem.EncodeToMemory(&pem.Block{Type: blockKeyRSA, Bytes: x509.MarshalPKCS1PrivateKey(key)})
			}
			loaded := must[*Authority](t)(LoadAuthority(root.CertPEM(), text))
			if !samePublicKey(loaded.Key.Public(), root.Key.Public()) {
				t.Error("key came back different")
			}
		})
	}
}

func TestLoadAuthorityRefuses(t *testing.T) {
	root, intermediate, leaf := issueChain(t, keyChains["EC"])
	other, _, _ := issueChain(t, keyChains["EC"])
	rootKey := must[[]byte](t)(root.KeyPEM())
	intermediateKey := must[[]byte](t)(intermediate.KeyPEM())
	leafKey := must[[]byte](t)(leaf.KeyPEM())
	block := func(kind string, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte("s3cret")})
	}
	for _, row := range []struct {
		name, part, problem string
		cert, key           []byte
	}{
		{"no certificate", "certificate", "no PEM block", nil, rootKey},
		{"key in place of the certificate", "certificate", `"PRIVATE KEY"`, rootKey, rootKey},
		{"certificate that is no DER", "certificate", "cannot be parsed", block(blockCertificate, nil), rootKey},
		{"leaf", "certificate", "not a CA", leaf.CertPEM(), leafKey},
		{"parent of another chain", "certificate", "not issued by", append(intermediate.CertPEM(), other.CertPEM()...), intermediateKey},
		{"no key", "key", "no PEM block", root.CertPEM(), []byte("x")},
		{"parameters and no key", "key", "no PEM block", root.CertPEM(), block(blockECParameters, nil)},
		{"certificate in place of the key", "key", `"CERTIFICATE"`, root.CertPEM(), root.CertPEM()},
		{"key that is no DER", "key", "cannot be parsed", root.CertPEM(), block(blockKeyPKCS8, nil)},
		{"encrypted key", "key", "encrypted", root.CertPEM(), block("ENCRYPTED PRIVATE KEY", nil)},
		{"key encrypted the old way", "key", "encrypted", root.CertPEM(),
			block(blockKeyEC, map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"})},
		{"key of another certificate", "key", "does not belong", root.CertPEM(), intermediateKey},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := LoadAuthority(row.cert, row.key)
			var load *LoadError
			if !errors.As(err, &load) || load.Part != row.part || !strings.Contains(load.Error(), row.problem) {
				t.Fatalf("err = %v, want a LoadError of the %s that says %s", err, row.part, row.problem)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q quotes the key", err)
			}
		})
	}
}

func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not on PATH")
	}
	for name, keys := range keyChains {
		t.Run(name, func(t *testing.T) {
			root, intermediate, leaf := issueChain(t, keys)
			dir := t.TempDir()
			write := func(file string, text []byte) string {
				path := filepath.Join(dir, file)
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			rootFile := write("root.pem", root.CertPEM())
			intermediateFile := write("intermediate.pem", intermediate.CertPEM())
			leafFile := write("leaf.pem", leaf.CertPEM())
			keyFile := write("leaf.key", must[[]byte](t)(leaf.KeyPEM()))

			for _, purpose := range []string{"sslserver", "sslclient"} {
				out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", purpose, "-verify_hostname", "gateway.example",
					"-CAfile", rootFile, "-untrusted", intermediateFile, leafFile).CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v\n%s", purpose, err, out)
				}
			}
			ofCert := must[[]byte](t)(exec.Command(openssl, "x509", "-in", leafFile, "-noout", "-pubkey").Output())
			ofKey := must[[]byte](t)(exec.Command(openssl, "pkey", "-in", keyFile, "-pubout").Output())
			if !bytes.Equal(ofCert, ofKey) {
				t.Error("openssl reads another public key from the key than from the certificate")
			}
		})
	}
}
