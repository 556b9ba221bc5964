package engine_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

func TestEachListenerHasItsOwnAuthenticationAndAuthorization(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{
		{Name: "open", Address: "127.0.0.1:0"},
		{Name: "passwords", Address: "127.0.0.1:0", Authenticator: passwords{"alice": "rabbit"}},
		{Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)},
		{
			Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required),
			Authenticator: x509Authentication(t),
			Authorizer: table(t,
				group("thermostats", may(security.ActionConnect), may(security.ActionPublish, "temperature/#")),
				group("lamps", may(security.ActionConnect), may(security.ActionSubscribe, "temperature/#"))),
		},
	}})
	certificates := testCertificates()

	everyone := b.connect("open", "everyone")
	if code := subscribe(t, everyone, "#", codec.QoS1); code != codec.Success+1 {
		t.Errorf("SUBSCRIBE on the open port: %v", code)
	}

	alice := b.connectWith("passwords", nil, connectAs("alice", "alice", "rabbit"))
	ping(alice)
	if code := refusal(t, b.dial("passwords"), connectAs("eve", "alice", "hare")); code != codec.BadUserNameOrPassword {
		t.Errorf("wrong password: CONNACK with %v", code)
	}
	if code := refusal(t, b.dial("passwords"), &codec.Connect{Version: codec.V5, ClientID: []byte("nobody"), CleanStart: true}); code != codec.BadUserNameOrPassword {
		t.Errorf("no password: CONNACK with %v", code)
	}

	sealed := b.connectTLS("tls", "sealed", anonymousTLS())
	if code := publishQoS1(t, sealed, "from/tls", "x"); code != codec.Success {
		t.Errorf("PUBLISH on the TLS port: %v", code)
	}
	if p := everyone.NextPublish(); string(p.TopicName) != "from/tls" {
		t.Errorf("received %s", p.TopicName)
	}

	thermostat := b.connectTLS("mtls", "thermostat", deviceTLS(t, certificates.thermostats, pki.Options{CommonName: "thermostat"}))
	if code := publishQoS1(t, thermostat, "temperature/hall", "21"); code != codec.Success {
		t.Errorf("PUBLISH that is allowed: %v", code)
	}
	if code := publishQoS1(t, thermostat, "door/open", "now"); code != codec.NotAuthorized {
		t.Errorf("PUBLISH that is not allowed: %v", code)
	}
	if code := subscribe(t, thermostat, "temperature/hall", codec.QoS0); code != codec.NotAuthorized {
		t.Errorf("SUBSCRIBE that is not allowed: %v", code)
	}
	lamp := b.connectTLS("mtls", "lamp", deviceTLS(t, certificates.lamps, pki.Options{CommonName: "lamp"}))
	if code := subscribe(t, lamp, "temperature/+", codec.QoS0); code != codec.Success {
		t.Errorf("SUBSCRIBE that is allowed: %v", code)
	}
	// A Client of the root itself is authenticated and has no group.
	stranger := codectest.Dial(t, b.addr("mtls"), codectest.Options{
		TLS: deviceTLS(t, certificates.clientRoot, pki.Options{CommonName: "stranger"}), Timeout: patience,
	})
	if code := refusal(t, stranger, &codec.Connect{Version: codec.V5, ClientID: []byte("stranger"), CleanStart: true}); code != codec.NotAuthorized {
		t.Errorf("a Client without a rule: CONNACK with %v", code)
	}
	if err := handshakeError(t, b.addr("mtls"), anonymousTLS()); err == nil {
		t.Error("a Client without a certificate got past the handshake")
	}

	// Messages cross between ports, each Client within its own rights.
	if p := everyone.NextPublish(); string(p.TopicName) != "temperature/hall" {
		t.Errorf("received %s", p.TopicName)
	}
	alice.Send(publish("temperature/attic", codec.QoS0, 0, "30"))
	if p := lamp.NextPublish(); string(p.TopicName) != "temperature/attic" {
		t.Errorf("received %s", p.TopicName)
	}
}

func TestApplyAddsRemovesAndChangesPortsWithoutTouchingTheOthers(t *testing.T) {
	plain := engine.Listener{Name: "plain", Address: "127.0.0.1:0"}
	sealed := engine.Listener{Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)}
	b := start(t, engine.Options{Listeners: []engine.Listener{plain}})
	address := b.addr("plain")
	stays := b.connect("plain", "stays")

	b.apply(plain, sealed)
	first := b.connectTLS("tls", "first", anonymousTLS())

	// A setting of the port changes: another demand for certificates, used by
	// new handshakes only.
	stricter := sealed
	stricter.TLS = serverTLS(tlsstate.Required)
	tlsAddress := b.addr("tls")
	b.apply(plain, stricter)
	if b.addr("tls") != tlsAddress {
		t.Error("the port was opened anew")
	}
	if err := handshakeError(t, tlsAddress, anonymousTLS()); err == nil {
		t.Error("the new TLS settings are not used")
	}
	ping(first)

	// Settings that cannot be used leave the port as it was.
	broken := stricter
	broken.TLS = &tlsstate.Config{}
	var le *engine.ListenerError
	if err := b.Apply(context.Background(), []engine.Listener{plain, broken}); !errors.As(err, &le) || le.Name != "tls" {
		t.Errorf("Apply of TLS without certificates: %v", err)
	}
	b.connectTLS("tls", "second", deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "second"}))

	// From TLS to plain is another port.
	b.apply(plain, engine.Listener{Name: "tls", Address: "127.0.0.1:0"})
	b.events.awaitClose(t, "first", engine.CloseListenerRemoved)
	first.ExpectClose()
	third := b.connect("tls", "third")

	b.apply(plain)
	third.ExpectClose()
	b.events.awaitClose(t, "third", engine.CloseListenerRemoved)
	if b.Addr("tls") != nil || !dialFails(tlsAddress) {
		t.Error("the removed port is still open")
	}
	if b.addr("plain") != address {
		t.Error("the other port has moved")
	}
	ping(stays)
	b.connect("plain", "still welcome")
	if n := b.closed(engine.CloseListenerRemoved); n != 3 {
		t.Errorf("%d connections closed with their listener, want 3", n)
	}
}

// A connection that waits for its authenticator when its port goes away must
// not be left over.
func TestRemovedPortClosesConnectionsThatAreBeingAdmitted(t *testing.T) {
	asked := make(chan struct{}, 1)
	slow := authenticatorFunc(func(ctx context.Context, _ *security.Credentials) (security.Result, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return security.Result{}, ctx.Err()
	})
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "slow", Address: "127.0.0.1:0", Authenticator: slow}}})
	c := b.dial("slow")
	c.Send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true}))
	<-asked
	b.apply()
	c.ExpectClose()
	b.events.awaitClose(t, "c", engine.CloseListenerRemoved)
}

func TestAddressInUseIsReported(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	clash := engine.Listener{Name: "clash", Address: taken.Addr().String()}
	free := engine.Listener{Name: "free", Address: "127.0.0.1:0"}

	check := func(err error) {
		t.Helper()
		var le *engine.ListenerError
		if !errors.As(err, &le) || le.Name != "clash" || le.Address != clash.Address || !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("error %v, want a *ListenerError for %s", err, clash.Address)
		}
	}
	e, err := engine.New(engine.Options{Listeners: []engine.Listener{free, clash}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	check(e.Run(context.Background()))

	// At run time the rest is served.
	b := start(t, engine.Options{})
	check(b.Apply(context.Background(), []engine.Listener{clash, free}))
	ping(b.connect("free", "c"))
	// And once the address is free, the same call opens it.
	_ = taken.Close()
	b.apply(clash, free)
	ping(b.connect("clash", "d"))
}

func TestListenersThatCannotMeanWhatTheySayAreRefused(t *testing.T) {
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.Close() }()
	for _, test := range []struct {
		name string
		ls   []engine.Listener
		want string
	}{
		{"no address", []engine.Listener{{Name: "a"}}, "neither Address nor Listener"},
		{"authorization without authentication", []engine.Listener{{Address: "127.0.0.1:0", Authorizer: table(t)}}, "Authorizer without Authenticator"},
		{"name twice", []engine.Listener{{Name: "a", Address: "127.0.0.1:0"}, {Name: "a", Listener: own}}, "name is used twice"},
		{"address twice", []engine.Listener{{Name: "a", Address: "127.0.0.1:7"}, {Name: "b", Address: "127.0.0.1:7"}}, "already used by listener a"},
		{"unknown reaction", []engine.Listener{{Address: "127.0.0.1:0", OnPolicyChange: 9}}, "OnPolicyChange 9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := engine.New(engine.Options{Listeners: test.ls})
			var le *engine.ListenerError
			if !errors.As(err, &le) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New: %v, want %q", err, test.want)
			}
		})
	}
}

func TestCallersOwnListeners(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "mqtt")
	unix, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ls := []engine.Listener{{Listener: tcp}, {Name: "unix", Listener: unix}, {Name: "ephemeral", Address: "127.0.0.1:0"}, {Name: "ephemeral too", Address: "127.0.0.1:0"}}
	b := start(t, engine.Options{Listeners: ls})

	subscriber := b.connect(tcp.Addr().String(), "over TCP") // its name is its address
	subscribe(t, subscriber, "a", codec.QoS0)
	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	publisher := codectest.New(t, nc, codectest.Options{Connect: &codec.Connect{Version: codec.V5, ClientID: []byte("over a Unix socket"), CleanStart: true}, Timeout: patience})
	publisher.Send(publish("a", codec.QoS0, 0, "x"))
	subscriber.NextPublish()
	if b.addr("ephemeral") == b.addr("ephemeral too") || strings.HasSuffix(b.addr("ephemeral"), ":0") {
		t.Errorf("ephemeral addresses %s and %s", b.addr("ephemeral"), b.addr("ephemeral too"))
	}

	b.apply(ls...) // nothing has changed
	ping(publisher)
	ping(subscriber)
	b.apply(ls[1:]...)
	subscriber.ExpectClose()
	if !dialFails(tcp.Addr().String()) {
		t.Error("the engine did not close the listener that it was given")
	}
	ping(publisher)
}

// A connection that is neither TCP nor a Unix socket has no descriptor that
// the reactor could take: it is refused, and nothing is left over.
func TestListenerWithoutDescriptorsIsRefusedPerConnection(t *testing.T) {
	pipes := &pipeListener{conns: make(chan net.Conn)}
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "pipes", Listener: pipes}}})
	client, server := net.Pipe()
	pipes.conns <- server
	_ = client.SetReadDeadline(time.Now().Add(patience))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection was not closed: %v", err)
	}
	b.events.await(t, "refused connection", closedFor(engine.CloseConnectionLost))
}

type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.conns) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func TestTwoEnginesInOneProcessDoNotKnowEachOther(t *testing.T) {
	ls := []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}
	one, two := start(t, engine.Options{Listeners: ls}), start(t, engine.Options{Listeners: ls, Loops: 2})
	a, b := one.connect("plain", "same"), two.connect("plain", "same")
	subscribe(t, a, "#", codec.QoS0)
	subscribe(t, b, "#", codec.QoS0)
	a.Send(publish("to/one", codec.QoS0, 0, "x"))
	if p := a.NextPublish(); string(p.TopicName) != "to/one" {
		t.Errorf("received %s", p.TopicName)
	}
	one.stop()
	a.ExpectDisconnect(codec.ServerShuttingDown)
	b.Send(publish("to/two", codec.QoS0, 0, "x"))
	if p := b.NextPublish(); string(p.TopicName) != "to/two" {
		t.Errorf("received %s", p.TopicName)
	}
}

func TestDrainTellsClientsAndDeliversWhatWasAccepted(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{
		{Name: "plain", Address: "127.0.0.1:0"}, {Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.NotRequested)},
	}})
	v5 := b.connect("plain", "v5")
	sealed := b.connectTLS("tls", "sealed", anonymousTLS())
	v311 := b.connectWith("plain", nil, &codec.Connect{Version: codec.V311, ClientID: []byte("v311"), CleanStart: true})
	silent := b.dial("plain")
	subscribe(t, v5, "#", codec.QoS0)
	withWill := b.connectWith("plain", nil, &codec.Connect{
		Version: codec.V5, ClientID: []byte("with Will"), CleanStart: true,
		HasWill: true, Will: codec.Will{TopicName: []byte("will")},
	})
	if code := publishQoS1(t, withWill, "last", strings.Repeat("x", 1<<20)); code != codec.Success {
		t.Fatalf("PUBACK with %v", code)
	}
	b.stop()
	if p := v5.NextPublish(); string(p.TopicName) != "last" || len(p.Payload) != 1<<20 {
		t.Errorf("received %s with %d bytes", p.TopicName, len(p.Payload))
	}
	// The standard lets a Server publish Wills when it stops, but everyone
	// they could go to is leaving too.
	v5.ExpectDisconnect(codec.ServerShuttingDown)
	sealed.ExpectDisconnect(codec.ServerShuttingDown)
	withWill.ExpectDisconnect(codec.ServerShuttingDown)
	v311.ExpectClose()
	silent.ExpectClose()
	for _, id := range []string{"v5", "sealed", "v311", "with Will"} {
		b.events.awaitClose(t, id, engine.CloseServerShuttingDown)
	}
}

func TestEngineRunsOnce(t *testing.T) {
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := e.Publish(ctx, engine.Message{TopicName: "a"}); !errors.Is(err, engine.ErrNotRunning) {
		t.Errorf("Publish before Run: %v", err)
	}
	if _, err := e.Stats(ctx); !errors.Is(err, engine.ErrNotRunning) {
		t.Errorf("Stats before Run: %v", err)
	}
	cancel()
	if err := e.Apply(ctx, nil); !errors.Is(err, engine.ErrNotRunning) {
		t.Errorf("Apply before Run: %v", err)
	}
	if err := e.Run(ctx); err != nil {
		t.Errorf("Run with a context that has ended: %v", err)
	}
	ctx = context.Background()
	if err := e.Run(ctx); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("second Run: %v", err)
	}
	if err := e.Publish(ctx, engine.Message{TopicName: "a"}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Publish after Run: %v", err)
	}
	if _, err := e.Subscribe(ctx, "a", engine.SubscribeOptions{}, func(*engine.Message) {}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Subscribe after Run: %v", err)
	}
	if err := e.Apply(ctx, nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Apply after Run: %v", err)
	}
	if _, err := e.Stats(ctx); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Stats after Run: %v", err)
	}
}

// engineGoroutines counts the goroutines that run code of the engine or below
// it, tests aside.
func engineGoroutines() int { return goroutinesWith("weir/engine.(", "gnet/v2.(") }

// goroutinesWith counts the goroutines in whose stack one of parts occurs.
func goroutinesWith(parts ...string) int {
	b := make([]byte, 1<<20)
	for {
		n := runtime.Stack(b, true)
		if n < len(b) {
			b = b[:n]
			break
		}
		b = make([]byte, 2*len(b))
	}
	count := 0
	for g := range bytes.SplitSeq(b, []byte("\n\n")) {
		if slices.ContainsFunc(parts, func(part string) bool { return bytes.Contains(g, []byte(part)) }) {
			count++
		}
	}
	return count
}

func TestRunLeavesNoGoroutines(t *testing.T) {
	eventually(t, "earlier tests are over", func() bool { return engineGoroutines() == 0 })
	waiting := make(chan struct{}, 1)
	b := start(t, engine.Options{Listeners: []engine.Listener{
		{Name: "plain", Address: "127.0.0.1:0"},
		{Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x509Authentication(t)},
		{Name: "slow", Address: "127.0.0.1:0", Authenticator: authenticatorFunc(func(ctx context.Context, _ *security.Credentials) (security.Result, error) {
			waiting <- struct{}{}
			<-ctx.Done()
			return security.Result{}, ctx.Err()
		})},
	}})
	b.connect("plain", "connected")
	b.connectTLS("tls", "connected with TLS", deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "lamp"}))
	b.dial("plain")
	b.dial("tls") // a handshake that does not get on
	c := b.dial("slow")
	c.Send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("waits"), CleanStart: true}))
	<-waiting
	if _, err := b.Subscribe(context.Background(), "#", engine.SubscribeOptions{}, func(*engine.Message) {}); err != nil {
		t.Fatal(err)
	}
	if engineGoroutines() == 0 {
		t.Fatal("the count does not count")
	}
	b.stop()
	eventually(t, "no goroutines of the engine", func() bool { return engineGoroutines() == 0 })
}

// Engines stop while Clients connect, are moved to the loop of their Session
// and subscribe: Run must return whatever is under way.
func TestRunReturnsWhateverIsUnderWay(t *testing.T) {
	settings := deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "lamp"})
	for range 12 {
		b := start(t, engine.Options{Loops: 4, Listeners: []engine.Listener{
			{Name: "plain", Address: "127.0.0.1:0"},
			{Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x509Authentication(t)},
		}})
		var clients sync.WaitGroup
		busy := make(chan struct{}, 64)
		stopped := make(chan struct{})
		connect := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("same"), CleanStart: true})
		plain, sealed := b.addr("plain"), b.addr("tls")
		client := func(open func() (net.Conn, error)) {
			for {
				select {
				case <-stopped:
					return
				default:
				}
				nc, err := open()
				if err != nil {
					return
				}
				_, _ = nc.Write(connect)
				_ = nc.SetReadDeadline(time.Now().Add(patience))
				_, _ = nc.Read(make([]byte, 16))
				_ = nc.Close()
				select {
				case busy <- struct{}{}:
				default:
				}
			}
		}
		for range 3 {
			clients.Go(func() { client(func() (net.Conn, error) { return net.Dial("tcp", plain) }) })
			clients.Go(func() {
				client(func() (net.Conn, error) {
					return tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", sealed, settings)
				})
			})
		}
		clients.Go(func() {
			for {
				s, err := b.Subscribe(context.Background(), "a", engine.SubscribeOptions{}, func(*engine.Message) {})
				if err != nil {
					return
				}
				s.Close()
			}
		})
		for range 8 {
			<-busy
		}
		b.stop()
		close(stopped)
		clients.Wait()
	}
	eventually(t, "no goroutines of the engine", func() bool { return engineGoroutines() == 0 })
}

// warmer is an Authenticator whose Warm, which is the last thing that a
// handshake does, takes as long as the test wants.
type warmer struct {
	authenticatorFunc
	begun, end chan struct{}
}

func (w warmer) Warm(*security.Credentials) {
	close(w.begun)
	<-w.end
}

// The loops are gone when the handshake is done: nobody would take the
// connection, and nobody may wait for that.
func TestRunReturnsWhenAHandshakeOutlivesTheLoops(t *testing.T) {
	eventually(t, "earlier tests are over", func() bool { return engineGoroutines() == 0 })
	w := warmer{begun: make(chan struct{}), end: make(chan struct{})}
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: w}}})
	nc, err := tls.Dial("tcp", b.addr("tls"), deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "lamp"}))
	if err != nil {
		t.Fatal(err)
	}
	<-w.begun
	b.cancel()
	eventually(t, "the loops have ended", func() bool { return goroutinesWith("gnet/v2.(*eventloop).run", "engine.(*executor).run") == 0 })
	close(w.end)
	b.stop()
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection was not closed: %v", err)
	}
	_ = nc.Close()
}
