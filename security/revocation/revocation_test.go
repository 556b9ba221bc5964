package revocation

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
)

// noon is when these tests take place.
var noon = time.Now().Truncate(time.Second)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// site is a root, an intermediate and two devices.
type site struct {
	root, intermediate *pki.Authority
	heater, lamp       *pki.Leaf
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{root: must[*pki.Authority](t)(pki.NewRoot(pki.Options{CommonName: "Root"}))}
	s.intermediate = must[*pki.Authority](t)(s.root.NewIntermediate(pki.Options{CommonName: "Intermediate"}))
	s.heater = must[*pki.Leaf](t)(s.intermediate.NewLeaf(pki.Options{CommonName: "heater"}))
	s.lamp = must[*pki.Leaf](t)(s.intermediate.NewLeaf(pki.Options{CommonName: "lamp"}))
	return s
}

func (s *site) chain(leaf *pki.Leaf) []*x509.Certificate {
	return []*x509.Certificate{leaf.Cert, s.intermediate.Cert, s.root.Cert}
}

// template is a CRL of today that revokes these numbers.
func template(number int64, revoked ...*big.Int) *x509.RevocationList {
	list := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: noon.Add(-time.Hour), NextUpdate: noon.Add(time.Hour)}
	for _, serial := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: noon.Add(-2 * time.Hour)})
	}
	return list
}

func issue(t testing.TB, ca *pki.Authority, list *x509.RevocationList) []byte {
	t.Helper()
	return must[[]byte](t)(x509.CreateRevocationList(rand.Reader, list, ca.Cert, ca.Key))
}

func parse(t testing.TB, der []byte) *CRL {
	t.Helper()
	return must[[]*CRL](t)(ParseCRLs("test.crl", der))[0]
}

func wantDenied(t *testing.T, err error, reason string) {
	t.Helper()
	var d *security.Denied
	if !errors.As(err, &d) || d.Code != security.NotAuthorized || !strings.Contains(d.Reason, reason) {
		t.Errorf("got %v, want a denial with %q", err, reason)
	}
}

// A CRL speaks for the certificates that its CA has issued, wherever in the
// chain they are.
func TestCRLRevokesWhatItsCAIssued(t *testing.T) {
	s := newSite(t)
	other := newSite(t)
	for _, row := range []struct {
		name   string
		crls   [][]byte
		reason string // why the heater is denied; "": it is not
		lamp   string // the same for the lamp
	}{
		{"none", nil, "", ""},
		{"an empty one", [][]byte{issue(t, s.intermediate, template(1))}, "", ""},
		{"a leaf", [][]byte{issue(t, s.intermediate, template(1, s.heater.Cert.SerialNumber))}, "is revoked by CRL number 1", ""},
		{"the intermediate", [][]byte{issue(t, s.root, template(7, s.intermediate.Cert.SerialNumber))}, "is revoked by CRL number 7", "is revoked by CRL number 7"},
		{"the same number by another CA", [][]byte{issue(t, s.root, template(1, s.heater.Cert.SerialNumber))}, "", ""},
		{"CAs of the same name", [][]byte{issue(t, other.intermediate, template(1))},
			"no CRL in its name is signed with its key", "no CRL in its name is signed with its key"},
		{"each its own", [][]byte{issue(t, s.root, template(1)), issue(t, s.intermediate, template(1, s.lamp.Cert.SerialNumber))}, "", "is revoked"},
		{"an old one beside the new one", [][]byte{
			issue(t, s.intermediate, template(2, s.heater.Cert.SerialNumber)), issue(t, s.intermediate, template(1)),
		}, "is revoked by CRL number 2", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var cfg Config
			for _, der := range row.crls {
				cfg.CRLs = append(cfg.CRLs, parse(t, der))
			}
			set := New(cfg)
			for _, pass := range []string{"first", "remembered"} {
				for leaf, reason := range map[*pki.Leaf]string{s.heater: row.reason, s.lamp: row.lamp} {
					err := set.Check(s.chain(leaf), noon)
					if reason == "" && err != nil {
						t.Errorf("%s: %s: %v", pass, leaf.Cert.Subject, err)
					} else if reason != "" {
						wantDenied(t, err, reason)
					}
				}
			}
		})
	}
}

func TestStaleCRLDeniesUnlessTheOperatorAllows(t *testing.T) {
	s := newSite(t)
	crl := parse(t, issue(t, s.intermediate, template(1, s.lamp.Cert.SerialNumber)))
	forged := issue(t, s.intermediate, template(1))
	forged[len(forged)-1] ^= 1
	for _, row := range []struct {
		name          string
		crl           *CRL
		at            time.Time
		denied, known bool // by DenyStale; whether the lamp is known to be revoked
	}{
		{"good", crl, noon, false, true},
		{"until the last moment", crl, crl.NextUpdate.Add(-time.Nanosecond), false, true},
		{"stale", crl, crl.NextUpdate, true, true},
		{"not yet good", crl, crl.ThisUpdate.Add(-time.Nanosecond), true, true},
		{"not signed", parse(t, forged), noon, true, false},
	} {
		strict, lenient := New(Config{CRLs: []*CRL{row.crl}}), New(Config{CRLs: []*CRL{row.crl}, OnStale: AllowStale})
		if err := strict.Check(s.chain(s.heater), row.at); (err != nil) != row.denied {
			t.Errorf("%s, Deny: %v", row.name, err)
		} else if row.denied {
			wantDenied(t, err, "whether \"CN=Intermediate\" has revoked it is not known")
		}
		if err := lenient.Check(s.chain(s.heater), row.at); err != nil {
			t.Errorf("%s, Allow: %v", row.name, err)
		}
		if err := lenient.Check(s.chain(s.lamp), row.at); (err != nil) != row.known {
			t.Errorf("%s, Allow, revoked: %v", row.name, err)
		}
	}
	set := New(Config{CRLs: []*CRL{crl}})
	for at, want := range map[time.Time]time.Time{noon.Add(-2 * time.Hour): crl.ThisUpdate, noon: crl.NextUpdate, crl.NextUpdate: {}} {
		if got := set.NextChange(at); !got.Equal(want) {
			t.Errorf("after %v the next change is at %v, want %v", at, got, want)
		}
	}
}

func TestParseCRLsRefusesWhatSaysTooLittle(t *testing.T) {
	s := newSite(t)
	with := func(extensions ...pkix.Extension) []byte {
		list := template(1)
		list.ExtraExtensions = extensions
		return issue(t, s.root, list)
	}
	entry := func(e pkix.Extension) []byte {
		list := template(1, big.NewInt(5))
		list.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{e}
		return issue(t, s.root, list)
	}
	number := must[[]byte](t)(asn1.Marshal(big.NewInt(1)))
	onlyUsers, indirectly := []byte{0x30, 3, 0x81, 1, 0xFF}, []byte{0x30, 3, 0x84, 1, 0xFF}
	good := issue(t, s.root, template(1))
	inPEM := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: good})
	for _, row := range []struct {
		name, problem string
		text          []byte
	}{
		{"delta CRL (5.2.4)", "delta CRL", with(pkix.Extension{Id: oidDeltaIndicator, Critical: true, Value: number})},
		{"indirect CRL (5.2.5)", "indirect CRL", with(pkix.Extension{Id: oidDistributionPoint, Critical: true, Value: indirectly})},
		{"for users only (5.2.5)", "part of the CA's certificates", with(pkix.Extension{Id: oidDistributionPoint, Critical: true, Value: onlyUsers})},
		{"entry of another issuer (5.3.3)", "indirect CRL", entry(pkix.Extension{Id: oidCertificateIssuer, Critical: true, Value: number})},
		{"unknown critical extension (5.2)", "critical extension 1.2.3", with(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: number})},
		{"entry with an unknown one (5.3)", "entry with the critical extension 1.2.3", entry(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: number})},
		{"no nextUpdate (5.1.2.5)", "no nextUpdate", withoutNextUpdate(t)},
		{"empty", "is not a CRL", nil},
		{"a certificate", "another type", s.root.CertPEM()},
		{"cut DER", "is not a CRL", good[:len(good)-1]},
		{"cut PEM", "damaged PEM block: 2 begin, and 1 can be read", slices.Concat(inPEM, inPEM[:len(inPEM)-20])},
		{"damaged PEM before a good one", "damaged PEM block: 2 begin, and 1 can be read", slices.Concat(inPEM[:40], []byte("!"), inPEM[40:], inPEM)},
		{"two in DER", "bytes behind the CRL", slices.Concat(good, good)},
	} {
		_, err := ParseCRLs("ca.crl", row.text)
		var e *Error
		if !errors.As(err, &e) || e.Source != "ca.crl" || !strings.Contains(e.Error(), row.problem) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	for name, text := range map[string][]byte{"DER": good, "PEM": inPEM, "extension of no consequence": with(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: number})} {
		if crls, err := ParseCRLs("ca.crl", text); err != nil || len(crls) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if crls, err := ParseCRLs("ca.crl", slices.Concat(inPEM, inPEM)); err != nil || len(crls) != 2 {
		t.Errorf("two in PEM: %v", err)
	}
}

// withoutNextUpdate makes a CRL that the standard library would not make.
func withoutNextUpdate(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}
	type tbs struct {
		Version    int
		Signature  pkix.AlgorithmIdentifier
		Issuer     pkix.RDNSequence
		ThisUpdate time.Time
		Extensions []pkix.Extension `asn1:"tag:0,optional,explicit"`
	}
	list := tbs{1, algorithm, pkix.Name{CommonName: "Root"}.ToRDNSequence(), noon.UTC(), nil}
	signed := must[[]byte](t)(asn1.Marshal(list))
	return must[[]byte](t)(asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: signed}, algorithm, asn1.BitString{Bytes: ed25519.Sign(key, signed), BitLength: 512}}))
}

func TestCRLIsCheckedAgainstTheTrustedCAOfItsName(t *testing.T) {
	s, other := newSite(t), newSite(t)
	crl := parse(t, issue(t, s.root, template(1)))
	if err := crl.Check([]*x509.Certificate{s.intermediate.Cert}); err != nil {
		t.Errorf("by a CA of another name: %v", err)
	}
	if err := crl.Check([]*x509.Certificate{other.root.Cert}); err == nil {
		t.Error("by a CA of the same name and another key: accepted")
	}
	for range 2 { // verified, and then remembered
		if err := crl.Check([]*x509.Certificate{other.root.Cert, s.root.Cert}); err != nil {
			t.Error(err)
		}
		if err := crl.Check([]*x509.Certificate{other.root.Cert}); err == nil {
			t.Error("by a CA of the same name and another key: accepted after another one was")
		}
	}
	mayNot := *s.root.Cert
	mayNot.KeyUsage = x509.KeyUsageCertSign
	if err := crl.Check([]*x509.Certificate{&mayNot}); err == nil {
		t.Error("by a CA whose key may not sign CRLs: accepted")
	}
}

func TestOlderThanGoesByTheNumberOfTheSameIssuer(t *testing.T) {
	s := newSite(t)
	first, second := parse(t, issue(t, s.root, template(9))), parse(t, issue(t, s.root, template(10)))
	if !first.OlderThan(second) || second.OlderThan(first) || first.OlderThan(first) {
		t.Error("9 is older than 10, and nothing else is")
	}
	if first.OlderThan(parse(t, issue(t, s.intermediate, template(10)))) {
		t.Error("CRLs of two CAs were compared")
	}
}

// A CA may begin to name its key in its CRLs, or name it otherwise.
func TestOlderThanKnowsAKeyByWhatItHasSigned(t *testing.T) {
	s, other := newSite(t), newSite(t)
	at := func(minutes int, number int64) *x509.RevocationList {
		list := template(number)
		list.ThisUpdate = noon.Add(time.Duration(minutes-60) * time.Minute)
		return list
	}
	unnamed := func(ca *pki.Authority, list *x509.RevocationList) *CRL {
		crl := parse(t, issue(t, ca, list))
		crl.keyID = nil // which x509 would not leave out
		return crl
	}
	named := func(ca *pki.Authority, list *x509.RevocationList) *CRL { return parse(t, issue(t, ca, list)) }
	check := func(what string, c, than *CRL, want bool) {
		t.Helper()
		if c.OlderThan(than) != want || than.OlderThan(c) {
			t.Errorf("%s: older %v, and the other way round %v; want %v and false", what, c.OlderThan(than), than.OlderThan(c), want)
		}
	}
	check("nobody knows who has signed", unnamed(s.root, at(0, 1)), named(s.root, at(1, 2)), true)
	check("both name no key", unnamed(s.root, at(0, 1)), unnamed(s.root, at(1, 2)), true)
	check("the same number, issued later", named(s.root, at(0, 2)), named(s.root, at(1, 2)), true)
	check("another key of that name", named(other.root, at(0, 1)), named(s.root, at(1, 2)), false)

	signed := func(c *CRL, ca *pki.Authority) *CRL {
		t.Helper()
		if err := c.Check([]*x509.Certificate{ca.Cert}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	check("the same key has signed both", signed(unnamed(s.root, at(0, 1)), s.root), signed(named(s.root, at(1, 2)), s.root), true)
	before, after := signed(unnamed(s.root, at(0, 1)), s.root), signed(named(other.root, at(1, 2)), other.root)
	check("two keys have signed them", before, after, false)

	// A CRL that is still there has not been replaced by an earlier one.
	kept, earlier := named(s.root, at(1, 2)), unnamed(s.root, at(0, 1))
	if !kept.KeptBy([]*CRL{earlier, named(s.root, at(2, 3))}) || !kept.KeptBy([]*CRL{kept}) || kept.KeptBy([]*CRL{earlier}) || kept.KeptBy([]*CRL{named(s.root, at(0, 1))}) {
		t.Error("a CRL is kept by itself and by its successors alone")
	}
}

// The Authority Key Identifier, which tells one key of a CA from the next,
// differs here although the key does not.
func TestNewestCRLThatTheCASignedCounts(t *testing.T) {
	s := newSite(t)
	ca := *s.intermediate
	cert := *ca.Cert
	cert.SubjectKeyId = []byte("another name for the same key")
	ca.Cert = &cert
	before, now := parse(t, issue(t, &ca, template(1))), parse(t, issue(t, s.intermediate, template(2, s.heater.Cert.SerialNumber)))
	for _, crls := range [][]*CRL{{before, now}, {now, before}} {
		wantDenied(t, New(Config{CRLs: Newest(crls)}).Check(s.chain(s.heater), noon), "is revoked by CRL number 2")
	}
}

func TestDenyListDenies(t *testing.T) {
	s := newSite(t)
	hexOf := func(n *big.Int) string { return n.Text(16) }
	sum := sha256.Sum256(s.heater.Cert.Raw)
	colons := strings.TrimSuffix(strings.ToUpper(strings.Join(strings.SplitAfter(fmt.Sprintf("% x", sum), " "), ":")), ":")
	for _, row := range []struct {
		name, text   string
		heater, lamp bool // denied
	}{
		{"nobody", "# a comment\n\n   \n", false, false},
		{"a serial number", "serial " + hexOf(s.heater.Cert.SerialNumber), true, false},
		{"a serial number in capitals with 0x", "serial 0x" + strings.ToUpper(hexOf(s.heater.Cert.SerialNumber)), true, false},
		{"a serial number of its CA", "serial " + hexOf(s.heater.Cert.SerialNumber) + " CN = Intermediate", true, false},
		{"a serial number of two CAs", "serial " + hexOf(s.heater.Cert.SerialNumber) + " CN = X\nserial " + hexOf(s.heater.Cert.SerialNumber) + " CN=Intermediate", true, false},
		{"a serial number of another CA", "serial " + hexOf(s.heater.Cert.SerialNumber) + " CN = Root", false, false},
		{"of another CA, and of all", "serial " + hexOf(s.heater.Cert.SerialNumber) + " CN = Root\nserial " + hexOf(s.heater.Cert.SerialNumber), true, false},
		{"of all, and of another CA", "serial " + hexOf(s.heater.Cert.SerialNumber) + "\nserial " + hexOf(s.heater.Cert.SerialNumber) + " CN = Root", true, false},
		{"a fingerprint", "fingerprint " + hex.EncodeToString(sum[:]), true, false},
		{"a fingerprint with colons", "fingerprint " + strings.ReplaceAll(colons, " ", ""), true, false},
		{"a CN", "cn heater\r\ncn someone", true, false},
		{"a CN in other letters", "cn Heater", false, false},
		{"a CA's CN", "cn Intermediate", true, true},
		{"the trusted CA itself", "cn Root", true, true},
		{"a token", "jti heater", false, false},
	} {
		d, err := ParseDenyList("deny", []byte(row.text))
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		set := New(Config{DenyLists: []*DenyList{must[*DenyList](t)(ParseDenyList("empty", nil)), d}})
		for leaf, denied := range map[*pki.Leaf]bool{s.heater: row.heater, s.lamp: row.lamp} {
			err := set.Check(s.chain(leaf), noon)
			if (err != nil) != denied {
				t.Errorf("%s: %s: %v", row.name, leaf.Cert.Subject, err)
			} else if denied {
				wantDenied(t, err, "in the deny list deny")
			}
		}
		if got := set.RevokedToken("heater"); got != (row.name == "a token") {
			t.Errorf("%s: token revoked: %v", row.name, got)
		}
	}
}

func TestParseDenyListSaysWhichLinesAreWrong(t *testing.T) {
	text := "cn heater\nserial xyz\nfingerprint 12:34\nheater\nrevoke heater\nserial 12 nonsense\ncn \xff\ncn " + strings.Repeat("x", maxLine)
	_, err := ParseDenyList("deny", []byte(text))
	want := []string{
		`deny: line 2: "xyz": is not a serial number; `,
		`deny: line 3: "12:34": is not a SHA-256 fingerprint; `,
		`deny: line 4: "heater": is a word alone; `,
		`deny: line 5: "revoke": is no kind of entry; `,
		`deny: line 6: "nonsense": is not the subject of a CA: `,
		`deny: line 7: is not UTF-8; `,
		`deny: line 8: is longer than 4096 bytes; `,
	}
	if err == nil {
		t.Fatal("accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d problems, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("got  %s\nwant %s...", line, want[i])
		}
	}
	_, err = ParseDenyList("deny", []byte(strings.Repeat("x\n", 1000)))
	if n := strings.Count(err.Error(), "\n") + 1; n != maxProblems {
		t.Errorf("%d problems told of 1000, want %d", n, maxProblems)
	}
}

// A whole handshake's worth: the X509 method asks the Set, and what it
// remembers of the chain does not outlive the revocation.
func TestX509DeniesWhatTheSetRevokes(t *testing.T) {
	s := newSite(t)
	x := must[*security.X509](t)(security.NewX509(security.X509Config{TrustedCAs: []*x509.Certificate{s.root.Cert}}))
	credentials := &security.Credentials{PresentedChain: s.heater.Chain}
	if _, err := x.Authenticate(context.Background(), credentials); err != nil {
		t.Fatal(err)
	}
	set := New(Config{CRLs: []*CRL{parse(t, issue(t, s.intermediate, template(1, s.heater.Cert.SerialNumber)))}})
	_, err := x.WithRevocation(set).Authenticate(context.Background(), credentials)
	wantDenied(t, err, "is revoked by CRL number 1 of test.crl")
}
