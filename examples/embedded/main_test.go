package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
)

const patience = 20 * time.Second

// output is what the program has logged so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(b)
	select {
	case o.more <- struct{}{}:
	default:
	}
	return n, err
}

// await returns the first group of pattern once that has been logged.
func (o *output) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		text := o.text.String()
		o.mu.Unlock()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-o.more:
		case <-deadline:
			t.Fatalf("%s was not logged:\n%s", pattern, text)
		}
	}
}

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "embedded")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func TestApplianceHeatsAColdRoomAndStops(t *testing.T) {
	program, dir := build(t), t.TempDir()
	out := &output{more: make(chan struct{}, 1)}
	cmd := exec.Command(program, "-address", "127.0.0.1:0", "-credentials", dir)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	address := out.await(t, `listener open.* address=(\S+)`)

	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "thermostat.crt"), filepath.Join(dir, "thermostat.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	c := codectest.Dial(t, address, codectest.Options{
		TLS:     &tls.Config{RootCAs: roots, ServerName: host, Certificates: []tls.Certificate{certificate}},
		Connect: &codec.Connect{Version: codec.V5, ClientID: []byte("hall"), CleanStart: true},
		Timeout: patience,
	})
	c.SendHex(`82 12 0001 00 000c "boiler/state" 00`)
	c.Expect(`90 04 0001 00 00`)
	state := func(want string) {
		t.Helper()
		if p := c.NextPublish(); string(p.Payload) != want {
			t.Errorf("the boiler is %s, want %s", p.Payload, want)
		}
	}
	publish := func(topic, payload string) codec.ReasonCode {
		t.Helper()
		c.Send(codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte(topic), Payload: []byte(payload), QoS: codec.QoS1, PacketID: 1}))
		var a codec.Ack
		if err := codec.DecodeAck(&a, codec.V5, codec.TypePuback, c.NextOf(codec.TypePuback).Body); err != nil {
			t.Fatal(err)
		}
		return a.ReasonCode
	}
	state("off") // retained
	if code := publish("rooms/hall/temperature", "17.5"); code != codec.Success {
		t.Errorf("PUBACK with %v", code)
	}
	state("on")
	if code := publish("rooms/kitchen/temperature", "5"); code != codec.NotAuthorized {
		t.Errorf("for another room: PUBACK with %v", code)
	}
	publish("rooms/hall/temperature", "20")
	state("off")

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.ExpectDisconnect(codec.ServerShuttingDown)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func TestApplianceStopsByItself(t *testing.T) {
	program := build(t)
	if out, err := exec.Command(program, "-address", "127.0.0.1:0", "-for", "100ms").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program, "-address", "nowhere").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("nowhere")) {
		t.Errorf("with an address that does not exist: %v\n%s", err, out)
	}
}
