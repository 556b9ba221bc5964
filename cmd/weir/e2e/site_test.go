package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// kit is what a scenario is played with.
type kit struct {
	name string
	// need ends the test if tools are missing.
	need func(t testing.TB)
	// issue makes the tutorial's certificates in dir, and those for what it
	// does not show.
	issue func(t testing.TB, dir string)
	// player makes the Clients of a site.
	player func(s *site) player

	once sync.Once
	dir  string // with what issue has made
}

// kits are the kits of this build.
var kits = []*kit{goKit}

// play plays a scenario with every kit, each at a site of its own.
func play(t *testing.T, scenario func(s *site)) {
	t.Helper()
	t.Parallel()
	for _, k := range kits {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			scenario(newSite(t, k, freePort(t)))
		})
	}
}

// certificates returns the directory with the kit's certificates.
func (k *kit) certificates(t testing.TB) string {
	t.Helper()
	k.need(t)
	k.once.Do(func() {
		dir, err := os.MkdirTemp("", "weir-e2e-pki-")
		if err != nil {
			t.Fatal(err)
		}
		k.dir = dir
		k.issue(t, dir)
		leaf := mustRead(t, filepath.Join(dir, "thermostat.crt"))
		mustWrite(t, filepath.Join(dir, "thermostat_alone.crt"), firstBlock(leaf))
		mustWrite(t, filepath.Join(dir, "thermostat_alone.key"), mustRead(t, filepath.Join(dir, "thermostat.key")))
	})
	return k.dir
}

// site is a factory: certificates, a configuration directory, and a broker
// that serves it to the Clients of a player.
type site struct {
	player
	t      testing.TB
	dir    string // with the certificates; commands run here
	port   int
	broker *process
}

// newSite makes a site with certificates and an empty configuration, that is
// served.
func newSite(t testing.TB, k *kit, port int) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), port: port}
	if err := os.CopyFS(s.dir, os.DirFS(k.certificates(t))); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"x509-auth.json", "abac-authz.json"} {
		mustWrite(t, filepath.Join(s.dir, file), mustRead(t, filepath.Join("testdata", file)))
	}
	s.player = k.player(s)
	s.serve()
	return s
}

// playTutorial plays a scenario before the tutorial's chapter on authorization:
// whoever has a certificate of Fabrikam's may do anything.
func playTutorial(t *testing.T, scenario func(s *site)) {
	t.Helper()
	play(t, func(s *site) {
		s.createAll("")
		scenario(s)
	})
}

// playRestricted plays a scenario after it: abac-authz is in force.
func playRestricted(t *testing.T, scenario func(s *site)) {
	t.Helper()
	play(t, func(s *site) {
		s.createAuthorization()
		s.createAll("abac-authz")
		scenario(s)
	})
}

// weir runs the program at the site. It must succeed.
func (s *site) weir(args ...string) string {
	s.t.Helper()
	out, code := s.tryWeir(args...)
	if code != 0 {
		s.t.Fatalf("weir %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (s *site) tryWeir(args ...string) (out string, code int) {
	s.t.Helper()
	return run(s.t, s.dir, nil, weirProgram, append(args, "--config", s.config())...)
}

func (s *site) config() string { return filepath.Join(s.dir, "weir-config") }

// expectWeir runs the program and fails the test unless it prints this.
func (s *site) expectWeir(want string, args ...string) {
	s.t.Helper()
	if got := s.weir(args...); got != want {
		s.t.Fatalf("weir %s printed\n\t%q, want\n\t%q", strings.Join(args, " "), got, want)
	}
}

const (
	namespace = "azure-iot-operations"
	group     = "mqttbroker.iotoperations.azure.com"
)

// The tutorial's objects, created as it does it.

func (s *site) createSecret() {
	s.t.Helper()
	s.expectWeir("secret/broker-server-cert created\n", "create", "secret", "tls", "broker-server-cert", "-n", namespace,
		"--cert", "mqtts-endpoint.crt", "--key", "mqtts-endpoint.key")
}

func (s *site) createConfigMap() {
	s.t.Helper()
	s.expectWeir("configmap/fabrikam-ca created\n", "create", "configmap", "fabrikam-ca", "-n", namespace,
		"--from-file=client_ca.pem=fabrikam_root_ca.crt")
}

func (s *site) createAuthentication() {
	s.t.Helper()
	s.expectWeir("brokerauthentication."+group+"/x509-auth created\n", "apply", "-n", namespace, "-f", "x509-auth.json")
}

func (s *site) createAuthorization() {
	s.t.Helper()
	s.expectWeir("brokerauthorization."+group+"/abac-authz created\n", "apply", "-n", namespace, "-f", "abac-authz.json")
}

// createAll creates all objects that the port needs, with an authorization
// policy unless it is "", and waits until the port is open.
func (s *site) createAll(authorization string) {
	s.t.Helper()
	s.createSecret()
	s.createConfigMap()
	s.createAuthentication()
	s.createListener(authorization)
	s.awaitOpen()
}

// createListener creates the listener, with the authorization policy unless it
// is "".
func (s *site) createListener(authorization string) {
	s.t.Helper()
	s.applyListener("created", "127.0.0.1", authorization)
}

// link sets the authorization policy of the listener's port.
func (s *site) link(authorization string) {
	s.t.Helper()
	s.applyListener("configured", "127.0.0.1", authorization)
}

func (s *site) applyListener(action, address, authorization string) {
	s.t.Helper()
	text := string(mustRead(s.t, "testdata/mqtts-endpoint.yaml"))
	lines := strings.NewReplacer("PORT", strconv.Itoa(s.port), "ADDRESS", address, "AUTHORIZATION", authorization)
	if authorization == "" {
		text = strings.Replace(text, "      authorizationRef: AUTHORIZATION\n", "", 1)
	}
	if address == "" {
		text = strings.Replace(text, "      address: ADDRESS\n", "", 1)
	}
	mustWrite(s.t, filepath.Join(s.dir, "mqtts-endpoint.yaml"), []byte(lines.Replace(text)))
	s.expectWeir("brokerlistener."+group+"/mqtts-endpoint "+action+"\n", "apply", "-f", "mqtts-endpoint.yaml")
}

// serve starts the broker. It must be able to drain when the test ends, and it
// must not have found a bug in itself.
func (s *site) serve() {
	s.t.Helper()
	if err := os.MkdirAll(s.config(), 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.broker = start(s.t, s.dir, nil, weirProgram, "serve", "--config", s.config())
	s.t.Cleanup(func() {
		_ = s.broker.command.Process.Signal(os.Interrupt) // an error means that it has ended, which wait tells
		if code := s.broker.wait(); code != 0 {
			s.t.Errorf("weir serve: exit code %d, want 0", code)
		}
		log := s.broker.out.String()
		if strings.Contains(log, "internal error") {
			s.t.Error("weir serve logged an internal error")
		}
		if s.t.Failed() {
			s.t.Logf("the log of weir serve:\n%s", log)
		}
	})
	// The first that it says is what it found in the directory.
	s.broker.logged(0, `msg="configuration loaded"`)
}

// listener is the port in logs.
func (s *site) listener() string { return fmt.Sprintf("listener=mqtts-endpoint:%d", s.port) }

// awaitOpen waits until the port is open.
func (s *site) awaitOpen() {
	s.t.Helper()
	s.broker.logged(0, `msg="listener open"`, s.listener())
}

// after does something and waits until the broker has logged a line with these
// parts because of it.
func (s *site) after(action func(), parts ...string) {
	s.t.Helper()
	mark := s.broker.mark()
	action()
	s.broker.logged(mark, parts...)
}

// applyPolicy replaces abac-authz and waits until it is in force.
func (s *site) applyPolicy(manifest string) {
	s.t.Helper()
	mustWrite(s.t, filepath.Join(s.dir, "changed.yaml"), []byte(manifest))
	s.after(func() {
		s.t.Helper()
		s.expectWeir("brokerauthorization."+group+"/abac-authz configured\n", "apply", "-f", "changed.yaml", "--name", "abac-authz")
	}, `msg="listener uses a new policy"`, s.listener())
}

// applyText applies manifests, which it leaves in a file.
func (s *site) applyText(file, text string) {
	s.t.Helper()
	mustWrite(s.t, filepath.Join(s.dir, file), []byte(text))
	s.weir("apply", "-f", file)
}

// firstBlock returns the first certificate of a PEM file.
func firstBlock(text []byte) []byte {
	const end = "-----END CERTIFICATE-----\n"
	first, _, _ := bytes.Cut(text, []byte(end))
	return append(bytes.Clone(first), end...)
}

func mustRead(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func mustWrite(t testing.TB, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Ports are given out below those that the system takes for the Clients' ends
// of connections, and each one once: between asking whether a port is free and
// the broker's opening it, nobody else takes it.
const (
	firstPort = 20000
	manyPorts = 10000
)

var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid()) * 100) }

func freePort(t testing.TB) int {
	t.Helper()
	for range manyPorts {
		port := firstPort + int(nextPort.Add(1)%manyPorts)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
