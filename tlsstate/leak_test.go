package tlsstate

import (
	"context"
	"crypto/tls"
	"runtime"
	"testing"
	"time"
)

// A storm of peers that open and drop at every stage must leave nothing.
func TestThousandDroppedHandshakesLeaveNothing(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(Required))
	h := NewHandshaker(Limits{})
	hello := clientHello(t, w.clientConfig(0))
	config := w.clientConfig(tls.VersionTLS13, w.client)
	storm := func(peers int) {
		const atOnce = 50
		slots := make(chan struct{}, atOnce)
		for i := range peers {
			slots <- struct{}{}
			clientEnd, serverEnd := dialTCP(t)
			go func() {
				_, _ = h.Handshake(context.Background(), s, serverEnd)
				serverEnd.Close()
				<-slots
			}()
			switch i % 4 {
			case 0: // nothing
			case 1:
				_, _ = clientEnd.Write(hello[:len(hello)/2])
			case 2:
				_, _ = clientEnd.Write(hello)
			case 3:
				ok(t, tls.Client(clientEnd, config).Handshake())
			}
			clientEnd.Close()
		}
		for range atOnce {
			slots <- struct{}{}
		}
	}

	storm(100) // fills pools and caches
	goroutines, before := runtime.NumGoroutine(), heap()
	storm(1000)
	// Goroutines have done their work by now, but need not have exited.
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
	if h.Pending() != 0 || h.gate.free != h.limits.Concurrent {
		t.Errorf("%d pending, %d slots free", h.Pending(), h.gate.free)
	}
	// The slack is for the runtime's own; one handshake kept of each ten would show.
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
