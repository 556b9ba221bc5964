package micro

import (
	"bytes"
	"fmt"
	"testing"

	pahopackets "github.com/eclipse/paho.golang/packets"
	mochipackets "github.com/mochi-mqtt/server/v2/packets"

	"github.com/weirmq/weir/codec"
)

// packets are what is decoded and encoded: MQTT 5.0 as a Client sends it.
var packets = []struct {
	name string
	wire []byte
}{
	{"PUBLISH/qos=0/payload=64", codec.AppendPublish(nil, codec.V5, &codec.Publish{
		TopicName: []byte("devices/0007/temperature"), Payload: make([]byte, 64),
	})},
	{"PUBLISH/qos=1/payload=64", codec.AppendPublish(nil, codec.V5, &codec.Publish{
		TopicName: []byte("devices/0007/temperature"), Payload: make([]byte, 64), QoS: codec.QoS1, PacketID: 7,
	})},
	{"PUBLISH/qos=1/payload=64/properties=3", codec.AppendPublish(nil, codec.V5, &codec.Publish{
		TopicName: []byte("devices/0007/temperature"), Payload: make([]byte, 64), QoS: codec.QoS1, PacketID: 7,
		HasMessageExpiryInterval: true, MessageExpiryInterval: 3600,
		Forward: codec.UserProperties(nil).Append("unit", "C").Append("sensor", "7"),
	})},
	{"PUBLISH/qos=0/payload=4096", codec.AppendPublish(nil, codec.V5, &codec.Publish{
		TopicName: []byte("devices/0007/temperature"), Payload: make([]byte, 4096),
	})},
	{"PUBACK", codec.AppendAck(nil, codec.V5, codec.TypePuback, 7, codec.Success)},
	{"SUBSCRIBE/filters=4", codec.AppendSubscribe(nil, codec.V5, &codec.Subscribe{PacketID: 7, Subscriptions: []codec.Subscription{
		{TopicFilter: []byte("devices/0007/commands"), QoS: codec.QoS1},
		{TopicFilter: []byte("devices/0007/settings/#"), QoS: codec.QoS1, NoLocal: true},
		{TopicFilter: []byte("devices/+/clock"), QoS: codec.QoS0, RetainHandling: 2},
		{TopicFilter: []byte("alarms"), QoS: codec.QoS2, RetainAsPublished: true},
	}})},
	{"CONNECT", connect()},
}

func connect() []byte {
	c := codec.Connect{
		Version: codec.V5, ClientID: []byte("device-0007"), CleanStart: true, KeepAlive: 60,
		HasUserName: true, UserName: []byte("device-0007"), HasPassword: true, Password: []byte("open sesame"),
		HasWill: true, Will: codec.Will{TopicName: []byte("devices/0007/state"), Payload: []byte("gone"), QoS: codec.QoS1},
	}
	c.Properties.SetSessionExpiryInterval(3600)
	c.Properties.SetReceiveMaximum(100)
	return codec.AppendConnect(nil, &c)
}

// A library reads and writes one packet. Both functions are what a benchmark
// repeats. encode writes what decode has read last, and its result is good
// until it is called again.
type library interface {
	decode(wire []byte) error
	encode() ([]byte, error)
}

var libraries = []struct {
	impl string
	make func() library
}{
	{"weir", func() library { return new(weirLibrary) }},
	{"mochi", func() library { return new(mochiLibrary) }},
	{"paho", func() library { return new(pahoLibrary) }},
}

type weirLibrary struct {
	packet    codec.PacketType
	connect   codec.Connect
	publish   codec.Publish
	ack       codec.Ack
	subscribe codec.Subscribe
	scratch   []byte // for the properties of publish
	buffer    []byte
}

func (l *weirLibrary) decode(wire []byte) error {
	frame, _, err := codec.ReadFrame(wire, 0)
	if err != nil {
		return err
	}
	l.packet = frame.Type
	switch frame.Type {
	case codec.TypeConnect:
		return codec.DecodeConnect(&l.connect, frame.Body)
	case codec.TypePublish:
		if err := codec.DecodePublish(&l.publish, codec.V5, frame.Flags, frame.Body); err != nil {
			return err
		}
		// Part of reading and not of writing: the others decode all properties.
		l.publish.Forward = l.publish.ForwardProperties(l.scratch)
		l.scratch = l.publish.Forward[:0]
		return nil
	case codec.TypeSubscribe:
		return codec.DecodeSubscribe(&l.subscribe, codec.V5, frame.Body)
	default:
		return codec.DecodeAck(&l.ack, codec.V5, frame.Type, frame.Body)
	}
}

func (l *weirLibrary) encode() ([]byte, error) {
	switch l.packet {
	case codec.TypeConnect:
		l.buffer = codec.AppendConnect(l.buffer[:0], &l.connect)
	case codec.TypePublish:
		l.buffer = codec.AppendPublish(l.buffer[:0], codec.V5, &l.publish)
	case codec.TypeSubscribe:
		l.buffer = codec.AppendSubscribe(l.buffer[:0], codec.V5, &l.subscribe)
	default:
		l.buffer = codec.AppendAck(l.buffer[:0], codec.V5, l.packet, l.ack.PacketID, l.ack.ReasonCode)
	}
	return l.buffer, nil
}

// mochiLibrary does what mochi's Client.ReadPacket does, but for copying the
// packet out of the connection's buffer, twice.
type mochiLibrary struct {
	packet mochipackets.Packet
	buffer bytes.Buffer
}

func (l *mochiLibrary) decode(wire []byte) error {
	l.packet = mochipackets.Packet{ProtocolVersion: 5}
	p := &l.packet
	if err := p.FixedHeader.Decode(wire[0]); err != nil {
		return err
	}
	remaining, size, err := mochipackets.DecodeLength(bytes.NewReader(wire[1:]))
	if err != nil {
		return err
	}
	p.FixedHeader.Remaining = remaining
	body := wire[1+size:]
	switch p.FixedHeader.Type {
	case mochipackets.Connect:
		return p.ConnectDecode(body)
	case mochipackets.Publish:
		return p.PublishDecode(body)
	case mochipackets.Subscribe:
		return p.SubscribeDecode(body)
	default:
		return p.PubackDecode(body)
	}
}

func (l *mochiLibrary) encode() ([]byte, error) {
	l.buffer.Reset()
	var err error
	switch p := &l.packet; p.FixedHeader.Type {
	case mochipackets.Connect:
		err = p.ConnectEncode(&l.buffer)
	case mochipackets.Publish:
		err = p.PublishEncode(&l.buffer)
	case mochipackets.Subscribe:
		err = p.SubscribeEncode(&l.buffer)
	default:
		err = p.PubackEncode(&l.buffer)
	}
	return l.buffer.Bytes(), err
}

type pahoLibrary struct {
	packet *pahopackets.ControlPacket
	buffer bytes.Buffer
}

func (l *pahoLibrary) decode(wire []byte) (err error) {
	l.packet, err = pahopackets.ReadPacket(bytes.NewReader(wire))
	return err
}

func (l *pahoLibrary) encode() ([]byte, error) {
	l.buffer.Reset()
	_, err := l.packet.WriteTo(&l.buffer)
	return l.buffer.Bytes(), err
}

// What a library reads and writes again says what it said before: so all three
// read and write all of it. Weir's codec is the judge of that, because there is
// more than one way to write the same, in the order of properties for one.
func TestLibrariesReadAndWriteTheSamePackets(t *testing.T) {
	for _, p := range packets {
		for _, x := range libraries {
			t.Run("impl="+x.impl+"/packet="+p.name, func(t *testing.T) {
				// Twice: what was read before must not linger.
				l := x.make()
				rewrite(t, l, p.wire)
				written := rewrite(t, l, p.wire)
				if got := rewrite(t, new(weirLibrary), written); !bytes.Equal(got, p.wire) {
					t.Errorf("\n got %x\nwant %x", got, p.wire)
				}
			})
		}
	}
}

func rewrite(t *testing.T, l library, wire []byte) []byte {
	t.Helper()
	if err := l.decode(wire); err != nil {
		t.Fatal(err)
	}
	written, err := l.encode()
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func eachPacket(b *testing.B, f func(b *testing.B, l library, wire []byte)) {
	for _, p := range packets {
		for _, x := range libraries {
			b.Run(fmt.Sprintf("impl=%s/packet=%s", x.impl, p.name), func(b *testing.B) {
				f(b, x.make(), p.wire)
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	eachPacket(b, func(b *testing.B, l library, wire []byte) {
		repeat(b, func() {
			if err := l.decode(wire); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func BenchmarkEncode(b *testing.B) {
	eachPacket(b, func(b *testing.B, l library, wire []byte) {
		if err := l.decode(wire); err != nil {
			b.Fatal(err)
		}
		repeat(b, func() {
			if _, err := l.encode(); err != nil {
				b.Fatal(err)
			}
		})
	})
}
