package limits

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
)

// TestClientsMeetTheLimitsOfAManifest goes from the text of a Broker to what a
// Client is told and sent over TCP.
func TestClientsMeetTheLimitsOfAManifest(t *testing.T) {
	limits := load(t, "advanced", `{clients: {maxSessionExpirySeconds: 60, maxMessageExpirySeconds: 30, maxPacketSizeBytes: 1000,
  maxReceiveMaximum: 1, maxKeepAliveSeconds: 20, subscriberQueueLimit: {length: 1, strategy: DropOldest}}}`)
	e, err := engine.New(engine.Options{
		Limits: limits, SysInterval: -1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-e.Started()
	hello := &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true, KeepAlive: 100}
	hello.Properties.SetSessionExpiryInterval(100)
	c := codectest.Dial(t, e.Addr("plain").String(), codectest.Options{Connect: hello})
	told := &c.Connack.Properties
	if told.SessionExpiryInterval != 60 || told.ServerKeepAlive != 20 || told.MaximumPacketSize != 1000 {
		t.Errorf("CONNACK with Session Expiry Interval %d, Server Keep Alive %d and Maximum Packet Size %d, want 60, 20 and 1000",
			told.SessionExpiryInterval, told.ServerKeepAlive, told.MaximumPacketSize)
	}
	// One is in flight, one waits, and the second that would have to wait takes
	// its place.
	c.SendHex(`82 07 0001 00 0001 "t" 01`)
	c.Expect(`90 04 0001 00 01`)
	for _, payload := range []string{"1", "2", "3"} {
		if err := e.Publish(t.Context(), engine.Message{TopicName: "t", Payload: []byte(payload), QoS: 1}); err != nil {
			t.Fatal(err)
		}
	}
	next := func(want string) {
		t.Helper()
		p := c.NextPublish()
		if string(p.Payload) != want || !p.HasMessageExpiryInterval || p.MessageExpiryInterval > 30 {
			t.Errorf("PUBLISH of %q that expires after %d s, want %q after 30 at most", p.Payload, p.MessageExpiryInterval, want)
		}
		c.Send(codec.AppendAck(nil, codec.V5, codec.TypePuback, p.PacketID, codec.Success))
	}
	next("1")
	next("3")
	if s, err := e.Stats(t.Context()); err != nil || s.DroppedFor.Of(engine.DropDisplaced) != 1 {
		t.Errorf("%d messages made room (%v), want 1", s.DroppedFor.Of(engine.DropDisplaced), err)
	}
	c.Send(codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte("t"), Payload: make([]byte, 1000)}))
	c.ExpectDisconnect(codec.PacketTooLarge)
}
