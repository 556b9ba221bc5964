package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"strings"
	"time"
)

// How long a certificate is valid when [Options] does not say: what step
// chooses for the same profile.
const (
	DefaultAuthorityLifetime = 10 * 365 * 24 * time.Hour
	DefaultLeafLifetime      = 24 * time.Hour
)

// clockSkew is how far in the past a certificate begins when [Options] does
// not say, so that a peer whose clock is a little behind accepts it at once.
const clockSkew = 5 * time.Minute

// Options says what a certificate shall hold. Only a subject is required: one
// of CommonName, Subject and RawSubject, except in a leaf that has a subject
// alternative name.
type Options struct {
	// CommonName makes the subject a single CN attribute. It is ignored when
	// Subject or RawSubject is given.
	CommonName string

	// Subject is the subject in the order in which it is to be encoded, which
	// is the reverse of how RFC 4514 writes it: the country or organization
	// usually first, the common name last. It overrides CommonName.
	Subject pkix.RDNSequence

	// RawSubject is the DER of the subject, copied to the certificate byte
	// for byte. It overrides Subject and CommonName.
	RawSubject []byte

	// DNSNames, IPAddresses and URIs are the subject alternative names. When
	// a leaf is given none, its common name becomes one if it is an IP address
	// or a host name; an authority gets just those given.
	DNSNames    []string
	IPAddresses []net.IP
	URIs        []*url.URL

	// NotBefore and NotAfter bound the validity, to the second. NotBefore is
	// by default 5 minutes ago. NotAfter is by default one lifetime
	// ([DefaultAuthorityLifetime], [DefaultLeafLifetime]) after NotBefore if
	// that was given, and from now if not. Neither is held to the issuer's
	// validity: verification checks every certificate of a chain by itself.
	NotBefore, NotAfter time.Time

	// Key is the kind of key to generate: KeyEC (the default), KeyEC384,
	// KeyRSA or KeyEd25519. The kinds may be mixed along a chain.
	Key string

	// ExtKeyUsage is what a leaf's key may be used for; by default both
	// serverAuth and clientAuth. An authority has none, which permits all.
	ExtKeyUsage []x509.ExtKeyUsage
}

// oidCommonName is id-at-commonName of RFC 5280, appendix A.
var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// subject returns the DER of the subject, and the common name in it or "".
func (o *Options) subject() (der []byte, commonName string, err error) {
	rdns := o.Subject
	switch {
	case o.RawSubject != nil:
		rdns = nil
		if rest, err := asn1.Unmarshal(o.RawSubject, &rdns); err != nil || len(rest) != 0 {
			return nil, "", &OptionError{"RawSubject", hexString(o.RawSubject), "must be the DER of one RDNSequence"}
		}
		der = o.RawSubject
	case rdns == nil && o.CommonName != "":
		rdns = pkix.Name{CommonName: o.CommonName}.ToRDNSequence()
	}
	if der == nil {
		if der, err = asn1.Marshal(rdns); err != nil {
			return nil, "", &OptionError{"Subject", rdns.String(), "cannot be encoded: " + err.Error()}
		}
	}
	for _, rdn := range rdns {
		for _, attribute := range rdn {
			if name, ok := attribute.Value.(string); ok && attribute.Type.Equal(oidCommonName) {
				commonName = name
			}
		}
	}
	return der, commonName, nil
}

// template returns the certificate the options describe, as far as all
// profiles agree: names, validity and subject.
func (o *Options) template(lifetime time.Duration) (*x509.Certificate, error) {
	subject, commonName, err := o.subject()
	if err != nil {
		return nil, err
	}
	notBefore, notAfter := o.validity(time.Now(), lifetime)
	if notAfter.Before(notBefore) {
		return nil, &OptionError{"NotAfter", notAfter.Format(time.RFC3339),
			"must not be before NotBefore, " + notBefore.Format(time.RFC3339)}
	}
	return &x509.Certificate{
		RawSubject:  subject, // this is what is encoded
		Subject:     pkix.Name{CommonName: commonName},
		DNSNames:    o.DNSNames,
		IPAddresses: o.IPAddresses,
		URIs:        o.URIs,
		NotBefore:   notBefore,
		NotAfter:    notAfter,
	}, nil
}

// validity returns the bounds of the validity, with the defaults filled in.
func (o *Options) validity(now time.Time, lifetime time.Duration) (notBefore, notAfter time.Time) {
	start := now
	notBefore = now.Add(-clockSkew)
	if !o.NotBefore.IsZero() {
		start, notBefore = o.NotBefore, o.NotBefore
	}
	notAfter = o.NotAfter
	if notAfter.IsZero() {
		notAfter = start.Add(lifetime)
	}
	return notBefore.UTC().Truncate(time.Second), notAfter.UTC().Truncate(time.Second)
}

// hostName reports whether name can stand in a certificate as a DNS name:
// letters, digits, hyphens and underscores in labels, the first of which may
// be a lone asterisk.
func hostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for i, label := range strings.Split(name, ".") {
		if i == 0 && label == "*" && len(name) > 2 {
			continue
		}
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			letter := 'a' <= c|0x20 && c|0x20 <= 'z'
			digit := '0' <= c && c <= '9'
			if !letter && !digit && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
