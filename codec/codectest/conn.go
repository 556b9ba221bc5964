package codectest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

// Options say how Dial connects. The zero value connects over plain TCP and
// sends nothing.
type Options struct {
	// TLS, if not nil, makes the connection TLS with this configuration.
	TLS *tls.Config
	// Connect, if not nil, is sent first, and its CONNACK is awaited, which
	// must be Success.
	Connect *codec.Connect
	// Timeout bounds each wait: to connect, to send, and for the next packet.
	// Zero means 5 seconds.
	Timeout time.Duration
}

// Conn is the client's end of a Network Connection in a test.
type Conn struct {
	// Connack is what the Server answered if Options.Connect was set. What it
	// holds is the Conn's own.
	Connack codec.Connack

	t       testing.TB
	conn    net.Conn
	version codec.Version
	timeout time.Duration
	buf     []byte // received and not yet consumed
}

// Dial connects to addr over TCP. It fails the test if it cannot. The test's
// cleanup closes the connection.
func Dial(t testing.TB, addr string, opts Options) *Conn {
	t.Helper()
	dialer := &net.Dialer{Timeout: opts.timeout()}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	if opts.TLS != nil {
		conn = tls.Client(conn, opts.TLS)
	}
	return New(t, conn, opts)
}

// New is Dial with a connection that is already there, such as an end of a
// net.Pipe. Options.TLS is not used.
func New(t testing.TB, conn net.Conn, opts Options) *Conn {
	t.Helper()
	c := &Conn{t: t, conn: conn, version: codec.V5, timeout: opts.timeout()}
	t.Cleanup(func() { _ = conn.Close() })
	if opts.Connect != nil {
		c.version = opts.Connect.Version
		c.Send(codec.AppendConnect(nil, opts.Connect))
		f := c.NextOf(codec.TypeConnack)
		if err := codec.DecodeConnack(&c.Connack, c.version, f.Body); err != nil {
			t.Fatalf("CONNACK % x: %v", f.Body, err)
		}
		if c.Connack.ReasonCode != codec.Success {
			t.Fatalf("CONNACK with %s", c.Connack.ReasonCode)
		}
	}
	return c
}

func (o *Options) timeout() time.Duration {
	if o.Timeout == 0 {
		return 5 * time.Second
	}
	return o.Timeout
}

// Send sends b as it is.
func (c *Conn) Send(b []byte) {
	c.t.Helper()
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		c.t.Fatalf("send: %v", err)
	}
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatalf("send % x: %v", b, err)
	}
}

// SendHex sends the bytes that Hex makes of s.
func (c *Conn) SendHex(s string) {
	c.t.Helper()
	c.Send(Hex(s))
}

// Next returns the next packet. Its Body stays valid.
func (c *Conn) Next() codec.Frame {
	c.t.Helper()
	f, _ := c.next()
	return f
}

// next returns the next packet and its bytes.
func (c *Conn) next() (codec.Frame, []byte) {
	c.t.Helper()
	for {
		f, size, err := codec.ReadFrame(c.buf, 0)
		if err != nil {
			c.t.Fatalf("received % x: %v", c.buf, err)
		}
		if size > 0 && size <= len(c.buf) {
			packet := c.buf[:size:size]
			c.buf = c.buf[size:]
			return f, packet
		}
		if err := c.receive(); err != nil {
			c.t.Fatalf("waiting for a packet, with % x received: %v", c.buf, err)
		}
	}
}

// NextOf returns the next packet, which must be of type t.
func (c *Conn) NextOf(t codec.PacketType) codec.Frame {
	c.t.Helper()
	f, packet := c.next()
	if f.Type != t {
		c.t.Fatalf("received %s (% x), want %s", f.Type, packet, t)
	}
	return f
}

// NextPublish returns the next packet, which must be a PUBLISH.
func (c *Conn) NextPublish() *codec.Publish {
	c.t.Helper()
	f := c.NextOf(codec.TypePublish)
	p := new(codec.Publish)
	if err := codec.DecodePublishFromServer(p, c.version, f.Flags, f.Body); err != nil {
		c.t.Fatalf("PUBLISH % x: %v", f.Body, err)
	}
	return p
}

// Expect fails the test unless the next bytes to arrive are those that Hex
// makes of s: any number of whole packets.
func (c *Conn) Expect(s string) {
	c.t.Helper()
	want := Hex(s)
	var got []byte
	for len(got) < len(want) {
		_, packet := c.next()
		got = append(got, packet...)
	}
	if !bytes.Equal(got, want) {
		c.t.Fatalf("received\n\t% x, want\n\t% x", got, want)
	}
}

// ExpectDisconnect fails the test unless the next packet is a DISCONNECT with
// this Reason Code and the Server then closes the connection.
func (c *Conn) ExpectDisconnect(code codec.ReasonCode) {
	c.t.Helper()
	f := c.NextOf(codec.TypeDisconnect)
	var d codec.Disconnect
	if err := codec.DecodeDisconnectFromServer(&d, f.Body); err != nil {
		c.t.Fatalf("DISCONNECT % x: %v", f.Body, err)
	}
	if d.ReasonCode != code {
		c.t.Fatalf("DISCONNECT with %s, want %s", d.ReasonCode, code)
	}
	c.ExpectClose()
}

// ExpectClose fails the test unless the peer closes the connection without
// sending anything more.
func (c *Conn) ExpectClose() {
	c.t.Helper()
	for len(c.buf) == 0 {
		switch err := c.receive(); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.t.Fatalf("the connection is still open after %v", c.timeout)
		case err != nil:
			return // io.EOF, or a reset: both are an end
		}
	}
	c.t.Fatalf("received % x, want the connection closed", c.buf)
}

// ExpectSilence fails the test if anything arrives within d, or the connection
// is closed.
func (c *Conn) ExpectSilence(d time.Duration) {
	c.t.Helper()
	if len(c.buf) == 0 {
		if err := c.receiveWithin(d); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		} else if err != nil {
			c.t.Fatalf("the connection ended: %v", err)
		}
	}
	c.t.Fatalf("received % x, want nothing", c.buf)
}

// Close closes the connection without a DISCONNECT, as a broken network would.
func (c *Conn) Close() { _ = c.conn.Close() }

// receive waits for more bytes.
func (c *Conn) receive() error { return c.receiveWithin(c.timeout) }

func (c *Conn) receiveWithin(d time.Duration) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	// A new array each time, since frames handed out borrow the old one.
	more := make([]byte, len(c.buf)+4096)
	n, err := c.conn.Read(more[copy(more, c.buf):])
	c.buf = more[:len(c.buf)+n]
	if n > 0 || err == nil {
		return nil
	}
	if errors.Is(err, net.ErrClosed) {
		return io.ErrClosedPipe
	}
	return err
}
