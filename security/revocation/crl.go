package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"
)

// CRL is a certificate revocation list, of which it is not known yet whether
// its issuer signed it: that takes the issuer's certificate.
type CRL struct {
	Source     string    // where it came from, for messages
	Issuer     string    // name of the CA, for messages
	Number     *big.Int  // CRL number; nil if it has none
	ThisUpdate time.Time // when it was issued
	NextUpdate time.Time // from when on it is stale

	rawIssuer []byte
	keyID     []byte // of the issuer's key; nil if it is not told
	revoked   serials

	// What the signature is verified with is let go of once it has been: it is
	// as large as the list.
	mu        sync.Mutex
	algorithm x509.SignatureAlgorithm
	signature []byte
	signed    []byte
	signer    []byte // the public key that has signed, in DER; nil: not known yet
}

// Error is what is wrong with a list.
type Error struct {
	Source  string // of the list
	Line    int    // of a deny list, counted from 1; 0 for a CRL
	Value   string // the offending part; "" if there is none to show
	Problem string // what is wrong
	Remedy  string // what would be right; may be ""
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source)
	if e.Line > 0 {
		fmt.Fprintf(&b, ": line %d", e.Line)
	}
	if e.Value != "" {
		fmt.Fprintf(&b, ": %q", e.Value)
	}
	b.WriteString(": " + e.Problem)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

const pemType = "X509 CRL"

// ParseCRLs returns the CRLs of a file: one in DER, or one or several in PEM.
// The error is an [*Error].
func ParseCRLs(source string, text []byte) ([]*CRL, error) {
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		c, err := parseCRL(source, text)
		if err != nil {
			return nil, err
		}
		return []*CRL{c}, nil
	}
	var all []*CRL
	begun := bytes.Count(text, []byte("-----BEGIN"))
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != pemType {
			return nil, &Error{Source: source, Value: block.Type, Problem: "is a PEM block of another type", Remedy: "put CRLs there, which begin with -----BEGIN " + pemType + "-----"}
		}
		c, err := parseCRL(source, block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	// The PEM reader passes over what it cannot make out.
	if len(all) != begun {
		return nil, &Error{Source: source, Problem: fmt.Sprintf("has a damaged PEM block: %d begin, and %d can be read", begun, len(all)), Remedy: "fetch the CRL again"}
	}
	return all, nil
}

// Extensions of a CRL and of its entries that are understood, or told.
var (
	oidCRLNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidDeltaIndicator    = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
	oidAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
)

func parseCRL(source string, der []byte) (*CRL, error) {
	refuse := func(value, problem, remedy string) (*CRL, error) {
		return nil, &Error{Source: source, Value: value, Problem: problem, Remedy: remedy}
	}
	const complete = "give the complete CRL that the CA itself issues"
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return refuse("", "is not a CRL: "+strings.TrimPrefix(err.Error(), "x509: "), "put a CRL of version 2 there, in DER or PEM")
	}
	if len(list.Raw) != len(der) {
		return refuse("", fmt.Sprintf("has %d bytes behind the CRL", len(der)-len(list.Raw)), "put several CRLs into one file as PEM only")
	}
	issuer := list.Issuer.String()
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidDeltaIndicator):
			return refuse(issuer, "is a delta CRL, which has only what changed", complete)
		case e.Id.Equal(oidDistributionPoint):
			if indirect(e.Value) {
				return refuse(issuer, "is an indirect CRL, in which one CA speaks for others", complete)
			}
			return refuse(issuer, "is for a part of the CA's certificates (it has an issuing distribution point)", complete)
		case e.Critical && !e.Id.Equal(oidCRLNumber) && !e.Id.Equal(oidAuthorityKeyID):
			return refuse(issuer, "has the critical extension "+e.Id.String()+", which is not known here", complete)
		}
	}
	if list.NextUpdate.IsZero() {
		return refuse(issuer, "has no nextUpdate, so that nobody could tell when it is out of date", "have the CA issue it with one, as RFC 5280 demands")
	}
	numbers := make([]*big.Int, len(list.RevokedCertificateEntries))
	for i, entry := range list.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Id.Equal(oidCertificateIssuer) {
				return refuse(issuer, "is an indirect CRL, in which one CA speaks for others", complete)
			}
			if e.Critical {
				return refuse(issuer, "has an entry with the critical extension "+e.Id.String()+", which is not known here", complete)
			}
		}
		numbers[i] = entry.SerialNumber
	}
	return &CRL{
		Source: source, Issuer: issuer, Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate,
		rawIssuer: bytes.Clone(list.RawIssuer), keyID: bytes.Clone(list.AuthorityKeyId), revoked: newSerials(numbers),
		algorithm: list.SignatureAlgorithm, signature: bytes.Clone(list.Signature), signed: bytes.Clone(list.RawTBSRevocationList),
	}, nil
}

// indirect reports whether an issuing distribution point says that the CRL is
// for certificates of other CAs too (5.2.5).
func indirect(der []byte) bool {
	var point struct {
		Name     asn1.RawValue  `asn1:"optional,tag:0"`
		User     bool           `asn1:"optional,tag:1"`
		CA       bool           `asn1:"optional,tag:2"`
		Reasons  asn1.BitString `asn1:"optional,tag:3"`
		Indirect bool           `asn1:"optional,tag:4"`
	}
	_, err := asn1.Unmarshal(der, &point)
	return err == nil && point.Indirect
}

// Len returns the number of certificates that the CRL revokes.
func (c *CRL) Len() int { return c.revoked.count }

// Stale reports whether the CRL is not, or no longer, to be relied on.
func (c *CRL) Stale(at time.Time) bool {
	return at.Before(c.ThisUpdate) || !at.Before(c.NextUpdate)
}

// sameIssuer reports whether two CRLs are of the same CA and key, as far as
// they say so.
func (c *CRL) sameIssuer(o *CRL) bool {
	same, _ := c.sameKey(o)
	return bytes.Equal(c.rawIssuer, o.rawIssuer) && same
}

// sameKey goes by the keys that have signed, and where one is not known yet by
// what the CRLs call them. It does not know if one of them has no name for its
// key, and the other has.
func (c *CRL) sameKey(o *CRL) (same, known bool) {
	signer, other := c.signedWith(), o.signedWith()
	switch {
	case signer != nil && other != nil:
		return bytes.Equal(signer, other), true
	case (c.keyID == nil) == (o.keyID == nil):
		return bytes.Equal(c.keyID, o.keyID), true
	}
	return false, false
}

func (c *CRL) signedWith() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signer
}

// OlderThan reports whether o, of the same issuer, was issued after c. When it
// cannot be told whether they are of the same key, the earlier one is older:
// what a CA has revoked must not be good again because its CRLs name the key
// since then.
func (c *CRL) OlderThan(o *CRL) bool {
	if !bytes.Equal(c.rawIssuer, o.rawIssuer) {
		return false
	}
	if same, known := c.sameKey(o); known {
		return same && c.issuedBefore(o)
	}
	return c.ThisUpdate.Before(o.ThisUpdate)
}

// KeptBy reports whether one of these CRLs is c, or a later one of its issuer.
func (c *CRL) KeptBy(crls []*CRL) bool {
	return slices.ContainsFunc(crls, func(o *CRL) bool { return c.sameIssuer(o) && !o.issuedBefore(c) })
}

// issuedBefore reports whether c was issued before o, if both are of one CA.
func (c *CRL) issuedBefore(o *CRL) bool {
	if c.Number != nil && o.Number != nil {
		if order := c.Number.Cmp(o.Number); order != 0 {
			return order < 0
		}
	}
	return c.ThisUpdate.Before(o.ThisUpdate)
}

// Check returns an [*Error] if one of these CAs has the name of the issuer, and
// none of those has signed the CRL. Nothing can be said yet of the CRL of another
// CA, whose certificate only Clients present.
func (c *CRL) Check(cas []*x509.Certificate) error {
	named := false
	for _, ca := range cas {
		if bytes.Equal(c.rawIssuer, ca.RawSubject) {
			if c.signedBy(ca) {
				return nil
			}
			named = true
		}
	}
	if !named {
		return nil
	}
	return &Error{Source: c.Source, Value: c.Issuer, Problem: "is not signed by the trusted CA of that name", Remedy: "fetch the CRL again, and see that the CA's certificate may sign CRLs"}
}

// signedBy reports whether this issuer has signed the CRL and may do so (6.3.3).
func (c *CRL) signedBy(issuer *x509.Certificate) bool {
	if issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signer != nil {
		return bytes.Equal(c.signer, issuer.RawSubjectPublicKeyInfo)
	}
	if issuer.CheckSignature(c.algorithm, c.signed, c.signature) != nil {
		return false
	}
	c.signer = bytes.Clone(issuer.RawSubjectPublicKeyInfo)
	c.signature, c.signed = nil, nil
	return true
}

// Version says which of the CRLs of its CA this is, for messages.
func (c *CRL) Version() string {
	if c.Number == nil {
		return "of " + c.ThisUpdate.UTC().Format(time.RFC3339)
	}
	return "number " + shorten(c.Number.Text(10))
}

// Newest returns the CRLs without those that another one of the same CA has
// replaced.
func Newest(crls []*CRL) []*CRL {
	var newest []*CRL
	for _, c := range crls {
		i := slices.IndexFunc(newest, c.sameIssuer)
		switch {
		case i < 0:
			newest = append(newest, c)
		case newest[i].OlderThan(c):
			newest[i] = c
		}
	}
	return newest
}
