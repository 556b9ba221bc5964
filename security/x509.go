package security

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MethodX509 is the Method of a [Result] from [X509].
const MethodX509 = "X509"

const (
	// defaultX509CacheSize is enough for a gateway's worth of devices to come
	// back at once after a power cut. A record takes some 300 bytes.
	defaultX509CacheSize = 16384

	// maxPresentedCertificates bounds what one peer can make us hash and
	// verify. Chains in use have two to four certificates.
	maxPresentedCertificates = 16

	// refusalLifetime is how long a refusal is remembered: long enough to
	// blunt a Client that retries in a loop, short enough that a certificate
	// whose time comes is not kept waiting.
	refusalLifetime = 30 * time.Second
)

// X509 authenticates Clients by the certificate of their TLS handshake. It
// never waits, and is safe for concurrent use.
//
// The effective user name is the CN of the leaf, the last one if it has
// several. The attributes are those of the first entry that matches the
// subject of a certificate, going from the leaf to the CA, and no others.
type X509 struct {
	anchors    []*x509.Certificate
	roots      *x509.CertPool // the anchors
	entries    []subjectEntry
	bySubject  map[string]int // Subject.key → index of entries
	byReverse  map[string]int // the same for subjects written back to front
	revocation Revocation     // nil: nothing is ever revoked
	now        func() time.Time
	cache      *cache[[sha256.Size]byte, verdict]
}

// verdict is what is remembered of a presented chain, before it is asked
// whether anything in it has been revoked: that is asked every time, so that
// no answer outlives a revocation. It must not refer to any certificate: those
// are borrowed, and ten times its size.
type verdict struct {
	paths []path // the best first; none when err is set
	err   error
	until time.Time // last moment at which paths or err hold
}

// errUntrustedChain is an ErrNotRelevant: another X509 method of the listener
// may have the CA that this one lacks.
var errUntrustedChain = fmt.Errorf("the client certificate chains to none of this method's CAs: %w", ErrNotRelevant)

var (
	errTooManyCertificates = &Denied{Code: NotAuthorized, Reason: fmt.Sprintf("more than %d client certificates presented", maxPresentedCertificates)}
	errCertificateExpired  = &Denied{Code: NotAuthorized, Reason: "a client certificate has expired"}
)

// Authenticate implements [Authenticator] for c.PresentedChain, which it
// verifies against its own CAs whatever TLS made of it: a resumed TLS session
// must not outlive a CA. It answers [ErrNotRelevant] when there is no
// certificate or when the chain leads to none of its CAs.
func (x *X509) Authenticate(_ context.Context, c *Credentials) (Result, error) {
	if len(c.PresentedChain) == 0 {
		return Result{}, ErrNotRelevant
	}
	return x.judge(c.PresentedChain)
}

// AuthenticatesImmediately implements [Immediate]. A chain that was not warmed
// costs one verification, some hundred microseconds, but never I/O.
func (x *X509) AuthenticatesImmediately() bool { return true }

// Warm implements [Warmer]: it verifies the chain now and remembers the answer.
func (x *X509) Warm(c *Credentials) {
	if len(c.PresentedChain) > 0 {
		_, _ = x.judge(c.PresentedChain) // remembers a refusal too
	}
}

// trusts reports whether the chain leads to one of x's CAs, even if it is
// refused for another reason.
func (x *X509) trusts(presented []*x509.Certificate) bool {
	if len(presented) == 0 {
		return false
	}
	_, err := x.judge(presented)
	return !errors.Is(err, errUntrustedChain)
}

// judge returns the answer to a presented chain, which must not be empty.
func (x *X509) judge(presented []*x509.Certificate) (Result, error) {
	if len(presented) > maxPresentedCertificates {
		return Result{}, errTooManyCertificates
	}
	now := x.now()
	key := fingerprint(presented)
	v, ok := x.cache.get(key)
	if !ok || now.After(v.until) {
		v = x.assess(presented, now).verdict
		x.cache.put(key, v, 1)
	}
	i, err := x.unrevoked(v, presented, now)
	if err != nil {
		return Result{}, err
	}
	return v.paths[i].result, nil
}

// fingerprint identifies a chain. DER says where it ends, so certificates
// cannot run together into another chain's bytes.
func fingerprint(chain []*x509.Certificate) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, cert := range chain {
		h.Write(cert.Raw)
	}
	h.Sum(sum[:0])
	return sum
}

// assessment is a verdict with the work that led to it.
type assessment struct {
	verdict
	walks []walk // of each path
}

func (x *X509) assess(presented []*x509.Certificate, now time.Time) assessment {
	refused := func(err error) assessment {
		return assessment{verdict: verdict{err: err, until: now.Add(refusalLifetime)}}
	}
	intermediates := x509.NewCertPool()
	for _, cert := range presented[1:] {
		intermediates.AddCert(cert)
	}
	chains, err := presented[0].Verify(x509.VerifyOptions{
		Roots:         x.roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return refused(refusal(err, presented, now))
	}

	walks := make([]walk, len(chains))
	for i, chain := range chains {
		if walks[i], err = x.walk(chain); err != nil {
			return refused(&Denied{Code: NotAuthorized, Reason: "client certificate: unreadable subject: " + err.Error()})
		}
	}
	slices.SortStableFunc(walks, walk.compare)
	a := assessment{walks: walks[:min(len(walks), maxPaths)]}
	for i, w := range a.walks {
		result := w.result(x.entries)
		result.Hints = w.hints(x)
		a.paths = append(a.paths, path{result, x.places(w.chain, presented)})
		if i == 0 || result.Expiry.Before(a.until) {
			a.until = result.Expiry
		}
	}
	return a
}

// refusal turns the error of a verification into the answer of Authenticate.
// It takes only the text of err, which may hold on to a certificate.
func refusal(err error, presented []*x509.Certificate, now time.Time) error {
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		return &Denied{Code: NotAuthorized, Reason: "client certificate: " + err.Error()}
	}
	// An intermediate that has expired shows up as an unknown authority too,
	// but a Client that presents one did present a credential, and a bad one.
	for _, cert := range presented {
		if now.After(cert.NotAfter) {
			return errCertificateExpired
		}
	}
	return errUntrustedChain
}
