package security

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

// deny is a Revocation of the certificates with these serial numbers.
type deny map[string]bool

func (d deny) Check(chain []*x509.Certificate, _ time.Time) error {
	for _, cert := range chain {
		if d[cert.SerialNumber.String()] {
			return &Denied{Code: NotAuthorized, Reason: "revoked " + cert.Subject.CommonName}
		}
	}
	return nil
}

func revoke(cs ...*x509.Certificate) deny {
	d := make(deny)
	for _, c := range cs {
		d[c.SerialNumber.String()] = true
	}
	return d
}

// What is revoked counts at once, although the chain was verified before, and
// what is no longer revoked is welcome at once.
func TestRevocationOutlivesNoMemoryOfAChain(t *testing.T) {
	f := newFabrikam(t)
	heater, other := newLeaf(t, f.intermediate, pki.Options{CommonName: "heater"}), newLeaf(t, f.intermediate, pki.Options{CommonName: "other"})
	for _, c := range []*x509.Certificate{heater.Cert, f.intermediate.Cert, f.root.Cert} {
		t.Run(c.Subject.CommonName, func(t *testing.T) {
			before := f.x.WithRevocation(deny{})
			if _, err := authenticate(before, heater.Chain...); err != nil {
				t.Fatal(err)
			}
			_, err := authenticate(before.WithRevocation(revoke(c)), heater.Chain...)
			wantDenied(t, err, NotAuthorized, "revoked "+c.Subject.CommonName)
			if e := before.WithRevocation(revoke(c)).Explain(heater.Chain); e.Err == nil || e.Result.Username != "" {
				t.Errorf("explained as %v", e)
			}
			if _, err := authenticate(before.WithRevocation(revoke(c)), other.Chain...); (err == nil) != (c == heater.Cert) {
				t.Errorf("another device: %v", err)
			}
			if _, err := authenticate(before.WithRevocation(nil), heater.Chain...); err != nil {
				t.Errorf("no longer revoked: %v", err)
			}
		})
	}
}

// An intermediate that two roots have signed is good as long as one of its two
// certificates is.
func TestCrossSignedChainIsGoodByThePathThatIsNotRevoked(t *testing.T) {
	now := noon
	first, second := newRoot(t, pki.Options{CommonName: "First"}), newRoot(t, pki.Options{CommonName: "Second"})
	bridge := newIntermediate(t, first, pki.Options{CommonName: "Bridge"})
	template := *bridge.Cert
	template.SerialNumber, template.AuthorityKeyId = big.NewInt(77), nil
	der, err := x509.CreateCertificate(rand.Reader, &template, second.Cert, bridge.Cert.PublicKey, second.Key)
	if err != nil {
		t.Fatal(err)
	}
	crossed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := newLeaf(t, bridge, pki.Options{CommonName: "leaf"})
	presented := certs(leaf.Cert, bridge.Cert, crossed)
	x := newX509(t, &now, certs(first.Cert, second.Cert),
		X509Entry{"first", "CN = First", map[string]string{"by": "first"}},
		X509Entry{"second", "CN = Second", map[string]string{"by": "second"}})
	for _, row := range []struct {
		name    string
		revoked deny
		by      string // "": denied
	}{
		{"by the second", revoke(bridge.Cert), "second"},
		{"by the first", revoke(crossed), "first"},
		{"by neither", revoke(bridge.Cert, crossed), ""},
		{"not at all", revoke(leaf.Cert), ""},
	} {
		r, err := authenticate(x.WithRevocation(row.revoked), presented...)
		if got, _ := r.Attributes.Get("by"); got != row.by || (err == nil) != (row.by != "") {
			t.Errorf("%s: %+v, %v", row.name, r, err)
		}
	}
}

func TestRecheckDeniesWhoHasBeenRevoked(t *testing.T) {
	f := newFabrikam(t)
	leaf := newLeaf(t, f.intermediate, pki.Options{CommonName: "heater"})
	credentials, previous := &Credentials{PresentedChain: leaf.Chain}, Result{Method: MethodX509, Username: "heater"}
	if _, err := NewChain(f.x).Recheck(context.Background(), credentials, previous); err != nil {
		t.Error(err)
	}
	_, err := NewChain(&method{err: ErrNotRelevant}, f.x.WithRevocation(revoke(leaf.Cert))).Recheck(context.Background(), credentials, previous)
	wantDenied(t, err, NotAuthorized, "revoked heater")
}
