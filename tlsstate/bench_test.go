package tlsstate

import (
	"context"
	"crypto/tls"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

// BenchmarkIdleHeap reports the heap of an established connection that has
// nothing to do, as B/conn, and with it the certificates of a peer that was not
// forgotten, as B/conn-with-peer. The clients are in the same process, so they
// are dropped before measuring.
func BenchmarkIdleHeap(b *testing.B) {
	w := newWorld(b)
	const conns = 1000
	for _, mutual := range []bool{true, false} {
		for _, version := range versions {
			b.Run(fmt.Sprintf("auth=%s/version=%s", authName(mutual), version.name), func(b *testing.B) {
				mode := NotRequested
				certificates := make([]tls.Certificate, conns)
				if mutual {
					mode = Required
					for i := range certificates {
						certificates[i] = w.clientCA.leaf(b, pki.Options{CommonName: fmt.Sprintf("device-%04d", i)})
					}
				}
				s := newServer(b, w.config(mode))
				h := NewHandshaker(Limits{})
				held := make([]*Conn, conns)
				for b.Loop() {
					clear(held)
					before := heap()
					for i := range held {
						var config *tls.Config
						if mutual {
							config = w.clientConfig(version.id, certificates[i])
						} else {
							config = w.clientConfig(version.id)
						}
						held[i] = handshakeOnly(b, h, s, config)
					}
					withPeer := heap()
					for _, c := range held {
						c.ForgetPeer()
					}
					b.ReportMetric(float64(int64(withPeer)-int64(before))/conns, "B/conn-with-peer")
					b.ReportMetric(float64(int64(heap())-int64(before))/conns, "B/conn")
				}
				runtime.KeepAlive(certificates)
			})
		}
	}
}

var versions = []struct {
	name string
	id   uint16
}{
	{"1.2", tls.VersionTLS12},
	{"1.3", tls.VersionTLS13},
}

func authName(mutual bool) string {
	if mutual {
		return "mutual"
	}
	return "server"
}

// heap returns the live heap.
func heap() uint64 {
	// Twice, since certificates are let go of by cleanups, and a third time for
	// what sync.Pool keeps for one cycle.
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// handshakeOnly shakes hands and drops the client.
func handshakeOnly(tb testing.TB, h *Handshaker, s *Server, config *tls.Config) *Conn {
	tb.Helper()
	c, _ := timedHandshake(tb, h, s, config)
	return c
}

var sizes = []struct {
	name  string
	bytes int
}{{"64", 64}, {"1k", 1 << 10}, {"16k", 16 << 10}}

func BenchmarkSeal(b *testing.B) {
	w := newWorld(b)
	for _, size := range sizes {
		b.Run("size="+size.name, func(b *testing.B) {
			p := mustConnect(b, newServer(b, w.config(NotRequested)), w.clientConfig(tls.VersionTLS13))
			plaintext := payload(size.bytes)
			dst := make([]byte, 0, 64<<10)
			b.SetBytes(int64(size.bytes))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.server.Seal(dst, plaintext); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen times Open alone: the records are made with the timer stopped.
func BenchmarkOpen(b *testing.B) {
	w := newWorld(b)
	for _, size := range sizes {
		for _, perFeed := range []int{1, 16} {
			b.Run(fmt.Sprintf("size=%s/records=%d", size.name, perFeed), func(b *testing.B) {
				p := mustConnect(b, newServer(b, w.config(NotRequested)), w.clientConfig(tls.VersionTLS13))
				plaintext := payload(size.bytes)
				dst := make([]byte, 0, 512<<10)
				b.SetBytes(int64(size.bytes * perFeed))
				b.ReportAllocs()
				const batch = 64
				var feeds [batch][]byte
				for i := range b.N {
					if i%batch == 0 {
						b.StopTimer()
						for j := range feeds {
							feeds[j] = feeds[j][:0]
							for range perFeed {
								_, err := p.client.Write(plaintext)
								ok(b, err)
								feeds[j] = append(feeds[j], p.takeClientOutput()...)
							}
						}
						b.StartTimer()
					}
					got, err := p.server.Open(dst, feeds[i%batch])
					if err != nil || len(got) != perFeed*size.bytes {
						b.Fatal(len(got), err)
					}
				}
			})
		}
	}
}

// BenchmarkHandshake times both ends together, as they share this process. What
// the server's goroutine takes of it is server-us/op, where the system tells.
// Tickets are sent to clients that know what to do with them, whether or not
// they ever come back.
func BenchmarkHandshake(b *testing.B) {
	w := newWorld(b)
	for _, mutual := range []bool{false, true} {
		for _, version := range versions {
			for _, session := range []string{"none", "ticket", "resumed"} {
				b.Run(fmt.Sprintf("auth=%s/version=%s/session=%s", authName(mutual), version.name, session), func(b *testing.B) {
					mode, config := NotRequested, w.clientConfig(version.id)
					if mutual {
						mode, config = Required, w.clientConfig(version.id, w.client)
					}
					s := newServer(b, w.config(mode))
					h := NewHandshaker(Limits{})
					resumed := session == "resumed"
					switch session {
					case "ticket":
						config.ClientSessionCache = oneSession{}
					case "resumed":
						config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
						p, err := connect(b, h, s, config)
						ok(b, err)
						_, err = p.clientReceives(nil)
						ok(b, err)
						// Keep this first ticket, since the clients below read no more.
						session, _ := config.ClientSessionCache.Get(config.ServerName)
						config.ClientSessionCache = oneSession{session}
					}
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
					b.ReportAllocs()
					var took time.Duration
					for b.Loop() {
						c, cpu := timedHandshake(b, h, s, config)
						took += cpu
						if c.Peer().Resumed != resumed {
							b.Fatalf("resumed is %t", c.Peer().Resumed)
						}
					}
					if took > 0 {
						b.ReportMetric(float64(took.Microseconds())/float64(b.N), "server-us/op")
					}
				})
			}
		}
	}
}

// timedHandshake is handshakeOnly with what the server's side took of the
// processor, if the caller has locked the thread.
func timedHandshake(tb testing.TB, h *Handshaker, s *Server, config *tls.Config) (c *Conn, took time.Duration) {
	tb.Helper()
	client, server := dialTCP(tb)
	defer client.Close()
	defer server.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Client(client, config).Handshake() }()
	before := threadTime()
	c, err := h.Handshake(context.Background(), s, server)
	took = threadTime() - before
	ok(tb, err)
	ok(tb, <-done)
	return c, took
}

// BenchmarkHandshakeGoroutine compares a goroutine for each handshake with one
// that stays, and so keeps the stack that it has grown, by what the server's
// side takes of the processor.
func BenchmarkHandshakeGoroutine(b *testing.B) {
	w := newWorld(b)
	for _, mutual := range []bool{false, true} {
		mode, config := NotRequested, w.clientConfig(tls.VersionTLS13)
		if mutual {
			mode, config = Required, w.clientConfig(tls.VersionTLS13, w.client)
		}
		for _, kept := range []bool{false, true} {
			b.Run(fmt.Sprintf("auth=%s/kept=%t", authName(mutual), kept), func(b *testing.B) {
				s, h := newServer(b, w.config(mode)), NewHandshaker(Limits{})
				var took time.Duration
				next, done := make(chan bool), make(chan bool)
				work := func() {
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
					for range next {
						_, cpu := timedHandshake(b, h, s, config)
						took += cpu
						done <- true
						if !kept {
							return
						}
					}
				}
				if kept {
					go work()
				}
				for b.Loop() {
					if !kept {
						go work()
					}
					next <- true
					<-done
				}
				close(next)
				b.ReportMetric(float64(took.Nanoseconds())/1e3/float64(b.N), "server-us/op")
			})
		}
	}
}

// oneSession is a cache that always has the same session, or none.
type oneSession struct{ session *tls.ClientSessionState }

func (o oneSession) Get(string) (*tls.ClientSessionState, bool) { return o.session, o.session != nil }
func (o oneSession) Put(string, *tls.ClientSessionState)        {}
