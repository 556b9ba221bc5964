package engine_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// Each way to end has a close reason of its own, which is in the event, in the
// log and in Stats; and the next Client is served. Bad input is in
// testdata/badinput.
func TestEachCauseOfAnEndHasItsOwnCloseReason(t *testing.T) {
	b := start(t, engine.Options{
		Listeners: []engine.Listener{
			{Name: "plain", Address: "127.0.0.1:0"},
			{Name: "passwords", Address: "127.0.0.1:0", Authenticator: passwords{}},
			{Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)},
			{Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x509Authentication(t), Authorizer: table(t)},
		},
	})
	stranger, err := pki.NewRoot(pki.Options{CommonName: "Stranger Root"})
	if err != nil {
		t.Fatal(err)
	}
	hello := &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true}
	handshake := func(listener string, c *tls.Config) func(*testing.T, *broker) {
		return func(t *testing.T, b *broker) {
			if err := handshakeError(t, b.addr(listener), c); err == nil {
				t.Error("no error")
			}
		}
	}
	for _, test := range []struct {
		name string
		want engine.CloseReason
		do   func(*testing.T, *broker)
	}{
		{"DISCONNECT", engine.CloseClientDisconnect, func(_ *testing.T, b *broker) { b.connect("plain", "c").SendHex(`e0 00`) }},
		{"DISCONNECT with an error", engine.CloseClientError, func(_ *testing.T, b *broker) { b.connect("plain", "c").SendHex(`e0 01 80`) }},
		{"end of the stream", engine.CloseConnectionLost, func(_ *testing.T, b *broker) { b.connect("plain", "c").Close() }},
		{"end within CONNECT", engine.CloseConnectionLost, func(_ *testing.T, b *broker) {
			c := b.dial("plain")
			c.SendHex(`10 20 0004 "MQTT"`)
			c.Close()
		}},
		{"session taken over", engine.CloseSessionTakenOver, func(_ *testing.T, b *broker) {
			first := b.connect("plain", "taken over")
			ping(b.connect("plain", "taken over"))
			first.ExpectDisconnect(codec.SessionTakenOver)
		}},
		{"no credentials", engine.CloseNotAuthenticated, func(t *testing.T, b *broker) { refusal(t, b.dial("passwords"), hello) }},
		{"no rights", engine.CloseNotAuthorized, func(t *testing.T, b *broker) {
			c := codectest.Dial(t, b.addr("mtls"), codectest.Options{TLS: deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "lamp"}), Timeout: patience})
			refusal(t, c, hello)
		}},
		{"TLS on a plain port", engine.CloseTLSOnPlainPort, handshake("plain", anonymousTLS())},
		{"plain on a TLS port", engine.CloseHandshakeNotTLS, func(t *testing.T, b *broker) {
			nc := dialRaw(t, b.addr("tls"))
			_, _ = nc.Write(codec.AppendConnect(nil, hello))
			awaitEnd(t, nc)
		}},
		{"no certificate", engine.CloseHandshakeBadCertificate, handshake("mtls", anonymousTLS())},
		{"certificate of another CA", engine.CloseHandshakeBadCertificate, handshake("mtls", deviceTLS(t, stranger, pki.Options{CommonName: "x"}))},
		{"certificate that has expired", engine.CloseHandshakeBadCertificate, handshake("mtls", deviceTLS(t, testCertificates().lamps, pki.Options{
			CommonName: "x", NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		}))},
		{"Client that does not trust the Server", engine.CloseHandshakeFailed, handshake("tls", &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"})},
		{"end within the handshake", engine.CloseConnectionLost, func(_ *testing.T, b *broker) {
			c := b.dial("tls")
			c.SendHex(`16 03 01 00 c0 01`)
			c.Close()
		}},
		{"record that is not TLS", engine.CloseTLSError, func(t *testing.T, b *broker) {
			nc := dialRaw(t, b.addr("tls"))
			codectest.New(t, tls.Client(nc, anonymousTLS()), codectest.Options{Connect: hello, Timeout: patience})
			if _, err := nc.Write(bytes.Repeat([]byte{0xff}, 64)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := b.in(t)
			// The Clients of the last case go when it is over.
			eventually(t, "nothing is under way", func() bool {
				s := b.stats()
				all := uint64(0)
				for _, n := range s.ConnectionsClosed {
					all += n
				}
				return s.Connections == 0 && b.events.count(func(ev engine.Event) bool { return ev.Kind == engine.EventClose }) == int(all)
			})
			before, events := b.closed(test.want), b.events.count(closedFor(test.want))
			lines := strings.Count(b.events.text(), "reason=\""+test.want.String()+"\"")
			test.do(t, b)
			eventually(t, "an event with "+test.want.String(), func() bool { return b.events.count(closedFor(test.want)) == events+1 })
			if n := b.closed(test.want); n != before+1 {
				t.Errorf("Stats count %d more", n-before)
			}
			// What a healthy broker sees all day is logged at a lower level.
			quiet := test.want == engine.CloseClientDisconnect || test.want == engine.CloseSessionTakenOver
			if n := strings.Count(b.events.text(), "reason=\""+test.want.String()+"\""); n != lines+1 && !quiet {
				t.Errorf("the log has %d more lines with the reason, want 1", n-lines)
			}
			ping(b.connect("plain", "next"))
		})
	}
	if s := b.stats(); s.Panics != 0 {
		t.Errorf("%d panics", s.Panics)
	}
}

// dialRaw opens a connection for what codectest cannot do.
func dialRaw(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// awaitEnd fails the test unless the Server ends the connection, whatever it
// says before, such as a TLS alert.
func awaitEnd(t testing.TB, nc net.Conn) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is still open")
	}
}

// A SUBSCRIBE with a Topic Filter that is not valid is refused for that Topic
// Filter only.
func TestSubscribeJudgesEachTopicFilterByItself(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
	c := b.connect("plain", "c")
	// a, a#, $share/, b
	c.SendHex(`82 1a 0001 00 0001 "a" 00 0002 "a#" 00 0007 "$share/" 00 0001 "b" 01`)
	c.Expect(`90 07 0001 00 00 8f 8f 01`)
}

func TestConnectTimeout(t *testing.T) {
	b := start(t, engine.Options{
		Limits:     engine.Limits{ConnectTimeout: 20 * time.Millisecond},
		Handshakes: tlsstate.Limits{Timeout: 20 * time.Millisecond},
		Listeners: []engine.Listener{
			{Name: "plain", Address: "127.0.0.1:0"}, {Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)},
		},
	})
	silent := b.dial("plain")
	slow := b.dial("plain")
	slow.SendHex(`10 ff`)
	mute := dialRaw(t, b.addr("tls"))
	silent.ExpectClose()
	slow.ExpectClose()
	awaitEnd(t, mute)
	b.events.await(t, "connect timeout", closedFor(engine.CloseConnectTimeout))
	b.events.await(t, "handshake timeout", closedFor(engine.CloseHandshakeTimeout))
	if n := b.closed(engine.CloseConnectTimeout); n != 2 {
		t.Errorf("%d connections closed for not sending CONNECT, want 2", n)
	}
}

// A Client whose handshake trickles in, byte by byte, is served or times out;
// it holds up nobody.
func TestSlowHandshakesHoldUpNobody(t *testing.T) {
	b := start(t, engine.Options{
		Handshakes: tlsstate.Limits{Pending: 8},
		Listeners:  []engine.Listener{{Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)}},
	})
	for range 7 {
		b.dial("tls").SendHex(`16 03 01 00 c0 01`)
	}
	eighth := b.connectTLS("tls", "eighth", anonymousTLS())
	// From the ninth on there are too many.
	b.dial("tls")
	for b.closed(engine.CloseHandshakeLimit) == 0 {
		b.dial("tls")
	}
	ping(eighth)
}

func TestTooManyConnectionsAreRefusedAndTheirPlacesComeBack(t *testing.T) {
	const limit = 10
	b := start(t, engine.Options{
		Limits:    engine.Limits{Connections: limit},
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	for round := range 3 {
		var cs []*codectest.Conn
		for i := range limit {
			cs = append(cs, b.connect("plain", fmt.Sprint("client ", i)))
		}
		b.dial("plain").ExpectClose()
		if n := b.closed(engine.CloseTooManyConnections); n != uint64(round)+1 {
			t.Errorf("round %d: %d refused", round, n)
		}
		for _, c := range cs {
			c.Close()
		}
		eventually(t, "all closed", func() bool { return b.stats().Connections == 0 })
		// The events are behind the last bookkeeping.
		eventually(t, "all reported", func() bool { return b.events.count(closedFor(engine.CloseConnectionLost)) == (round+1)*limit })
	}
}

func TestRandomBytesDoNotDisturbOthers(t *testing.T) {
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{
		{Name: "plain", Address: "127.0.0.1:0"}, {Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)},
	}})
	other := b.connect("plain", "other")
	subscribe(t, other, "t", codec.QoS1)
	random := rand.New(rand.NewPCG(1, 2))
	connect := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("random"), CleanStart: true})
	valid := bytes.Join([][]byte{
		connect, subscribePacket("t/random", codec.QoS2), publish("t/random", codec.QoS1, 3, "payload"), codec.AppendPingreq(nil),
	}, nil)
	write := func(addr string, data []byte) {
		nc := dialRaw(t, addr)
		_, _ = nc.Write(data) // the broker may have closed already
		_ = nc.(*net.TCPConn).CloseWrite()
		awaitEnd(t, nc)
		_ = nc.Close()
	}
	for i := range 300 {
		var data []byte
		switch i % 3 {
		case 0: // noise
			data = randomBytes(random, 1+random.IntN(200))
		case 1: // noise after CONNECT
			data = append(bytes.Clone(connect), randomBytes(random, 1+random.IntN(200))...)
		case 2: // a valid conversation with a few bytes changed, cut somewhere
			data = bytes.Clone(valid)
			for range 1 + random.IntN(3) {
				data[random.IntN(len(data))] = byte(random.Uint32())
			}
			data = data[:1+random.IntN(len(data))]
		}
		addr := b.addr("plain")
		if i%10 == 0 {
			addr = b.addr("tls")
		}
		write(addr, data)
	}
	// Every cut of a valid conversation.
	for n := range len(valid) {
		write(b.addr("plain"), valid[:n])
	}
	eventually(t, "only the other is left", func() bool { return b.stats().Connections == 1 })
	if code := publishQoS1(t, b.connect("plain", "publisher"), "t", "x"); code != codec.Success {
		t.Errorf("PUBACK with %v", code)
	}
	other.NextPublish()
	if n := b.stats().Panics; n != 0 {
		t.Errorf("%d panics; log:\n%s", n, b.events.text())
	}
	b.checkSessions()
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // twice, for what is in pools
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestThousandConnectionsOpenedAndDroppedLeaveNothing(t *testing.T) {
	const connections = 1000
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{
		{Name: "plain", Address: "127.0.0.1:0"}, {Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)},
	}})
	connect := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true})
	settings := anonymousTLS()
	round := func(b *broker, listener string, n int) {
		t := b.t
		addr := b.addr(listener)
		var next atomic.Int64
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					nc, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					_ = nc.SetDeadline(time.Now().Add(patience))
					switch {
					case i%4 == 0: // says nothing
					case i%4 == 1: // half a CONNECT, or of a ClientHello
						_, _ = nc.Write(connect[:5])
					case listener == "tls":
						// Whole handshakes are a tenth, since they take long.
						if i%10 == 2 {
							tc := tls.Client(nc, settings)
							_, _ = tc.Write(connect)
							_, _ = tc.Read(make([]byte, 4))
						}
					default:
						_, _ = nc.Write(connect)
						_, _ = nc.Read(make([]byte, 4))
					}
					_ = nc.Close()
				}
			})
		}
		work.Wait()
		eventually(t, "all connections closed", func() bool {
			s := b.stats()
			return s.Connections == 0 && s.Sessions == 0
		})
	}
	for _, listener := range []string{"plain", "tls"} {
		t.Run(listener, func(t *testing.T) {
			b := b.in(t)
			round(b, listener, connections/10) // pools and caches fill
			eventually(t, "handshakes are over", func() bool { return goroutinesWith("(*Handshaker).Handshake") == 0 })
			goroutines, before := engineGoroutines(), heap()
			round(b, listener, connections)
			// Up to sixteen that have shaken hands wait for the next.
			eventually(t, "goroutines come back", func() bool { return engineGoroutines() <= goroutines+16 })
			// 1,000 connections left over would be some megabytes; the
			// recorded events and log lines are 600 bytes each.
			if after := heap(); after > before+3<<20 {
				t.Errorf("the heap has grown by %d KB", (after-before)>>10)
			}
		})
	}
	b.checkSessions()
}
