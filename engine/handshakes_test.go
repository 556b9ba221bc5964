package engine

import (
	"crypto/tls"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// Goroutines of handshakes stay for the next one, so many and no more, and end
// with the engine, which waits for them.
func TestGoroutinesOfHandshakesStayUpToABound(t *testing.T) {
	e, _ := newMemoryEngine(t, Options{Handshakes: tlsstate.Limits{Timeout: time.Hour}}, 1)
	root, err := pki.NewRoot(pki.Options{CommonName: "Root"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := root.NewLeaf(pki.Options{CommonName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	config := &tlsstate.Config{Certificates: []tls.Certificate{leaf.TLSCertificate()}}
	server, err := tlsstate.NewServer(*config)
	if err != nil {
		t.Fatal(err)
	}
	p := &port{engine: e, name: "tls"}
	p.tls.Store(&portTLS{config, server})
	p.policy.Store(newPolicy(&Listener{}))

	await := func(what string, pending int, idle ...int64) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); e.handshaker.Pending() != pending || !slices.Contains(idle, e.handshakes.idle.Load()); runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d handshakes and %d idle, want %d and %d", what, e.handshaker.Pending(), e.handshakes.idle.Load(), pending, idle)
			}
		}
	}
	begin := func() (peer net.Conn) {
		peer, nc := net.Pipe()
		e.handshakes.start(handshake{p, nc})
		return peer
	}
	var peers []net.Conn
	for range 3 * idleHandshakers {
		peers = append(peers, begin())
	}
	await("all at once", len(peers), 0)
	for _, peer := range peers {
		_ = peer.Close()
	}
	await("all gone", 0, idleHandshakers)

	// Those who are counted may not wait yet, and then there is one goroutine more
	// for a while.
	for tries, stayed := 0, false; !stayed; tries++ {
		if tries == 10_000 {
			t.Fatal("none of those who stayed is given anything to do")
		}
		peer := begin()
		await("one more", 1, idleHandshakers-1, idleHandshakers)
		stayed = e.handshakes.idle.Load() < idleHandshakers
		_ = peer.Close()
		await("gone", 0, idleHandshakers)
	}
}
