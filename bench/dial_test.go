//go:build linux

package bench_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
)

// standIn is what answers in place of a broker: it calls serve for each
// connection, which ends when that returns. Clients send one packet at a time,
// so that a read is a packet.
func standIn(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	return l.Addr().String()
}

// answer waits for a packet and answers it.
func answer(c net.Conn, packet []byte) {
	c.Read(make([]byte, 4<<10))
	c.Write(packet)
}

// connack accepts a CONNECT, with a Server Keep Alive unless it is negative.
func connack(keepAlive int) []byte {
	var p codec.Connack
	if keepAlive >= 0 {
		p.Properties.SetServerKeepAlive(uint16(keepAlive))
	}
	return codec.AppendConnack(nil, codec.V5, &p)
}

func suback() []byte {
	return codec.AppendSuback(nil, codec.V5, 1, []codec.ReasonCode{codec.Success}, "")
}

// A Client would wait for an hour.
func TestRunEndsWithItsContextWhileABrokerIsSilent(t *testing.T) {
	for _, row := range []struct {
		name   string
		scheme string
		before [][]byte // what it has said
	}{
		{"after CONNECT", "mqtt", nil},
		{"after SUBSCRIBE", "mqtt", [][]byte{connack(-1)}},
		{"in the TLS handshake", "mqtts", nil},
		{"in the WebSocket's upgrade", "ws", nil},
	} {
		for _, scenario := range []bench.Scenario{bench.Pairs, bench.Idle, bench.Storm} {
			if scenario == bench.Storm && row.before != nil {
				continue // its Clients do not subscribe
			}
			ctx, cancel := context.WithCancel(t.Context())
			address := standIn(t, func(c net.Conn) {
				for _, packet := range row.before {
					answer(c, packet)
				}
				answer(c, nil)
				cancel()
				io.Copy(io.Discard, c)
			})
			_, err := bench.Run(ctx, bench.Config{Scenario: scenario, Broker: row.scheme + "://" + address, Patience: time.Hour})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s %s: %v, want %v", scenario, row.name, err, context.Canceled)
			}
			cancel()
		}
	}
}

func TestServerKeepAliveIsRefusedByWhoDoesNotPing(t *testing.T) {
	for _, row := range []struct {
		name      string
		scenario  bench.Scenario
		keepAlive int
		refused   bool
	}{
		{"it is 30 s", bench.Idle, 30, true},
		{"it is 30 s, and Clients are gone before", bench.Storm, 30, false},
		{"it is longer than the run, as mosquitto has it", bench.Idle, 65535, false},
		{"it is none", bench.Idle, 0, false},
		{"it is left out", bench.Idle, -1, false},
	} {
		address := standIn(t, func(c net.Conn) {
			answer(c, connack(row.keepAlive))
			answer(c, suback())
			io.Copy(io.Discard, c)
		})
		_, err := bench.Run(t.Context(), bench.Config{
			Scenario: row.scenario, Broker: address, Connections: 1, Warmup: -1, Duration: 10 * time.Millisecond, Patience: time.Minute,
		})
		if (err != nil) != row.refused || err != nil && !strings.Contains(err.Error(), "Server Keep Alive of 30 s") {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestIdleClientsMustStayConnected(t *testing.T) {
	address := standIn(t, func(c net.Conn) {
		answer(c, connack(-1))
		answer(c, suback())
	})
	c := bench.Config{Scenario: bench.Idle, Broker: address, Connections: 3, Duration: 50 * time.Millisecond, Patience: time.Minute}
	const want = "3 of 3 Clients that were silent: the broker closed"
	_, err := bench.Run(t.Context(), c)
	for (err == nil || !strings.Contains(err.Error(), want)) && c.Duration < time.Minute {
		c.Duration *= 4 // the broker is late
		_, err = bench.Run(t.Context(), c)
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestProcessThatIsNotThereIsToldOfBeforeAnybodyConnects(t *testing.T) {
	address := standIn(t, func(net.Conn) { t.Error("somebody has connected") })
	for _, scenario := range bench.Scenarios {
		const pid = 1 << 30 // more than there can be
		if _, err := bench.Run(t.Context(), bench.Config{Scenario: scenario, Broker: address, PID: pid}); err == nil || !strings.Contains(err.Error(), "process 1073741824") {
			t.Errorf("%s: %v, want an error that names the process", scenario, err)
		}
	}
}
