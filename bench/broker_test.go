//go:build linux

package bench_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// broker is a weir in this process with a port for each transport.
type broker struct {
	urls   map[bench.Transport]string
	client *tls.Config // has a certificate, which mqtts asks for
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	return startGuarded(t, nil, nil)
}

// startGuarded is startBroker with ports that ask who comes, and what for.
func startGuarded(t testing.TB, who security.Authenticator, what security.Authorizer) *broker {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := pki.NewRoot(pki.Options{CommonName: "bench"})
	ok(err)
	server, err := root.NewLeaf(pki.Options{CommonName: "localhost"})
	ok(err)
	client, err := root.NewLeaf(pki.Options{CommonName: "device"})
	ok(err)
	roots := x509.NewCertPool()
	roots.AddCert(root.Cert)
	serverTLS := func(mode tlsstate.ClientCertificates) *tlsstate.Config {
		return &tlsstate.Config{Certificates: []tls.Certificate{server.TLSCertificate()}, ClientCAs: roots, ClientCertificates: mode}
	}
	const address = "127.0.0.1:0"
	listeners := []engine.Listener{
		{Name: string(bench.TCP), Address: address},
		{Name: string(bench.TLS), Address: address, TLS: serverTLS(tlsstate.Required)},
		{Name: string(bench.WebSocket), Address: address, Protocol: engine.WebSockets},
		{Name: string(bench.WebSocketTLS), Address: address, Protocol: engine.WebSockets, TLS: serverTLS(tlsstate.NotRequested)},
	}
	for i := range listeners {
		listeners[i].Authenticator, listeners[i].Authorizer = who, what
	}
	e := startEngine(t, listeners...)
	b := &broker{urls: make(map[bench.Transport]string), client: &tls.Config{
		RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{client.TLSCertificate()},
	}}
	for _, transport := range transports {
		b.urls[transport] = fmt.Sprintf("%s://%s", transport, e.Addr(string(transport)))
	}
	return b
}

// startEngine runs an engine until the test ends.
func startEngine(t testing.TB, listeners ...engine.Listener) *engine.Engine {
	t.Helper()
	return startOptions(t, engine.Options{Listeners: listeners})
}

func startOptions(t testing.TB, o engine.Options) *engine.Engine {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	o.SysInterval = 50 * time.Millisecond // what an Overload waits for
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-e.Started()
	return e
}

var transports = []bench.Transport{bench.TCP, bench.TLS, bench.WebSocket, bench.WebSocketTLS}

// small is a run that is over soon.
func (b *broker) small(s bench.Scenario, transport bench.Transport) bench.Config {
	c := bench.Config{
		Scenario: s, Broker: b.urls[transport], TLS: b.client, PID: os.Getpid(),
		Warmup: 10 * time.Millisecond, Duration: 50 * time.Millisecond, Patience: time.Minute,
	}
	switch s {
	case bench.FanIn:
		c.Publishers, c.Subscribers = 5, 2
	case bench.FanOut:
		c.Publishers, c.Subscribers = 2, 5
	case bench.Wild:
		c.Publishers, c.Subscribers, c.Topics = 3, 8, 50
	case bench.Storm, bench.Idle:
		c.Connections = 4
	case bench.Reconnect:
		c.Publishers, c.Subscribers = 3, 3
		c.Connections, c.Dropped, c.Storms = 5, 3, 3
	case bench.Overload:
		c.Publishers, c.Subscribers = 3, 3
		c.Slow, c.Take = 2, 100
	default:
		c.Publishers, c.Subscribers = 3, 3
	}
	return c
}
