package codectest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

func TestHexReadsDigitsTextAndComments(t *testing.T) {
	for s, want := range map[string]string{
		"":                                "",
		"30 00":                           "\x30\x00",
		`30 07 0003 "a/b" # Topic Name`:   "\x30\x07\x00\x03a/b",
		"10 # one\n\t20 # two\n30":        "\x10\x20\x30",
		`"quo\"te" "\x00#"00`:             "quo\"te\x00#\x00",
		"# nothing but a comment, at end": "",
	} {
		if got := Hex(s); string(got) != want {
			t.Errorf("Hex(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestHexPanicsOnTypingErrors(t *testing.T) {
	for _, s := range []string{"3", "xy", `"open`, "30,31"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Hex(%q) did not panic", s)
				}
			}()
			Hex(s)
		}()
	}
}

// pipe returns a Conn and the Server's end of its connection.
func pipe(t *testing.T, opts Options) (*Conn, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = server.Close() })
	return New(t, client, opts), server
}

// serve plays the Server: it writes each of the pieces and closes.
func serve(server net.Conn, pieces ...[]byte) {
	go func() {
		for _, b := range pieces {
			if _, err := server.Write(b); err != nil {
				return
			}
		}
		_ = server.Close()
	}()
}

func TestNextReassemblesPackets(t *testing.T) {
	c, server := pipe(t, Options{})
	stream := Hex(`40 02 0001  d0 00  30 06 0001 "t" 00 "hi"`)
	var pieces [][]byte
	for i := range stream {
		pieces = append(pieces, stream[i:i+1])
	}
	serve(server, pieces...)
	puback := c.Next()
	c.NextOf(codec.TypePingresp)
	p := c.NextPublish()
	if puback.Type != codec.TypePuback || !bytes.Equal(puback.Body, []byte{0, 1}) {
		t.Errorf("first packet %+v", puback)
	}
	if string(p.TopicName) != "t" || string(p.Payload) != "hi" {
		t.Errorf("PUBLISH %+v", p)
	}
	c.ExpectClose()
}

func TestExpectTakesSeveralPackets(t *testing.T) {
	c, server := pipe(t, Options{})
	serve(server, Hex("d0 00 d0 00 40 02 0007"), Hex("e0 01 8e"))
	c.Expect("d0 00  d0 00")
	c.Expect("40 02 0007")
	c.ExpectDisconnect(codec.SessionTakenOver)
}

func TestDialConnects(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() { served <- acceptOne(listener) }()
	c := Dial(t, listener.Addr().String(), Options{Connect: &codec.Connect{Version: codec.V5, ClientID: []byte("a")}})
	if c.Connack.Properties.ReceiveMaximum != 5 {
		t.Errorf("CONNACK %+v", c.Connack)
	}
	c.SendHex("c0 00")
	c.Expect("d0 00")
	c.ExpectSilence(time.Millisecond)
	c.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestDialSpeaksTLS(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: https.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() { served <- acceptOne(listener) }()
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	c := Dial(t, listener.Addr().String(), Options{
		TLS:     &tls.Config{RootCAs: roots, ServerName: "example.com"},
		Connect: &codec.Connect{Version: codec.V5, ClientID: []byte("a")},
	})
	c.SendHex("c0 00")
	c.Expect("d0 00")
	c.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// acceptOne is a Server for one Client: CONNACK, PINGRESP, and wait for the end.
func acceptOne(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, step := range []struct{ receive, send []byte }{
		{codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("a")}), Hex("20 06 00 00 03 21 0005")},
		{Hex("c0 00"), Hex("d0 00")},
	} {
		got := make([]byte, len(step.receive))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, step.receive) {
			return fmt.Errorf("received % x, %v, want % x", got, err, step.receive)
		}
		if _, err := conn.Write(step.send); err != nil {
			return err
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		return fmt.Errorf("the connection stayed open")
	}
	return nil
}

// fatal records that a test would have failed, instead of failing.
type fatal struct {
	testing.TB
	message string
}

func (f *fatal) Helper() {}

func (f *fatal) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

func TestExpectationsFail(t *testing.T) {
	for name, c := range map[string]struct {
		serve  string
		expect func(c *Conn)
	}{
		"other packet":          {"d0 00", func(c *Conn) { c.NextOf(codec.TypePuback) }},
		"other bytes":           {"40 02 0001", func(c *Conn) { c.Expect("40 02 0002") }},
		"end before the packet": {"40 02 00", func(c *Conn) { c.Next() }},
		"not MQTT":              {"00 00", func(c *Conn) { c.Next() }},
		"packet before close":   {"d0 00", func(c *Conn) { c.ExpectClose() }},
		"packet in silence":     {"d0 00", func(c *Conn) { c.ExpectSilence(time.Minute) }},
		"close in silence":      {"", func(c *Conn) { c.ExpectSilence(time.Minute) }},
		"other Reason Code":     {"e0 01 8e", func(c *Conn) { c.ExpectDisconnect(codec.ServerBusy) }},
	} {
		conn, server := pipe(t, Options{})
		recorder := &fatal{TB: t}
		conn.t = recorder
		serve(server, Hex(c.serve))
		func() {
			defer func() {
				if r := recover(); r != nil && r != any(recorder) {
					panic(r)
				}
			}()
			c.expect(conn)
		}()
		if recorder.message == "" {
			t.Errorf("%s: did not fail", name)
		}
	}
}

func TestExpectCloseFailsWhileTheConnectionStaysOpen(t *testing.T) {
	conn, _ := pipe(t, Options{Timeout: time.Millisecond})
	recorder := &fatal{TB: t}
	conn.t = recorder
	func() {
		defer func() { _ = recover() }()
		conn.ExpectClose()
	}()
	if recorder.message == "" {
		t.Error("did not fail")
	}
}
