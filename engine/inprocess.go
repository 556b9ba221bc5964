package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/topics"
)

// Message is an Application Message as an embedding program sees it.
type Message struct {
	TopicName string
	Payload   []byte
	QoS       byte
	Retain    bool

	// The properties of MQTT 5. A zero MessageExpiryInterval, in seconds,
	// means that the message does not expire.
	PayloadFormatUTF8     bool
	MessageExpiryInterval uint32
	ContentType           string
	ResponseTopic         string
	CorrelationData       []byte
	UserProperties        []UserProperty

	// SubscriptionIdentifiers is set on messages received.
	SubscriptionIdentifiers []uint32
}

// UserProperty is one name and value; names may repeat, and order counts.
type UserProperty struct{ Name, Value string }

// ErrBusy is returned by Publish when a loop has more to do than it is allowed
// to queue, or when the engine holds as many messages as it may.
var ErrBusy = errors.New("engine: busy")

// Publish publishes m as the Server: no policy is asked. It returns once the
// message has been given to all receivers' Sessions on the loop that took it
// and posted to the others, or an error if ctx ends before.
//
// Messages of one topic published one after another arrive in that order.
func (e *Engine) Publish(ctx context.Context, m Message) error {
	props, err := e.encode(&m)
	if err != nil {
		return err
	}
	if err := e.ready(); err != nil {
		return err
	}
	payload := bytes.Clone(m.Payload)
	// One loop for each topic, so that order is kept.
	l := e.loops[topicHash(m.TopicName)%uint64(len(e.loops))]
	if l.inbox.depth.Load() > maxMailboxMessages {
		return ErrBusy
	}
	done := make(chan error, 1)
	l.post(func(l *loop) {
		p := publication{
			topic: m.TopicName, props: props, payload: payload,
			qos: codec.QoS(m.QoS), retain: m.Retain,
			hasExpiry: m.MessageExpiryInterval != 0, expiry: m.MessageExpiryInterval,
			published: l.now,
		}
		r := l.routeOf(bytesOf(p.topic))
		if p.qos > codec.QoS0 && !l.accepts(r) {
			done <- ErrBusy
			return
		}
		l.distribute(&p, r)
		p.done(l)
		done <- nil
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-e.background.Done():
		return ErrClosed
	}
}

func (e *Engine) ready() error {
	if e.background.Err() != nil {
		return ErrClosed
	}
	select {
	case <-e.started:
		return nil
	default:
		return ErrNotRunning
	}
}

// encode returns the properties that are forwarded. It checks m as it would be
// checked if a Client sent it, by the same code: what gets past here must not
// be a Malformed Packet for the Clients that receive it.
func (e *Engine) encode(m *Message) (props []byte, err error) {
	if m.QoS > 2 {
		return nil, fmt.Errorf("engine: QoS %d does not exist", m.QoS)
	}
	if !e.validTopicName(bytesOf(m.TopicName)) {
		return nil, fmt.Errorf("engine: %.100q is not a Topic Name", m.TopicName)
	}
	if field := m.tooLong(); field != "" {
		return nil, fmt.Errorf("engine: %s is longer than 65,535 bytes", field)
	}
	props = m.properties()
	p := codec.Publish{TopicName: bytesOf(m.TopicName), QoS: codec.QoS(m.QoS), Forward: props}
	if p.QoS > codec.QoS0 {
		p.PacketID = 1
	}
	packet := codec.AppendPublish(nil, codec.V5, &p)
	if size := len(packet) + len(m.Payload); size > int(e.limits.MaximumPacketSize) {
		return nil, fmt.Errorf("engine: a PUBLISH of %d bytes is larger than Limits.MaximumPacketSize, which is %d", size, e.limits.MaximumPacketSize)
	}
	f, _, err := codec.ReadFrame(packet, 0)
	if err == nil {
		err = codec.DecodePublish(&p, codec.V5, f.Flags, f.Body)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: no Client could publish this message: %w", err)
	}
	return props, nil
}

// tooLong names the first field whose length two bytes cannot hold.
func (m *Message) tooLong() string {
	const limit = 1<<16 - 1
	switch {
	case len(m.ContentType) > limit:
		return "ContentType"
	case len(m.ResponseTopic) > limit:
		return "ResponseTopic"
	case len(m.CorrelationData) > limit:
		return "CorrelationData"
	}
	for _, u := range m.UserProperties {
		if len(u.Name) > limit || len(u.Value) > limit {
			return "a User Property"
		}
	}
	return ""
}

// properties encodes what is forwarded.
func (m *Message) properties() []byte {
	var p codec.Properties
	if m.PayloadFormatUTF8 {
		p.SetPayloadFormatIndicator(1)
	}
	if m.ContentType != "" {
		p.SetContentType([]byte(m.ContentType))
	}
	if m.ResponseTopic != "" {
		p.SetResponseTopic([]byte(m.ResponseTopic))
	}
	if m.CorrelationData != nil {
		p.SetCorrelationData(m.CorrelationData)
	}
	for _, u := range m.UserProperties {
		p.AddUserProperty(u.Name, u.Value)
	}
	return codec.AppendProperties(nil, &p)
}

// messageOf makes a Message of a PUBLISH from the engine, copying it.
func messageOf(p *codec.Publish) (*Message, error) {
	m := &Message{
		TopicName: string(p.TopicName),
		Payload:   append([]byte{}, p.Payload...),
		QoS:       byte(p.QoS),
		Retain:    p.Retain,
	}
	if p.HasMessageExpiryInterval {
		m.MessageExpiryInterval = p.MessageExpiryInterval
	}
	for _, id := range p.SubscriptionIDs {
		m.SubscriptionIdentifiers = append(m.SubscriptionIdentifiers, uint32(id))
	}
	var props codec.Properties
	if err := codec.DecodeProperties(&props, codec.TypePublish, p.Raw); err != nil {
		return nil, err
	}
	m.PayloadFormatUTF8 = props.PayloadFormatIndicator == 1
	m.ContentType = string(props.ContentType)
	m.ResponseTopic = string(props.ResponseTopic)
	if props.Has(codec.PropCorrelationData) {
		m.CorrelationData = append([]byte{}, props.CorrelationData...)
	}
	for name, value := range props.UserProperties.All {
		m.UserProperties = append(m.UserProperties, UserProperty{string(name), string(value)})
	}
	return m, nil
}

// SubscribeOptions is the options of an in-process Subscription.
type SubscribeOptions struct {
	// QoS is the Maximum QoS. With 1 and 2 a message is acknowledged when the
	// handler has returned.
	QoS               byte
	RetainAsPublished bool
	// RetainHandling: 0 sends retained messages, 2 does not.
	RetainHandling byte
}

// Subscription is an in-process Subscription.
type Subscription struct {
	client *localClient
}

// Close ends the Subscription. It does not wait for the handler, so that the
// handler may call it: a call that has begun goes on.
func (s *Subscription) Close() { s.client.stop() }

// Subscribe has handler called for each message that matches filter, one
// after another on a goroutine of the Subscription's own. No policy is asked.
// While handler works, messages wait as they do for any Client: QoS 1 and 2
// within Limits.QueuedMessages, QoS 0 within Limits.OutboundSoftBytes; what
// does not fit is dropped and counted, and nobody else waits.
//
// It is a Client in all respects but the network: it speaks MQTT 5 to its
// loop. It ends with Close, with ctx, or when handler panics, which is logged.
func (e *Engine) Subscribe(ctx context.Context, filter string, o SubscribeOptions, handler func(*Message)) (*Subscription, error) {
	if _, rest, shared, err := topics.ParseShared(filter); err != nil || !shared && !topics.ValidFilter(rest) || !utf8.ValidString(filter) {
		return nil, fmt.Errorf("engine: %.100q is not a Topic Filter", filter)
	}
	if o.QoS > 2 || o.RetainHandling > 2 {
		return nil, fmt.Errorf("engine: QoS %d or Retain Handling %d does not exist", o.QoS, o.RetainHandling)
	}
	if err := e.ready(); err != nil {
		return nil, err
	}
	c := &localClient{handler: handler, subscribed: make(chan codec.ReasonCode, 1), ended: make(chan struct{})}
	c.signal.L = &c.mu
	// The hash spreads Subscriptions over the loops.
	c.loop = e.loops[topicHash(filter)%uint64(len(e.loops))]
	hello := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true})
	hello = codec.AppendSubscribe(hello, codec.V5, &codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{
		TopicFilter: []byte(filter), QoS: codec.QoS(o.QoS), RetainAsPublished: o.RetainAsPublished, RetainHandling: o.RetainHandling,
	}}})
	e.connections.Add(1)
	e.internal.connections.Add(1)
	c.loop.post(func(l *loop) {
		c.conn = newConn(e.internal, c, nil)
		l.openedInTurn(c.conn)
		l.receive(c.conn, hello)
	})
	e.goroutines.Go(func() {
		defer close(c.ended)
		defer e.containGoroutine()
		defer c.stop() // also when the handler panics
		c.run()
	})
	stop := context.AfterFunc(ctx, c.stop)
	go func() { <-c.ended; stop() }()
	select {
	case code := <-c.subscribed:
		if code.IsError() {
			c.stop()
			return nil, fmt.Errorf("engine: Topic Filter %q: %v", filter, code)
		}
		return &Subscription{c}, nil
	case <-c.ended:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, ErrClosed
	case <-e.background.Done():
		c.stop()
		return nil, ErrClosed
	}
}

// localClient is a Client in this process. It is the transport of its
// connection: what the loop writes is read by run.
type localClient struct {
	handler    func(*Message)
	subscribed chan codec.ReasonCode
	ended      chan struct{} // closed when its goroutine has posted its last

	loop *loop
	conn *conn // used on the loop only

	mu      sync.Mutex
	signal  sync.Cond
	pending []byte // written by the loop, not read yet
	closed  bool
	length  atomic.Int64 // of pending and what run is working on
}

func (c *localClient) write(b []byte) error { return c.writev([][]byte{b}) }

func (c *localClient) writev(bs [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	for _, b := range bs {
		c.pending = append(c.pending, b...)
		c.length.Add(int64(len(b)))
	}
	c.signal.Signal()
	return nil
}

func (c *localClient) buffered() int { return int(c.length.Load()) }

func (c *localClient) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.signal.Signal()
}

// move is never called: its Client Identifier was made for it, so its Session
// is made where it is.
func (c *localClient) move(cn *conn, to *loop) {
	to.post(func(l *loop) { l.arrived(cn) })
}

func (c *localClient) remoteAddr() net.Addr { return localAddr{} }

type localAddr struct{}

func (localAddr) Network() string { return "internal" }
func (localAddr) String() string  { return "internal" }

// run reads what the loop writes until the connection ends.
func (c *localClient) run() {
	var buf []byte // what is being worked on
	for {
		c.mu.Lock()
		for len(c.pending) == 0 && !c.closed {
			c.signal.Wait()
		}
		if len(c.pending) == 0 {
			c.mu.Unlock()
			return
		}
		// Two buffers change places.
		buf, c.pending = c.pending, buf[:0]
		c.mu.Unlock()
		answers := c.read(buf)
		c.length.Add(-int64(len(buf)))
		c.send(answers)
		if cap(buf) > maxScratch {
			buf = nil
		}
	}
}

// read handles packets; the loop writes whole ones.
func (c *localClient) read(b []byte) (answers []byte) {
	var p codec.Publish
	for len(b) > 0 {
		f, size, err := codec.ReadFrame(b, 0)
		if err != nil || size == 0 || size > len(b) {
			c.close()
			return answers
		}
		b = b[size:]
		switch f.Type {
		case codec.TypePublish:
			if err := codec.DecodePublishFromServer(&p, codec.V5, f.Flags, f.Body); err != nil {
				continue
			}
			c.deliver(&p)
			switch p.QoS {
			case codec.QoS1:
				answers = codec.AppendAck(answers, codec.V5, codec.TypePuback, p.PacketID, codec.Success)
			case codec.QoS2:
				answers = codec.AppendAck(answers, codec.V5, codec.TypePubrec, p.PacketID, codec.Success)
			}
		case codec.TypePubrel:
			var a codec.Ack
			if err := codec.DecodeAck(&a, codec.V5, f.Type, f.Body); err == nil {
				answers = codec.AppendAck(answers, codec.V5, codec.TypePubcomp, a.PacketID, codec.Success)
			}
		case codec.TypeSuback:
			var s codec.Suback
			if err := codec.DecodeSuback(&s, codec.V5, f.Body); err == nil && len(s.ReasonCodes) == 1 {
				c.subscribed <- s.ReasonCodes[0]
			}
		}
	}
	return answers
}

func (c *localClient) deliver(p *codec.Publish) {
	m, err := messageOf(p)
	if err != nil {
		return
	}
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if !closed {
		c.handler(m)
	}
}

// send hands bytes to the loop as if they came from the network.
func (c *localClient) send(b []byte) {
	if len(b) == 0 {
		return
	}
	c.loop.post(func(l *loop) { l.receive(c.conn, b) })
}

// stop leaves.
func (c *localClient) stop() {
	c.close()
	c.loop.post(func(*loop) {
		if c.conn != nil {
			c.conn.close(CloseClientDisconnect)
		}
	})
}
