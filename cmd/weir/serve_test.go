package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// syncBuffer is a buffer that a command may write to while the test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// running is a command that serves.
type running struct {
	stdout, stderr syncBuffer
	cancel         context.CancelFunc
	code           chan int
}

// start runs the program until stop is called or the test ends.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, code: make(chan int, 1)}
	go func() { r.code <- run(ctx, args, strings.NewReader(""), &r.stdout, &r.stderr) }()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Logf("weir %s\n%s%s", strings.Join(args, " "), r.stdout.String(), r.stderr.String())
		}
	})
	return r
}

// stop ends the program as a signal does and returns the exit code.
func (r *running) stop(t *testing.T) int {
	t.Helper()
	r.cancel()
	select {
	case code := <-r.code:
		return code
	case <-time.After(waitTime):
		t.Fatal("the program did not end")
		return 0
	}
}

// until tries something until it succeeds.
func (r *running) until(t *testing.T, what string, try func() bool) {
	t.Helper()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	deadline := time.After(waitTime)
	for !try() {
		select {
		case code := <-r.code:
			t.Fatalf("%s: the program ended with %d", what, code)
		case <-deadline:
			t.Fatalf("%s: it did not come about", what)
		case <-retry.C:
		}
	}
}

// dial connects to an address that is about to be served.
func (r *running) dial(t *testing.T, address string) (conn net.Conn) {
	t.Helper()
	r.until(t, address+" opens", func() (ok bool) {
		var err error
		conn, err = net.Dial("tcp", address)
		return err == nil
	})
	return conn
}

// closed waits until nobody listens on an address any more.
func (r *running) closed(t *testing.T, address string) {
	t.Helper()
	r.until(t, address+" closes", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

// logs waits until something is in the log.
func (r *running) logs(t *testing.T, text string) {
	t.Helper()
	r.until(t, text+" is in the log", func() bool { return strings.Contains(r.stderr.String(), text) })
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// A CONNECT of MQTT 5.0 with Client Identifier "a", and the CONNACK that
// accepts it up to its Reason Code.
var (
	connectPacket = []byte("\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a")
	connackPacket = byte(0x20)
)

func connectTo(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	if _, err := conn.Write(connectPacket); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(waitTime)); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 64)
	n, err := conn.Read(reply)
	if err != nil || n < 4 || reply[0] != connackPacket || reply[3] != 0 {
		t.Fatalf("CONNACK %x, %v", reply[:n], err)
	}
}

func TestServeFollowsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	manifest := func(name string, port int) {
		t.Helper()
		text := fmt.Sprintf(`apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata:
  name: %s
spec:
  ports:
    - port: %d
`, name, port)
		if r := weir(t, text, "apply", "--config", dir, "-f", "-"); r.code != 0 {
			t.Fatal(r.stderr)
		}
	}
	first, second := freePort(t), freePort(t)
	manifest("first", first)
	r := start(t, "serve", "--config", dir, "--loops", "1", "--log-level", "debug")
	connectTo(t, r.dial(t, fmt.Sprintf("127.0.0.1:%d", first)))

	manifest("second", second)
	connectTo(t, r.dial(t, fmt.Sprintf("127.0.0.1:%d", second)))
	if code := r.stop(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if log := r.stderr.String(); !strings.Contains(log, fmt.Sprintf("first:%d", first)) {
		t.Errorf("the log does not name the port:\n%s", log)
	}
}

func TestServeLogsJSON(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("kind: BrokerListener\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := start(t, "serve", "--config", dir, "--log-format", "json")
	r.logs(t, "broken.yaml")
	if code := r.stop(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for line := range strings.Lines(r.stderr.String()) {
		if !strings.HasPrefix(line, `{"time":`) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// TestPortFollowsWhatItRefersTo creates the secret after the listener, as the
// tutorial allows, and deletes a policy that is still referred to: the port
// must close, and not be open to more than before.
func TestPortFollowsWhatItRefersTo(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(configVariable, "site")
	issuers(t, "contoso", "Contoso")
	mustWeir(t, "pki", "leaf", "localhost", "server.crt", "server.key", "--bundle",
		"--ca", "contoso_intermediate_ca.crt", "--ca-key", "contoso_intermediate_ca.key")
	mustWeir(t, "create", "configmap", "ca", "--from-file=contoso_root_ca.crt")
	port := freePort(t)
	writeTestFile(t, "m/listener.yaml", []byte(fmt.Sprintf(`apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata:
  name: gateway
spec:
  ports:
    - port: %d
      authenticationRef: authn
      tls:
        mode: Manual
        manual:
          secretRef: server
`, port)))
	writeTestFile(t, "m/authn.json", []byte(`{"trustedClientCaCert": "ca"}`))
	mustWeir(t, "apply", "-f", "m")

	r := start(t, "serve", "--loops", "1")
	r.logs(t, "Awaiting creation of secret")
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Fatal("the port is open without a certificate")
	}

	mustWeir(t, "create", "secret", "tls", "server", "--cert", "server.crt", "--key", "server.key")
	_ = r.dial(t, address).Close()

	mustWeir(t, "delete", "brokerauthentication", "authn")
	r.closed(t, address)

	mustWeir(t, "apply", "-f", "m/authn.json")
	_ = r.dial(t, address).Close()
	if code := r.stop(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
