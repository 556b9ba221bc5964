package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
)

// authServer builds the example of a custom authentication server, once.
var authServer = sync.OnceValues(func() (program string, err error) {
	dir, err := os.MkdirTemp("", "weir-e2e-auth-")
	if err != nil {
		return "", err
	}
	temporary = append(temporary, dir)
	program = filepath.Join(dir, "custom-auth-server")
	command := exec.Command("go", "build", "-o", program, "./examples/custom-auth-server")
	command.Dir = filepath.Join("..", "..", "..")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// The secrets of these tests. Nothing that runs may show them.
const (
	clientPassword = "correct horse"
	clientData     = "battery staple"
	secretHeader   = "header_value_0f3c9a77"
)

// customSite is a site whose port asks a custom authentication server.
type customSite struct {
	*site
	certs  string // where the certificates are, for the server too
	server string // the address of the server
	run    *process
}

// newCustomSite makes a site whose BrokerAuthentication has these methods, in
// which SERVER stands for the server's address and CUSTOM for all settings of
// the method but the endpoint. Nobody listens at that address yet.
func newCustomSite(t *testing.T, methods string) *customSite {
	t.Helper()
	t.Parallel()
	s := &customSite{site: newSite(t, goKit, freePort(t))}
	s.certs, s.server = s.dir, fmt.Sprintf("localhost:%d", freePort(t))
	for _, args := range [][]string{
		{"root", "Custom Auth CA", "custom-ca.crt", "custom-ca.key"},
		{"leaf", "localhost", "auth-server.crt", "auth-server.key", "--san", "localhost", "--bundle", "--ca", "custom-ca.crt", "--ca-key", "custom-ca.key"},
		{"leaf", "broker", "broker.crt", "broker.key", "--bundle", "--ca", "custom-ca.crt", "--ca-key", "custom-ca.key"},
	} {
		if out, code := run(t, s.dir, nil, weirProgram, append([]string{"pki"}, args...)...); code != 0 {
			t.Fatalf("weir pki %q: exit code %d\n%s", args, code, out)
		}
	}
	s.createSecret()
	s.createConfigMap()
	s.weir("create", "configmap", "custom-auth-ca", "-n", namespace, "--from-file=ca.crt=custom-ca.crt")
	s.weir("create", "secret", "tls", "custom-auth-client-cert", "-n", namespace, "--cert", "broker.crt", "--key", "broker.key")
	s.applyMethods(methods)
	s.applyText("custom-authz.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthorization
metadata: {name: by-attribute, namespace: azure-iot-operations}
spec:
  authorizationPolicies:
    rules:
    - principals: {attributes: [{example_key: example_value}]}
      brokerResources: [{method: Connect}, {method: Publish, topics: [example]}]
    - principals: {usernames: [expire1, thermostat]}
      brokerResources: [{method: Connect}]
`)
	s.applyText("door.yaml", fmt.Sprintf(`
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: mqtts-endpoint, namespace: azure-iot-operations}
spec:
  ports:
  - {port: %d, authenticationRef: authn, authorizationRef: by-attribute, tls: {mode: Manual, manual: {secretRef: broker-server-cert}}}
`, s.port))
	s.awaitOpen()
	t.Cleanup(func() {
		log := s.broker.out.String()
		for _, secret := range []string{clientPassword, clientData, secretHeader} {
			if strings.Contains(log, secret) || strings.Contains(log, base64.StdEncoding.EncodeToString([]byte(secret))) {
				t.Errorf("weir serve shows %q in its log:\n%s", secret, log)
			}
		}
	})
	return s
}

const customSettings = `
      caCertConfigMap: custom-auth-ca
      auth: {x509: {secretRef: custom-auth-client-cert}}
      headers: {header_key: ` + secretHeader + `}
`

// What newCustomSite may be given.
const (
	methodCustom = `
  - method: Custom
    customSettings:
      endpoint: https://SERVER CUSTOM`
	methodX509 = `
  - {method: X509, x509Settings: {trustedClientCaCert: fabrikam-ca}}
`
)

// applyMethods makes or replaces the BrokerAuthentication.
func (s *customSite) applyMethods(methods string) {
	s.t.Helper()
	methods = strings.NewReplacer("SERVER", s.server, "CUSTOM", customSettings).Replace(methods)
	s.applyText("custom-authn.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: authn, namespace: azure-iot-operations}
spec:
  authenticationMethods:`+methods)
}

// startServer runs the example, which demands the broker's certificate.
func (s *customSite) startServer() {
	s.t.Helper()
	program, err := authServer()
	if err != nil {
		s.t.Fatal(err)
	}
	s.run = start(s.t, s.certs, nil, program, "-address", s.server,
		"-cert", "auth-server.crt", "-key", "auth-server.key", "-client-ca", "custom-ca.crt")
	s.run.logged(0, "msg=listening")
}

func (s *customSite) stopServer() {
	s.t.Helper()
	_ = s.run.command.Process.Kill()
	s.run.wait()
}

// scripted is a server whose answers the test decides, one after the other; the
// last one is repeated.
type scripted struct {
	server *http.Server

	mu       sync.Mutex
	answers  []func(w http.ResponseWriter)
	requests []*http.Request
	bodies   []map[string]any
}

// script serves these answers at the site's address.
func (s *customSite) script(answers ...func(w http.ResponseWriter)) *scripted {
	s.t.Helper()
	sc := &scripted{answers: answers}
	certificate, err := tls.LoadX509KeyPair(filepath.Join(s.certs, "auth-server.crt"), filepath.Join(s.certs, "auth-server.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	cas := x509.NewCertPool()
	cas.AppendCertsFromPEM(mustRead(s.t, filepath.Join(s.certs, "custom-ca.crt")))
	sc.server = &http.Server{
		Handler:           sc,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: cas},
		ReadHeaderTimeout: patience,
	}
	l, err := net.Listen("tcp", s.server)
	if err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sc.server.ServeTLS(l, "", "") }()
	s.t.Cleanup(func() {
		_ = sc.server.Close()
		<-ended
	})
	return sc
}

func (sc *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var body map[string]any
	_ = json.Unmarshal(text, &body) // what is wrong with it shows in bodies
	sc.mu.Lock()
	answer := sc.answers[0]
	if len(sc.answers) > 1 {
		sc.answers = sc.answers[1:]
	}
	sc.requests, sc.bodies = append(sc.requests, r), append(sc.bodies, body)
	sc.mu.Unlock()
	answer(w)
}

// asked returns what has been asked so far.
func (sc *scripted) asked() ([]*http.Request, []map[string]any) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.requests, sc.bodies
}

func answering(status int, body string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// grantingFor grants for a time that begins with the answer.
func grantingFor(d time.Duration) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		answering(200, fmt.Sprintf(`{"expiry": %q, "attributes": {"example_key": "example_value"}}`, time.Now().Add(d).UTC().Format(time.RFC3339)))(w)
	}
}

// grantingAlways is the answer for everybody.
var grantingAlways = answering(200, `{"attributes": {"example_key": "example_value"}}`)

// named has a CONNECT give a User Name and a Password.
func named(name string) func(*codec.Connect) {
	return func(c *codec.Connect) {
		c.HasUserName, c.UserName = true, []byte(name)
		c.HasPassword, c.Password = true, []byte(clientPassword)
	}
}

func (s *customSite) connects(certificate string, change ...func(*codec.Connect)) *codectest.Conn {
	s.t.Helper()
	c, code := s.try(client{name: certificate}, change...)
	if code != codec.Success {
		s.t.Fatalf("CONNACK with %v, want %v", code, codec.Success)
	}
	return c
}

func (s *customSite) refuses(want codec.ReasonCode, certificate string, change ...func(*codec.Connect)) {
	s.t.Helper()
	c, code := s.try(client{name: certificate}, change...)
	if code != want {
		s.t.Fatalf("CONNACK with %v, want %v", code, want)
	}
	c.ExpectClose()
}
