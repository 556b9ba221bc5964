package resource

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/attributefile"
)

// defaultTrustedCA is the ConfigMap of an X509 method that names none.
const defaultTrustedCA = "client-ca"

// attributesKey is the key of a Secret that gives attributes to subjects, as in
// the first preview.
const attributesKey = "x509Attributes.toml"

// x509Method is method X509.
type x509Method struct {
	path                string // of the settings
	node                *node  // the settings
	trustedClientCACert string
	entries             []security.X509Entry
	attributesSecret    string              // "", or the Secret with the entries
	revocation          *revocationSettings // nil: nothing is ever revoked
}

// x509 reads the settings of an X509 method.
func (d *decoder) x509(n *node, path string) *x509Method {
	m := &x509Method{path: path, node: n, trustedClientCACert: defaultTrustedCA}
	validation := "None"
	before := d.errors
	d.mapping(n, path,
		optional("trustedClientCaCert|trustedClientCaCertConfigMap", d.matching(&m.trustedClientCACert, caNameProblem)),
		optional("authorizationAttributes", d.entries(func(name string, n *node, path string) {
			e := security.X509Entry{Name: name}
			d.mapping(n, path,
				required("subject", d.str(&e.Subject)),
				required("attributes", d.stringMap(&e.Attributes)),
			)
			m.entries = append(m.entries, e)
		})),
		optional("revocation", d.revocation(&m.revocation)),
		optional("attributes", func(n *node, path string) {
			d.mapping(n, path,
				required("secretName|secretRef", d.matching(&m.attributesSecret, referenceProblem(KindSecret))),
				optional("keyVault", func(n *node, path string) {
					d.notSupported(n, path, "", "use a secretName")
				}),
			)
		}),
		optional("additionalValidation", func(n *node, path string) {
			d.enum(&validation, "None", "AzureDeviceRegistry")(n, path)
			if validation != "None" {
				d.notSupported(n, path, validation, "use None")
			}
		}),
	)
	if a := n.get("attributes"); a != nil && n.get("authorizationAttributes") != nil {
		d.fail(a, join(path, "attributes"), "", "is there beside authorizationAttributes", "keep one of them")
	}
	if d.errors == before {
		_, err := security.NewX509(security.X509Config{Entries: m.entries})
		d.configErrors(n, path, withoutMissingCA(err))
	}
	return m
}

func (m *x509Method) resolve(b *builder, d *decoder) (resolvedMethod, resolution) {
	c := find[configMap](b.catalog, KindConfigMap, m.trustedClientCACert)
	if c == nil {
		b.missing(d, m.node.get("trustedClientCaCert"), m.node, join(m.path, "trustedClientCaCert"), KindConfigMap, m.trustedClientCACert)
		return resolvedMethod{}, foundMissing
	}
	cas, ok := b.certificateAuthorities(c)
	if !ok {
		return resolvedMethod{}, foundBroken
	}
	entries, how := m.attributes(b, d)
	if how != foundAll {
		return resolvedMethod{}, how
	}
	config := security.X509Config{Entries: entries}
	var digests []digest
	for _, ca := range cas {
		config.TrustedCAs = append(config.TrustedCAs, ca.certificate)
		digests = append(digests, ca.digest)
	}
	r := resolvedMethod{base: []any{methodX509, digests, entries}, cas: cas}
	old := b.prev.authentications[d.object.Name]
	var revoked resolvedRevocation
	if m.revocation != nil {
		if revoked, how = m.revocation.resolve(b, d, cas, old); how != foundAll {
			return resolvedMethod{}, how
		}
		config.Revocation, r.crls = revoked.set, revoked.crls
	}
	r.identity = []any{r.base, revoked.identity}
	r.make = func(d *decoder) security.Authenticator {
		if x, ok := basedOn[*security.X509](old, r.base); ok {
			return x.WithRevocation(config.Revocation)
		}
		x, err := security.NewX509(config)
		if err != nil {
			d.configErrors(m.node, m.path, err)
			return nil
		}
		return x
	}
	return r, foundAll
}

// attributes returns the entries, those of the Secret if there is one.
func (m *x509Method) attributes(b *builder, d *decoder) ([]security.X509Entry, resolution) {
	if m.attributesSecret == "" {
		return m.entries, foundAll
	}
	s := find[secret](b.catalog, KindSecret, m.attributesSecret)
	if s == nil {
		b.missing(d, m.node.at("attributes.secretName"), m.node, join(m.path, "attributes.secretName"), KindSecret, m.attributesSecret)
		return nil, foundMissing
	}
	of, field := b.decoder(s.object), join("data", attributesKey)
	text, ok := s.data[attributesKey]
	if !ok {
		of.fail(s.node, field, "", "is missing", "put the entries there, in TOML, or write them under authorizationAttributes of "+d.object.String())
		return nil, foundBroken
	}
	entries, err := attributefile.Parse(text)
	if err != nil {
		for _, err := range separate(err) {
			of.fail(s.node.at(field), field, "", err.Error(), "")
		}
		return nil, foundBroken
	}
	return entries, foundAll
}

// withoutMissingCA takes the complaint about missing CA certificates out of an
// error: they are in another object.
func withoutMissingCA(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	return errors.Join(slices.DeleteFunc(slices.Clone(joined.Unwrap()), func(err error) bool {
		var config *security.ConfigError
		return errors.As(err, &config) && config.Field == "trustedClientCaCert"
	})...)
}

// X509 returns the X509 methods in order, for their Explain.
func (a *Authentication) X509() []*security.X509 {
	var methods []*security.X509
	for _, m := range a.methods {
		if x, ok := m.Authenticator.(*security.X509); ok {
			methods = append(methods, x)
		}
	}
	return methods
}

// certificateAuthority is a trust anchor, with what identifies it.
type certificateAuthority struct {
	certificate *x509.Certificate
	digest      digest
}

func certificatesOf(cas []certificateAuthority) []*x509.Certificate {
	certs := make([]*x509.Certificate, len(cas))
	for i, ca := range cas {
		certs[i] = ca.certificate
	}
	return certs
}

// certificateAuthorities returns the CA certificates of Clients in a ConfigMap.
func (b *builder) certificateAuthorities(c *configMap) ([]certificateAuthority, bool) {
	return b.trustedCertificates(c, warnOfClientCA)
}

// warnOfClientCA warns of what makes the broker refuse Clients.
func warnOfClientCA(d *decoder, at *node, field string, cert *x509.Certificate) {
	subject := cert.Subject.String()
	if !cert.IsCA {
		d.warn(at, field, subject, "is not a CA certificate", "clients whose certificates it signed are refused: put the certificate of the CA there")
	}
	if time.Now().After(cert.NotAfter) {
		d.warn(at, field, subject, "expired on "+cert.NotAfter.UTC().Format(time.RFC3339), "clients below it are refused: renew it")
	}
}

// trustedCertificates returns the certificates of a ConfigMap: all, under all
// keys.
func (b *builder) trustedCertificates(c *configMap, warn func(d *decoder, at *node, field string, cert *x509.Certificate)) ([]certificateAuthority, bool) {
	d := b.decoder(c.object)
	var cas []certificateAuthority
	for _, key := range sortedKeys(c.data) {
		field, at := join("data", key), c.object.node.at("data."+key)
		certs, problem := parseCertificates(c.data[key])
		if problem != "" {
			d.fail(at, field, "", problem, "put CA certificates there, in PEM")
			continue
		}
		for _, cert := range certs {
			warn(d, at, field, cert)
			cas = append(cas, certificateAuthority{cert, sha256.Sum256(cert.Raw)})
		}
	}
	if len(cas) == 0 && d.errors == 0 {
		d.fail(c.object.node, "data", "", "is empty", "put CA certificates there, in PEM, under any key")
	}
	return cas, d.errors == 0
}
