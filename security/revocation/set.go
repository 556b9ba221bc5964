package revocation

import (
	"crypto/x509"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/security"
)

// StalePolicy says what becomes of the certificates of a CA whose CRL is stale.
type StalePolicy byte

const (
	// DenyStale denies them: the CA may have revoked any since.
	DenyStale StalePolicy = iota
	// AllowStale goes by the last CRL there is.
	AllowStale
)

// Config is what a [Set] is made of.
type Config struct {
	CRLs      []*CRL
	DenyLists []*DenyList
	OnStale   StalePolicy
}

// Set says what is revoked. It is a [security.Revocation]. It never changes,
// except for what it remembers of signatures, and is safe for concurrent use.
type Set struct {
	byIssuer  map[string][]*CRL // by the DER of the name
	denyLists []*DenyList
	onStale   StalePolicy

	// verified is the CRL that counts for a CA, by the DER of its certificate:
	// nil when there are some in its name but none that it signed. It is
	// replaced when there is one more, under mu.
	verified atomic.Pointer[map[string]*CRL]
	mu       sync.Mutex
}

// maxVerified bounds the CAs for which the CRL that counts is remembered. Only
// CAs that a trusted one vouches for get there.
const maxVerified = 1000

// New returns the Set of cfg. When there are several CRLs of one CA, the newest
// that it signed counts.
func New(cfg Config) *Set {
	s := &Set{byIssuer: make(map[string][]*CRL), denyLists: cfg.DenyLists, onStale: cfg.OnStale}
	for _, c := range cfg.CRLs {
		s.byIssuer[string(c.rawIssuer)] = append(s.byIssuer[string(c.rawIssuer)], c)
	}
	s.verified.Store(&map[string]*CRL{})
	return s
}

// Check implements [security.Revocation]. Every certificate of the chain is
// looked for in the deny lists, and every one but the last, which nobody
// vouches for, in the CRL of its issuer.
func (s *Set) Check(chain []*x509.Certificate, at time.Time) error {
	for i, cert := range chain {
		for _, d := range s.denyLists {
			if kind := d.denies(cert); kind != "" {
				return revoked(cert, "by its %s in the deny list %s", kind, d.Source)
			}
		}
		if i == len(chain)-1 || len(s.byIssuer) == 0 {
			continue
		}
		if err := s.checkCRL(cert, chain[i+1], at); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) checkCRL(cert, issuer *x509.Certificate, at time.Time) error {
	c, ok := s.crl(issuer)
	switch {
	case !ok:
		return nil
	case c == nil && s.onStale == DenyStale:
		return unknown(issuer, "no CRL in its name is signed with its key")
	case c == nil:
		return nil
	case c.revoked.has(cert.SerialNumber):
		return revoked(cert, "by CRL %s of %s", c.Version(), c.Source)
	case s.onStale == DenyStale && c.Stale(at):
		return unknown(issuer, "its CRL, %s, is good from %s to %s", c.Source,
			c.ThisUpdate.UTC().Format(time.RFC3339), c.NextUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// crl returns the CRL that counts for certificates of this issuer: nil when
// there are some in its name, but none that it signed. It is false when there
// is none in its name.
func (s *Set) crl(issuer *x509.Certificate) (c *CRL, ok bool) {
	inItsName := s.byIssuer[string(issuer.RawSubject)]
	if len(inItsName) == 0 {
		return nil, false
	}
	if c, ok := (*s.verified.Load())[string(issuer.Raw)]; ok {
		return c, true
	}
	for _, candidate := range inItsName {
		if candidate.signedBy(issuer) && (c == nil || c.issuedBefore(candidate)) {
			c = candidate
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := *s.verified.Load(); len(known) < maxVerified {
		more := maps.Clone(known)
		more[string(issuer.Raw)] = c
		s.verified.Store(&more)
	}
	return c, true
}

// NextChange returns the first moment after at, at which a CRL becomes good or
// stale and Check may answer otherwise; zero if there is none.
func (s *Set) NextChange(at time.Time) time.Time {
	var next time.Time
	for _, crls := range s.byIssuer {
		for _, c := range crls {
			for _, t := range []time.Time{c.ThisUpdate, c.NextUpdate} {
				if t.After(at) && (next.IsZero() || t.Before(next)) {
					next = t
				}
			}
		}
	}
	return next
}

// RevokedToken reports whether a deny list has the token with this ID, which is
// the claim jti of a JSON Web Token.
func (s *Set) RevokedToken(jti string) bool {
	for _, d := range s.denyLists {
		if d.tokens[jti] {
			return true
		}
	}
	return false
}

func revoked(cert *x509.Certificate, format string, args ...any) *security.Denied {
	return &security.Denied{
		Code:   security.NotAuthorized,
		Reason: fmt.Sprintf("client certificate: number %s is revoked ", shorten(cert.SerialNumber.Text(16))) + fmt.Sprintf(format, args...),
	}
}

func unknown(issuer *x509.Certificate, format string, args ...any) *security.Denied {
	return &security.Denied{
		Code: security.NotAuthorized,
		Reason: fmt.Sprintf("client certificate: whether %q has revoked it is not known: ", shorten(issuer.Subject.String())) +
			fmt.Sprintf(format, args...),
	}
}

// shorten bounds what others have written.
func shorten(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
