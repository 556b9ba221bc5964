package engine_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
)

func (b *broker) checkSessions() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.CheckSessions(ctx); err != nil {
		b.t.Error(err)
	}
}

// claim is one connection that claims a Client Identifier, and stays until the
// Server closes it.
type claim struct {
	nc       net.Conn
	accepted bool
	closed   chan struct{}
}

// newClaim connects and reads on a goroutine; accepted is valid when ready is
// closed.
func newClaim(addr string, connect []byte, ready *sync.WaitGroup) (*claim, error) {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c := &claim{nc: nc, closed: make(chan struct{})}
	if _, err := nc.Write(connect); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.closed)
		b := make([]byte, 64)
		n, err := io.ReadAtLeast(nc, b, 4)
		c.accepted = err == nil && n >= 4 && b[0] == byte(codec.TypeConnack)<<4 && b[3] == 0
		ready.Done()
		_, _ = io.Copy(io.Discard, nc)
	}()
	return c, nil
}

func TestOneConnectionOfManyForAClientIdentifierSurvives(t *testing.T) {
	const (
		connections = 1000
		identifiers = 7
		workers     = 20
	)
	for _, test := range []struct {
		name       string
		cleanStart bool
		expiry     uint32
	}{
		{"Clean Start, Session ends with its connection", true, 0},
		{"Session continues", false, 3600},
		{"Session ends with its connection", false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, engine.Options{Loops: 4, Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
			addr := b.addr("plain")
			var connects [identifiers][]byte
			for i := range connects {
				p := codec.Connect{Version: codec.V5, ClientID: fmt.Appendf(nil, "client-%d", i), CleanStart: test.cleanStart}
				p.Properties.SetSessionExpiryInterval(test.expiry)
				connects[i] = codec.AppendConnect(nil, &p)
			}
			claims := make([]*claim, connections)
			var ready, work sync.WaitGroup
			ready.Add(connections)
			for w := range workers {
				work.Go(func() {
					for i := w; i < connections; i += workers {
						c, err := newClaim(addr, connects[i%identifiers], &ready)
						if err != nil {
							t.Errorf("connection %d: %v", i, err)
							ready.Done()
							continue
						}
						claims[i] = c
					}
				})
			}
			work.Wait()
			ready.Wait()
			if t.Failed() {
				t.FailNow()
			}
			defer func() {
				for _, c := range claims {
					_ = c.nc.Close()
				}
			}()

			eventually(t, "one connection for each Client Identifier", func() bool { return b.stats().Connections == identifiers })
			var alive [identifiers]int
			eventually(t, "the others know", func() bool {
				alive = [identifiers]int{}
				n := 0
				for i, c := range claims {
					select {
					case <-c.closed:
					default:
						alive[i%identifiers]++
						n++
					}
				}
				return n == identifiers
			})
			for id, n := range alive {
				if n != 1 {
					t.Errorf("Client Identifier %d has %d connections [MQTT-3.1.4-3]", id, n)
				}
			}
			b.checkSessions()
			s := b.stats()
			if s.Sessions != identifiers || s.Panics != 0 {
				t.Errorf("%d Sessions, %d panics; want %d and none", s.Sessions, s.Panics, identifiers)
			}
			if s.ConnectionsMoved == 0 {
				t.Error("no connection was moved to the loop of its Session, so nothing was tested")
			}

			// Each survivor works, and taking it over once more gives the
			// state that was asked for.
			for i := range identifiers {
				c := codectest.Dial(t, addr, codectest.Options{Timeout: patience})
				c.Send(connects[i])
				var ack codec.Connack
				if err := codec.DecodeConnack(&ack, codec.V5, c.NextOf(codec.TypeConnack).Body); err != nil || ack.ReasonCode != codec.Success {
					t.Fatalf("CONNACK %v %v", ack.ReasonCode, err)
				}
				if want := !test.cleanStart && test.expiry > 0; ack.SessionPresent != want {
					t.Errorf("Session Present is %v, want %v", ack.SessionPresent, want)
				}
				ping(c)
			}
			eventually(t, "one connection for each Client Identifier", func() bool { return b.stats().Connections == identifiers })
			b.checkSessions()
		})
	}
}

// A Client may send packets right behind CONNECT. They must not be handled
// before it, nor on the loop that is about to lose the connection.
func TestPacketsBehindConnectFollowItToTheLoopOfItsSession(t *testing.T) {
	b := start(t, engine.Options{Loops: 4, Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}, {Name: "tls", Address: "127.0.0.1:0", TLS: serverTLS(0)}}})
	for _, listener := range []string{"plain", "tls"} {
		t.Run(listener, func(t *testing.T) {
			p := codec.Connect{Version: codec.V5, ClientID: []byte("hasty-" + listener)}
			p.Properties.SetSessionExpiryInterval(3600)
			all := codec.AppendConnect(nil, &p)
			all = append(all, subscribePacket("hasty/"+listener, codec.QoS1)...)
			all = append(all, publish("hasty/"+listener, codec.QoS1, 9, "me")...)
			all = codec.AppendPingreq(all)
			for range 50 {
				// A connection that stays, so that the next one is not given to
				// the same loop: that with the fewest gets it.
				stays, err := net.Dial("tcp", b.addr("plain"))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = stays.Close() }()
				o := codectest.Options{Timeout: patience}
				if listener == "tls" {
					o.TLS = anonymousTLS()
				}
				c := codectest.Dial(t, b.addr(listener), o)
				c.Send(all)
				c.NextOf(codec.TypeConnack)
				c.NextOf(codec.TypeSuback)
				got := map[codec.PacketType]int{}
				for got[codec.TypePublish] == 0 || got[codec.TypePuback] == 0 || got[codec.TypePingresp] == 0 {
					f := c.Next()
					got[f.Type]++
					if f.Type == codec.TypePublish {
						var m codec.Publish
						if err := codec.DecodePublishFromServer(&m, codec.V5, f.Flags, f.Body); err != nil {
							t.Fatal(err)
						}
						c.Send(codec.AppendAck(nil, codec.V5, codec.TypePuback, m.PacketID, codec.Success))
					}
				}
				c.Send(codec.AppendPingreq(nil)) // so that the PUBACK has arrived
				for c.Next().Type != codec.TypePingresp {
				}
				c.Close()
			}
		})
	}
	if s := b.stats(); s.ConnectionsMoved == 0 || s.Panics != 0 {
		t.Errorf("%d connections moved, %d panics; want some and none", s.ConnectionsMoved, s.Panics)
	}
}

// A Session whose Will waits is taken over: the Will is dropped or published
// as its state says, and once.
func TestTakeoverAcrossLoopsPublishesTheWillOnce(t *testing.T) {
	b := start(t, engine.Options{Loops: 4, Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}}})
	watcher := b.connect("plain", "watcher")
	subscribe(t, watcher, "will", codec.QoS0)
	const times = 50
	for range times {
		b.connectWith("plain", nil, &codec.Connect{
			Version: codec.V5, ClientID: []byte("mortal"), CleanStart: true,
			HasWill: true, Will: codec.Will{TopicName: []byte("will"), Payload: []byte("gone")},
		})
	}
	// [MQTT-3.1.2-8]: each one but the last was taken over.
	for range times - 1 {
		if p := watcher.NextPublish(); string(p.Payload) != "gone" {
			t.Fatalf("received %q", p.Payload)
		}
	}
	ping(watcher)
	if n := b.stats().WillsPublished; n != times-1 {
		t.Errorf("%d Wills published, want %d", n, times-1)
	}
}
