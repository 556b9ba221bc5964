package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// webSocketConn is a Client's end of a WebSocket, as a stream of bytes: each
// Write is a frame, and Read joins those that come.
type webSocketConn struct {
	net.Conn
	in        *bufio.Reader
	left      int // of the frame that is being read
	closeCode int // of the Close frame that came; 0: none
}

// upgradeRequest is a request from a page, or from none if origin is "".
func upgradeRequest(origin string) string {
	if origin != "" {
		origin = "Origin: " + origin + "\r\n"
	}
	return "GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + origin +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
}

// dialWebSocket opens a WebSocket, on TLS if there is a configuration.
func dialWebSocket(t testing.TB, addr string, c *tls.Config) *webSocketConn {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if c != nil {
		nc = tls.Client(nc, c)
	}
	w := &webSocketConn{Conn: nc, in: bufio.NewReader(nc)}
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, upgradeRequest("")); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() // it has none: what follows are frames
	if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Protocol") != "mqtt" ||
		r.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("the answer is %s with %v", r.Status, r.Header)
	}
	return w
}

// writeFrame sends a masked frame.
func (w *webSocketConn) writeFrame(first byte, payload []byte) error {
	mask := [4]byte{1, 2, 3, 4}
	frame := append([]byte{first, 0x80 | 127}, binary.BigEndian.AppendUint64(nil, uint64(len(payload)))...)
	if n := len(payload); n < 126 {
		frame = []byte{first, 0x80 | byte(n)}
	} else if n <= 0xFFFF {
		frame = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	}
	frame = append(frame, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i&3])
	}
	_, err := w.Conn.Write(frame)
	return err
}

func (w *webSocketConn) Write(b []byte) (int, error) {
	return len(b), w.writeFrame(0x82, b)
}

func (w *webSocketConn) Read(b []byte) (int, error) {
	for w.left == 0 {
		var h [2]byte
		if _, err := io.ReadFull(w.in, h[:]); err != nil {
			return 0, err
		}
		n := uint64(h[1])
		if h[1] >= 126 {
			size := map[byte]int{126: 2, 127: 8}[h[1]]
			length := make([]byte, 8)
			if _, err := io.ReadFull(w.in, length[8-size:]); err != nil {
				return 0, err
			}
			n = binary.BigEndian.Uint64(length)
		}
		if h[0] == 0x82 {
			w.left = int(n)
			continue
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(w.in, payload); err != nil {
			return 0, err
		}
		if h[0] != 0x88 {
			return 0, fmt.Errorf("a frame that begins with %#x", h[0])
		}
		if n >= 2 {
			w.closeCode = int(binary.BigEndian.Uint16(payload))
		}
		return 0, io.EOF
	}
	n, err := w.in.Read(b[:min(len(b), w.left)])
	w.left -= n
	return n, err
}

func TestWebSocketPlainAndTLS(t *testing.T) {
	certificates := testCertificates()
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{
		{Name: "mqtt", Address: "127.0.0.1:0"},
		{Name: "ws", Address: "127.0.0.1:0", Protocol: engine.WebSockets},
		{
			Name: "wss", Address: "127.0.0.1:0", Protocol: engine.WebSockets, TLS: serverTLS(tlsstate.Required),
			Authenticator: x509Authentication(t),
			Authorizer:    table(t, group("lamps", may(security.ActionConnect), may(security.ActionPublish, "t"), may(security.ActionSubscribe, "t"))),
		},
	}})
	plain := b.connect("mqtt", "plain")
	for _, name := range []string{"ws", "wss"} {
		t.Run(name, func(t *testing.T) {
			var c *tls.Config
			if name == "wss" {
				c = deviceTLS(t, certificates.lamps, pki.Options{CommonName: "lamp"})
			}
			w := dialWebSocket(t, b.addr(name), c)
			client := codectest.New(t, w, codectest.Options{Timeout: patience, Connect: &codec.Connect{Version: codec.V5, ClientID: []byte(name), CleanStart: true}})
			if code := subscribe(t, client, "t", codec.QoS1); code != codec.ReasonCode(codec.QoS1) {
				t.Fatalf("SUBACK with %v", code)
			}
			// Small, larger than a TLS record, and larger than what one frame
			// header takes in two bytes.
			for _, size := range []int{10, 20_000, 300_000} {
				payload := string(bytes.Repeat([]byte("weir"), size/4))
				publishQoS1(t, plain, "t", payload)
				if got := client.NextPublish(); string(got.Payload) != payload {
					t.Fatalf("a payload of %d bytes came as %d", len(payload), len(got.Payload))
				}
				client.Send(publish("t", codec.QoS0, 0, payload))
				if got := client.NextPublish(); string(got.Payload) != payload {
					t.Fatalf("a payload of %d bytes came back as %d", len(payload), len(got.Payload))
				}
			}
			if name == "wss" {
				if code := publishQoS1(t, client, "other", "x"); code != codec.NotAuthorized {
					t.Errorf("PUBACK with %v", code)
				}
			}
			if err := w.writeFrame(0x88, []byte{0x03, 0xE8}); err != nil {
				t.Fatal(err)
			}
			client.ExpectClose()
			b.events.awaitClose(t, name, engine.CloseWebSocketClosed)
			if w.closeCode != 1000 {
				t.Errorf("closed with %d, want the 1000 that was sent", w.closeCode)
			}
		})
	}
}

// A Session that lives on another loop has the connection moved there, with
// what is left of a frame.
func TestWebSocketMovesBetweenLoops(t *testing.T) {
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{{Name: "ws", Address: "127.0.0.1:0", Protocol: engine.WebSockets}}})
	connect := &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true}
	connect.Properties.SetSessionExpiryInterval(100)
	// Which loop takes a connection depends on how many each has.
	for range 100 {
		client := codectest.New(t, dialWebSocket(t, b.addr("ws"), nil), codectest.Options{Timeout: patience, Connect: connect})
		ping(client)
		if b.stats().ConnectionsMoved > 0 {
			return
		}
		other := codectest.New(t, dialWebSocket(t, b.addr("ws"), nil), codectest.Options{Timeout: patience, Connect: &codec.Connect{Version: codec.V5, CleanStart: true}})
		ping(other)
	}
	t.Error("no connection was moved")
}

func TestOriginsOfAPortChangeWithoutClosingIt(t *testing.T) {
	listener := engine.Listener{Name: "ws", Address: "127.0.0.1:0", Protocol: engine.WebSockets}
	b := start(t, engine.Options{Listeners: []engine.Listener{listener}})
	status := func(origin string) int {
		nc, err := net.DialTimeout("tcp", b.addr("ws"), patience)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(nc, upgradeRequest(origin))
		r, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	client := codectest.New(t, dialWebSocket(t, b.addr("ws"), nil), codectest.Options{Timeout: patience, Connect: connectAs("c", "", "")})
	const page = "https://dashboard.example"
	if got := status(page); got != http.StatusForbidden {
		t.Errorf("status %d before", got)
	}
	b.events.awaitClose(t, "", engine.CloseWebSocketUpgrade)
	listener.Origins = []string{page}
	b.apply(listener)
	if got := status(page); got != http.StatusSwitchingProtocols {
		t.Errorf("status %d after", got)
	}
	ping(client)
	listener.Protocol, listener.Origins = engine.MQTT, nil
	b.apply(listener)
	client.ExpectClose()
	ping(b.connect("ws", "mqtt"))
}

func TestClientLibraryOnWebSocket(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "ws", Address: "127.0.0.1:0", Protocol: engine.WebSockets}}})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got := make(chan string, 1)
	w := dialWebSocket(t, b.addr("ws"), nil)
	c := paho.NewClient(paho.ClientConfig{
		// It writes a packet in pieces, and pings and acknowledges from other
		// goroutines: what a *net.TCPConn keeps together would be mixed here.
		ClientID: "paho", Conn: packets.NewThreadSafeConn(w),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			got <- string(p.Packet.Payload)
			return true, nil
		}},
	})
	_ = w.SetDeadline(time.Time{})
	if _, err := c.Connect(ctx, &paho.Connect{ClientID: "paho", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "t", QoS: 2}}}); err != nil {
		t.Fatal(err)
	}
	for qos := range byte(3) {
		want := fmt.Sprint("message ", qos)
		if _, err := c.Publish(ctx, &paho.Publish{Topic: "t", QoS: qos, Payload: []byte(want)}); err != nil {
			t.Fatal(err)
		}
		if got := next(t, got); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
	if err := c.Disconnect(&paho.Disconnect{}); err != nil {
		t.Fatal(err)
	}
	b.events.awaitClose(t, "paho", engine.CloseClientDisconnect)
}

func TestOptionsOfWebSocketsThatCannotMeanWhatTheySayAreRefused(t *testing.T) {
	for name, l := range map[string]engine.Listener{
		"unknown protocol":             {Address: ":0", Protocol: 2},
		"origins without WebSockets":   {Address: ":0", Origins: []string{"*"}},
		"origin that is only a host":   {Address: ":0", Protocol: engine.WebSockets, Origins: []string{"a.example"}},
		"origin with a path behind it": {Address: ":0", Protocol: engine.WebSockets, Origins: []string{"https://a.example/x"}},
	} {
		if _, err := engine.New(engine.Options{Listeners: []engine.Listener{l}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
