package resource

import (
	"errors"
	"maps"

	"github.com/weirmq/weir/security"
)

// method is one element of authenticationMethods, as written. What is wrong with
// it whatever it refers to was noted when it was read.
type method interface {
	// resolve finds the objects that the method refers to, and notes what is
	// wrong with them.
	resolve(b *builder, d *decoder) (resolvedMethod, resolution)
}

// resolution is how it went to find what an object refers to.
type resolution byte

const (
	foundAll     resolution = iota
	foundBroken             // something has errors: what was built of it before stays
	foundMissing            // something is not there
)

// resolvedMethod is a method with everything it refers to.
type resolvedMethod struct {
	// identity is all that the method is made of, for digestOf: one that is
	// equal is taken over from the previous Snapshot, with its caches.
	identity any
	// make returns the method, or nil when it has noted what is wrong.
	make func(d *decoder) security.Authenticator
	// cas are the CAs of Clients that the port verifies for the method.
	cas []certificateAuthority
	// base is identity without what can be replaced in a method that stays; nil
	// if there is nothing of the kind.
	base any
	// crls are the CRLs that the method goes by.
	crls crlFiles
}

// builtMethod is a method that is ready to use.
type builtMethod struct {
	security.Authenticator
	digest digest
	base   digest // of resolvedMethod.base
}

// authentication makes the chain of methods, or takes over the one of before.
// It returns nil if there is none to use.
func (b *builder) authentication(a *authentication) *Authentication {
	d := b.decoder(a.object)
	old := b.prev.authentications[a.object.Name]
	built := &Authentication{Name: a.object.Name, DisconnectExpired: a.disconnectExpired, crls: make(crlFiles)}
	var found []resolvedMethod
	var digests []digest
	for _, m := range a.methods {
		r, how := m.resolve(b, d)
		switch how {
		case foundMissing:
			return nil
		case foundBroken:
			return old
		}
		found = append(found, r)
		digests = append(digests, digestOf(r.identity))
		built.cas = append(built.cas, r.cas...)
		maps.Copy(built.crls, r.crls)
	}
	built.digest = digestOf(digests)
	if old != nil && old.digest == built.digest {
		if old.DisconnectExpired == built.DisconnectExpired {
			return old
		}
		same := *old // a new Chain would have every Client judged again
		same.DisconnectExpired = built.DisconnectExpired
		return &same
	}
	for i, r := range found {
		m := old.take(digests[i])
		if m == nil {
			m = r.make(d)
		}
		built.methods = append(built.methods, builtMethod{m, digests[i], digestOf(r.base)})
	}
	if d.errors > 0 {
		return old
	}
	built.Chain = security.NewChain(built.authenticators()...)
	return built
}

// take returns the method of a that is identified by its digest, or nil.
func (a *Authentication) take(identity digest) security.Authenticator {
	if a == nil {
		return nil
	}
	for _, m := range a.methods {
		if m.digest == identity {
			return m.Authenticator
		}
	}
	return nil
}

// basedOn returns the method of a that differs from one with this base in
// nothing but what can be replaced in it.
func basedOn[M security.Authenticator](a *Authentication, base any) (method M, ok bool) {
	if a == nil {
		return method, false
	}
	sum := digestOf(base)
	for _, m := range a.methods {
		if method, ok = m.Authenticator.(M); ok && m.base == sum {
			return method, true
		}
	}
	return method, false
}

func (a *Authentication) authenticators() []security.Authenticator {
	all := make([]security.Authenticator, len(a.methods))
	for i, m := range a.methods {
		all[i] = m.Authenticator
	}
	return all
}

// configErrors notes what a method has against the settings at n, if anything.
func (d *decoder) configErrors(n *node, path string, err error) {
	if err == nil {
		return
	}
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		var config *security.ConfigError
		if !errors.As(err, &config) {
			d.fail(n, path, "", err.Error(), "")
			continue
		}
		d.fail(n.at(config.Field), join(path, config.Field), config.Value, config.Problem, "")
	}
}
