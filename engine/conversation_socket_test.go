package engine

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// TestConversationsOverSockets plays the same files over TCP, TLS and WebSocket:
// with the reactor, the descriptors and the records of production, and with a clock that
// stands still unless it is put forward. What each Client is sent must be what
// the file says.
//
// Some cases stay out: those that count in bytes what a Client takes, which a
// socket does not let one do, and those about the order in which goroutines
// answer, which they decide themselves here.
func TestConversationsOverSockets(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for _, transport := range []string{"tcp", "tls", "ws", "wss"} {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range conversationsIn(string(text)) {
					if memoryOnly.MatchString(c) {
						continue
					}
					title, _, _ := strings.Cut(c, "\n")
					t.Run(strings.TrimPrefix(title, "== "), func(t *testing.T) { playOverSockets(t, c, transport) })
				}
			})
		}
	}
}

// memoryOnly matches cases with lines that only the reactor in memory can play.
var memoryOnly = regexp.MustCompile(`(?m)^(window|read|gate|answer)\b`)

// steppedReactor is the reactor of production with a clock that a test puts
// forward, which wakes the loops then.
type steppedReactor struct {
	reactor
	clock atomic.Int64
}

func (s *steppedReactor) now() int64          { return s.clock.Load() }
func (s *steppedReactor) wakeAt(*loop, int64) {}

// socketConversation is one case at work.
type socketConversation struct {
	t        *testing.T
	tls      *tls.Config // the Clients'; nil on plain TCP
	listener Listener
	limits   Limits
	shared   SharedStrategy
	log      slog.Handler
	e        *Engine
	reactor  *steppedReactor
	clients  map[string]*socketTalker
	events   chan Event
	closed   map[string]CloseReason // by the peer's address
	packets  uint64                 // that the engine must have had
	opened   uint64                 // connections that it must have had
	// lastClosed: the last line of input led to a connection being closed.
	lastClosed bool
}

// socketTalker is a Client of it.
type socketTalker struct {
	talker
	nc   net.Conn
	addr string
	gone bool
}

// socketPatience bounds every wait.
const socketPatience = 20 * time.Second

// patientConn waits for that long each time, however long a conversation takes.
type patientConn struct{ net.Conn }

func (c patientConn) Read(b []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(socketPatience))
	return c.Conn.Read(b)
}

func (c patientConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(socketPatience))
	return c.Conn.Write(b)
}

func playOverSockets(t *testing.T, text, transport string) {
	c := newSocketConversation(t, transport)
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		line := strings.TrimSpace(lines[i])
		i++
		if line == "" || line[0] == '#' || strings.HasPrefix(line, "== ") {
			continue
		}
		output := i
		for i < len(lines) && (isOutput(lines[i]) || strings.HasPrefix(lines[i], "#")) {
			i++
		}
		c.do(line)
		for _, line := range lines[output:i] {
			if isOutput(line) {
				c.expect(line)
			}
		}
		c.settle()
	}
	for _, k := range c.clients {
		if k.nc != nil && !k.gone && k.said {
			c.nothingMore(k)
		}
	}
}

func newSocketConversation(t *testing.T, transport string) *socketConversation {
	c := &socketConversation{
		t: t, clients: make(map[string]*socketTalker), closed: make(map[string]CloseReason), log: slog.DiscardHandler,
		events: make(chan Event, 1024), listener: Listener{Name: "test", Address: "127.0.0.1:0"},
	}
	if transport == "ws" || transport == "wss" {
		c.listener.Protocol = WebSockets
	}
	if transport == "tls" || transport == "wss" {
		c.listener.TLS, c.tls = tlsForConversations(t)
	}
	return c
}

func tlsForConversations(t *testing.T) (*tlsstate.Config, *tls.Config) {
	t.Helper()
	root, err := pki.NewRoot(pki.Options{CommonName: "Conversations"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := root.NewLeaf(pki.Options{CommonName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	return &tlsstate.Config{Certificates: []tls.Certificate{leaf.TLSCertificate()}},
		&tls.Config{RootCAs: root.Pool(), ServerName: "localhost"}
}

// do plays one line of input.
func (c *socketConversation) do(line string) {
	c.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	if verb == "limits" {
		m := conversation{t: c.t}
		m.setLimits(rest)
		c.limits = m.limits
		return
	}
	if verb == "shared" {
		var err error
		if c.shared, err = ParseSharedStrategy(rest); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	c.start()
	switch verb {
	case "policy", "policy-disconnect":
		c.listener.Authenticator, c.listener.Authorizer = testAuthenticator, compilePolicy(c.t, rest)
		c.listener.OnPolicyChange = Reevaluate
		if verb == "policy-disconnect" {
			c.listener.OnPolicyChange = Disconnect
		}
		if err := c.e.Apply(c.t.Context(), []Listener{c.listener}); err != nil {
			c.t.Fatal(err)
		}
		return
	case "advance":
		d, err := time.ParseDuration(rest)
		if err != nil {
			c.t.Fatal(err)
		}
		c.advance(d)
		return
	case "sweep":
		c.e.retained.sweep(c.reactor.now())
		return
	case "stats":
		return
	}
	name, rest, _ := strings.Cut(rest, " ")
	k := c.clients[name]
	if k == nil {
		k = &socketTalker{talker: talker{name: name, version: codec.V5}}
		c.clients[name] = k
	}
	switch verb {
	case "dial":
		if rest != "" {
			k.version = versionOf(c.t, rest)
		}
		c.dial(k)
	case ">", ">+":
		k.gathered = append(k.gathered, encodePacket(c.t, &k.talker, rest)...)
		if verb == ">+" {
			return
		}
		if k.nc == nil || k.gone {
			c.dial(k)
		}
		k.unread = append(k.unread, k.gathered...)
		n, packets := wholePackets(k.unread)
		k.unread = k.unread[n:]
		c.packets += packets
		if _, err := k.nc.Write(k.gathered); err != nil {
			c.t.Fatal(err)
		}
		k.gathered = nil
	case "lose":
		k.nc.Close()
		k.gone = true
		c.awaitClose(k.addr)
	default:
		c.t.Fatalf("%q is not a line of a conversation", line)
	}
}

// wholePackets returns how many packets b begins with, and their bytes.
func wholePackets(b []byte) (n int, packets uint64) {
	for {
		_, size, err := codec.ReadFrame(b[n:], 0)
		if err != nil || size == 0 || size > len(b)-n {
			return n, packets
		}
		n += size
		packets++
	}
}

// start runs the engine, once its limits are known.
func (c *socketConversation) start() {
	if c.e != nil {
		return
	}
	c.e = newEngine(Options{
		Loops: 2, Limits: c.limits, Listeners: []Listener{c.listener},
		SharedSubscriptions: c.shared, SysInterval: -1,
		Logger:  slog.New(c.log),
		Observe: func(ev Event) { c.events <- ev },
	}.withDefaults())
	c.reactor = &steppedReactor{reactor: newReactor(c.e)}
	c.reactor.clock.Store(int64(time.Second))
	c.e.useReactor(c.reactor)
	if err := c.e.open(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		go func() {
			for range c.events { // so that no event holds the engine up
			}
		}()
		c.e.drain()
		close(c.events)
	})
	// The same port from now on, for Apply.
	c.listener.Address = c.e.ports["test"].address
}

func (c *socketConversation) dial(k *socketTalker) {
	c.t.Helper()
	nc, err := net.Dial("tcp", c.e.Addr("test").String())
	if err != nil {
		c.t.Fatal(err)
	}
	k.addr = nc.LocalAddr().String()
	c.t.Cleanup(func() { nc.Close() })
	nc = patientConn{nc}
	if c.tls != nil {
		secure := tls.Client(nc, c.tls)
		if err := secure.Handshake(); err != nil {
			c.t.Fatal(err)
		}
		nc = secure
	}
	if c.listener.Protocol == WebSockets {
		stream, err := upgradeStream(nc)
		if err != nil {
			c.t.Fatal(err)
		}
		nc = stream
	}
	c.opened++ // and time begins to run for it when a loop has it
	c.settle()
	k.nc, k.gone, k.said, k.unread = nc, false, false, nil
}

// settle waits until the engine has handled what was sent, and what came of
// that on other loops: mail is in the box before Stats asks its question.
func (c *socketConversation) settle() {
	c.t.Helper()
	if c.e == nil {
		return
	}
	deadline := time.Now().Add(socketPatience)
	for {
		s, err := c.e.Stats(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		if c.lastClosed {
			// Whoever was closed may have sent more than was looked at.
			c.packets, c.lastClosed = s.PacketsReceived, false
		}
		if s.PacketsReceived >= c.packets && s.ConnectionsOpened >= c.opened {
			break
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the engine has had %d packets of %d and %d connections of %d", s.PacketsReceived, c.packets, s.ConnectionsOpened, c.opened)
		}
	}
	for range 3 {
		if _, err := c.e.Stats(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
	}
}

// advance moves the clock, as far as the next timer of any loop at a time.
func (c *socketConversation) advance(d time.Duration) {
	c.settle()
	end := c.reactor.now() + int64(d)
	for c.reactor.now() < end {
		next := make(chan int64, len(c.e.loops))
		for _, l := range c.e.loops {
			l.post(func(l *loop) {
				at, ok := l.wheel.Next()
				if !ok {
					at = end
				}
				next <- at
			})
		}
		to := end
		for range c.e.loops {
			to = min(to, <-next)
		}
		c.reactor.clock.Store(max(to, c.reactor.now()+1))
		for _, l := range c.e.loops {
			c.reactor.wake(l)
		}
		c.settle()
	}
}

// expect reads what a line says.
func (c *socketConversation) expect(line string) {
	c.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	if verb == "=" {
		c.expectStats(rest)
		return
	}
	name, rest, _ := strings.Cut(rest, " ")
	k := c.clients[name]
	if verb == "closed" {
		if b, err := io.ReadAll(k.nc); err == nil && len(b) > 0 {
			c.t.Fatalf("%s received % x, want the connection closed", name, b)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			c.t.Fatalf("%s: the connection is open, want it closed: %s", name, rest)
		}
		k.nc.Close()
		k.gone, c.lastClosed = true, true
		if reason := c.awaitClose(k.addr); reason.String() != rest {
			c.t.Fatalf("%s: closed for %v, want %s", name, reason, rest)
		}
		return
	}
	if got := c.read(k); got != rest {
		c.t.Fatalf("%s received\n%s, want\n%s", name, got, rest)
	}
	k.said = k.said || strings.HasPrefix(rest, "CONNACK rc=0x00")
}

// read returns the next packet, as a conversation has it.
func (c *socketConversation) read(k *socketTalker) string {
	c.t.Helper()
	packet := make([]byte, 1, 64)
	for n := 1; ; {
		if _, err := io.ReadFull(k.nc, packet[len(packet)-n:]); err != nil {
			return err.Error()
		}
		_, size, err := codec.ReadFrame(packet, 0)
		if err != nil {
			return err.Error()
		}
		if size == len(packet) {
			text, _ := describePacket(k.version, packet)
			return text
		}
		n = 1
		if size > 0 {
			n = size - len(packet)
		}
		packet = append(packet, make([]byte, n)...)
	}
}

// nothingMore sees to it that k has been sent nothing but what was expected.
func (c *socketConversation) nothingMore(k *socketTalker) {
	c.t.Helper()
	if len(k.unread) > 0 {
		return // it has begun a packet
	}
	if _, err := k.nc.Write(codec.AppendPingreq(nil)); err != nil {
		c.t.Fatal(err)
	}
	if got := c.read(k); got != "PINGRESP" {
		c.t.Fatalf("%s received\n%s, which is not in the conversation", k.name, got)
	}
}

// awaitClose returns why the connection of this peer ended.
func (c *socketConversation) awaitClose(addr string) CloseReason {
	c.t.Helper()
	late := time.After(socketPatience)
	for {
		if reason, ok := c.closed[addr]; ok {
			return reason
		}
		select {
		case ev := <-c.events:
			if ev.Kind == EventClose {
				c.closed[ev.Remote.String()] = ev.Reason
			}
		case <-late:
			c.t.Fatalf("the engine does not notice that %s is gone", addr)
		}
	}
}

// expectStats compares counters.
func (c *socketConversation) expectStats(text string) {
	c.t.Helper()
	s, err := c.e.Stats(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, pair := range strings.Fields(text) {
		name, want, _ := strings.Cut(pair, "=")
		if got, _ := statistic(&s, name); got != want {
			c.t.Fatalf("%s is %s, want %s", name, got, want)
		}
	}
}
