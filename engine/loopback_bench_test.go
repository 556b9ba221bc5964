package engine_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// benchBroker has a plain port, and one with mutual TLS and rules.
func benchBroker(b *testing.B) *broker {
	b.Helper()
	return startUnobserved(b, engine.Options{
		Logger: slog.New(slog.DiscardHandler),
		Listeners: []engine.Listener{
			{Name: "plain", Address: "127.0.0.1:0"},
			{
				Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x509Authentication(b),
				Authorizer: table(b, group("lamps", may(security.ActionConnect), may(security.ActionPublish, "bench/#"), may(security.ActionSubscribe, "bench/#"))),
			},
		},
	})
}

// benchClient is a Client that costs the benchmark as little as possible.
type benchClient struct {
	nc    net.Conn
	buf   []byte
	start int // of what was read and not consumed
	end   int
}

func (b *broker) benchClient(transport, id string) *benchClient {
	b.t.Helper()
	nc := dialRaw(b.t, b.addr(transport))
	if transport == "mtls" {
		nc = tls.Client(nc, deviceTLS(b.t, testCertificates().lamps, pki.Options{CommonName: id}))
	}
	// It reads the CONNACK and no more, because nothing else is sent yet.
	codectest.New(b.t, nc, codectest.Options{Connect: &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true}, Timeout: patience})
	return &benchClient{nc: nc, buf: make([]byte, 64<<10)}
}

// next returns the next packet, which stays valid until the next call.
func (c *benchClient) next() (codec.Frame, error) {
	for {
		f, size, err := codec.ReadFrame(c.buf[c.start:c.end], 0)
		if err != nil {
			return f, err
		}
		if size > 0 && size <= c.end-c.start {
			c.start += size
			return f, nil
		}
		c.end = copy(c.buf, c.buf[c.start:c.end])
		c.start = 0
		n, err := c.nc.Read(c.buf[c.end:])
		if err != nil {
			return f, err
		}
		c.end += n
	}
}

// BenchmarkLoopback is the time for one PUBLISH from a publisher through
// sockets and the broker to a Subscriber, acknowledgements included, with
// everything on this machine. The publisher sends a window of them and waits
// until all have arrived.
func BenchmarkLoopback(b *testing.B) {
	for _, transport := range []string{"plain", "mtls"} {
		for _, qos := range []codec.QoS{codec.QoS0, codec.QoS1} {
			for _, window := range []int{1, 32} {
				b.Run(fmt.Sprintf("transport=%s/qos=%d/window=%d/size=64", transport, qos, window), func(b *testing.B) {
					benchmarkLoopback(b, transport, qos, window)
				})
			}
		}
	}
}

func benchmarkLoopback(b *testing.B, transport string, qos codec.QoS, window int) {
	br := benchBroker(b)
	sub, pub := br.benchClient(transport, "sub"), br.benchClient(transport, "pub")
	if _, err := sub.nc.Write(subscribePacket("bench/topic", qos)); err != nil {
		b.Fatal(err)
	}
	if f, err := sub.next(); err != nil || f.Type != codec.TypeSuback {
		b.Fatal(f.Type, err)
	}
	var in, acks []byte
	for i := range window {
		id := codec.PacketID(0)
		if qos > codec.QoS0 {
			id = codec.PacketID(i + 1)
		}
		in = append(in, publish("bench/topic", qos, id, string(make([]byte, 64)))...)
	}
	var p codec.Publish
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += window {
		if _, err := pub.nc.Write(in); err != nil {
			b.Fatal(err)
		}
		acks = acks[:0]
		for range window {
			f, err := sub.next()
			if err == nil {
				err = codec.DecodePublishFromServer(&p, codec.V5, f.Flags, f.Body)
			}
			if err != nil {
				b.Fatal(err)
			}
			if qos == codec.QoS1 {
				acks = codec.AppendAck(acks, codec.V5, codec.TypePuback, p.PacketID, codec.Success)
			}
		}
		if qos == codec.QoS0 {
			continue
		}
		if _, err := sub.nc.Write(acks); err != nil {
			b.Fatal(err)
		}
		for range window {
			if f, err := pub.next(); err != nil || f.Type != codec.TypePuback {
				b.Fatal(f.Type, err)
			}
		}
	}
}

// BenchmarkIdleHeap is the heap that the broker needs for each Client that is
// connected and silent, after garbage collection. With mutual TLS each has a
// certificate of its own, all from one intermediate.
func BenchmarkIdleHeap(b *testing.B) {
	for _, transport := range []string{"plain", "mtls"} {
		b.Run("transport="+transport, func(b *testing.B) {
			for range b.N {
				b.ReportMetric(idleHeap(b, transport), "B/client")
			}
		})
	}
}

func idleHeap(b *testing.B, transport string) float64 {
	const clients, workers = 2000, 4
	br := benchBroker(b)
	defer br.stop()
	settings := make([]*tls.Config, clients)
	if transport == "mtls" {
		for i := range settings {
			settings[i] = deviceTLS(b, testCertificates().lamps, pki.Options{CommonName: fmt.Sprintf("device-%05d", i)})
		}
	}
	// What the first Clients cost once is not what each costs.
	warm := br.benchClient(transport, "warm")
	descriptors := make([]int, clients)
	before := heap()
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for i := w; i < clients; i += workers {
				fd, err := idleClient(br.addr(transport), fmt.Sprintf("device-%05d", i), settings[i])
				if err != nil {
					b.Error(err)
					return
				}
				descriptors[i] = fd
			}
		})
	}
	work.Wait()
	defer func() {
		for _, fd := range descriptors {
			_ = syscall.Close(fd)
		}
	}()
	if b.Failed() {
		b.FailNow()
	}
	if n := br.stats().Connections; n != clients+1 {
		b.Fatalf("%d connections", n)
	}
	after := heap()
	runtime.KeepAlive(settings) // they were there before, too
	_ = warm.nc.Close()
	return float64(int64(after)-int64(before)) / clients
}

// idleClient connects, and keeps nothing of the connection but a descriptor:
// the other end is in this process, and its memory must not be counted.
func idleClient(addr, id string, c *tls.Config) (fd int, err error) {
	dialed, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = dialed.Close() }() // the duplicate stays open
	nc := dialed
	if c != nil {
		nc = tls.Client(dialed, c)
	}
	if _, err := nc.Write(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true})); err != nil {
		return 0, err
	}
	ack := make([]byte, 4)
	if _, err := io.ReadFull(nc, ack); err != nil {
		return 0, err
	}
	if ack[0] != byte(codec.TypeConnack)<<4 || ack[3] != 0 {
		return 0, fmt.Errorf("CONNACK % x", ack)
	}
	raw, err := dialed.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var dupErr error
	err = raw.Control(func(original uintptr) { fd, dupErr = syscall.Dup(int(original)) })
	return fd, errors.Join(err, dupErr)
}

// BenchmarkFirstConnack is the time from nothing to the first CONNACK, with
// 1,000 rules to compile.
func BenchmarkFirstConnack(b *testing.B) {
	var policy security.Policy
	for i := range 1000 {
		policy.Rules = append(policy.Rules, security.Rule{
			Principals:      security.Principals{Usernames: []string{fmt.Sprint("device-", i)}},
			BrokerResources: []security.BrokerResource{may(security.ActionConnect), may(security.ActionPublish, fmt.Sprint("telemetry/", i, "/#"))},
		})
	}
	settings := deviceTLS(b, testCertificates().lamps, pki.Options{CommonName: "device-500"})
	b.Run("transport=mtls/rules=1k", func(b *testing.B) {
		for range b.N {
			rules, err := security.Compile(policy)
			if err != nil {
				b.Fatal(err)
			}
			e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler), Listeners: []engine.Listener{{
				Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x509Authentication(b), Authorizer: rules,
			}}})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			<-e.Started()
			fd, err := idleClient(e.Addr("mtls").String(), "c", settings)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			_ = syscall.Close(fd)
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}
