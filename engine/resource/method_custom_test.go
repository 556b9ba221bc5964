package resource

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/custom"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// newCustomServer starts a custom authentication server that demands a client
// certificate of its own CA, and grants with the CN of that and with what the
// header X-Key holds as attributes.
func newCustomServer(t *testing.T) (url string, ca *pki.Authority) {
	t.Helper()
	ca = must[*pki.Authority](t)(pki.NewRoot(pki.Options{CommonName: "Custom CA"}))
	leaf := must[*pki.Leaf](t)(ca.NewLeaf(pki.Options{CommonName: "server", IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}))
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"attributes": {"broker": %q, "key": %q, "knows": "%t"}}`, r.TLS.PeerCertificates[0].Subject.CommonName,
			r.Header.Get("X-Key"), bytes.Contains(body, []byte(`"clientId"`)))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{leaf.TLSCertificate()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, ca
}

// writeCustom writes a port, without TLS unless methods need it, with the
// methods given, of which the first asks the server at url.
func writeCustom(t *testing.T, dir, url, more string) {
	t.Helper()
	writeFile(t, dir, "authn.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: authn}
spec:
  authenticationMethods:
  - method: Custom
    customSettings:
      endpoint: `+url+`
      caCertConfigMap: custom-auth-ca
      auth: {x509: {secretRef: custom-auth-client-cert}}
      headers: {X-Key: swordfish}
`+more)
	writeFile(t, dir, "listener.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: door}
spec:
  ports:
  - {port: 8883, authenticationRef: authn, tls: {mode: Manual, manual: {secretRef: server}}}
  - {port: 8884, tls: {mode: Manual, manual: {secretRef: server}}}
`)
	certs := testCertificates(t)
	writeFile(t, dir, "secrets/server/tls.crt", string(certs.pem["server-cert"]))
	writeFile(t, dir, "secrets/server/tls.key", string(certs.pem["server-key"]))
}

func writeClientCertificate(t *testing.T, dir string, ca *pki.Authority, name string) {
	t.Helper()
	leaf := must[*pki.Leaf](t)(ca.NewLeaf(pki.Options{CommonName: name}))
	writeFile(t, dir, "secrets/custom-auth-client-cert/tls.crt", string(leaf.BundlePEM()))
	writeFile(t, dir, "secrets/custom-auth-client-cert/tls.key", string(must[[]byte](t)(leaf.KeyPEM())))
}

// withX509 is another method, and its ConfigMap.
func withX509(t *testing.T, dir string) string {
	t.Helper()
	writeFile(t, dir, "configmaps/client-ca/ca.crt", string(testCertificates(t).pem["fabrikam-root"]))
	return "  - {method: X509, x509Settings: {trustedClientCaCert: client-ca}}\n"
}

func loadPort(t *testing.T, dir string, prev *Snapshot) (*Snapshot, *Port) {
	t.Helper()
	s, problems := Load(dir, prev)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	p, _ := s.Port(8883)
	return s, p
}

func TestCustomMethodAsksAsItsManifestSays(t *testing.T) {
	dir := t.TempDir()
	url, ca := newCustomServer(t)
	writeFile(t, dir, "configmaps/custom-auth-ca/ca.crt", string(ca.CertPEM()))
	writeClientCertificate(t, dir, ca, "gateway-7")
	writeCustom(t, dir, url, "      clientInformation: Enabled\n"+withX509(t, dir))
	first, before := loadPort(t, dir, nil)

	expect := func(p *Port, attributes string) {
		t.Helper()
		result, err := p.Authentication.Chain.Authenticate(t.Context(), &security.Credentials{HasUserName: true, UserName: "bob", ClientID: "b"})
		if err != nil || result.Method != custom.Method || result.Username != "bob" || result.Attributes.String() != attributes {
			t.Errorf("got %+v, %v, want attributes %s", result, err, attributes)
		}
	}
	expect(before, "{broker: gateway-7, key: swordfish, knows: true}")
	if servers := before.Authentication.CustomServers(); len(servers) != 1 || servers[0] != url {
		t.Errorf("it asks %q, want %s", servers, url)
	}

	second, same := loadPort(t, dir, first)
	if same.Authentication != before.Authentication {
		t.Error("nothing has changed, and yet the authentication has")
	}
	writeClientCertificate(t, dir, ca, "gateway-8")
	third, renewed := loadPort(t, dir, second)
	expect(renewed, "{broker: gateway-8, key: swordfish, knows: true}")
	if renewed.Authentication.X509()[0] != before.Authentication.X509()[0] {
		t.Error("the X509 method has not changed, and yet it was made anew")
	}
	for name, change := range map[string][2]string{
		"a header":       {"swordfish", "sesame"},
		"what is sent":   {"clientInformation: Enabled", "authenticationMethodEncoding: Base64"},
		"the encoding":   {"clientInformation: Enabled", "clientInformation: Enabled\n      authenticationMethodEncoding: Base64"},
		"the CAs":        {"caCertConfigMap: custom-auth-ca", "caCertConfigMap: client-ca"},
		"no certificate": {"      auth: {x509: {secretRef: custom-auth-client-cert}}\n", ""},
		"system roots":   {"      caCertConfigMap: custom-auth-ca\n", ""},
	} {
		text := readFile(t, dir, "authn.yaml")
		writeFile(t, dir, "authn.yaml", strings.Replace(text, change[0], change[1], 1))
		if _, p := loadPort(t, dir, third); p.Authentication.customServers()[0] == renewed.Authentication.customServers()[0] {
			t.Errorf("%s: it is the method of before", name)
		}
		writeFile(t, dir, "authn.yaml", text)
	}
}

func TestPortAsksForCertificatesThatACustomServerJudges(t *testing.T) {
	dir := t.TempDir()
	url, ca := newCustomServer(t)
	writeFile(t, dir, "configmaps/custom-auth-ca/ca.crt", string(ca.CertPEM()))
	writeClientCertificate(t, dir, ca, "gateway-7")
	writeCustom(t, dir, url, "")
	alone, p := loadPort(t, dir, nil)
	if p.TLS.ClientCertificates != tlsstate.RequestedUnverified {
		t.Errorf("Custom alone: %v, want %v", p.TLS.ClientCertificates, tlsstate.RequestedUnverified)
	}
	if open, _ := alone.Port(8884); open.TLS.ClientCertificates != tlsstate.NotRequested {
		t.Errorf("no authentication: %v, want %v", open.TLS.ClientCertificates, tlsstate.NotRequested)
	}
	writeCustom(t, dir, url, withX509(t, dir))
	_, q := loadPort(t, dir, alone)
	if q.TLS == p.TLS || q.TLS.ClientCertificates != tlsstate.VerifiedIfGiven {
		t.Errorf("Custom and X509: %v, want %v", q.TLS.ClientCertificates, tlsstate.VerifiedIfGiven)
	}
}

func TestControllerLogsWhatACustomMethodFindsOut(t *testing.T) {
	dir := t.TempDir()
	url, ca := newCustomServer(t)
	writeFile(t, dir, "configmaps/custom-auth-ca/ca.crt", string(testCertificates(t).contoso.CertPEM())) // the wrong one
	writeClientCertificate(t, dir, ca, "gateway-7")
	writeCustom(t, dir, url, "")
	snapshot, problems := Load(dir, nil)
	log := &logLines{}
	newController(dir, newRecorder(nil), log.logger()).Adopt(snapshot, problems)
	p, _ := snapshot.Port(8883)
	if _, err := p.Authentication.Chain.Authenticate(t.Context(), &security.Credentials{Password: []byte("sesame")}); err == nil {
		t.Fatal("it was granted")
	}
	if log.count("gave no answer that can be used") != 1 || log.count("unknown authority") != 1 {
		t.Errorf("why nobody gets in is not in the log:\n%s", log.buf.String())
	}
	for _, secret := range []string{"swordfish", "sesame"} {
		if log.count(secret) > 0 {
			t.Errorf("%q is in the log:\n%s", secret, log.buf.String())
		}
	}
}
