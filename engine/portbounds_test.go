package engine_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// awaitClosed waits until the Stats count n connections closed for r.
func (b *broker) awaitClosed(r engine.CloseReason, n uint64) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		s, err := b.Stats(context.Background())
		if err != nil {
			b.t.Fatal(err)
		}
		if s.Closed(r) == n {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d connections closed by %v, want %d", s.Closed(r), r, n)
		}
	}
}

func TestAPortHoldsItsMaximumConnectionsAndOthersAreFree(t *testing.T) {
	small := engine.Listener{Name: "small", Address: "127.0.0.1:0", MaximumConnections: 2}
	large := engine.Listener{Name: "large", Address: "127.0.0.1:0"}
	b := start(t, engine.Options{Listeners: []engine.Listener{small, large}})
	first := b.connect("small", "first")
	b.connect("small", "second")
	b.dial("small").ExpectClose()
	b.awaitClosed(engine.CloseTooManyPortConnections, 1)
	b.connect("large", "third")

	// One that leaves makes room for another.
	first.Close()
	b.events.awaitClose(t, "first", engine.CloseConnectionLost)
	b.connect("small", "fourth")

	// The bound is changed while the port is open; who is there stays.
	small.MaximumConnections = 1
	b.apply(small, large)
	b.dial("small").ExpectClose()
	b.awaitClosed(engine.CloseTooManyPortConnections, 2)
	small.MaximumConnections = 0
	b.apply(small, large)
	b.connect("small", "fifth")
}

func TestConnectRateDelaysAndRefusesNobody(t *testing.T) {
	const rate, clients = 1, 3 // so slow that no machine is slower
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0", ConnectRate: rate}}})
	for range clients {
		nc, err := net.Dial("tcp", b.addr("plain"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	b.connect("plain", "last")
	s, err := b.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s.ConnectionsOpened != clients+1 || s.ConnectionsDelayed == 0 {
		t.Errorf("%d connections were opened, want %d; %d had the next one wait, want some",
			s.ConnectionsOpened, clients+1, s.ConnectionsDelayed)
	}
}

// clumsy is an Authenticator whose Warm panics the first time.
type clumsy struct {
	security.Authenticator
	once sync.Once
}

func (c *clumsy) Warm(*security.Credentials) { c.once.Do(func() { panic("the method has a bug") }) }

func TestAHandshakeThatPanicsLeavesItsPlace(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{{
		Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), MaximumConnections: 1,
		Authenticator: &clumsy{Authenticator: x509Authentication(t)},
	}}})
	lamp := deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "lamp"})
	nc, err := tls.Dial("tcp", b.addr("tls"), lamp)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is open: %v", err)
	}
	b.awaitClosed(engine.CloseInternalError, 1)
	b.connectTLS("tls", "lamp", lamp)
}

// TestAPortThatWaitsForItsConnectRateCloses: with one connection a second and
// several goroutines in debt, closing does not wait for them.
func TestAPortThatWaitsForItsConnectRateCloses(t *testing.T) {
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0", ConnectRate: 1}}})
	for range 3 {
		nc, err := net.Dial("tcp", b.addr("plain"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	b.apply()
}

func TestNegativeBoundsOfAPortAreRefused(t *testing.T) {
	for _, l := range []engine.Listener{
		{Address: "127.0.0.1:0", MaximumConnections: -1},
		{Address: "127.0.0.1:0", ConnectRate: -1},
	} {
		if _, err := engine.New(engine.Options{Listeners: []engine.Listener{l}}); err == nil {
			t.Errorf("%+v was taken", l)
		}
	}
}
