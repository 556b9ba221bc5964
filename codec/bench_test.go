package codec

import (
	"fmt"
	"testing"
)

// benchPublish returns a PUBLISH like those of telemetry.
func benchPublish(payload int, qos QoS, properties string) *Publish {
	p := &Publish{TopicName: []byte("devices/0007/temperature"), Payload: make([]byte, payload), QoS: qos}
	if qos > QoS0 {
		p.PacketID = 1
	}
	switch properties {
	case "alias":
		p.TopicAlias = 1
	case "user":
		p.Forward = UserProperties(nil).Append("unit", "C").Append("sensor", "7")
	}
	return p
}

func eachBenchPublish(b *testing.B, f func(b *testing.B, v Version, p *Publish)) {
	for _, c := range []struct {
		v          Version
		payload    int
		qos        QoS
		properties string
	}{
		{V311, 64, QoS0, "none"}, {V5, 64, QoS0, "none"}, {V5, 64, QoS1, "none"},
		{V5, 64, QoS1, "alias"}, {V5, 64, QoS1, "user"}, {V5, 4096, QoS0, "none"},
	} {
		b.Run(fmt.Sprintf("version=%s/payload=%d/qos=%d/properties=%s", c.v, c.payload, c.qos, c.properties), func(b *testing.B) {
			f(b, c.v, benchPublish(c.payload, c.qos, c.properties))
		})
	}
}

func BenchmarkDecodePublish(b *testing.B) {
	eachBenchPublish(b, func(b *testing.B, v Version, p *Publish) {
		f, _, _ := ReadFrame(AppendPublish(nil, v, p), 0)
		var decoded Publish
		for b.Loop() {
			if err := DecodePublish(&decoded, v, f.Flags, f.Body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendPublish(b *testing.B) {
	eachBenchPublish(b, func(b *testing.B, v Version, p *Publish) {
		dst := make([]byte, 0, 8192)
		for b.Loop() {
			dst = AppendPublish(dst[:0], v, p)
		}
	})
}

func BenchmarkReadFrame(b *testing.B) {
	for _, payload := range []int{64, 4096} {
		b.Run(fmt.Sprintf("payload=%d", payload), func(b *testing.B) {
			packet := AppendPublish(nil, V5, benchPublish(payload, QoS0, "none"))
			for b.Loop() {
				if _, _, err := ReadFrame(packet, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeAck(b *testing.B) {
	for _, code := range []ReasonCode{Success, NoMatchingSubscribers} {
		b.Run(fmt.Sprintf("code=%#02x", byte(code)), func(b *testing.B) {
			f, _, _ := ReadFrame(AppendAck(nil, V5, TypePuback, 1, code), 0)
			var ack Ack
			for b.Loop() {
				if err := DecodeAck(&ack, V5, TypePuback, f.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendAck(b *testing.B) {
	dst := make([]byte, 0, 64)
	for b.Loop() {
		dst = AppendAck(dst[:0], V5, TypePuback, 1, Success)
	}
}

func BenchmarkDecodeConnect(b *testing.B) {
	c := Connect{Version: V5, ClientID: []byte("gateway-0007"), HasUserName: true, UserName: []byte("device"),
		HasPassword: true, Password: []byte("password")}
	c.Properties.SetSessionExpiryInterval(3600)
	c.Properties.SetReceiveMaximum(20)
	f, _, _ := ReadFrame(AppendConnect(nil, &c), 0)
	for b.Loop() {
		if err := DecodeConnect(&c, f.Body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckTopicName(b *testing.B) {
	for name, topic := range map[string]string{"ascii": "devices/0007/temperature", "latin": "devices/0007/température"} {
		b.Run("text="+name, func(b *testing.B) {
			s := []byte(topic)
			for b.Loop() {
				if err := checkTopicName(s, errTopicNameWildcard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
