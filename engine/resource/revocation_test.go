package resource

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
)

const revocationManifests = `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: devices}
spec:
  ports:
  - {port: %d, authenticationRef: both, tls: {mode: Manual, manual: {secretRef: server}}}
---
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: both}
spec:
  authenticationMethods:
  - method: ServiceAccountToken
    serviceAccountTokenSettings:
      audiences: [weir]
      jwks: {issuer: "https://issuer", configMapRef: issuer-keys}
      legacyUserName: Enabled
      revocation: {denyListRef: deny-list}
  - method: PasswordFile
    passwordFileSettings: {secretRef: users}
  - method: X509
    x509Settings:
      trustedClientCaCert: fabrikam-ca
      revocation: {crlRef: crls, denyListRef: deny-list}
`

const denyListFile, crlFile, usersFile = "configmaps/deny-list/devices", "configmaps/crls/fabrikam.crl", "secrets/users/passwords.toml"

// usersText is the published example: client1 has the password "password".
const usersText = `[client1]
password = "$pbkdf2-sha512$i=100000,l=64$HqJwOCHweNk1pLryiu3RsA$KVSvxKYcibIG5S5n55RvxKRTdAAfCUtBJoy5IuFzdSZyzkwvUcU+FPawEWFPn+06JyZsndfRTfpiEh+2eSJLkg"
`

// issuerKey signs the tokens of https://issuer.
var issuerKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// issuerKeys is the JWK Set of https://issuer.
func issuerKeys() string {
	public := base64.RawURLEncoding.EncodeToString(issuerKey.Public().(ed25519.PublicKey))
	return `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "` + public + `", "kid": "one"}]}`
}

// issueToken returns a token of https://issuer for a minute, with an ID.
func issueToken(id string) string {
	return issueTokenFor(id, time.Minute)
}

func issueTokenFor(id string, life time.Duration) string {
	part := base64.RawURLEncoding.EncodeToString
	text := part([]byte(`{"alg": "EdDSA", "kid": "one"}`)) + "." + part(fmt.Appendf(nil,
		`{"iss": "https://issuer", "aud": "weir", "sub": "system:serviceaccount:default:%s", "jti": "%s", "exp": %d}`,
		id, id, time.Now().Add(life).Unix()))
	return text + "." + part(ed25519.Sign(issuerKey, []byte(text)))
}

// writeRevocation writes manifests of a port with tokens, passwords and
// certificates, from which nothing has been taken back yet.
func writeRevocation(t testing.TB, dir string, port int) {
	t.Helper()
	certs := testCertificates(t)
	writeFile(t, dir, "manifests.yaml", fmt.Sprintf(revocationManifests, port))
	writeFile(t, dir, "secrets/server/tls.crt", string(certs.pem["server-cert"]))
	writeFile(t, dir, "secrets/server/tls.key", string(certs.pem["server-key"]))
	writeFile(t, dir, usersFile, usersText)
	writeFile(t, dir, "configmaps/issuer-keys/keys.json", issuerKeys())
	writeFile(t, dir, "configmaps/fabrikam-ca/ca.crt", string(certs.pem["fabrikam-root"]))
	writeFile(t, dir, denyListFile, "# nobody\n")
	writeFile(t, dir, crlFile, issueCRL(t, 1, time.Now().Add(time.Hour)))
}

// issueCRL has Fabrikam's intermediate CA revoke certificates.
func issueCRL(t testing.TB, number int64, nextUpdate time.Time, revoked ...*x509.Certificate) string {
	t.Helper()
	ca := testCertificates(t).fabrikamIntermediate
	list := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: nextUpdate}
	for _, cert := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	der := must[[]byte](t)(x509.CreateRevocationList(rand.Reader, list, ca.Cert, ca.Key))
	return string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
}

// A change of a list replaces what asks for it, and nothing else: what is
// remembered of chains, passwords and tokens stays.
func TestRevocationReplacesNoMoreThanItMust(t *testing.T) {
	dir := t.TempDir()
	writeRevocation(t, dir, 8883)
	first, problems := Load(dir, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	heater, crl := testCertificates(t).heater, readFile(t, dir, crlFile)
	for _, c := range []struct {
		name, file, text                 string
		chain, tokens, users, x509, deny bool // what changes, and whether the heater is denied then
	}{
		{"nothing", "new.yaml", "# a comment\n", false, false, false, false, false},
		{"a deny list", denyListFile, "cn heater\n", true, true, false, true, true},
		{"a CRL", crlFile, issueCRL(t, 2, time.Now().Add(time.Hour), heater.Cert), true, false, false, true, true},
		{"a stale CRL", crlFile, issueCRL(t, 2, time.Now().Add(-time.Minute)), true, false, false, true, true},
		{"the users", usersFile, "# nobody\n", true, false, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeRevocation(t, dir, 8883)
			writeFile(t, dir, crlFile, crl)
			writeFile(t, dir, c.file, c.text)
			second, problems := Load(dir, first)
			if problems.HasErrors() {
				t.Fatal(problems)
			}
			before, after := first.authentications["both"], second.authentications["both"]
			for _, part := range []struct {
				name            string
				changed, expect bool
			}{
				{"Chain", after.Chain != before.Chain, c.chain},
				{"ServiceAccountToken", after.methods[0].Authenticator != before.methods[0].Authenticator, c.tokens},
				{"PasswordFile", after.methods[1].Authenticator != before.methods[1].Authenticator, c.users},
				{"X509", after.methods[2].Authenticator != before.methods[2].Authenticator, c.x509},
			} {
				if part.changed != part.expect {
					t.Errorf("%s changed: %t, want %t", part.name, part.changed, part.expect)
				}
			}
			_, err := after.Chain.Authenticate(t.Context(), &security.Credentials{PresentedChain: heater.Chain})
			if (err != nil) != c.deny {
				t.Errorf("the heater: %v", err)
			}
		})
	}
}

// liveSite is an engine that serves a directory to Clients.
type liveSite struct {
	t    *testing.T
	dir  string
	port int
	log  *logLines
}

func newLiveSite(t *testing.T) *liveSite {
	t.Helper()
	occupant := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	s := &liveSite{t: t, dir: t.TempDir(), port: occupant.Addr().(*net.TCPAddr).Port, log: &logLines{}}
	writeRevocation(t, s.dir, s.port)
	eng := must[*engine.Engine](t)(engine.New(engine.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Loops: 2}))
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- eng.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the engine ended with %v", err)
		}
	})
	_ = occupant.Close()
	start(t, NewController(s.dir, eng, s.log.logger()))
	return s
}

// connect returns a Client, or the Reason Code that it was refused with.
func (s *liveSite) connect(id string, leaf *pki.Leaf, password string) (*codectest.Conn, codec.ReasonCode) {
	s.t.Helper()
	config := &tls.Config{ServerName: "localhost", RootCAs: testCertificates(s.t).contoso.Pool()}
	if leaf != nil {
		config.Certificates = []tls.Certificate{leaf.TLSCertificate()}
	}
	var nc *tls.Conn
	for deadline := time.Now().Add(20 * time.Second); nc == nil; {
		var err error
		if nc, err = tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port), config); err != nil && time.Now().After(deadline) {
			s.t.Fatalf("%v\n%s", err, s.log.text())
		}
	}
	connect := &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true}
	if password != "" {
		connect.HasUserName, connect.UserName, connect.HasPassword, connect.Password = true, []byte(id), true, []byte(password)
	}
	c := codectest.New(s.t, nc, codectest.Options{Timeout: 20 * time.Second})
	c.Send(codec.AppendConnect(nil, connect))
	var connack codec.Connack
	if err := codec.DecodeConnack(&connack, codec.V5, c.NextOf(codec.TypeConnack).Body); err != nil {
		s.t.Fatal(err)
	}
	return c, connack.ReasonCode
}

// accepted returns a Client that is welcome.
func (s *liveSite) accepted(id string, leaf *pki.Leaf, password string) *codectest.Conn {
	s.t.Helper()
	c, code := s.connect(id, leaf, password)
	if code != codec.Success {
		s.t.Fatalf("%s: CONNACK with %v\n%s", id, code, s.log.text())
	}
	return c
}

// stays fails the test unless the Client is connected still.
func stays(c *codectest.Conn) {
	c.Send(codec.AppendPingreq(nil))
	c.NextOf(codec.TypePingresp)
}

// Whoever is connected is cut when its certificate is revoked, by whichever list,
// and who came with a password when its user has been removed; the others
// notice nothing. The port has a method that waits, besides that of certificates.
func TestRevokedClientsAreCutAndOthersStay(t *testing.T) {
	s := newLiveSite(t)
	certs := testCertificates(t)
	for _, row := range []struct {
		name, file, revokes, after string // after: what is in the file then
	}{
		{"by a deny list", denyListFile, "cn thermostat\n", "# nobody\n"},
		{"by a CRL", crlFile, issueCRL(t, 2, time.Now().Add(time.Hour), certs.thermostat.Cert), issueCRL(t, 3, time.Now().Add(time.Hour))},
	} {
		thermostat, heater := s.accepted("thermostat", certs.thermostat, ""), s.accepted("heater", certs.heater, "")
		client1 := s.accepted("client1", nil, "password")
		writeFile(t, s.dir, row.file, row.revokes)
		thermostat.ExpectDisconnect(codec.NotAuthorized)
		stays(heater)
		stays(client1)
		if _, code := s.connect("thermostat", certs.thermostat, ""); code != codec.NotAuthorized {
			t.Errorf("%s: the thermostat comes back: CONNACK with %v", row.name, code)
		}
		writeFile(t, s.dir, row.file, row.after)
		for deadline := time.Now().Add(20 * time.Second); ; {
			if _, code := s.connect("thermostat", certs.thermostat, ""); code == codec.Success {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: what is revoked no more stays refused\n%s", row.name, s.log.text())
			}
		}
		stays(heater)
		heater.Close()
		client1.Close()
	}

	client1, heater := s.accepted("client1", nil, "password"), s.accepted("heater", certs.heater, "")
	if _, code := s.connect("client1", nil, "Password"); code != codec.BadUserNameOrPassword {
		t.Errorf("with a wrong password: CONNACK with %v", code)
	}
	stays(client1)
	writeFile(t, s.dir, usersFile, "# nobody\n")
	client1.ExpectDisconnect(codec.NotAuthorized)
	stays(heater)
	if text := s.log.text(); strings.Contains(text, "KVSvxKY") || strings.Contains(text, "HqJwOCH") {
		t.Error("the log holds a hash")
	}
}

// Whoever is connected with a token is cut when that is put on the deny list, and
// not let in with it again; another token of the same user is as good as before.
func TestWithdrawnTokensAreCutAndOthersStay(t *testing.T) {
	s := newLiveSite(t)
	const name = "K8S-SAT " // as User Name: the Password is a token
	lost, kept := issueToken("lost"), issueToken("kept")
	first, second := s.accepted(name+"1", nil, lost), s.accepted(name+"2", nil, lost)
	others := []*codectest.Conn{
		s.accepted(name+"3", nil, kept), s.accepted("heater", testCertificates(t).heater, ""), s.accepted("client1", nil, "password"),
	}
	writeFile(t, s.dir, denyListFile, "# left in a train\njti lost\n")
	first.ExpectDisconnect(codec.NotAuthorized)
	second.ExpectDisconnect(codec.NotAuthorized)
	for _, c := range others {
		stays(c)
	}
	if _, code := s.connect(name+"1", nil, lost); code != codec.NotAuthorized {
		t.Errorf("with the withdrawn token: CONNACK with %v", code)
	}
	s.accepted(name+"1", nil, issueToken("next"))

	// A list that cannot be read leaves the last good one in force.
	writeFile(t, s.dir, denyListFile, "jti\n")
	for deadline, told := time.Now().Add(20*time.Second), false; !told; {
		told = s.log.count("line 1 of the list") > 0
		if _, code := s.connect(name+"2", nil, lost); code != codec.NotAuthorized {
			t.Fatalf("behind a list with errors: CONNACK with %v", code)
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody is told of the error\n%s", s.log.text())
		}
	}
	for _, c := range others {
		stays(c)
	}
	if text := s.log.text(); strings.Contains(text, lost[strings.LastIndex(lost, "."):]) {
		t.Error("the log holds a token")
	}
}

// Nobody writes a file when a CRL becomes stale; its Clients are cut all the
// same, and come back when there is a new one.
func TestClientsAreCutWhenTheCRLOfTheirCABecomesStale(t *testing.T) {
	s := newLiveSite(t)
	certs := testCertificates(t)
	client1 := s.accepted("client1", nil, "password")
	heater := s.accepted("heater", certs.heater, "")
	writeFile(t, s.dir, crlFile, issueCRL(t, 2, time.Now().Add(5*time.Second)))
	heater.ExpectDisconnect(codec.NotAuthorized)
	if n := s.log.count("clients whose certificates this CA issued are refused until a newer one is there"); n != 1 {
		t.Errorf("%d lines of the log say so, want 1\n%s", n, s.log.text())
	}
	if _, code := s.connect("heater", certs.heater, ""); code != codec.NotAuthorized {
		t.Errorf("CONNACK with %v", code)
	}
	stays(client1)
	writeFile(t, s.dir, crlFile, issueCRL(t, 3, time.Now().Add(time.Hour)))
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, code := s.connect("heater", certs.heater, ""); code == codec.Success {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new CRL is not taken over\n%s", s.log.text())
		}
	}
}
