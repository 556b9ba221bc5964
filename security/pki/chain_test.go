package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"
)

// must returns v, or ends the test.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// issueChain returns a root, an intermediate and a leaf whose keys are of the
// three kinds given.
func issueChain(t testing.TB, keys [3]string) (*Authority, *Authority, *Leaf) {
	t.Helper()
	root := must[*Authority](t)(NewRoot(Options{CommonName: "Contoso Root CA", Key: keys[0]}))
	intermediate := must[*Authority](t)(root.NewIntermediate(Options{CommonName: "Contoso Intermediate CA 1", Key: keys[1]}))
	leaf := must[*Leaf](t)(intermediate.NewLeaf(Options{CommonName: "gateway.example", Key: keys[2]}))
	return root, intermediate, leaf
}

// intermediates returns what a TLS peer would send besides the leaf.
func intermediates(leaf *Leaf) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range leaf.Chain[1:] {
		pool.AddCert(cert)
	}
	return pool
}

var keyChains = map[string][3]string{
	"default":  {},
	"EC":       {KeyEC, KeyEC, KeyEC},
	"EC384":    {KeyEC384, KeyEC384, KeyEC384},
	"RSA":      {KeyRSA, KeyRSA, KeyRSA},
	"Ed25519":  {KeyEd25519, KeyEd25519, KeyEd25519},
	"mixed":    {KeyRSA, KeyEC, KeyEd25519},
	"RSA leaf": {KeyEC384, KeyEd25519, KeyRSA},
}

func TestChainVerifiesForServerAndClient(t *testing.T) {
	for name, keys := range keyChains {
		t.Run(name, func(t *testing.T) {
			root, _, leaf := issueChain(t, keys)
			for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
				chains, err := leaf.Cert.Verify(x509.VerifyOptions{
					Roots:         root.Pool(),
					Intermediates: intermediates(leaf),
					DNSName:       "gateway.example",
					KeyUsages:     []x509.ExtKeyUsage{usage},
				})
				if err != nil {
					t.Fatalf("usage %v: %v", usage, err)
				}
				if len(chains) != 1 || len(chains[0]) != 3 || !chains[0][2].Equal(root.Cert) {
					t.Fatalf("usage %v: chains = %v, want one of three certificates that ends at the root", usage, chains)
				}
			}
		})
	}
}

func TestChainOfAnotherRootDoesNotVerify(t *testing.T) {
	_, _, leaf := issueChain(t, keyChains["EC"])
	other, _, _ := issueChain(t, keyChains["EC"]) // of the same name, with another key
	_, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: other.Pool(), Intermediates: intermediates(leaf)})
	if !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Fatalf("err = %v, want an UnknownAuthorityError", err)
	}
}

func TestPoolOfIntermediateAnchorsLeaf(t *testing.T) {
	_, intermediate, leaf := issueChain(t, keyChains["EC"])
	chains, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: intermediate.Pool()})
	if err != nil || len(chains[0]) != 2 {
		t.Fatalf("chains = %v, err = %v, want one chain of two", chains, err)
	}
}

func TestChainLeavesOutRoot(t *testing.T) {
	root, intermediate, leaf := issueChain(t, keyChains["EC"])
	if len(leaf.Chain) != 2 || leaf.Chain[0] != leaf.Cert || leaf.Chain[1] != intermediate.Cert {
		t.Errorf("chain below an intermediate = %d certificates, want leaf and intermediate", len(leaf.Chain))
	}
	direct := must[*Leaf](t)(root.NewLeaf(Options{CommonName: "direct"}))
	if len(direct.Chain) != 1 || direct.Chain[0] != direct.Cert {
		t.Errorf("chain below a root = %d certificates, want the leaf alone", len(direct.Chain))
	}
}

func TestProfiles(t *testing.T) {
	root, intermediate, leaf := issueChain(t, keyChains["EC"])
	rsaLeaf := must[*Leaf](t)(root.NewLeaf(Options{CommonName: "rsa", Key: KeyRSA}))
	clientOnly := must[*Leaf](t)(root.NewLeaf(Options{CommonName: "c", ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	const signing = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	for _, row := range []struct {
		name     string
		cert     *x509.Certificate
		isCA     bool
		pathLen  int
		usage    x509.KeyUsage
		extUsage []x509.ExtKeyUsage
	}{
		{"root", root.Cert, true, 1, signing, nil},
		{"intermediate", intermediate.Cert, true, 0, signing, nil},
		{"leaf", leaf.Cert, false, 0, x509.KeyUsageDigitalSignature, both},
		{"leaf with an RSA key", rsaLeaf.Cert, false, 0, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, both},
		{"leaf for a Client only", clientOnly.Cert, false, 0, x509.KeyUsageDigitalSignature, both[1:]},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.cert.IsCA != row.isCA || row.cert.MaxPathLen != row.pathLen {
				t.Errorf("CA %v with path length %d, want %v with %d", row.cert.IsCA, row.cert.MaxPathLen, row.isCA, row.pathLen)
			}
			if row.cert.KeyUsage != row.usage || !slices.Equal(row.cert.ExtKeyUsage, row.extUsage) {
				t.Errorf("usage %b %v, want %b %v", row.cert.KeyUsage, row.cert.ExtKeyUsage, row.usage, row.extUsage)
			}
			if len(row.cert.SubjectKeyId) != 20 {
				t.Errorf("subject key identifier %x, want 20 bytes", row.cert.SubjectKeyId)
			}
			if n := row.cert.SerialNumber.BitLen(); row.cert.SerialNumber.Sign() <= 0 || n > 129 || n < 64 {
				t.Errorf("serial number of %d bits, want a random positive one of about 128", n)
			}
		})
	}
	if !bytes.Equal(intermediate.Cert.AuthorityKeyId, root.Cert.SubjectKeyId) ||
		!bytes.Equal(leaf.Cert.AuthorityKeyId, intermediate.Cert.SubjectKeyId) {
		t.Error("an authority key identifier is not the issuer's subject key identifier")
	}
	if root.Cert.SerialNumber.Cmp(intermediate.Cert.SerialNumber) == 0 {
		t.Error("two certificates have one serial number")
	}
}

func TestLeafNamedAsItsIssuerHasAuthorityKeyIdentifier(t *testing.T) {
	root := must[*Authority](t)(NewRoot(Options{CommonName: "same"}))
	leaf := must[*Leaf](t)(root.NewLeaf(Options{CommonName: "same"}))
	if !bytes.Equal(leaf.Cert.AuthorityKeyId, root.Cert.SubjectKeyId) {
		t.Fatalf("authority key identifier = %x, want %x", leaf.Cert.AuthorityKeyId, root.Cert.SubjectKeyId)
	}
}

func TestIntermediateIssuesNoIntermediate(t *testing.T) {
	_, intermediate, _ := issueChain(t, keyChains["EC"])
	if _, err := intermediate.NewIntermediate(Options{CommonName: "one too many"}); err == nil {
		t.Fatal("an authority with path length 0 issued an authority")
	}
}

func TestSubjectIsEncodedExactly(t *testing.T) {
	root := must[*Authority](t)(NewRoot(Options{CommonName: "root"}))
	attribute := func(last int, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}
	}
	cn, ou, o := attribute(3, "meter 7"), attribute(11, "Metering"), attribute(10, "Contoso")
	raw := func(s string) []byte { return must[[]byte](t)(hex.DecodeString(s)) }
	for _, row := range []struct {
		name    string
		options Options
		want    []byte
	}{
		{"common name", Options{CommonName: "x"}, raw("300c310a30080603550403130178")},
		{"RDNs in the order given", Options{Subject: pkix.RDNSequence{{cn}, {ou}, {o}}, CommonName: "ignored"},
			must[[]byte](t)(asn1.Marshal(pkix.RDNSequence{{cn}, {ou}, {o}}))},
		{"the other order", Options{Subject: pkix.RDNSequence{{o}, {ou}, {cn}}},
			must[[]byte](t)(asn1.Marshal(pkix.RDNSequence{{o}, {ou}, {cn}}))},
		{"an RDN with two attributes", Options{Subject: pkix.RDNSequence{{o}, {cn, ou}}},
			must[[]byte](t)(asn1.Marshal(pkix.RDNSequence{{o}, {cn, ou}}))},
		// UTF8String where Go would write PrintableString.
		{"DER", Options{RawSubject: raw("300c310a300806035504030c0178"), CommonName: "ignored"}, raw("300c310a300806035504030c0178")},
	} {
		t.Run(row.name, func(t *testing.T) {
			leaf := must[*Leaf](t)(root.NewLeaf(row.options))
			if !bytes.Equal(leaf.Cert.RawSubject, row.want) {
				t.Errorf("leaf subject = %x, want %x", leaf.Cert.RawSubject, row.want)
			}
			authority := must[*Authority](t)(root.NewIntermediate(row.options))
			if !bytes.Equal(authority.Cert.RawSubject, row.want) {
				t.Errorf("authority subject = %x, want %x", authority.Cert.RawSubject, row.want)
			}
		})
	}
}

func TestCommonNameBecomesAlternativeName(t *testing.T) {
	root := must[*Authority](t)(NewRoot(Options{CommonName: "Root With Spaces"}))
	if len(root.Cert.DNSNames) != 0 {
		t.Errorf("root has DNS names %q, want none", root.Cert.DNSNames)
	}
	loopback := net.IPv4(127, 0, 0, 1).To4()
	cn := pkix.AttributeTypeAndValue{Type: oidCommonName, Value: "gateway"}
	for _, row := range []struct {
		name    string
		options Options
		dns     []string
		ips     []net.IP
	}{
		{"host name", Options{CommonName: "thermostat"}, []string{"thermostat"}, nil},
		{"domain name", Options{CommonName: "a-1.b_c.example"}, []string{"a-1.b_c.example"}, nil},
		{"wildcard", Options{CommonName: "*.example"}, []string{"*.example"}, nil},
		{"address", Options{CommonName: "127.0.0.1"}, nil, []net.IP{loopback}},
		{"subject", Options{Subject: pkix.RDNSequence{{cn}}}, []string{"gateway"}, nil},
		{"not a host name", Options{CommonName: "meter 7"}, nil, nil},
		{"hyphen in front", Options{CommonName: "-a"}, nil, nil},
		{"empty label", Options{CommonName: "a..b"}, nil, nil},
		{"other alphabet", Options{CommonName: "caf\u00e9"}, nil, nil},
		{"names given", Options{CommonName: "a", DNSNames: []string{"b", "c"}}, []string{"b", "c"}, nil},
		{"addresses given", Options{CommonName: "a", IPAddresses: []net.IP{loopback}}, nil, []net.IP{loopback}},
		{"names alone", Options{DNSNames: []string{"b"}}, []string{"b"}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			leaf := must[*Leaf](t)(root.NewLeaf(row.options))
			if !slices.Equal(leaf.Cert.DNSNames, row.dns) {
				t.Errorf("DNS names = %q, want %q", leaf.Cert.DNSNames, row.dns)
			}
			if !slices.EqualFunc(leaf.Cert.IPAddresses, row.ips, net.IP.Equal) {
				t.Errorf("addresses = %v, want %v", leaf.Cert.IPAddresses, row.ips)
			}
		})
	}
	id := must[*url.URL](t)(url.Parse("spiffe://contoso/meter"))
	leaf := must[*Leaf](t)(root.NewLeaf(Options{CommonName: "meter", URIs: []*url.URL{id}}))
	if len(leaf.Cert.URIs) != 1 || leaf.Cert.URIs[0].String() != id.String() || len(leaf.Cert.DNSNames) != 0 {
		t.Errorf("URIs = %v and DNS names = %q, want %v and none", leaf.Cert.URIs, leaf.Cert.DNSNames, id)
	}
}

func TestValidityDefaults(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	future := now.Add(48 * time.Hour)
	for _, row := range []struct {
		name            string
		options         Options
		lifetime        time.Duration
		wantFrom, until time.Time
	}{
		{"leaf", Options{}, DefaultLeafLifetime, now.Add(-5 * time.Minute), now.Add(24 * time.Hour)},
		{"authority", Options{}, DefaultAuthorityLifetime, now.Add(-5 * time.Minute), now.Add(87600 * time.Hour)},
		{"not before", Options{NotBefore: future}, DefaultLeafLifetime, future, future.Add(24 * time.Hour)},
		{"not after", Options{NotAfter: future}, DefaultLeafLifetime, now.Add(-5 * time.Minute), future},
	} {
		t.Run(row.name, func(t *testing.T) {
			from, until := row.options.validity(now, row.lifetime)
			if !from.Equal(row.wantFrom) || !until.Equal(row.until) {
				t.Errorf("valid from %v until %v, want from %v until %v", from, until, row.wantFrom, row.until)
			}
		})
	}
}

func TestExpiredLeafCanBeIssued(t *testing.T) {
	root := must[*Authority](t)(NewRoot(Options{CommonName: "root"}))
	now := time.Now()
	leaf := must[*Leaf](t)(root.NewLeaf(Options{CommonName: "old", NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}))
	_, err := leaf.Cert.Verify(x509.VerifyOptions{Roots: root.Pool()})
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Fatalf("err = %v, want one that says expired", err)
	}
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	root := must[*Authority](t)(NewRoot(Options{CommonName: "root"}))
	for _, row := range []struct {
		name, field string
		options     Options
	}{
		{"unknown key", "Key", Options{CommonName: "a", Key: "DSA"}},
		{"no subject at all", "CommonName", Options{}},
		{"subject is no DER", "RawSubject", Options{RawSubject: []byte("CN=a")}},
		{"bytes after the subject", "RawSubject", Options{RawSubject: []byte{0x30, 0, 0}}},
		{"subject with a value of no ASN.1 type", "Subject", Options{Subject: pkix.RDNSequence{{{Type: oidCommonName, Value: struct{ c chan int }{}}}}}},
		{"ends before it begins", "NotAfter", Options{CommonName: "a", NotAfter: time.Now().Add(-time.Hour)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, rootErr := NewRoot(row.options)
			_, leafErr := root.NewLeaf(row.options)
			for _, err := range []error{rootErr, leafErr} {
				var option *OptionError
				if !errors.As(err, &option) || option.Field != row.field || option.Want == "" {
					t.Errorf("err = %v, want an OptionError for %s", err, row.field)
				}
			}
		})
	}
}

func TestAuthorityIssuesConcurrently(t *testing.T) {
	root := must[*Authority](t)(NewRoot(Options{CommonName: "root"}))
	const n = 8
	serials := make(chan string, n)
	for range n {
		go func() {
			leaf, err := root.NewLeaf(Options{CommonName: "leaf"})
			if err != nil {
				serials <- err.Error()
				return
			}
			serials <- leaf.Cert.SerialNumber.String()
		}()
	}
	seen := make(map[string]bool)
	for range n {
		seen[<-serials] = true
	}
	if len(seen) != n {
		t.Errorf("%d leaves have %d serial numbers: %v", n, len(seen), seen)
	}
}

func TestTLSHandshakeInBothDirections(t *testing.T) {
	root, intermediate, server := issueChain(t, keyChains["mixed"])
	client := must[*Leaf](t)(intermediate.NewLeaf(Options{CommonName: "thermostat"}))

	clientEnd, serverEnd := net.Pipe()
	defer clientEnd.Close()
	serverDone := make(chan error, 1)
	var seen []*x509.Certificate
	go func() {
		conn := tls.Server(serverEnd, &tls.Config{
			Certificates: []tls.Certificate{server.TLSCertificate()},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    root.Pool(),
		})
		defer conn.Close()
		err := conn.Handshake()
		if err == nil {
			seen = conn.ConnectionState().VerifiedChains[0]
			_, err = conn.Write([]byte("hello"))
		}
		serverDone <- err
	}()
	conn := tls.Client(clientEnd, &tls.Config{
		Certificates: []tls.Certificate{client.TLSCertificate()},
		RootCAs:      root.Pool(),
		ServerName:   "gateway.example",
	})
	hello, err := io.ReadAll(conn)
	if err != nil || string(hello) != "hello" {
		t.Fatalf("read %q, %v", hello, err)
	}
	if err := <-serverDone; err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 || !seen[0].Equal(client.Cert) {
		t.Fatalf("server verified %d certificates, want thermostat, intermediate and root", len(seen))
	}
}
