package resource

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/serviceaccount"
)

// kubeconfigKey is the key of a Secret under which a kubeconfig is.
const kubeconfigKey = "kubeconfig"

// serviceAccountTokenMethod is method ServiceAccountToken.
type serviceAccountTokenMethod struct {
	path                string // of the settings
	node                *node  // the settings
	audiences           []string
	kubeconfigSecretRef string        // "": the cluster that Weir runs in
	jwks                *jwksSettings // nil: the API server is asked
	legacyUserName      bool
	serviceAccountName  bool
	revocation          *revocationSettings // nil: nothing is ever revoked
}

// jwksSettings are those of an issuer whose signatures Weir verifies itself.
type jwksSettings struct {
	path            string
	node            *node
	issuer          string
	configMapRef    string // with the keys
	url             string // or where they are fetched
	caCertConfigMap string // for url; "": the CAs of the system
	algorithms      []string
	usernameClaim   string
	attributeClaims map[string]string
}

// serviceAccountToken reads the settings of a ServiceAccountToken method.
func (d *decoder) serviceAccountToken(n *node, path string) *serviceAccountTokenMethod {
	m := &serviceAccountTokenMethod{path: path, node: n}
	d.mapping(n, path,
		required("audiences", func(n *node, path string) {
			d.list(func(n *node, path string) {
				var audience string
				d.str(&audience)(n, path)
				m.audiences = append(m.audiences, audience)
			})(n, path)
			if n.kind == sequenceNode && len(n.items) == 0 {
				d.fail(n, path, "", "is empty", "name at least one audience that a token must be for")
			}
		}),
		optional("kubeconfigSecretRef", d.matching(&m.kubeconfigSecretRef, referenceProblem(KindSecret))),
		optional("jwks", func(n *node, path string) { m.jwks = d.jwks(n, path) }),
		optional("legacyUserName", d.enabled(&m.legacyUserName)),
		optional("serviceAccountNameAttribute", d.enabled(&m.serviceAccountName)),
		optional("revocation", d.tokenRevocation(&m.revocation)),
	)
	if m.kubeconfigSecretRef != "" && m.jwks != nil {
		d.fail(m.jwks.node, m.jwks.path, "", "is there beside kubeconfigSecretRef", "keep one of them: with jwks no API server is asked")
	}
	return m
}

func (d *decoder) jwks(n *node, path string) *jwksSettings {
	j := &jwksSettings{path: path, node: n}
	d.mapping(n, path,
		required("issuer", d.str(&j.issuer)),
		optional("configMapRef", d.matching(&j.configMapRef, referenceProblem(KindConfigMap))),
		optional("url", d.keysURL(&j.url)),
		optional("caCertConfigMap", d.matching(&j.caCertConfigMap, caNameProblem)),
		optional("algorithms", d.list(func(n *node, path string) {
			var algorithm string
			d.enum(&algorithm, "RS256", "ES256", "EdDSA")(n, path)
			j.algorithms = append(j.algorithms, algorithm)
		})),
		optional("usernameClaim", d.str(&j.usernameClaim)),
		optional("attributeClaims", d.stringMap(&j.attributeClaims)),
	)
	for _, attribute := range sortedKeys(j.attributeClaims) {
		if attribute == "" || j.attributeClaims[attribute] == "" {
			d.fail(n.get("attributeClaims"), join(path, "attributeClaims"), attribute, "has an attribute or claim without a name", "write ATTRIBUTE: CLAIM")
		}
	}
	if n.kind != mappingNode {
		return j
	}
	switch hasKeys, hasURL := n.get("configMapRef") != nil, n.get("url") != nil; {
	case hasKeys == hasURL:
		d.fail(n, path, "", "does not say where the keys are", "give one of configMapRef and url")
	case hasKeys && n.get("caCertConfigMap") != nil:
		d.fail(n.get("caCertConfigMap"), join(path, "caCertConfigMap"), "", "is for a url alone", "remove it")
	}
	return j
}

// keysURL reads where keys are fetched. What may have a password or a key for
// the server in it is not shown.
func (d *decoder) keysURL(to *string) reader {
	return func(n *node, path string) {
		var s string
		d.str(&s)(n, path)
		if s == "" {
			return
		}
		if _, err := serviceaccount.NewRemoteKeys(s, nil); err != nil {
			shown := s
			if strings.ContainsAny(s, "@?") {
				shown = ""
			}
			d.fail(n, path, shown, "is not an https URL without a user name, and keys from any other could be anyone's", "")
			return
		}
		*to = s
	}
}

func (m *serviceAccountTokenMethod) resolve(b *builder, d *decoder) (resolvedMethod, resolution) {
	verifier, identity, how := m.verifier(b, d)
	if how != foundAll {
		return resolvedMethod{}, how
	}
	var revoked resolvedRevocation
	config := serviceaccount.Config{LegacyUserName: m.legacyUserName, ServiceAccountName: m.serviceAccountName}
	if m.revocation != nil {
		if revoked, how = m.revocation.resolve(b, d, nil, nil); how != foundAll {
			return resolvedMethod{}, how
		}
		config.Revoked = revoked.set.RevokedToken
	}
	old := b.prev.authentications[d.object.Name]
	r := resolvedMethod{base: []any{methodServiceAccountToken, m.audiences, m.legacyUserName, m.serviceAccountName, identity}}
	r.identity = []any{r.base, revoked.identity}
	r.make = func(d *decoder) security.Authenticator {
		if method, ok := basedOn[*serviceaccount.Authenticator](old, r.base); ok {
			return method.WithRevoked(config.Revoked)
		}
		v, err := verifier()
		if err == nil {
			config.Verifier = v
			var method *serviceaccount.Authenticator
			if method, err = serviceaccount.New(config); err == nil {
				return method
			}
		}
		d.fail(m.node, m.path, "", err.Error(), "")
		return nil
	}
	return r, foundAll
}

// verifierMaker makes the verifier of a method.
type verifierMaker func() (serviceaccount.Verifier, error)

// verifier finds who judges tokens. identity is what that depends on.
func (m *serviceAccountTokenMethod) verifier(b *builder, d *decoder) (maker verifierMaker, identity any, how resolution) {
	switch {
	case m.jwks != nil:
		return m.jwks.verifier(b, d, m.audiences)
	case m.kubeconfigSecretRef != "":
		return m.kubeconfig(b, d)
	}
	access, err := serviceaccount.InCluster()
	if err != nil {
		// The port serves whoever comes with something else; and a manifest
		// that is meant for a cluster can be checked outside of it.
		d.warn(m.node, m.path, "", "has no API server to ask, so that every client with a token is refused: "+err.Error(),
			"run in a pod, or name a Secret with a kubeconfig under kubeconfigSecretRef, or the keys of the issuer under jwks")
		return func() (serviceaccount.Verifier, error) { return serviceaccount.Nobody(err), nil }, "nobody", foundAll
	}
	return m.reviewer(access), "in cluster", foundAll
}

func (m *serviceAccountTokenMethod) reviewer(access serviceaccount.Access) verifierMaker {
	return func() (serviceaccount.Verifier, error) {
		return serviceaccount.NewTokenReviewer(serviceaccount.TokenReviewerConfig{Access: access, Audiences: m.audiences})
	}
}

// kubeconfig finds the API server that the kubeconfig of a Secret leads to.
func (m *serviceAccountTokenMethod) kubeconfig(b *builder, d *decoder) (verifierMaker, any, resolution) {
	at, field := m.node.get("kubeconfigSecretRef"), join(m.path, "kubeconfigSecretRef")
	s := find[secret](b.catalog, KindSecret, m.kubeconfigSecretRef)
	if s == nil {
		b.missing(d, at, m.node, field, KindSecret, m.kubeconfigSecretRef)
		return nil, nil, foundMissing
	}
	text, ok := s.data[kubeconfigKey]
	if !ok {
		d.fail(at, field, m.kubeconfigSecretRef, "names a Secret without the key "+kubeconfigKey, "put the kubeconfig there under that key")
		return nil, nil, foundBroken
	}
	access, err := serviceaccount.ParseKubeconfig(text)
	if err != nil {
		problem, path := err.Error(), join("data", kubeconfigKey)
		if e := (*serviceaccount.KubeconfigError)(nil); errors.As(err, &e) && e.Field != "" {
			problem, path = e.Problem, path+": "+e.Field
		}
		b.decoder(s.object).fail(s.object.node, path, "", problem, "")
		return nil, nil, foundBroken
	}
	return m.reviewer(access), digestOf(text), foundAll
}

// verifier finds the keys of the issuer.
func (j *jwksSettings) verifier(b *builder, d *decoder, audiences []string) (verifierMaker, any, resolution) {
	identity := []any{j.issuer, j.algorithms, j.usernameClaim, j.attributeClaims}
	config := serviceaccount.IssuerConfig{
		Issuer:          j.issuer,
		Audiences:       audiences,
		Algorithms:      j.algorithms,
		UsernameClaim:   j.usernameClaim,
		AttributeClaims: j.attributeClaims,
	}
	if j.url != "" {
		roots, digests, how := j.roots(b, d)
		return func() (_ serviceaccount.Verifier, err error) {
			if config.Keys, err = serviceaccount.NewRemoteKeys(j.url, roots); err != nil {
				return nil, err
			}
			return serviceaccount.NewIssuer(config)
		}, append(identity, j.url, digests), how
	}
	at, field := j.node.get("configMapRef"), join(j.path, "configMapRef")
	c := find[configMap](b.catalog, KindConfigMap, j.configMapRef)
	if c == nil {
		b.missing(d, at, j.node, field, KindConfigMap, j.configMapRef)
		return nil, nil, foundMissing
	}
	if len(c.data) != 1 {
		d.fail(at, field, j.configMapRef, fmt.Sprintf("names a ConfigMap of %d keys", len(c.data)), "keep one, with the JWK Set of the issuer")
		return nil, nil, foundBroken
	}
	key := sortedKeys(c.data)[0]
	keys, err := serviceaccount.ParseKeySet(c.data[key])
	if err != nil {
		b.decoder(c.object).fail(c.object.node.at("data."+key), join("data", key), "", err.Error(), "")
		return nil, nil, foundBroken
	}
	config.Keys = keys
	return func() (serviceaccount.Verifier, error) { return serviceaccount.NewIssuer(config) },
		append(identity, digestOf(c.data[key])), foundAll
}

// roots returns the CAs of the server that the keys are fetched from.
func (j *jwksSettings) roots(b *builder, d *decoder) (*x509.CertPool, []digest, resolution) {
	if j.caCertConfigMap == "" {
		return nil, nil, foundAll
	}
	c := find[configMap](b.catalog, KindConfigMap, j.caCertConfigMap)
	if c == nil {
		b.missing(d, j.node.get("caCertConfigMap"), j.node, join(j.path, "caCertConfigMap"), KindConfigMap, j.caCertConfigMap)
		return nil, nil, foundMissing
	}
	cas, ok := b.trustedCertificates(c, warnOfServerCA)
	if !ok {
		return nil, nil, foundBroken
	}
	roots := x509.NewCertPool()
	var digests []digest
	for _, ca := range cas {
		roots.AddCert(ca.certificate)
		digests = append(digests, ca.digest)
	}
	return roots, digests, foundAll
}
