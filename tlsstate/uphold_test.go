package tlsstate

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

func TestChainsAreUpheldWhileTheyWouldBeVerified(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	ca := w.clientCA
	chain := func(notAfter time.Time, more ...*x509.Certificate) []*x509.Certificate {
		t.Helper()
		leaf, err := ca.intermediate.NewLeaf(pki.Options{CommonName: "thermostat", NotAfter: notAfter})
		ok(t, err)
		return append([]*x509.Certificate{leaf.Cert, ca.intermediate.Cert}, more...)
	}
	toIntermediate, toRoot := chain(time.Time{}), chain(time.Time{}, ca.root.Cert)
	expiring := chain(now.Add(time.Hour), ca.root.Cert)
	both := ca.root.Pool()
	both.AddCert(ca.intermediate.Cert)
	type chains = [][]*x509.Certificate
	for _, tc := range []struct {
		name   string
		chains chains
		cas    *x509.CertPool
		later  time.Duration
		upheld bool
	}{
		{"to the root", chains{toRoot}, ca.root.Pool(), 0, true},
		{"to an intermediate that is an anchor", chains{toIntermediate}, ca.intermediate.Pool(), 0, true},
		{"to both", chains{toRoot, toIntermediate}, both, 0, true},
		{"until it expires", chains{expiring}, ca.root.Pool(), 59 * time.Minute, true},
		{"none", nil, ca.root.Pool(), 0, false},
		{"the CA is gone", chains{toRoot}, w.strangerCA.root.Pool(), 0, false},
		{"no CAs at all", chains{toRoot}, x509.NewCertPool(), 0, false},
		{"the root is gone, the intermediate is not", chains{toRoot}, ca.intermediate.Pool(), 0, false},
		{"the intermediate is an anchor no more, its root is", chains{toIntermediate}, ca.root.Pool(), 0, false},
		{"one of two", chains{toIntermediate, toRoot}, ca.root.Pool(), 0, false},
		{"expired", chains{expiring}, ca.root.Pool(), 61 * time.Minute, false},
		{"before all of it", chains{toRoot}, ca.root.Pool(), -100 * 365 * 24 * time.Hour, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{ClientCAs: tc.cas, ClientCertificates: Required, Now: func() time.Time { return now.Add(tc.later) }}
			if got := c.uphold(tc.chains); got != tc.upheld {
				t.Errorf("upheld is %v, want %v", got, tc.upheld)
			}
			if !tc.upheld {
				return
			}
			// What is upheld is what would be verified.
			verified, err := c.verify(append(tc.chains[0][:1:1], ca.intermediate.Cert))
			ok(t, err)
			if len(verified) != len(tc.chains) {
				t.Errorf("%d chains are verified, want %d", len(verified), len(tc.chains))
			}
		})
	}
}
