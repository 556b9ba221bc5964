package security

import (
	"crypto/x509"
	"time"
)

// Revocation knows of certificates that their CA, or the operator, has taken
// back. Package security/revocation has one.
type Revocation interface {
	// Check returns nil if at this moment no certificate of the chain is known
	// to be revoked, and a [*Denied] otherwise. The chain has been verified
	// from the leaf to a trusted CA, which comes last. Check never waits, keeps
	// nothing of the chain, and is safe for concurrent use.
	Check(chain []*x509.Certificate, at time.Time) error
}

// maxPaths bounds the ways from one leaf to the CAs that are remembered. Two
// are many; what goes beyond is not looked at.
const maxPaths = 4

// path is one way from the leaf to a CA, with the Result that it gives.
type path struct {
	result Result
	places []place
}

// place is where a certificate of a path is to be found: its index in what was
// presented, or, when it is negative, ^place is its index in the anchors.
type place int16

// places returns where the certificates of a verified chain are: the verifier
// takes its end from the anchors and the rest from what was presented.
func (x *X509) places(chain, presented []*x509.Certificate) []place {
	places := make([]place, len(chain))
	for i, cert := range chain {
		among, sign := presented, place(0)
		if i == len(chain)-1 {
			among, sign = x.anchors, -1
		}
		for j, other := range among {
			if cert.Equal(other) {
				places[i] = place(j) ^ sign
				break
			}
		}
	}
	return places
}

// chain returns the certificates of a path.
func (x *X509) chain(p path, presented []*x509.Certificate) []*x509.Certificate {
	chain := make([]*x509.Certificate, len(p.places))
	for i, at := range p.places {
		if at < 0 {
			chain[i] = x.anchors[^at]
		} else {
			chain[i] = presented[at]
		}
	}
	return chain
}

// unrevoked returns the index of the best path of v of which nothing has been
// revoked. A CA that was cross-signed may be good by one path though it is
// revoked by another.
func (x *X509) unrevoked(v verdict, presented []*x509.Certificate, now time.Time) (int, error) {
	if v.err != nil || x.revocation == nil {
		return 0, v.err
	}
	var first error
	for i, p := range v.paths {
		err := x.revocation.Check(x.chain(p, presented), now)
		if err == nil {
			return i, nil
		}
		if first == nil {
			first = err
		}
	}
	return 0, first
}

// WithRevocation returns an X509 that differs from x in what is revoked. The
// two share what they remember of chains, so that a new revocation list costs
// no verification. A nil Revocation revokes nothing.
func (x *X509) WithRevocation(r Revocation) *X509 {
	other := *x
	other.revocation = r
	return &other
}
