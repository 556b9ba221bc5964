package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
)

// TestBadInputOverSockets plays each row over each transport: what the Client is
// sent, the close reason and its detail in the event and in the log, and the
// counter must be what the row says. The next Client is served by the same
// engine. -update rewrites testdata/badinput as TCP has it, or WebSocket where
// the row is not for TCP.
func TestBadInputOverSockets(t *testing.T) {
	if *update {
		updateBadInput(t)
	}
	rows := allBadInput(t)
	for _, transport := range badInputTransports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			p := newBadInputPlayer(t, transport)
			for i := range rows {
				r := &rows[i]
				if !slices.Contains(r.transports, transport) {
					continue
				}
				t.Run(r.name, func(t *testing.T) {
					if got := p.in(t).play(r); !slices.Equal(got, r.output) {
						t.Errorf("%s\nled to\n%s\nwant\n%s", strings.Join(r.input, "\n"), strings.Join(got, "\n"), strings.Join(r.output, "\n"))
					}
				})
			}
			if s := p.stats(); s.Panics != 0 {
				t.Errorf("%d panics:\n%s", s.Panics, p.log.take())
			}
		})
	}
}

func updateBadInput(t *testing.T) {
	players := make(map[string]*badInputPlayer)
	files, rows := badInputFiles(t)
	for _, file := range files {
		text := "# " + rows[file][0].section + "\n"
		for _, r := range rows[file] {
			transport := r.transports[0]
			if players[transport] == nil {
				players[transport] = newBadInputPlayer(t, transport)
			}
			text += "\n" + r.source + "\n" + strings.Join(players[transport].in(t).play(&r), "\n") + "\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// badInputPlayer is an engine with one port, to which rows are played one after
// another, with a clock that moves only when told to.
type badInputPlayer struct {
	*socketConversation
	log       *logText
	transport string
}

func newBadInputPlayer(t *testing.T, transport string) *badInputPlayer {
	c := newSocketConversation(t, transport)
	c.limits = Limits{MaximumPacketSize: 4096, ConnectPacketSize: 1024, ReceiveMaximum: 2, TopicAliasMaximum: 2, TopicLevels: 8}
	log := new(logText)
	c.log = slog.NewTextHandler(log, nil)
	c.start()
	return &badInputPlayer{c, log, transport}
}

// in is the same player for a subtest.
func (p *badInputPlayer) in(t *testing.T) *badInputPlayer {
	conversation := *p.socketConversation
	conversation.t = t
	same := *p
	same.socketConversation = &conversation
	return &same
}

func (p *badInputPlayer) stats() Stats {
	p.t.Helper()
	s, err := p.e.Stats(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// badClient is the connection of one row.
type badClient struct {
	talker
	addr string
	raw  net.Conn         // below WebSocket
	ws   *webSocketStream // nil on other transports, and before the upgrade
}

// sendPacket sends what is meant to be MQTT. The Server may have closed already,
// so whether it can be written says nothing.
func (p *badInputPlayer) sendPacket(k *badClient, b []byte) {
	k.unread = append(k.unread, b...)
	n, packets := wholePackets(k.unread)
	k.unread = k.unread[n:]
	p.packets += packets
	if k.ws != nil {
		_, _ = k.ws.Write(b)
	} else {
		_, _ = k.raw.Write(b)
	}
}

// play plays a row and returns the output that it had.
func (p *badInputPlayer) play(r *badInput) (output []string) {
	t := p.t
	t.Helper()
	before := p.stats()
	p.opened, p.packets = before.ConnectionsOpened+1, before.PacketsReceived
	p.log.take()
	k := p.connect(r)
	defer k.raw.Close()
	for _, line := range r.input {
		p.send(k, line)
	}
	open := slices.Contains(r.output, "open")
	if open {
		p.sendPacket(k, codec.AppendPingreq(nil))
	}
	if k.ws != nil || !strings.HasPrefix(p.transport, "w") {
		output = p.readPackets(k, open)
	} else {
		output = p.readHTTP(k)
	}
	if open {
		k.raw.Close()
		p.awaitEvent(k.addr)
		return append(output, "open")
	}
	ev := p.awaitEvent(k.addr)
	end := "closed " + ev.Reason.String()
	if ev.Detail != "" {
		end += ": " + ev.Detail
	}
	p.checkAccounts(&ev, &before, output)
	if k.ws != nil {
		code := fmt.Sprintf("< CLOSE %d", k.ws.closeCode)
		if k.ws.closeCode == 0 {
			code = "< CLOSE" // it had none
		}
		if slices.ContainsFunc(r.input, belowPackets) {
			output = append(output, code)
		} else if want := closeCodes[ev.Reason]; k.ws.closeCode != want {
			t.Errorf("a Close frame with %d, want %d", k.ws.closeCode, want)
		}
	}
	return append(output, end)
}

// belowPackets reports whether a line of input is about frames.
func belowPackets(line string) bool {
	return strings.HasPrefix(line, "frame ") || strings.HasPrefix(line, "wire ")
}

// closeCodes is the codes of Close frames (RFC 6455, 7.4.1).
var closeCodes = map[CloseReason]int{
	CloseClientError:                1000,
	CloseMalformedPacket:            1002,
	CloseProtocolError:              1002,
	CloseTopicAliasInvalid:          1002,
	CloseReceiveMaximumExceeded:     1002,
	CloseUnsupportedProtocolVersion: 1002,
	ClosePacketTooLarge:             1009,
	CloseKeepAliveTimeout:           1008,
	CloseConnectTimeout:             1008,
	CloseNotAuthenticated:           1008,
	CloseNotAuthorized:              1008,
	CloseClientIdentifierNotValid:   1008,
}

// checkAccounts compares what the engine says of the end in other places: the
// log, the counter, and the Reason Code of the event with what the Client got.
func (p *badInputPlayer) checkAccounts(ev *Event, before *Stats, output []string) {
	p.t.Helper()
	now := p.stats()
	if n := now.Closed(ev.Reason) - before.Closed(ev.Reason); n != 1 {
		p.t.Errorf("Stats count %d more ends for %q, want 1", n, ev.Reason)
	}
	log := p.log.take()
	reason := "reason=" + strconv.Quote(ev.Reason.String())
	if strings.Count(log, "connection closed") != 1 || !strings.Contains(log, reason) ||
		ev.Detail != "" && !strings.Contains(log, "detail="+strconv.Quote(ev.Detail)) {
		p.t.Errorf("the log has not one line with %s and %q:\n%s", reason, ev.Detail, log)
	}
	told := 0
	for _, line := range output {
		if _, code, ok := strings.Cut(line, " rc=0x"); ok && !strings.Contains(line, "ACK id=") {
			n, _ := strconv.ParseUint(code[:2], 16, 8)
			told = int(n)
		}
	}
	if told < 0x80 {
		told = 0 // it was a CONNACK with Success
	}
	if int(ev.ReasonCode) != told {
		p.t.Errorf("the event has Reason Code 0x%02X, and the Client got 0x%02X", ev.ReasonCode, told)
	}
}

// connect opens the connection of a row.
func (p *badInputPlayer) connect(r *badInput) *badClient {
	t := p.t
	t.Helper()
	nc, err := net.Dial("tcp", p.e.Addr("test").String())
	if err != nil {
		t.Fatal(err)
	}
	k := &badClient{addr: nc.LocalAddr().String(), raw: patientConn{nc}}
	k.name, k.version = "bad", r.version
	if p.tls != nil {
		secure := tls.Client(k.raw, p.tls)
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		k.raw = secure
	}
	isRequest := func(line string) bool { return strings.HasPrefix(line, "request ") }
	if p.listener.Protocol == WebSockets && !slices.ContainsFunc(r.input, isRequest) {
		if k.ws, err = upgradeStream(k.raw); err != nil {
			t.Fatal(err)
		}
	}
	if r.state == "connected" {
		p.send(k, "> CONNECT clean "+map[codec.Version]string{codec.V5: "v5", codec.V311: "v3.1.1", codec.V31: "v3.1"}[r.version])
		var packet []byte
		for size := 0; size == 0; _, size = describePacket(k.version, packet) {
			packet = append(packet, 0)
			if _, err := io.ReadFull(p.reader(k), packet[len(packet)-1:]); err != nil {
				t.Fatalf("no CONNACK: %v", err)
			}
		}
	}
	return k
}

func (p *badInputPlayer) reader(k *badClient) io.Reader {
	if k.ws != nil {
		return k.ws
	}
	return k.raw
}

// send plays one line of input.
func (p *badInputPlayer) send(k *badClient, line string) {
	p.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case ">":
		if text, raw := strings.CutPrefix(rest, "RAW "); raw {
			p.sendPacket(k, codectest.Hex(text))
		} else {
			p.sendPacket(k, encodePacket(p.t, &k.talker, rest))
		}
	case "frame":
		first := codectest.Hex(rest[:2])
		_, _ = k.raw.Write(clientFrame(nil, first[0], codectest.Hex(rest[2:])))
	case "wire":
		_, _ = k.raw.Write(codectest.Hex(rest))
	case "request":
		if text, raw := strings.CutPrefix(rest, "RAW "); raw {
			_, _ = k.raw.Write(codectest.Hex(text))
		} else {
			_, _ = io.WriteString(k.raw, changedRequest(p.t, strings.Split(rest, " | ")))
		}
	case "advance":
		d, err := time.ParseDuration(rest)
		if err != nil {
			p.t.Fatal(err)
		}
		p.advance(d) // when what was sent has been handled
	default:
		p.t.Fatalf("%q is not a line of input", line)
	}
}

// changedRequest is the request that opens a WebSocket, with changes.
func changedRequest(t *testing.T, changes []string) string {
	lines := strings.Split(strings.TrimSuffix(upgradeHead(), "\r\n\r\n"), "\r\n")
	field := func(name string) int {
		return slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, name+":") })
	}
	for _, change := range changes {
		if what, times, many := strings.Cut(change, "*"); many {
			change = what + strings.Repeat(what[len(what)-1:], atoi(t, times)-1)
		}
		name, _, isField := strings.Cut(change, ":")
		isField = isField && !strings.Contains(change, " HTTP/")
		switch gone, without := strings.CutPrefix(change, "-"); {
		case without:
			i := field(gone)
			if i < 0 {
				t.Fatalf("the request has no %s", gone)
			}
			lines = slices.Delete(lines, i, i+1)
		case strings.HasPrefix(change, "+"):
			lines = append(lines, change[1:])
		case isField && field(name) > 0:
			lines[field(name)] = change
		case isField:
			lines = append(lines, change)
		default:
			lines[0] = change
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// readPackets reads to the end, or to a PINGRESP.
func (p *badInputPlayer) readPackets(k *badClient, open bool) (output []string) {
	p.t.Helper()
	var unread []byte
	piece := make([]byte, 4096)
	for {
		n, err := p.reader(k).Read(piece)
		unread = append(unread, piece[:n]...)
		for {
			text, size := describePacket(k.version, unread)
			if size == 0 {
				break
			}
			unread = unread[size:]
			if open && text == "PINGRESP" {
				return output
			}
			output = append(output, "< "+text)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || err != nil && open {
			p.t.Fatalf("%v, after %q", err, output)
		}
		if err != nil {
			return output
		}
	}
}

// readHTTP reads the answer to a request that is refused.
func (p *badInputPlayer) readHTTP(k *badClient) []string {
	p.t.Helper()
	all, err := io.ReadAll(k.raw)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("the connection is open")
	}
	if len(all) == 0 {
		return nil
	}
	head, body, _ := bytes.Cut(all, []byte("\r\n\r\n"))
	status, _, _ := strings.Cut(string(head), "\r\n")
	status, ok := strings.CutPrefix(status, "HTTP/1.1 ")
	if n, _, _ := strings.Cut(status, " "); !ok || http.StatusText(atoi(p.t, n)) == "" {
		p.t.Fatalf("the answer is %q", all)
	}
	return []string{"< HTTP " + status + ": " + strings.TrimSuffix(string(body), "\n")}
}

// awaitEvent returns the event of the connection's end.
func (p *badInputPlayer) awaitEvent(addr string) Event {
	p.t.Helper()
	late := time.After(socketPatience)
	for {
		select {
		case ev := <-p.events:
			if ev.Kind == EventClose && ev.Remote.String() == addr {
				return ev
			}
		case <-late:
			p.t.Fatalf("the engine does not notice that %s is gone", addr)
		}
	}
}

// logText is a log in memory.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take returns what was logged since the last call.
func (l *logText) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}
