package e2e

import (
	"net"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
)

// pahoLink is a Client of paho.golang.
type pahoLink struct {
	t        testing.TB
	client   *paho.Client
	messages chan message
	ended    chan int
}

func connectPaho(t testing.TB, conn net.Conn, c client) (link, byte, error) {
	t.Helper()
	// More than any test sends: a Client that were to wait for the test would
	// answer nothing.
	l := &pahoLink{t: t, messages: make(chan message, 10000), ended: make(chan int, 1)}
	end := func(code int) {
		select {
		case l.ended <- code:
		default: // the first end counts
		}
	}
	l.client = paho.NewClient(paho.ClientConfig{
		// It writes a packet in pieces, and pings from another goroutine.
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			l.messages <- message{topic: r.Packet.Topic, payload: string(r.Packet.Payload)}
			return true, nil
		}},
		OnServerDisconnect: func(d *paho.Disconnect) { end(int(d.ReasonCode)) },
		OnClientError:      func(error) { end(silence) },
		PacketTimeout:      patience,
	})
	connect := &paho.Connect{ClientID: c.clientID(), CleanStart: true, KeepAlive: 60}
	if c.userName != "" {
		connect.UsernameFlag, connect.Username = true, c.userName
	}
	if c.password != "" {
		connect.PasswordFlag, connect.Password = true, []byte(c.password)
	}
	if c.will != "" {
		connect.WillMessage = &paho.WillMessage{Topic: c.will, Payload: []byte("gone")}
	}
	connack, err := l.client.Connect(within(t), connect)
	switch {
	case connack == nil:
		return nil, 0, err
	case connack.ReasonCode != 0:
		return nil, connack.ReasonCode, nil
	}
	return l, 0, nil
}

func (l *pahoLink) publish(m message) byte {
	l.t.Helper()
	response, err := l.client.Publish(within(l.t), &paho.Publish{Topic: m.topic, Payload: []byte(m.text()), QoS: byte(m.qos())})
	switch {
	case response != nil:
		return response.ReasonCode
	case err != nil:
		l.t.Fatalf("PUBLISH: %v", err)
	}
	return 0
}

func (l *pahoLink) subscribe(filters []string) []byte {
	l.t.Helper()
	subscribe := new(paho.Subscribe)
	for _, filter := range filters {
		subscribe.Subscriptions = append(subscribe.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: 1})
	}
	suback, err := l.client.Subscribe(within(l.t), subscribe)
	if suback == nil {
		l.t.Fatalf("SUBSCRIBE: %v", err)
	}
	return suback.Reasons
}

func (l *pahoLink) next() message {
	l.t.Helper()
	return receive(l.t, l.messages, "a message")
}

func (l *pahoLink) end() int {
	l.t.Helper()
	return receive(l.t, l.ended, "the end of the connection")
}

func (l *pahoLink) disconnect() {
	l.t.Helper()
	if err := l.client.Disconnect(&paho.Disconnect{}); err != nil {
		l.t.Fatalf("DISCONNECT: %v", err)
	}
}

// rawLink is a Client of MQTT 3.1.1, which paho.golang does not speak.
type rawLink struct {
	t    testing.TB
	conn *codectest.Conn
	id   codec.PacketID // the last one used
}

func connectRaw(t testing.TB, conn net.Conn, c client) (link, byte, error) {
	t.Helper()
	connect := &codec.Connect{Version: codec.V311, ClientID: []byte(c.clientID()), CleanStart: true, KeepAlive: 60}
	if c.userName != "" {
		connect.HasUserName, connect.UserName = true, []byte(c.userName)
	}
	if c.password != "" {
		connect.HasPassword, connect.Password = true, []byte(c.password)
	}
	if c.will != "" {
		connect.HasWill, connect.Will.TopicName, connect.Will.Payload = true, []byte(c.will), []byte("gone")
	}
	l := &rawLink{t: t, conn: codectest.New(t, conn, codectest.Options{Timeout: patience})}
	l.conn.Send(codec.AppendConnect(nil, connect))
	f := l.conn.NextOf(codec.TypeConnack)
	if len(f.Body) != 2 { // the flags and the return code, and no properties
		t.Fatalf("CONNACK % x is not one of MQTT 3.1.1", f.Body)
	}
	if refusal := f.Body[1]; refusal != 0 {
		l.conn.ExpectClose()
		return nil, refusal, nil
	}
	return l, 0, nil
}

func (l *rawLink) publish(m message) byte {
	l.t.Helper()
	p := &codec.Publish{TopicName: []byte(m.topic), Payload: []byte(m.text()), QoS: codec.QoS(m.qos())}
	if !m.qos0 {
		l.id++
		p.PacketID = l.id
	}
	l.conn.Send(codec.AppendPublish(nil, codec.V311, p))
	if m.qos0 {
		return 0
	}
	f := l.conn.NextOf(codec.TypePuback)
	if len(f.Body) != 2 {
		l.t.Fatalf("PUBACK % x is not one of MQTT 3.1.1", f.Body)
	}
	return success
}

func (l *rawLink) subscribe(filters []string) []byte {
	l.t.Helper()
	l.id++
	subscribe := &codec.Subscribe{PacketID: l.id}
	for _, filter := range filters {
		subscribe.Subscriptions = append(subscribe.Subscriptions, codec.Subscription{TopicFilter: []byte(filter), QoS: codec.QoS1})
	}
	l.conn.Send(codec.AppendSubscribe(nil, codec.V311, subscribe))
	return l.conn.NextOf(codec.TypeSuback).Body[2:]
}

func (l *rawLink) next() message {
	l.t.Helper()
	f, p := l.conn.NextOf(codec.TypePublish), new(codec.Publish)
	if err := codec.DecodePublishFromServer(p, codec.V311, f.Flags, f.Body); err != nil {
		l.t.Fatalf("PUBLISH % x: %v", f.Body, err)
	}
	if p.QoS > 0 {
		l.conn.Send(codec.AppendAck(nil, codec.V311, codec.TypePuback, p.PacketID, codec.Success))
	}
	return message{topic: string(p.TopicName), payload: string(p.Payload)}
}

func (l *rawLink) end() int {
	l.t.Helper()
	l.conn.ExpectClose()
	return silence
}

func (l *rawLink) disconnect() {
	l.t.Helper()
	l.conn.SendHex("e0 00")
	l.conn.ExpectClose()
}
