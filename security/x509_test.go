package security

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

// noon is when these tests take place. Certificates are valid from a day before
// to a year after unless a test says otherwise.
var noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

func validity(o pki.Options) pki.Options {
	if o.NotBefore.IsZero() {
		o.NotBefore = noon.Add(-24 * time.Hour)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = noon.Add(365 * 24 * time.Hour)
	}
	return o
}

func newRoot(t testing.TB, o pki.Options) *pki.Authority {
	t.Helper()
	a, err := pki.NewRoot(validity(o))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newIntermediate(t testing.TB, parent *pki.Authority, o pki.Options) *pki.Authority {
	t.Helper()
	a, err := parent.NewIntermediate(validity(o))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newLeaf(t testing.TB, parent *pki.Authority, o pki.Options) *pki.Leaf {
	t.Helper()
	l, err := parent.NewLeaf(validity(o))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newX509(t testing.TB, now *time.Time, cas []*x509.Certificate, entries ...X509Entry) *X509 {
	t.Helper()
	x, err := NewX509(X509Config{TrustedCAs: cas, Entries: entries, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func certs(cs ...*x509.Certificate) []*x509.Certificate { return cs }

func authenticate(a Authenticator, chain ...*x509.Certificate) (Result, error) {
	return a.Authenticate(context.Background(), &Credentials{ClientID: "c", PresentedChain: chain})
}

func wantDenied(t *testing.T, err error, code byte, reason string) {
	t.Helper()
	var d *Denied
	if !errors.As(err, &d) || d.Code != code || !strings.Contains(d.Error(), reason) {
		t.Fatalf("got error %v, want denial 0x%02X with %q", err, code, reason)
	}
}

// fabrikam is the worked example of a maker whose thermostats and hygrometers
// have entries of their own.
type fabrikam struct {
	root, intermediate *pki.Authority
	x                  *X509
	now                time.Time
}

func newFabrikam(t testing.TB) *fabrikam {
	f := &fabrikam{now: noon}
	f.root = newRoot(t, pki.Options{CommonName: "Fabrikam Root CA"})
	f.intermediate = newIntermediate(t, f.root, pki.Options{CommonName: "Fabrikam Intermediate CA 1"})
	f.x = newX509(t, &f.now, certs(f.root.Cert),
		X509Entry{"thermostat", "CN = thermostat", map[string]string{"group": "thermostat_group"}},
		X509Entry{"hygrometer", "CN = hygrometer", map[string]string{"group": "hygrometer_group"}},
		X509Entry{"intermediate", "CN = Fabrikam Intermediate CA 1", map[string]string{"manufacturer": "fabrikam"}},
	)
	return f
}

func TestFirstMatchFromTheLeafGivesTheAttributes(t *testing.T) {
	f := newFabrikam(t)
	for _, tc := range []struct {
		device, attributes, entry string
		depth                     int
	}{
		{"thermostat", "{group: thermostat_group}", "thermostat", 0},
		{"hygrometer", "{group: hygrometer_group}", "hygrometer", 0},
		{"heater", "{manufacturer: fabrikam}", "intermediate", 1},
		{"lightbulb", "{manufacturer: fabrikam}", "intermediate", 1},
	} {
		leaf := newLeaf(t, f.intermediate, pki.Options{CommonName: tc.device})
		for _, pass := range []string{"verified", "cached"} {
			r, err := authenticate(f.x, leaf.Chain...)
			if err != nil {
				t.Fatalf("%s, %s: %v", tc.device, pass, err)
			}
			if r.Method != MethodX509 || r.Username != tc.device || r.Attributes.String() != tc.attributes ||
				r.Entry != tc.entry || r.EntryDepth != tc.depth || !r.Expiry.Equal(leaf.Cert.NotAfter) || len(r.Hints) != 0 {
				t.Errorf("%s, %s: got %+v", tc.device, pass, r)
			}
		}
	}
	direct := newLeaf(t, f.root, pki.Options{CommonName: "smart-fan"})
	r, err := authenticate(f.x, direct.Chain...)
	if err != nil || r.Attributes.Len() != 0 || r.Entry != "" || r.Username != "smart-fan" {
		t.Errorf("a leaf that matches no entry: got %+v, %v", r, err)
	}
}

// From certificate to decision: what each device may do under the policy of
// testdata/policies/thermostats.txt.
func TestCertificatesDecideWhatDevicesMayDo(t *testing.T) {
	f := newFabrikam(t)
	table, err := Compile(firstPolicy(t, "testdata/policies/thermostats.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		device string
		action Action
		topic  string
		want   Decision
	}{
		{"thermostat", ActionConnect, "", Allow},
		{"thermostat", ActionPublish, "telemetry/temperature", Allow},
		{"thermostat", ActionPublish, "telemetry/humidity", Deny},
		{"thermostat", ActionPublish, "health/heartbeat", Deny},
		{"hygrometer", ActionPublish, "telemetry/humidity", Allow},
		{"hygrometer", ActionPublish, "telemetry/temperature", Deny},
		{"lightbulb", ActionConnect, "", Allow},
		{"lightbulb", ActionPublish, "health/heartbeat", Allow},
		{"lightbulb", ActionSubscribe, "telemetry/temperature", Deny},
		{"heater", ActionPublish, "health/heartbeat", Allow},
		{"heater", ActionSubscribe, "telemetry/temperature", Allow},
		{"heater", ActionSubscribe, "health/heartbeat", Deny},
		{"heater", ActionSubscribe, "telemetry/+", Deny},
		{"heater", ActionSubscribe, "$share/g/telemetry/humidity", Allow},
	} {
		leaf := newLeaf(t, f.intermediate, pki.Options{CommonName: tc.device})
		// The claimed names must make no difference.
		r, err := f.x.Authenticate(context.Background(), &Credentials{
			ClientID: "heater", HasUserName: true, UserName: "admin", PresentedChain: leaf.Chain})
		if err != nil {
			t.Fatal(err)
		}
		p := &Principal{ClientID: "heater", Username: r.Username, Attributes: r.Attributes}
		if got := table.Bind(p).Decide(tc.action, tc.topic); got != tc.want {
			t.Errorf("%s %v %s: got %v", tc.device, tc.action, tc.topic, got)
		}
	}
}

func TestAttributesOfCAEntries(t *testing.T) {
	now := noon
	root := newRoot(t, pki.Options{Subject: pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Contoso Root CA Cert"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "Engineering"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "US"}},
	}})
	intermediate := newIntermediate(t, root, pki.Options{CommonName: "Contoso Intermediate CA"})
	entries := []X509Entry{
		{"root", "CN = Contoso Root CA Cert, OU = Engineering, C = US", map[string]string{"organization": "contoso"}},
		{"intermediate", "CN = Contoso Intermediate CA", map[string]string{"city": "seattle", "foo": "bar"}},
		{"smart-fan", "CN = smart-fan", map[string]string{"building": "17"}},
	}
	underRoot := newLeaf(t, root, pki.Options{CommonName: "a"})
	underIntermediate := newLeaf(t, intermediate, pki.Options{CommonName: "b"})
	fan := newLeaf(t, intermediate, pki.Options{CommonName: "smart-fan"})

	for _, tc := range []struct {
		name string
		cas  []*x509.Certificate
		leaf *pki.Leaf
		want string
	}{
		{"under the root", certs(root.Cert), underRoot, "{organization: contoso}"},
		{"under the intermediate", certs(root.Cert), underIntermediate, "{city: seattle, foo: bar}"},
		{"with its own entry", certs(root.Cert), fan, "{building: 17}"},
		{"the intermediate is the trust anchor", certs(intermediate.Cert), underIntermediate, "{city: seattle, foo: bar}"},
	} {
		r, err := authenticate(newX509(t, &now, tc.cas, entries...), tc.leaf.Chain...)
		if err != nil || r.Attributes.String() != tc.want {
			t.Errorf("%s: got %v, %v, want %s", tc.name, r.Attributes, err, tc.want)
		}
	}

	// Two chains verify, one ending at the intermediate. The root's entry is
	// found whichever comes first.
	for _, cas := range [][]*x509.Certificate{certs(root.Cert, intermediate.Cert), certs(intermediate.Cert, root.Cert)} {
		r, err := authenticate(newX509(t, &now, cas, entries[0]), underIntermediate.Chain...)
		if err != nil || r.Entry != "root" || r.EntryDepth != 2 {
			t.Errorf("root and intermediate trusted: got %+v, %v", r, err)
		}
	}
}

func TestOnlyTheVerifiedChainGivesAttributes(t *testing.T) {
	now := noon
	ours := newRoot(t, pki.Options{CommonName: "Ours"})
	other := newRoot(t, pki.Options{CommonName: "Other"})
	x := newX509(t, &now, certs(ours.Cert), X509Entry{"other", "CN = Other", map[string]string{"admin": "yes"}})
	leaf := newLeaf(t, ours, pki.Options{CommonName: "device"})
	r, err := authenticate(x, append(leaf.Chain, other.Cert)...)
	if err != nil || r.Attributes.Len() != 0 {
		t.Errorf("a certificate that was merely sent gave %v, %v", r.Attributes, err)
	}
}

func TestX509Refuses(t *testing.T) {
	now := noon
	root := newRoot(t, pki.Options{CommonName: "Root"})
	intermediate := newIntermediate(t, root, pki.Options{CommonName: "Intermediate"})
	past := noon.Add(-time.Hour)
	oldIntermediate := newIntermediate(t, root, pki.Options{CommonName: "Old", NotAfter: past})
	stranger := newRoot(t, pki.Options{CommonName: "Stranger"})
	x := newX509(t, &now, certs(root.Cert))

	leaf := newLeaf(t, intermediate, pki.Options{CommonName: "a"})
	many := []*x509.Certificate{leaf.Cert}
	for range maxPresentedCertificates {
		many = append(many, intermediate.Cert)
	}
	for _, tc := range []struct {
		name        string
		chain       []*x509.Certificate
		notRelevant bool
		reason      string
	}{
		{name: "no certificate", notRelevant: true},
		{name: "another CA", chain: newLeaf(t, stranger, pki.Options{CommonName: "a"}).Chain, notRelevant: true},
		{name: "intermediate missing", chain: leaf.Chain[:1], notRelevant: true},
		{name: "leaf expired", chain: newLeaf(t, intermediate, pki.Options{CommonName: "a", NotAfter: past}).Chain, reason: "expired"},
		{name: "leaf not yet valid", chain: newLeaf(t, intermediate, pki.Options{CommonName: "a", NotBefore: noon.Add(time.Hour)}).Chain, reason: "not yet valid"},
		{name: "intermediate expired", chain: newLeaf(t, oldIntermediate, pki.Options{CommonName: "a"}).Chain, reason: "expired"},
		{name: "not for client authentication", chain: newLeaf(t, intermediate, pki.Options{CommonName: "a",
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}).Chain, reason: "key usage"},
		{name: "too many certificates", chain: many, reason: "more than 16"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 2 { // verified, then remembered
				r, err := authenticate(x, tc.chain...)
				if r.Username != "" || r.Method != "" {
					t.Fatalf("refused with a result: %+v", r)
				}
				if got := errors.Is(err, ErrNotRelevant); got != tc.notRelevant {
					t.Fatalf("not relevant: %v (%v)", got, err)
				}
				if !tc.notRelevant {
					wantDenied(t, err, NotAuthorized, tc.reason)
				}
			}
		})
	}
}

func TestExpiryIsTheEarliestOfTheChain(t *testing.T) {
	now := noon
	soon := noon.Add(time.Hour)
	root := newRoot(t, pki.Options{CommonName: "Root"})
	intermediate := newIntermediate(t, root, pki.Options{CommonName: "Intermediate", NotAfter: soon})
	leaf := newLeaf(t, intermediate, pki.Options{CommonName: "a"})
	x := newX509(t, &now, certs(root.Cert))
	r, err := authenticate(x, leaf.Chain...)
	if err != nil || !r.Expiry.Equal(soon) {
		t.Fatalf("got expiry %v, %v, want %v", r.Expiry, err, soon)
	}

	now = soon // the certificate holds in its last second
	if _, err := authenticate(x, leaf.Chain...); err != nil {
		t.Fatalf("at the moment of expiry: %v", err)
	}
	now = soon.Add(time.Second) // and what was remembered of it holds no longer
	_, err = authenticate(x, leaf.Chain...)
	wantDenied(t, err, NotAuthorized, "expired")
}

func TestRefusalIsForgotten(t *testing.T) {
	now := noon
	root := newRoot(t, pki.Options{CommonName: "Root"})
	leaf := newLeaf(t, root, pki.Options{CommonName: "a", NotBefore: noon.Add(time.Second)})
	x := newX509(t, &now, certs(root.Cert))
	_, err := authenticate(x, leaf.Chain...)
	wantDenied(t, err, NotAuthorized, "not yet valid")
	now = noon.Add(2 * time.Second)
	_, err = authenticate(x, leaf.Chain...)
	wantDenied(t, err, NotAuthorized, "not yet valid")
	now = noon.Add(refusalLifetime + time.Second)
	if _, err := authenticate(x, leaf.Chain...); err != nil {
		t.Fatalf("after the refusal was to be forgotten: %v", err)
	}
}

func TestWarmMakesAuthenticateALookUp(t *testing.T) {
	f := newFabrikam(t)
	leaf := newLeaf(t, f.intermediate, pki.Options{CommonName: "heater"})
	NewChain(f.x).Warm(&Credentials{PresentedChain: leaf.Chain})
	if _, ok := f.x.cache.get(fingerprint(leaf.Chain)); !ok {
		t.Error("nothing was remembered")
	}
	NewChain(f.x).Warm(&Credentials{}) // a plain TCP connection has nothing to warm
}

func TestUsernameIsTheLastCommonName(t *testing.T) {
	now := noon
	root := newRoot(t, pki.Options{CommonName: "Root"})
	x := newX509(t, &now, certs(root.Cert))
	for _, tc := range []struct {
		subject, username, hint string
	}{
		{"CN = a, O = x", "a", ""},
		{"CN = a, O = x, CN = b", "b", "has 2 CNs"},
		{"CN = a + CN = b", "b", "has 2 CNs"},
		{"O = x", "", "has no CN"},
	} {
		leaf := newLeaf(t, root, pki.Options{Subject: rdnSequence(t, tc.subject), DNSNames: []string{"x.example"}})
		r, err := authenticate(x, leaf.Chain...)
		if err != nil || r.Username != tc.username {
			t.Errorf("%s: got username %q, %v", tc.subject, r.Username, err)
		}
		if hints := strings.Join(r.Hints, "\n"); !strings.Contains(hints, tc.hint) || (tc.hint == "") != (hints == "") {
			t.Errorf("%s: got hints %q, want %q", tc.subject, hints, tc.hint)
		}
	}
}

// rdnSequence converts text to what the package pki takes.
func rdnSequence(t *testing.T, text string) (sequence pkix.RDNSequence) {
	t.Helper()
	s, err := ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.rdns {
		var set pkix.RelativeDistinguishedNameSET
		for _, nv := range r {
			var oid asn1.ObjectIdentifier
			parsed, err := x509.ParseOID(nv.oid)
			if err != nil {
				t.Fatal(err)
			}
			der, err := parsed.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := asn1.Unmarshal(append([]byte{asn1.TagOID, byte(len(der))}, der...), &oid); err != nil {
				t.Fatal(err)
			}
			set = append(set, pkix.AttributeTypeAndValue{Type: oid, Value: nv.value})
		}
		sequence = append(sequence, set)
	}
	return sequence
}

func TestReversedSubjectIsHintedAtAndNotMatched(t *testing.T) {
	now := noon
	root := newRoot(t, pki.Options{CommonName: "Root"})
	leaf := newLeaf(t, root, pki.Options{Subject: rdnSequence(t, "C = US, O = Contoso, CN = fan")})
	x := newX509(t, &now, certs(root.Cert),
		X509Entry{"fan", "CN = fan, O = Contoso, C = US", map[string]string{"building": "17"}})
	r, err := authenticate(x, leaf.Chain...)
	if err != nil || r.Attributes.Len() != 0 {
		t.Fatalf("got %+v, %v", r, err)
	}
	want := `entry "fan" has its subject in reverse order; the certificate has "C = US, O = Contoso, CN = fan"`
	if len(r.Hints) != 1 || r.Hints[0] != want {
		t.Errorf("got hints %q", r.Hints)
	}

	// With entries for both directions there is nothing to hint at.
	both := newX509(t, &now, certs(root.Cert),
		X509Entry{"fan", "CN = fan, O = Contoso, C = US", map[string]string{"building": "17"}},
		X509Entry{"naf", "C = US, O = Contoso, CN = fan", map[string]string{"building": "71"}})
	if r, err := authenticate(both, leaf.Chain...); err != nil || r.Entry != "naf" || len(r.Hints) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestX509Explain(t *testing.T) {
	f := newFabrikam(t)
	thermostat := newLeaf(t, f.intermediate, pki.Options{CommonName: "thermostat"})
	stranger := newLeaf(t, newRoot(t, pki.Options{CommonName: "Stranger"}), pki.Options{CommonName: "thermostat"})
	for _, tc := range []struct {
		name  string
		chain []*x509.Certificate
		want  string
	}{
		{"accepted", thermostat.Chain, `accepted as username "thermostat" with attributes {group: thermostat_group} until 2031-06-01T12:00:00Z
  0  CN = thermostat  <- entry "thermostat" gives the attributes
  1  CN = Fabrikam Intermediate CA 1  (entry "intermediate", not used)
  2  CN = Fabrikam Root CA
`},
		{"refused", stranger.Chain, `refused: the client certificate chains to none of this method's CAs: credentials are not relevant to this authentication method
  0  CN = thermostat  (entry "thermostat", not used)
`},
		{"nothing presented", nil, "refused: credentials are not relevant to this authentication method\n"},
		{"too many", make([]*x509.Certificate, 17), "refused: authentication denied (0x87): more than 16 client certificates presented\n"},
	} {
		e := f.x.Explain(tc.chain)
		if got := e.String(); got != tc.want {
			t.Errorf("%s:\ngot  %swant %s", tc.name, got, tc.want)
		}
		if tc.name == "too many" {
			continue
		}
		if r, err := authenticate(f.x, tc.chain...); r.Username != e.Result.Username || (err == nil) != (e.Err == nil) {
			t.Errorf("%s: Authenticate says %+v, %v", tc.name, r, err)
		}
	}

	hinted := newLeaf(t, f.root, pki.Options{Subject: rdnSequence(t, "O = x"), DNSNames: []string{"x.example"}})
	if got := f.x.Explain(hinted.Chain).String(); !strings.Contains(got, "  hint: the leaf \"O = x\" has no CN") {
		t.Errorf("no hint in %s", got)
	}
}

func TestNewX509Refuses(t *testing.T) {
	root := newRoot(t, pki.Options{CommonName: "Root"})
	some := map[string]string{"a": "b"}
	for _, tc := range []struct {
		name string
		cfg  X509Config
		want []ConfigError
	}{
		{"no CA", X509Config{}, []ConfigError{{"trustedClientCaCert", "", "no CA certificate"}}},
		{"nil CA", X509Config{TrustedCAs: certs(root.Cert, nil)}, []ConfigError{{"trustedClientCaCert[1]", "", "missing"}}},
		{"negative cache", X509Config{TrustedCAs: certs(root.Cert), CacheSize: -1}, []ConfigError{{"cacheSize", "-1", "number"}}},
		{"entries", X509Config{TrustedCAs: certs(root.Cert), Entries: []X509Entry{
			{"first", "CN = a, O = b", some},
			{"nosubject", "", some},
			{"noattributes", "CN = c", nil},
			{"emptymap", "CN = d", map[string]string{}},
			{"noname", "CN = e", map[string]string{"": "x"}},
			{"bad", "CN = ", some},
			{"twice", "cn=a,o=b", some},
		}}, []ConfigError{
			{"authorizationAttributes.nosubject.subject", "", "missing"},
			{"authorizationAttributes.noattributes.attributes", "", "missing"},
			{"authorizationAttributes.noname.attributes", "", "no name"},
			{"authorizationAttributes.bad.subject", "CN = ", "at byte 5: CN has no value"},
			{"authorizationAttributes.twice.subject", "cn=a,o=b", `entry "first" has the same subject`},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x, err := NewX509(tc.cfg)
			joined, ok := err.(interface{ Unwrap() []error })
			if x != nil || !ok {
				t.Fatalf("got %v, %v", x, err)
			}
			got := joined.Unwrap()
			if len(got) != len(tc.want) {
				t.Fatalf("got %d errors: %v", len(got), err)
			}
			for i, want := range tc.want {
				var ce *ConfigError
				if !errors.As(got[i], &ce) || ce.Field != want.Field || ce.Value != want.Value || !strings.Contains(ce.Problem, want.Problem) {
					t.Errorf("got %v, want %v", got[i], &want)
				}
				if !strings.HasPrefix(got[i].Error(), want.Field) {
					t.Errorf("%v does not begin with the field", got[i])
				}
			}
		})
	}
}

func TestX509IsSafeForConcurrentUse(t *testing.T) {
	f := newFabrikam(t)
	small, err := NewX509(X509Config{TrustedCAs: certs(f.root.Cert), CacheSize: 2, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"a", "b", "c", "d"}
	var leaves []*pki.Leaf
	for _, name := range names {
		leaves = append(leaves, newLeaf(t, f.intermediate, pki.Options{CommonName: name}))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				k := (g + i) % len(leaves)
				r, err := authenticate(small, leaves[k].Chain...)
				if err != nil || r.Username != names[k] {
					t.Errorf("%s: got %+v, %v", names[k], r, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(small.cache.ring); n > 2 {
		t.Errorf("%d chains remembered, want at most 2", n)
	}
}

// An intermediate that two roots vouch for gives two chains for one leaf.
func TestOfEqualChainsTheLongestLivedCounts(t *testing.T) {
	now := noon
	a := newRoot(t, pki.Options{CommonName: "A"})
	b := newRoot(t, pki.Options{CommonName: "B", NotAfter: noon.Add(time.Hour)})
	byA := newIntermediate(t, a, pki.Options{CommonName: "Intermediate"})
	template := *byA.Cert
	raw, err := x509.CreateCertificate(rand.Reader, &template, b.Cert, byA.Cert.PublicKey, b.Key)
	if err != nil {
		t.Fatal(err)
	}
	byB, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	leaf := newLeaf(t, byA, pki.Options{CommonName: "device"})
	for _, cas := range [][]*x509.Certificate{certs(a.Cert, b.Cert), certs(b.Cert, a.Cert)} {
		for _, chain := range [][]*x509.Certificate{certs(leaf.Cert, byA.Cert, byB), certs(leaf.Cert, byB, byA.Cert)} {
			r, err := authenticate(newX509(t, &now, cas), chain...)
			if err != nil || !r.Expiry.Equal(leaf.Cert.NotAfter) {
				t.Errorf("got expiry %v, %v, want %v", r.Expiry, err, leaf.Cert.NotAfter)
			}
			// An entry nearer to the leaf counts for more than a longer life.
			r, err = authenticate(newX509(t, &now, cas, X509Entry{"b", "CN = B", map[string]string{"b": "yes"}}), chain...)
			if err != nil || r.Entry != "b" || !r.Expiry.Equal(b.Cert.NotAfter) {
				t.Errorf("got %+v, %v", r, err)
			}
		}
	}
}

func TestUnreadableSubjectIsRefused(t *testing.T) {
	f := newFabrikam(t)
	damaged := *newLeaf(t, f.root, pki.Options{CommonName: "a"}).Cert
	damaged.RawSubject = []byte{0x30, 0x02, 0x31, 0x00} // no certificate parser would let it through
	_, err := authenticate(f.x, &damaged)
	wantDenied(t, err, NotAuthorized, "unreadable subject")
}
