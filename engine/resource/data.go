package resource

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Keys and type of a Secret that holds a server certificate.
const (
	tlsCertKey    = "tls.crt"
	tlsKeyKey     = "tls.key"
	secretTypeTLS = "kubernetes.io/tls"
)

// secret is a Secret.
type secret struct {
	object      *Object
	node        *node
	kind        string // its type
	data        map[string][]byte
	certificate *tls.Certificate    // nil if it holds none
	chain       []*x509.Certificate // of certificate
}

// configMap is a ConfigMap.
type configMap struct {
	object *Object
	data   map[string][]byte
	binary map[string]bool // the keys that come from binaryData
}

// decodeSecret reads a Secret. If it holds a certificate and key, whatever its
// type, they must fit: so a bad pair is known before something needs it.
func decodeSecret(d *decoder, n *node) *secret {
	s := &secret{object: d.object, node: n, kind: "Opaque", data: make(map[string][]byte)}
	var immutable bool
	plain := make(map[string]string)
	d.mapping(n, "", envelope(d,
		optional("type", d.str(&s.kind)),
		optional("data", d.base64Map(s.data)),
		optional("stringData", d.entries(func(key string, n *node, path string) {
			if n.kind != stringNode && n.kind != otherScalarNode {
				d.fail(n, path, "", "is "+n.kind.String()+" where a string belongs", "")
				return
			}
			n.becomeText()
			plain[key] = n.text
		})),
		optional("immutable", d.boolean(&immutable)),
	)...)
	for key, value := range plain { // Kubernetes lets stringData win
		s.data[key] = []byte(value)
	}
	d.checkKeys(n, s.data)
	d.checkCertificate(s)
	return s
}

func decodeConfigMap(d *decoder, n *node) *configMap {
	c := &configMap{object: d.object, data: make(map[string][]byte), binary: make(map[string]bool)}
	var immutable bool
	var text map[string]string
	binary := make(map[string][]byte)
	d.mapping(n, "", envelope(d,
		optional("data", d.stringMap(&text)),
		optional("binaryData", d.base64Map(binary)),
		optional("immutable", d.boolean(&immutable)),
	)...)
	for key, value := range text {
		c.data[key] = []byte(value)
	}
	for key, value := range binary {
		if _, ok := c.data[key]; ok {
			d.fail(n.get("binaryData"), join("binaryData", key), "", "is in data too", "keep one of them")
		}
		c.data[key] = value
		c.binary[key] = true
	}
	d.checkKeys(n, c.data)
	return c
}

func (d *decoder) checkKeys(n *node, data map[string][]byte) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if !isKey(key) {
			d.fail(n, "data", key, "is not a key", "use letters, digits, '-', '_' and '.'")
		}
	}
}

// checkCertificate parses the certificate and key of a Secret that has them,
// or that by its type should.
func (d *decoder) checkCertificate(s *secret) {
	certPEM, hasCert := s.data[tlsCertKey]
	keyPEM, hasKey := s.data[tlsKeyKey]
	if s.kind != secretTypeTLS && (!hasCert || !hasKey) {
		return
	}
	switch {
	case !hasCert:
		d.fail(s.node, join("data", tlsCertKey), "", "is missing", "put the certificate there, then its intermediates, in PEM")
		return
	case !hasKey:
		d.fail(s.node, join("data", tlsKeyKey), "", "is missing", "put the private key there, in PEM")
		return
	}
	chain, problem := parseCertificates(certPEM)
	if problem != "" {
		d.fail(s.node, join("data", tlsCertKey), "", problem, "")
		return
	}
	// What crypto/tls says about a key is not passed on: it might quote it.
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		problem, remedy := keyProblem(chain, keyPEM)
		d.fail(s.node, join("data", tlsKeyKey), "", problem, remedy)
		return
	}
	cert.Leaf = chain[0]
	s.certificate, s.chain = &cert, chain
}

// keyProblem says why a key does not serve a chain.
func keyProblem(chain []*x509.Certificate, keyPEM []byte) (problem, remedy string) {
	for block, rest := pem.Decode(keyPEM); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return "is encrypted", "decrypt it first"
		}
	}
	if block, _ := pem.Decode(keyPEM); block == nil {
		return "has no PEM block", "it begins with -----BEGIN PRIVATE KEY-----"
	}
	for i, c := range chain[1:] {
		certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if _, err := tls.X509KeyPair(certPEM, keyPEM); err == nil {
			return fmt.Sprintf("belongs to certificate %d of the chain, not to the first", i+2), "put the server's own certificate first"
		}
	}
	return fmt.Sprintf("is not the private key of the certificate %q", chain[0].Subject), ""
}

// warnOfServerCertificate warns of what makes clients refuse a server.
func (b *builder) warnOfServerCertificate(s *secret) {
	d, chain := b.decoder(s.object), s.chain
	leaf, field, now := chain[0], join("data", tlsCertKey), time.Now()
	subject := leaf.Subject.String()
	switch {
	case now.After(leaf.NotAfter):
		d.warn(s.node, field, subject, "expired on "+leaf.NotAfter.UTC().Format(time.RFC3339), "clients will refuse it: renew the certificate")
	case now.Before(leaf.NotBefore):
		d.warn(s.node, field, subject, "is not valid before "+leaf.NotBefore.UTC().Format(time.RFC3339), "clients will refuse it until then")
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		d.warn(s.node, field, subject, "has no subject alternative name", "clients will refuse it: issue it with the names they use, such as localhost")
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		d.warn(s.node, field, subject, "may not be used by a server", "issue it with the extended key usage serverAuth")
	}
	for i := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(chain[i+1]); err != nil {
			d.warn(s.node, field, chain[i+1].Subject.String(), fmt.Sprintf("did not sign the certificate before it, %q", chain[i].Subject),
				"put the server's certificate first, then each one's issuer")
		}
	}
}

// parseCertificates reads PEM that holds certificates and nothing else.
func parseCertificates(text []byte) (certs []*x509.Certificate, problem string) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Sprintf("has a PEM block %q where only CERTIFICATE belongs", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Sprintf("has a certificate that cannot be parsed: %v", err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, "has no certificate in PEM"
	}
	// The PEM reader passes over what it cannot make out. Where a block was
	// begun, something is lost.
	if strings.Contains(string(text), "-----BEGIN") {
		return nil, fmt.Sprintf("has a damaged PEM block behind certificate %d", len(certs))
	}
	return certs, ""
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}
