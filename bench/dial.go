package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/tlsstate"
)

// dialer makes the connections of a run, on goroutines that may block.
type dialer struct {
	config     Config
	endpoint   endpoint
	run        uint32 // part of every ClientID, so that runs do not meet
	tls        *tls.Config
	handshaker *tlsstate.Handshaker
}

// atOnce is how many connections are made at the same time. More would test
// the backlog of the broker's socket, which Storm is for.
const atOnce = 16

const (
	// defaultReceiveMaximum is that of a Server which names none (section
	// 3.2.2.3.3).
	defaultReceiveMaximum = 0xFFFF
	// receiveMaximum311 stands in for it in MQTT 3.1.1, whose Servers cannot
	// name one: brokers close or forget beyond bounds of their own, and this is
	// within those of all that are common. It is for open loops, as the window
	// of a closed one is the caller's choice.
	receiveMaximum311 = 20
)

// newDialer returns the dialer of c, which has all fields set.
func newDialer(c Config, run uint32) (*dialer, error) {
	e, err := parseBroker(c.Broker)
	if err != nil {
		return nil, &ConfigError{"Broker", err}
	}
	d := &dialer{config: c, endpoint: e, run: run}
	if e.transport.hasTLS() {
		if d.tls = c.TLS.Clone(); d.tls == nil {
			d.tls = new(tls.Config)
		}
		if d.tls.ServerName == "" {
			d.tls.ServerName = e.host
		}
		d.handshaker = tlsstate.NewHandshaker(tlsstate.Limits{Pending: maxClients, Timeout: c.Patience})
	}
	return d, nil
}

// clientID returns the ClientID of one of the run's Clients, within the 23
// bytes that every Server of MQTT 3.1.1 takes.
func (d *dialer) clientID(role byte, i int) string {
	return fmt.Sprintf("bench%08x%c%d", d.run, role, i)
}

// client is a Client that has connected, as long as it may block.
type client struct {
	dialer *dialer
	id     string
	nc     *net.TCPConn
	layers
	raw     []byte // read buffer
	packets []byte // read and not consumed

	receiveMaximum int // the broker's
}

// dial connects a Client.
func (d *dialer) dial(ctx context.Context, id string, cleanStart bool) (_ *client, err error) {
	c := &client{dialer: d, id: id}
	whole := ctx
	defer func() {
		if err != nil {
			c.close()
			err = c.failure(whole, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, d.config.Patience)
	defer cancel()
	var system net.Dialer
	nc, err := system.DialContext(ctx, "tcp", d.endpoint.address)
	if err != nil {
		return nil, err
	}
	c.nc = nc.(*net.TCPConn)
	if d.tls != nil {
		if c.tls, err = d.handshaker.HandshakeClient(ctx, d.tls, nc); err != nil {
			return nil, err
		}
	}
	if err := c.nc.SetDeadline(time.Now().Add(d.config.Patience)); err != nil {
		return nil, err
	}
	defer c.wakeAtEnd(ctx)()
	c.raw = make([]byte, 4<<10)
	if d.tls != nil {
		// What came with the end of the handshake is not waited for again.
		if c.packets, err = c.tls.Open(nil, nil); err != nil {
			return nil, err
		}
	}
	if d.endpoint.transport.hasWebSocket() {
		if err := c.upgrade(); err != nil {
			return nil, err
		}
	}
	return c, c.connect(cleanStart)
}

// wakeAtEnd has reads and writes fail when ctx ends, until the function that it
// returns is called.
func (c *client) wakeAtEnd(ctx context.Context) (disarm func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
}

// failure returns the ConnectError for err, which for a ctx that has ended is
// only what woke the Client.
func (c *client) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return &ConnectError{c.id, c.dialer.endpoint.address, err}
}

// upgrade opens the WebSocket.
func (c *client) upgrade() error {
	request, accept := upgradeRequest(&c.dialer.endpoint)
	if err := c.send(request); err != nil {
		return err
	}
	const most = 8 << 10
	var ended error
	for {
		if end := bytes.Index(c.packets, []byte("\r\n\r\n")); end >= 0 {
			end += len("\r\n\r\n")
			rest := bytes.Clone(c.packets[end:])
			if err := checkUpgrade(c.packets, accept); err != nil {
				return err
			}
			c.ws = new(webSocket)
			var err error
			c.packets, _, err = c.ws.read(nil, rest)
			return err
		}
		if len(c.packets) > most {
			return fmt.Errorf("the answer to the WebSocket's request is longer than %d bytes", most)
		}
		if ended != nil {
			return ended
		}
		ended = c.receive()
	}
}

// connect sends CONNECT and waits for CONNACK.
func (c *client) connect(cleanStart bool) error {
	config := &c.dialer.config
	// No Keep Alive, or the broker would have to be pinged.
	packet := codec.Connect{Version: config.Version, ClientID: []byte(c.id), CleanStart: cleanStart}
	if config.UserName != "" {
		packet.HasUserName, packet.UserName = true, []byte(config.UserName)
		packet.HasPassword, packet.Password = config.Password != nil, config.Password
	}
	if config.SessionExpiry > 0 {
		packet.Properties.SetSessionExpiryInterval(uint32(config.SessionExpiry / time.Second))
	}
	if err := c.send(codec.AppendConnect(nil, &packet)); err != nil {
		return err
	}
	f, err := c.next()
	if err != nil {
		return err
	}
	if f.Type != codec.TypeConnack {
		return &PacketError{f.Type, "in answer to CONNECT"}
	}
	var ack codec.Connack
	if err := codec.DecodeConnack(&ack, config.Version, f.Body); err != nil {
		return fmt.Errorf("CONNACK: %w", err)
	}
	if ack.ReasonCode != codec.Success {
		return &RefusedError{f.Type, ack.ReasonCode}
	}
	c.receiveMaximum = defaultReceiveMaximum
	if config.Version != codec.V5 {
		c.receiveMaximum = receiveMaximum311
	}
	if ack.Properties.Has(codec.PropReceiveMaximum) {
		c.receiveMaximum = int(ack.Properties.ReceiveMaximum)
	}
	// A Client of Storm is gone before.
	run := config.Warmup + config.Duration + config.Patience
	if s := ack.Properties.ServerKeepAlive; s > 0 && time.Duration(s)*time.Second < run && config.Scenario != Storm {
		return fmt.Errorf("the broker imposes a Server Keep Alive of %d s, in which this may not be over, and these Clients do not ping: "+
			"have it impose none, or use MQTT 3.1.1, where it cannot", s)
	}
	if ack.Properties.Has(codec.PropMaximumQoS) && config.QoS > ack.Properties.MaximumQoS {
		return fmt.Errorf("the broker's Maximum QoS is %d", ack.Properties.MaximumQoS)
	}
	return nil
}

// subscribe subscribes to one Topic Filter, and waits for SUBACK.
func (c *client) subscribe(ctx context.Context, filter string, qos codec.QoS) error {
	defer c.wakeAtEnd(ctx)()
	packet := codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte(filter), QoS: qos}}}
	err := c.send(codec.AppendSubscribe(nil, c.dialer.config.Version, &packet))
	if err == nil {
		err = c.subscribed(qos)
	}
	if err != nil {
		return c.failure(ctx, fmt.Errorf("subscribing to %s: %w", filter, err))
	}
	return nil
}

func (c *client) subscribed(qos codec.QoS) error {
	f, err := c.next()
	if err != nil {
		return err
	}
	if f.Type != codec.TypeSuback {
		return &PacketError{f.Type, "in answer to SUBSCRIBE"}
	}
	var ack codec.Suback
	if err := codec.DecodeSuback(&ack, c.dialer.config.Version, f.Body); err != nil {
		return fmt.Errorf("SUBACK: %w", err)
	}
	for _, code := range ack.ReasonCodes {
		if code.IsError() {
			return &RefusedError{f.Type, code}
		}
		if codec.QoS(code) < qos {
			return fmt.Errorf("the broker granted QoS %d only", code)
		}
	}
	return nil
}

// send writes packets, or whatever else.
func (c *client) send(packets []byte) error {
	b, err := c.seal(nil, packets)
	if err != nil {
		return err
	}
	_, err = c.nc.Write(b)
	return err
}

// receive waits for more bytes of packets. There may be some with an error too.
func (c *client) receive() error {
	n, err := c.nc.Read(c.raw)
	if err != nil {
		return fmt.Errorf("waiting for the broker: %w", err)
	}
	var answer bool
	if c.packets, answer, err = c.open(c.packets, c.raw[:n]); err != nil {
		return fmt.Errorf("waiting for the broker: %w", err)
	}
	if answer {
		return c.send(nil)
	}
	return nil
}

// next waits for a packet. Its body stays as it is until detach.
func (c *client) next() (codec.Frame, error) {
	var ended error
	for {
		f, size, err := codec.ReadFrame(c.packets, 0)
		if err != nil {
			return f, err
		}
		if size > 0 && size <= len(c.packets) {
			c.packets = c.packets[size:]
			return f, nil
		}
		if ended != nil {
			return f, ended
		}
		// Why the broker ends a connection may have come with the end.
		ended = c.receive()
	}
}

// detach gives up the socket: the caller owns the descriptor, which does not
// block.
func (c *client) detach() (fd int, err error) {
	raw, err := c.nc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	if err := raw.Control(func(original uintptr) { fd, failed = duplicateSocket(int(original)) }); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, failed
	}
	return fd, c.nc.Close()
}

// disconnect ends the connection as MQTT wants it.
func (c *client) disconnect() error {
	return errors.Join(c.send(c.dialer.goodbye()), c.nc.Close())
}

// leave disconnects one that has been connected for long. The broker may have
// been the first to close.
func (c *client) leave() {
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.dialer.config.Patience))
	_ = c.disconnect()
}

// goodbye returns a DISCONNECT that discards the Session, where that is
// possible.
func (d *dialer) goodbye() []byte {
	var packet codec.Disconnect
	if d.config.Version == codec.V5 && d.config.SessionExpiry > 0 {
		packet.Properties.SetSessionExpiryInterval(0)
	}
	return codec.AppendDisconnect(nil, &packet)
}

// cleanStart is what the Clients of a run connect with. Their ClientIDs are
// new, so that with MQTT 5.0, which has a Session Expiry Interval besides, it
// makes no difference.
func (d *dialer) cleanStart() bool {
	return d.config.Version == codec.V5 || d.config.SessionExpiry == 0
}

// discard ends the Sessions of Clients that are not connected.
func (d *dialer) discard(ctx context.Context, ids []string) error {
	return each(ctx, len(ids), atOnce, func(ctx context.Context, i int) error {
		c, err := d.dial(ctx, ids[i], true)
		if err != nil {
			return err
		}
		return c.disconnect()
	})
}

// resumed reports whether TLS went on with a session of before.
func (c *client) resumed() bool { return c.tls != nil && c.tls.Peer().Resumed }

func (c *client) close() {
	if c.nc != nil {
		_ = c.nc.Close()
	}
}

// each calls f for 0 to n-1 on some goroutines at once, until all is done or
// one fails, and returns that error.
func each(ctx context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for w := range min(workers, n) {
		group.Go(func() {
			for i := w; i < n && ctx.Err() == nil; i += workers {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
