package resource

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// certificates holds PEM by the name that the texts in testdata use: those of
// the tutorial, and ways to get them wrong.
type certificates struct {
	pem                  map[string][]byte
	thermostat, heater   *pki.Leaf
	server               *pki.Leaf
	contoso, fabrikam    *pki.Authority
	fabrikamIntermediate *pki.Authority
}

var issued = sync.OnceValues(issueCertificates)

func testCertificates(t testing.TB) *certificates {
	t.Helper()
	return must[*certificates](t)(issued())
}

func issueCertificates() (c *certificates, err error) {
	check := func(e error) {
		if err == nil {
			err = e
		}
	}
	root := func(name string) *pki.Authority {
		a, e := pki.NewRoot(pki.Options{CommonName: name})
		check(e)
		return a
	}
	below := func(a *pki.Authority, name string) *pki.Authority {
		i, e := a.NewIntermediate(pki.Options{CommonName: name})
		check(e)
		return i
	}
	leaf := func(a *pki.Authority, o pki.Options) *pki.Leaf {
		l, e := a.NewLeaf(o)
		check(e)
		return l
	}
	c = &certificates{pem: make(map[string][]byte)}
	c.contoso, c.fabrikam = root("Contoso Root CA"), root("Fabrikam Root CA")
	contosoIntermediate := below(c.contoso, "Contoso Intermediate CA 1")
	c.fabrikamIntermediate = below(c.fabrikam, "Fabrikam Intermediate CA 1")
	c.server = leaf(contosoIntermediate, pki.Options{CommonName: "mqtts-endpoint", DNSNames: []string{"localhost"}})
	renewed := leaf(contosoIntermediate, pki.Options{CommonName: "mqtts-endpoint", DNSNames: []string{"localhost"}})
	expired := leaf(contosoIntermediate, pki.Options{CommonName: "expired", NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1e9, 0)})
	early := leaf(contosoIntermediate, pki.Options{CommonName: "early", NotBefore: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)})
	nameless := leaf(contosoIntermediate, pki.Options{CommonName: "no host name"})
	c.thermostat = leaf(c.fabrikamIntermediate, pki.Options{CommonName: "thermostat"})
	c.heater = leaf(c.fabrikamIntermediate, pki.Options{CommonName: "heater"})
	if err != nil {
		return nil, err
	}
	for name, l := range map[string]*pki.Leaf{
		"server": c.server, "renewed": renewed, "expired": expired, "early": early, "nameless": nameless, "thermostat": c.thermostat,
	} {
		c.pem[name+"-cert"] = l.BundlePEM()
		c.pem[name+"-key"], err = l.KeyPEM()
		check(err)
	}
	c.pem["server-leaf"] = c.server.CertPEM()
	c.pem["server-misordered"] = append(contosoIntermediate.CertPEM(), c.server.CertPEM()...)
	c.pem["server-wrong-issuer"] = append(c.server.CertPEM(), c.fabrikam.CertPEM()...)
	c.pem["fabrikam-root"] = c.fabrikam.CertPEM()
	c.pem["fabrikam-intermediate"] = c.fabrikamIntermediate.CertPEM()
	c.pem["contoso-root"] = c.contoso.CertPEM()
	crl := func(number int64, thisUpdate, nextUpdate time.Time, extensions ...pkix.Extension) []byte {
		der, e := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(number), ThisUpdate: thisUpdate, NextUpdate: nextUpdate, ExtraExtensions: extensions,
			RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: c.thermostat.Cert.SerialNumber, RevocationTime: thisUpdate}},
		}, c.fabrikamIntermediate.Cert, c.fabrikamIntermediate.Key)
		check(e)
		return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	}
	now := time.Now()
	c.pem["crl-1"] = crl(1, now.Add(-2*time.Hour), now.Add(time.Hour))
	c.pem["crl-2"] = crl(2, now.Add(-time.Hour), now.Add(time.Hour))
	c.pem["crl-stale"] = crl(3, time.Unix(0, 0), time.Unix(1e9, 0))
	c.pem["crl-delta"] = crl(4, now, now.Add(time.Hour), pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}})
	c.pem["damaged"] = append(c.fabrikam.CertPEM()[:200:200], '\n')
	return c, err
}

// expand replaces a line @NAME by the PEM of that name with the line's
// indentation, and @base64:NAME within a line by its base64.
func (c *certificates) expand(t testing.TB, text string) string {
	t.Helper()
	lookup := func(name string) []byte {
		pem, ok := c.pem[name]
		if !ok {
			t.Fatalf("there is no certificate or key %q", name)
		}
		return pem
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(trimmed, "@"); ok && !strings.Contains(name, " ") {
			indent := line[:strings.Index(line, "@")]
			for l := range strings.Lines(string(lookup(name))) {
				b.WriteString(indent + l)
			}
			continue
		}
		if before, name, ok := strings.Cut(line, "@base64:"); ok {
			line = before + base64.StdEncoding.EncodeToString(lookup(strings.TrimSpace(name))) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// writeFile writes a file below dir, whose directories it makes.
func writeFile(t testing.TB, dir, name, text string) {
	t.Helper()
	at := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, dir, name string) string {
	t.Helper()
	return string(must[[]byte](t)(os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))))
}
