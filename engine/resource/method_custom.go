package resource

import (
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/custom"
)

// Values of authenticationMethodEncoding. It is ours, for servers that read the
// API in another way.
const (
	encodingPlain  = "Plain"
	encodingBase64 = "Base64"
)

// customMethod is method Custom.
type customMethod struct {
	path      string // of the settings
	node      *node  // the settings
	config    custom.Config
	caCert    string // the ConfigMap; "": the roots of the system
	secretRef string // of the client certificate; "": none
}

// custom reads the settings of a Custom method. No value of a header gets into
// a problem: it is often a token.
func (d *decoder) custom(n *node, path string) *customMethod {
	m := &customMethod{path: path, node: n}
	encoding := encodingPlain
	before := d.errors
	d.mapping(n, path,
		required("endpoint", d.str(&m.config.Endpoint)),
		optional("caCertConfigMap|caCert", d.matching(&m.caCert, caNameProblem)),
		optional("auth", func(n *node, path string) {
			d.mapping(n, path, required("x509", func(n *node, path string) {
				d.mapping(n, path,
					required("secretRef|secretName", d.matching(&m.secretRef, referenceProblem(KindSecret))),
					optional("namespace", d.anything),
				)
			}))
		}),
		optional("headers", d.headers(&m.config.Headers)),
		optional("clientInformation", d.enabled(&m.config.ClientInformation)),
		optional("authenticationMethodEncoding", d.enum(&encoding, encodingPlain, encodingBase64)),
	)
	m.config.Base64Method = encoding == encodingBase64
	if d.errors == before {
		d.configErrors(n, path, m.config.Check())
	}
	return m
}

// headers reads a mapping of headers.
func (d *decoder) headers(to *map[string]string) reader {
	return func(n *node, path string) {
		if n.kind != mappingNode {
			d.fail(n, path, "", "is "+n.kind.String()+" where a mapping belongs", "write each header as name: value")
			return
		}
		*to = make(map[string]string, len(n.pairs))
		d.entries(func(name string, n *node, path string) {
			if n.kind != stringNode && n.kind != otherScalarNode {
				d.fail(n, path, "", "is "+n.kind.String()+" where a string belongs", "")
				return
			}
			n.becomeText()
			(*to)[name] = n.text
		})(n, path)
	}
}

func (m *customMethod) resolve(b *builder, d *decoder) (resolvedMethod, resolution) {
	config := m.config
	var digests []digest
	if m.caCert != "" {
		c := find[configMap](b.catalog, KindConfigMap, m.caCert)
		if c == nil {
			b.missing(d, m.node.get("caCertConfigMap"), m.node, join(m.path, "caCertConfigMap"), KindConfigMap, m.caCert)
			return resolvedMethod{}, foundMissing
		}
		cas, ok := b.trustedCertificates(c, warnOfServerCA)
		if !ok {
			return resolvedMethod{}, foundBroken
		}
		for _, ca := range cas {
			config.TrustedCAs = append(config.TrustedCAs, ca.certificate)
			digests = append(digests, ca.digest)
		}
	}
	if m.secretRef != "" {
		field, at := join(m.path, "auth.x509.secretRef"), m.node.at("auth.x509.secretRef")
		s := find[secret](b.catalog, KindSecret, m.secretRef)
		switch {
		case s == nil:
			b.missing(d, at, m.node, field, KindSecret, m.secretRef)
			return resolvedMethod{}, foundMissing
		case s.certificate == nil:
			d.fail(at, field, m.secretRef, "names a Secret without "+tlsCertKey+" and "+tlsKeyKey, "name one of type "+secretTypeTLS)
			return resolvedMethod{}, foundBroken
		}
		b.warnOfClientCertificate(s)
		config.Certificate = s.certificate
		digests = append(digests, sha256.Sum256(s.data[tlsCertKey]), sha256.Sum256(s.data[tlsKeyKey]))
	}
	return resolvedMethod{
		// The names tell system roots from CAs, and CAs from a certificate.
		identity: []any{methodCustom, config.Endpoint, config.Headers, config.ClientInformation, config.Base64Method, m.caCert, m.secretRef, digests},
		make: func(d *decoder) security.Authenticator {
			a, err := custom.New(config)
			if err != nil {
				d.configErrors(m.node, m.path, err)
				return nil
			}
			return a
		},
	}, foundAll
}

// warnOfServerCA warns of what makes the broker refuse a server that it asks. A
// certificate that is no CA's is that of the server itself, and will do.
func warnOfServerCA(d *decoder, at *node, field string, cert *x509.Certificate) {
	if time.Now().After(cert.NotAfter) {
		d.warn(at, field, cert.Subject.String(), "expired on "+cert.NotAfter.UTC().Format(time.RFC3339),
			"a server below it is refused: renew it")
	}
}

// warnOfClientCertificate warns of what makes a server refuse the broker.
func (b *builder) warnOfClientCertificate(s *secret) {
	if leaf := s.certificate.Leaf; time.Now().After(leaf.NotAfter) {
		b.decoder(s.object).warn(s.node, join("data", tlsCertKey), leaf.Subject.String(),
			"expired on "+leaf.NotAfter.UTC().Format(time.RFC3339), "the custom authentication server will refuse it: renew the certificate")
	}
}

// customServers returns the methods that ask servers, in order.
func (a *Authentication) customServers() []*custom.Authenticator {
	var servers []*custom.Authenticator
	for _, m := range a.methods {
		if c, ok := m.Authenticator.(*custom.Authenticator); ok {
			servers = append(servers, c)
		}
	}
	return servers
}

// CustomServers returns the addresses of the custom authentication servers that
// are asked about Clients, in order.
func (a *Authentication) CustomServers() []string {
	var addresses []string
	for _, c := range a.customServers() {
		addresses = append(addresses, c.Address())
	}
	return addresses
}

// logTo has the methods of a Snapshot log what they find out while they serve.
func (s *Snapshot) logTo(logger *slog.Logger) {
	for _, a := range s.authentications {
		for _, c := range a.customServers() {
			c.LogTo(logger)
		}
	}
}
