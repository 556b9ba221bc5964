package resource

import (
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/passwords"
)

// passwordsKey is the key of a Secret that holds a password file.
const passwordsKey = "passwords.toml"

// passwordMethod is method PasswordFile.
type passwordMethod struct {
	path      string // of the settings
	node      *node  // the settings
	secretRef string
}

// passwordFile reads the settings of a PasswordFile method.
func (d *decoder) passwordFile(n *node, path string) *passwordMethod {
	m := &passwordMethod{path: path, node: n}
	d.mapping(n, path,
		required("secretRef|secretName", d.matching(&m.secretRef, referenceProblem(KindSecret))),
		optional("keyVault", func(n *node, path string) {
			d.notSupported(n, path, "", "use a secretRef")
		}),
	)
	return m
}

func (m *passwordMethod) resolve(b *builder, d *decoder) (resolvedMethod, resolution) {
	s := find[secret](b.catalog, KindSecret, m.secretRef)
	if s == nil {
		b.missing(d, m.node.get("secretRef"), m.node, join(m.path, "secretRef"), KindSecret, m.secretRef)
		return resolvedMethod{}, foundMissing
	}
	of, field := b.decoder(s.object), join("data", passwordsKey)
	text, ok := s.data[passwordsKey]
	if !ok {
		of.fail(s.node, field, "", "is missing", "put the password file there, as weir passwd writes it")
		return resolvedMethod{}, foundBroken
	}
	f, err := passwords.Parse(passwordsKey, text)
	if err != nil {
		for _, err := range separate(err) {
			// No part of the file is shown: what is not a hash may be a password.
			of.fail(s.node.at(field), field, "", strings.TrimPrefix(err.Error(), passwordsKey+": "), "")
		}
		return resolvedMethod{}, foundBroken
	}
	return resolvedMethod{
		identity: []any{methodPasswordFile, sha256.Sum256(text)},
		make:     func(*decoder) security.Authenticator { return passwords.New(f) },
	}, foundAll
}

// separate returns the errors that an error joins, or itself.
func separate(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

// hasPasswords reports whether Clients are to send passwords.
func (a *Authentication) hasPasswords() bool {
	for _, m := range a.methods {
		if _, ok := m.Authenticator.(*passwords.Authenticator); ok {
			return true
		}
	}
	return false
}
