package resource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
)

// recorder is an engine that remembers what it was told, and may refuse it.
type recorder struct {
	calls  chan []engine.Listener
	refuse func(call int) error
	count  int
}

func newRecorder(refuse func(call int) error) *recorder {
	return &recorder{calls: make(chan []engine.Listener, 100), refuse: refuse}
}

func (r *recorder) Apply(_ context.Context, listeners []engine.Listener) error {
	r.count++
	r.calls <- listeners
	if r.refuse != nil {
		return r.refuse(r.count)
	}
	return nil
}

// next waits for the next call that is about the given ports.
func (r *recorder) next(t testing.TB, names ...string) []engine.Listener {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case listeners := <-r.calls:
			if slices.Equal(namesOf(listeners), names) {
				return listeners
			}
		case <-timeout:
			t.Fatalf("the engine was not told to serve %v", names)
		}
	}
}

// TestListenersHaveTheProtocolOfTheirPorts looks at what the manifests do not
// show in the state of a port.
func TestListenersHaveTheProtocolOfTheirPorts(t *testing.T) {
	dir := t.TempDir()
	manifest := func(origins string) string {
		return "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: BrokerListener\nmetadata: {name: web}\n" +
			"spec: {ports: [{port: 8080, protocol: Websockets, origins: [" + origins + "]}, {port: 1883}]}\n"
	}
	writeFile(t, dir, "listener.yaml", manifest(`"https://a.example"`))
	first, problems := Load(dir, nil)
	expectText(t, "problems", problems.String(), "")
	got := first.Listeners()
	if len(got) != 2 || got[0].Protocol != engine.WebSockets || !slices.Equal(got[0].Origins, []string{"https://a.example"}) ||
		got[1].Protocol != engine.MQTT || got[1].Origins != nil {
		t.Errorf("the listeners are %+v", got)
	}
	writeFile(t, dir, "listener.yaml", manifest(`"https://b.example"`))
	second, _ := Load(dir, first)
	if after := second.Listeners(); sameListener(got[0], after[0]) || !sameListener(got[1], after[1]) {
		t.Errorf("the listeners are then %+v", after)
	}
}

func namesOf(listeners []engine.Listener) []string {
	var names []string
	for _, l := range listeners {
		names = append(names, l.Name)
	}
	return names
}

// logLines is a log that can be read while it is written.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *logLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logLines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start runs a Controller until the test ends.
func start(t *testing.T, c *Controller) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

const tutorialListener = `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: mqtts-endpoint}
spec:
  ports:
  - port: %d
    authenticationRef: x509-auth%s
    tls: {mode: Manual, manual: {secretRef: broker-server-cert}}
`

const tutorialAuthentication = `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: x509-auth}
spec:
  authenticationMethods:
  - method: X509
    x509Settings:
      trustedClientCaCert: fabrikam-ca
      authorizationAttributes:
        thermostat: {subject: CN = thermostat, attributes: {group: thermostat_group}}
`

const tutorialAuthorization = `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthorization
metadata: {name: abac-authz}
spec:
  authorizationPolicies:
    rules:
    - principals: {attributes: [{group: thermostat_group}]}
      brokerResources: [{method: Connect}, {method: Publish, topics: [telemetry/temperature]}]
`

// writeTutorial writes the resources of the tutorial, as they are at its end.
func writeTutorial(t testing.TB, dir string, port int) {
	t.Helper()
	certs := testCertificates(t)
	writeFile(t, dir, "listener.yaml", fmt.Sprintf(tutorialListener, port, "\n    authorizationRef: abac-authz"))
	writeFile(t, dir, "authn.yaml", tutorialAuthentication)
	writeFile(t, dir, "authz.yaml", tutorialAuthorization)
	writeFile(t, dir, "configmaps/fabrikam-ca/client_ca.pem", string(certs.pem["fabrikam-root"]))
	writeFile(t, dir, "secrets/broker-server-cert/tls.crt", string(certs.pem["server-cert"]))
	writeFile(t, dir, "secrets/broker-server-cert/tls.key", string(certs.pem["server-key"]))
}

// TestControllerFollowsTheDirectory follows the tutorial: the port waits for
// its certificate, opens, gets a policy, and closes when what it needs goes.
func TestControllerFollowsTheDirectory(t *testing.T) {
	dir, log, eng := t.TempDir(), &logLines{}, newRecorder(nil)
	certs := testCertificates(t)
	writeFile(t, dir, "listener.yaml", fmt.Sprintf(tutorialListener, 8883, ""))
	writeFile(t, dir, "authn.yaml", tutorialAuthentication)
	start(t, newController(dir, eng, log.logger()))
	eng.next(t)

	writeFile(t, dir, "configmaps/fabrikam-ca/client_ca.pem", string(certs.pem["fabrikam-root"]))
	writeFile(t, dir, "secrets/broker-server-cert/tls.key", string(certs.pem["server-key"]))
	writeFile(t, dir, "secrets/broker-server-cert/tls.crt", string(certs.pem["server-cert"]))
	first := eng.next(t, "mqtts-endpoint:8883")[0]
	if first.TLS == nil || first.Authenticator == nil || first.Authorizer != nil || first.Address != "127.0.0.1:8883" {
		t.Errorf("the port is %+v", first)
	}

	writeFile(t, dir, "authz.yaml", tutorialAuthorization)
	writeFile(t, dir, "listener.yaml", fmt.Sprintf(tutorialListener, 8883, "\n    authorizationRef: abac-authz"))
	second := eng.next(t, "mqtts-endpoint:8883")[0]
	for second.Authorizer == nil {
		second = eng.next(t, "mqtts-endpoint:8883")[0]
	}
	if second.TLS != first.TLS || second.Authenticator != first.Authenticator {
		t.Error("a new policy changed TLS or authentication")
	}

	if err := os.Remove(filepath.Join(dir, "authn.yaml")); err != nil {
		t.Fatal(err)
	}
	eng.next(t)
	if n := log.count("names a BrokerAuthentication that is not there"); n != 1 {
		t.Errorf("the missing BrokerAuthentication was logged %d times", n)
	}
}

func TestControllerLogsWaitingOnce(t *testing.T) {
	dir, log, eng := t.TempDir(), &logLines{}, newRecorder(nil)
	writeFile(t, dir, "listener.yaml", `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: mqtts-endpoint}
spec: {ports: [{port: 8883, tls: {mode: Manual, manual: {secretRef: broker-server-cert}}}]}
`)
	c := newController(dir, eng, log.logger())
	for i := range 3 {
		writeFile(t, dir, "unrelated.yaml", fmt.Sprintf("# change %d\n", i))
		c.reload()
	}
	const text = `msg="Server certificate broker-server-cert not found. Awaiting creation of secret." port=mqtts-endpoint:8883`
	if n := log.count(text); n != 1 {
		t.Errorf("waiting was logged %d times", n)
	}
	if n := log.count("configuration loaded"); n != 3 {
		t.Errorf("%d loads were logged", n)
	}
}

func TestControllerTellsEachProblemOnceAndAgainWhenItComesBack(t *testing.T) {
	dir, log, eng := t.TempDir(), &logLines{}, newRecorder(nil)
	c := newController(dir, eng, log.logger())
	for _, text := range []string{"a: [", "a: [ ", "# good\n", "a: ["} {
		writeFile(t, dir, "a.yaml", text)
		c.reload()
	}
	if n := log.count("is not YAML"); n != 2 {
		t.Errorf("the problem was logged %d times, want once for each time it came up", n)
	}
}

func TestControllerSkipsReloadOfEqualContent(t *testing.T) {
	dir, log, eng := t.TempDir(), &logLines{}, newRecorder(nil)
	writeFile(t, dir, "a.yaml", "# nothing\n")
	c := newController(dir, eng, log.logger())
	c.reload()
	before := c.Snapshot()
	writeFile(t, dir, "a.yaml", "# nothing\n")
	c.reload()
	if c.Snapshot() != before {
		t.Error("equal content was loaded again")
	}
}

func TestControllerAdoptsWhatWasLoadedBefore(t *testing.T) {
	dir, log, eng := t.TempDir(), &logLines{}, newRecorder(nil)
	writeTutorial(t, dir, 8883)
	c := newController(dir, eng, log.logger())
	snapshot, problems := Load(dir, nil)
	c.Adopt(snapshot, problems)
	start(t, c)
	if got := eng.next(t, "mqtts-endpoint:8883")[0]; got.TLS != snapshot.Listeners()[0].TLS {
		t.Error("the directory was loaded again")
	}
	if n := log.count("configuration loaded"); n != 1 {
		t.Errorf("%d loads were logged", n)
	}
}

func TestControllerSaysThatLimitsNeedARestart(t *testing.T) {
	dir, log, eng := t.TempDir(), &logLines{}, newRecorder(nil)
	broker := "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: Broker\nmetadata: {name: default}\nspec: {memoryProfile: %s}\n"
	c := newController(dir, eng, log.logger())
	for _, profile := range []string{"Tiny", "tiny", "Low"} {
		writeFile(t, dir, "broker.yaml", fmt.Sprintf(broker, profile))
		c.reload()
	}
	if n := log.count("take effect at the next start"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

// TestControllerRetriesPortsThatCouldNotBeOpened also covers an engine that is
// not running yet.
func TestControllerRetriesPortsThatCouldNotBeOpened(t *testing.T) {
	dir, log := t.TempDir(), &logLines{}
	busy := &engine.ListenerError{Name: "a:1883", Address: ":1883", Err: errors.New("address already in use")}
	eng := newRecorder(func(call int) error {
		switch {
		case call <= 2:
			return engine.ErrNotRunning
		case call <= 5:
			return errors.Join(busy)
		}
		return nil
	})
	writeFile(t, dir, "a.yaml", "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: BrokerListener\nmetadata: {name: abc}\nspec: {ports: [{port: 1883}]}\n")
	start(t, newController(dir, eng, log.logger()))
	for range 6 {
		eng.next(t, "abc:1883")
	}
	if n := log.count("address already in use"); n != 1 {
		t.Errorf("the occupied port was logged %d times", n)
	}
}

func TestControllerEndsWithItsEngine(t *testing.T) {
	eng := newRecorder(func(int) error { return engine.ErrClosed })
	if err := newController(t.TempDir(), eng, (&logLines{}).logger()).Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestControllerNeverLogsSecrets loads every kind of faulty Secret.
func TestControllerNeverLogsSecrets(t *testing.T) {
	dir, log, eng := t.TempDir(), &logLines{}, newRecorder(nil)
	certs := testCertificates(t)
	key := string(certs.pem["server-key"])
	secretText := strings.Split(key, "\n")[1]
	for i, body := range []string{
		"data: {tls.key: " + secretText + "!}",
		"stringData: {tls.key: " + secretText + "}\ntype: kubernetes.io/tls",
		"stringData: {tls.key: [" + secretText + "]}",
		"stringData: {tls.crt: " + secretText + ", tls.key: x}",
		"data: [" + secretText + "]",
		"data: {\"" + secretText[:20] + "\": [}",
	} {
		writeFile(t, dir, fmt.Sprintf("%d.yaml", i), fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: s%d}\n%s\n", i, body))
	}
	writeFile(t, dir, "secrets/plain/tls.key", key)
	writeFile(t, dir, "secrets/other/tls.crt", key)
	writeFile(t, dir, "secrets/other/tls.key", key)
	newController(dir, eng, log.logger()).reload()
	if log.count("configuration problem") < 8 {
		t.Errorf("only %d problems were found", log.count("configuration problem"))
	}
	if log.count(secretText[:20]) > 0 {
		t.Error("the key is in the log:\n" + log.buf.String())
	}
}

// TestUnchangedPartsKeepTheirIdentity holds the promise that the engine relies
// on to leave alone what has not changed.
func TestUnchangedPartsKeepTheirIdentity(t *testing.T) {
	certs := testCertificates(t)
	dir := t.TempDir()
	writeTutorial(t, dir, 8883)
	first, problems := Load(dir, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	before := first.Listeners()[0]
	for _, c := range []struct {
		name, file, text                   string
		tls, authentication, authorization bool // whether it changes
	}{
		{"nothing", "new.yaml", "# a comment\n", false, false, false},
		{"other spelling", "authn.yaml", strings.Replace(tutorialAuthentication, "method: X509", "method: x509", 1), false, false, false},
		{"server certificate", "secrets/broker-server-cert", "renewed", true, false, false},
		{"client CA", "configmaps/fabrikam-ca/client_ca.pem", string(certs.pem["fabrikam-intermediate"]), true, true, false},
		{"CA under another key", "configmaps/fabrikam-ca", "@rename", false, false, false},
		{"attributes", "authn.yaml", strings.Replace(tutorialAuthentication, "thermostat_group", "other", 1), false, true, false},
		{"rules", "authz.yaml", strings.Replace(tutorialAuthorization, "temperature", "humidity", 1), false, false, true},
		{"policy change", "authz.yaml", strings.Replace(tutorialAuthorization, "    rules:", "    onPolicyChange: Disconnect\n    rules:", 1), false, false, false},
		{"port removed", "listener.yaml", "", true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeTutorial(t, dir, 8883)
			switch {
			case c.text == "renewed":
				writeFile(t, dir, c.file+"/tls.crt", string(certs.pem["renewed-cert"]))
				writeFile(t, dir, c.file+"/tls.key", string(certs.pem["renewed-key"]))
			case c.text == "@rename":
				if err := os.Rename(filepath.Join(dir, c.file, "client_ca.pem"), filepath.Join(dir, c.file, "ca.crt")); err != nil {
					t.Fatal(err)
				}
			default:
				writeFile(t, dir, c.file, c.text)
			}
			second, problems := Load(dir, first)
			if problems.HasErrors() {
				t.Fatal(problems)
			}
			var after engine.Listener
			if listeners := second.Listeners(); len(listeners) > 0 {
				after = listeners[0]
			}
			for _, part := range []struct {
				name            string
				changed, expect bool
			}{
				{"TLS", after.TLS != before.TLS, c.tls},
				{"Authenticator", after.Authenticator != before.Authenticator, c.authentication},
				{"Authorizer", after.Authorizer != before.Authorizer, c.authorization},
			} {
				if part.changed != part.expect {
					t.Errorf("%s changed: %t, want %t", part.name, part.changed, part.expect)
				}
			}
		})
	}
}

// TestPortsAuthenticateAndAuthorize follows a certificate through what a
// Snapshot offers to explain decisions: the worked example of the tutorial.
func TestPortsAuthenticateAndAuthorize(t *testing.T) {
	dir := t.TempDir()
	writeTutorial(t, dir, 8883)
	snapshot, problems := Load(dir, nil)
	port, ok := snapshot.Port(8883)
	if !ok || len(problems) > 0 {
		t.Fatal(problems)
	}
	certs := testCertificates(t)
	for _, c := range []struct {
		leaf     string
		topic    string
		decision security.Decision
	}{
		{"thermostat", "telemetry/temperature", security.Allow},
		{"thermostat", "telemetry/humidity", security.Deny},
		{"heater", "telemetry/temperature", security.Deny},
	} {
		leaf := certs.thermostat
		if c.leaf == "heater" {
			leaf = certs.heater
		}
		result, err := port.Authentication.Chain.Authenticate(t.Context(), &security.Credentials{ClientID: c.leaf, PresentedChain: leaf.Chain})
		if err != nil {
			t.Fatal(err)
		}
		if result.Username != c.leaf {
			t.Errorf("username is %q, want %q", result.Username, c.leaf)
		}
		principal := &security.Principal{ClientID: c.leaf, Username: result.Username, Attributes: result.Attributes}
		if d := port.Authorization.Table.Bind(principal).Decide(security.ActionPublish, c.topic); d != c.decision {
			t.Errorf("%s publishes %s: %v, want %v", c.leaf, c.topic, d, c.decision)
		}
	}
	if _, ok := snapshot.Port(1); ok {
		t.Error("there is a port 1")
	}
}

func TestLimitsOfTheBroker(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want       engine.Limits
	}{
		{"profile", "{memoryProfile: tiny}", engine.Limits{MaximumPacketSize: 4 << 20}},
		{"default profile", "{}", engine.Limits{MaximumPacketSize: 64 << 20}},
		{"packet size below the profile", "{advanced: {clients: {maxPacketSizeBytes: 1000}}}", engine.Limits{MaximumPacketSize: 1000}},
		{"packet size above the profile", "{memoryProfile: Low, advanced: {clients: {maxPacketSizeBytes: 268435456}}}", engine.Limits{MaximumPacketSize: 16 << 20}},
		{"all", "{advanced: {clients: {maxSessionExpirySeconds: 1, maxMessageExpirySeconds: 5, subscriberQueueLimit: {length: 2, strategy: dropOldest}, maxReceiveMaximum: 3, maxKeepAliveSeconds: 4}}}",
			engine.Limits{MaximumPacketSize: 64 << 20, MaximumSessionExpiry: 1, MaximumMessageExpiry: 5, QueuedMessages: 2, QueueStrategy: engine.DropOldest, Inflight: 3, MaximumKeepAlive: 4}},
		{"ours", "{advanced: {limits: {connections: 5000, heldBytes: 3000000000, connectTimeout: 5s, receiveMaximum: 65535, topicLevels: 1}}}",
			engine.Limits{MaximumPacketSize: 64 << 20, Connections: 5000, HeldBytes: 3_000_000_000, ConnectTimeout: 5 * time.Second, ReceiveMaximum: 65535, TopicLevels: 1}},
		{"queue beyond all bounds", "{advanced: {clients: {subscriberQueueLimit: {length: 9223372036854775807}}}}",
			engine.Limits{MaximumPacketSize: 64 << 20, QueuedMessages: maxSubscriberQueue}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, dir, "b.yaml", "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: Broker\nmetadata: {name: default}\nspec: "+c.spec+"\n")
			snapshot, problems := Load(dir, nil)
			if problems.HasErrors() {
				t.Fatal(problems)
			}
			if got := snapshot.Limits(); got != c.want {
				t.Errorf("limits are %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestBoundsOfAPort(t *testing.T) {
	load := func(port string) (*Snapshot, Problems) {
		dir := t.TempDir()
		writeFile(t, dir, "l.yaml", "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: BrokerListener\nmetadata: {name: plain}\nspec: {ports: ["+port+"]}\n")
		return Load(dir, nil)
	}
	snapshot, problems := load("{port: 1883, maxConnections: 500, maxConnectsPerSecond: 20}")
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if l := snapshot.Listeners()[0]; l.MaximumConnections != 500 || l.ConnectRate != 20 {
		t.Errorf("the bounds are %d and %d, want 500 and 20", l.MaximumConnections, l.ConnectRate)
	}
	for _, port := range []string{"{port: 1883, maxConnections: 0}", "{port: 1883, maxConnectsPerSecond: -1}"} {
		if snapshot, problems := load(port); !problems.HasErrors() || len(snapshot.Listeners()) != 0 {
			t.Errorf("%s is served, with %v", port, problems)
		}
	}
}

func TestSharedSubscriptionStrategyOfTheBroker(t *testing.T) {
	for spec, want := range map[string]engine.SharedStrategy{
		"{}": engine.SharedRoundRobin,
		"{advanced: {clients: {sharedSubscriptionStrategy: fewestInFlight}}}": engine.SharedFewestInFlight,
		"{advanced: {clients: {sharedSubscriptionStrategy: HASHCLIENTID}}}":   engine.SharedHashClientID,
	} {
		dir := t.TempDir()
		writeFile(t, dir, "b.yaml", "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: Broker\nmetadata: {name: default}\nspec: "+spec+"\n")
		snapshot, problems := Load(dir, nil)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		if got := snapshot.SharedSubscriptions(); got != want {
			t.Errorf("%s: %v, want %v", spec, got, want)
		}
	}
}

// TestControllerWithEngine opens a real port, once whoever occupies it lets go,
// closes it when its policy goes, and opens it again.
func TestControllerWithEngine(t *testing.T) {
	occupant := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer occupant.Close()
	port := occupant.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	writeTutorial(t, dir, port)
	eng, err := engine.New(engine.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- eng.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the engine ended with %v", err)
		}
	}()
	log := &logLines{}
	start(t, NewController(dir, eng, log.logger()))
	deadline := time.Now().Add(20 * time.Second)
	for log.count("address already in use") == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the occupied port was not told\n" + log.text())
		}
		runtime.Gosched()
	}
	if err := occupant.Close(); err != nil {
		t.Fatal(err)
	}
	dial := func(open bool) {
		t.Helper()
		for {
			nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
			if err == nil {
				nc.Close()
			}
			if (err == nil) == open {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the port is open: %t, want %t\n%s", err == nil, open, log.text())
			}
		}
	}
	dial(true)
	if err := os.Remove(filepath.Join(dir, "authz.yaml")); err != nil {
		t.Fatal(err)
	}
	dial(false)
	writeFile(t, dir, "authz.yaml", tutorialAuthorization)
	dial(true)
}
