package engine

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/weirmq/weir/codec"
)

// upgradeHead is a request as browsers make it, with replacements: of a line
// that begins with the first of each two, by the second.
func upgradeHead(replacements ...string) string {
	lines := []string{
		"GET /mqtt HTTP/1.1",
		"Host: broker.example:8080",
		"Upgrade: websocket",
		"Connection: keep-alive, Upgrade",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Protocol: mqttv3.1, mqtt",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
	}
	for i := 0; i < len(replacements); i += 2 {
		found := false
		for j, line := range lines {
			if strings.HasPrefix(line, replacements[i]) {
				lines[j], found = replacements[i+1], true
			}
		}
		if !found {
			lines = append(lines, replacements[i+1])
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// webSocketPort is a port that speaks WebSocket, of an engine in memory.
func webSocketPort(e *Engine, origins ...string) *port {
	p := &port{engine: e, name: "web", protocol: WebSockets}
	p.origins.Store(&origins)
	p.policy.Store(newPolicy(&Listener{}))
	return p
}

// RFC 6455, 1.3.
func TestAcceptKeyIsThatOfTheRFC(t *testing.T) {
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
}

func TestUpgradeIsAcceptedOrRefusedWithAnHTTPError(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	origin := func(o string) string { return upgradeHead("Origin", "Origin: "+o) }
	listed := []string{"https://dashboard.example:8443"}
	for _, c := range []struct {
		name    string
		head    string
		origins []string
		status  int
		body    string
	}{
		{"as browsers do", upgradeHead(), nil, 101, ""},
		{"any path", upgradeHead("GET", "GET / HTTP/1.1"), nil, 101, ""},
		{"any case", strings.NewReplacer("Upgrade:", "upgrade:", "websocket", "WebSocket", "Host", "hOST").Replace(upgradeHead()), nil, 101, ""},
		{"subprotocols in two fields", upgradeHead("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat", "X", "Sec-WebSocket-Protocol: mqtt"), nil, 101, ""},
		{"no mqtt offered [MQTT-6.0.0-3] [MQTT311-6.0.0-3]", upgradeHead("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: mqttv3.1"), nil, 400, "does not offer mqtt"},
		{"nothing offered [MQTT-6.0.0-3] [MQTT311-6.0.0-3]", upgradeHead("Sec-WebSocket-Protocol", "X-Nothing: mqtt"), nil, 400, "does not offer mqtt"},
		{"POST", upgradeHead("GET", "POST / HTTP/1.1"), nil, 400, "not a GET request"},
		{"HTTP/1.0", upgradeHead("GET", "GET / HTTP/1.0"), nil, 400, "not a request for a path"},
		{"no target", upgradeHead("GET", "GET HTTP/1.1"), nil, 400, "not a request for a path"},
		{"a page wanted", upgradeHead("Upgrade", "Accept: */*", "Connection", "Connection: close"), nil, 426, "MQTT over WebSocket"},
		{"version 8", upgradeHead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), nil, 426, "not 13"},
		{"no Host", upgradeHead("Host", "X: y"), nil, 400, "Host is missing"},
		{"two Hosts", upgradeHead("X", "Host: evil.example"), nil, 400, "Host is empty, or there twice"},
		{"two Origins, one of them empty", upgradeHead("X", "Origin:\r\nOrigin: https://evil.example"), nil, 400, "Origin is empty, or there twice"},
		{"a target with a host", upgradeHead("GET", "GET http://other.example/ HTTP/1.1"), nil, 400, "not a request for a path"},
		{"short key", upgradeHead("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="), nil, 400, "Sec-WebSocket-Key"},
		{"key that is not base64", upgradeHead("Sec-WebSocket-Key", "Sec-WebSocket-Key: ************************"), nil, 400, "Sec-WebSocket-Key"},
		{"body", upgradeHead("X", "Content-Length: 5"), nil, 400, "no body"},
		{"chunked body", upgradeHead("X", "Transfer-Encoding: chunked"), nil, 400, "no body"},
		{"field without a name", upgradeHead("X", ": x"), nil, 400, "malformed"},
		{"continued field", upgradeHead("X", " folded: x"), nil, 400, "malformed"},
		{"bare line feed", upgradeHead("X", "X: y\nOrigin: z"), nil, 400, "malformed"},
		{"long field", upgradeHead("X", "Cookie: "+strings.Repeat("x", maxUpgradeBytes)), nil, 431, "longer than"},
		{"endless line", "GET /" + strings.Repeat("x", maxUpgradeBytes), nil, 431, "longer than"},

		{"page of the same host", origin("https://broker.example"), nil, 101, ""},
		{"page of the same host, another port", origin("http://Broker.example:3000"), nil, 101, ""},
		{"page of another host", origin("https://evil.example"), nil, 403, `"https://evil.example" is not allowed`},
		{"page of a host that begins the same", origin("https://broker.example.evil.example"), nil, 403, "not allowed"},
		{"page without an origin", origin("null"), nil, 403, "not allowed"},
		{"page in a file", origin("file://"), nil, 403, "not allowed"},
		{"listed page", origin("https://Dashboard.example:8443"), listed, 101, ""},
		{"no page, with a list", upgradeHead(), listed, 101, ""},
		{"page of the same host that is not listed", origin("https://broker.example"), listed, 403, "not allowed"},
		{"listed page on another port", origin("https://dashboard.example"), listed, 403, "not allowed"},
		{"any page", origin("null"), []string{anyOrigin}, 101, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{len(c.head), 1} {
				mc := m.dial(webSocketPort(e, c.origins...))
				for rest := []byte(c.head); len(rest) > 0; rest = rest[min(step, len(rest)):] {
					mc.send([]byte(string(rest[:min(step, len(rest))])))
				}
				m.settle()
				head, body, ok := strings.Cut(string(mc.take()), "\r\n\r\n")
				status, fields, _ := strings.Cut(head, "\r\n")
				if !ok || !strings.HasPrefix(status, "HTTP/1.1 ") || !strings.HasSuffix(status, http.StatusText(c.status)) || !strings.Contains(body, c.body) {
					t.Fatalf("%d bytes at a time: %q %q, want %d and %q", step, head, body, c.status, c.body)
				}
				if accepted := c.status == http.StatusSwitchingProtocols; accepted == mc.closed {
					t.Errorf("closed is %v", mc.closed)
				} else if accepted && (!strings.Contains(fields, "Sec-WebSocket-Protocol: mqtt") || strings.Contains(fields, "Extensions")) { // [MQTT-6.0.0-4] [MQTT311-6.0.0-4]
					t.Errorf("the answer is %q", head)
				} else if !accepted && mc.conn.reason != CloseWebSocketUpgrade {
					t.Errorf("closed for %q", mc.conn.reason)
				}
				mc.drop()
			}
		})
	}
}

func TestWhatIsNoHTTPIsTurnedAwayAtItsFirstByte(t *testing.T) {
	e, m := newMemoryEngine(t, Options{}, 1)
	for _, c := range []struct {
		name  string
		bytes []byte
		want  CloseReason
	}{
		{"CONNECT", codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true})[:1], CloseWebSocketUpgrade},
		{"ClientHello", []byte{0x16}, CloseTLSOnPlainPort},
	} {
		mc := m.dial(webSocketPort(e))
		mc.send(c.bytes)
		if !mc.closed || mc.conn.reason != c.want {
			t.Errorf("%s: closed=%v for %q, want %q", c.name, mc.closed, mc.conn.reason, c.want)
		}
	}
}

// FuzzUpgrade sends anything in place of a request, in pieces of any size. What
// is answered must not depend on the pieces; and of a request that is accepted,
// package net/http must not see other fields than those that were judged, if it
// can read it.
func FuzzUpgrade(f *testing.F) {
	f.Add(upgradeHead(), byte(7))
	f.Add(upgradeHead("Origin", "Origin: https://broker.example"), byte(1))
	f.Add(upgradeHead("X", "Transfer-Encoding:\tchunked"), byte(100))
	f.Add(upgradeHead("Host", "host : a"), byte(2))
	f.Add(upgradeHead()+"\x82\x82\x00\x00\x00\x00\xE0\x00", byte(3))
	f.Fuzz(func(t *testing.T, stream string, step byte) {
		e, m := newMemoryEngine(t, Options{}, 1)
		play := func(step int) (answer string, closed bool, reason CloseReason) {
			mc := m.dial(webSocketPort(e))
			for rest := []byte(stream); len(rest) > 0; rest = rest[min(step, len(rest)):] {
				mc.send([]byte(string(rest[:min(step, len(rest))])))
				m.settle()
			}
			closed, reason = mc.closed, mc.conn.reason
			mc.drop()
			answer, _, _ = strings.Cut(string(mc.take()), "\r\n\r\n")
			return answer, closed, reason
		}
		answer, closed, reason := play(max(len(stream), 1))
		if a, c, r := play(max(int(step), 1)); a != answer || c != closed || r != reason {
			t.Fatalf("%q, closed=%v for %q; in pieces %q, closed=%v for %q", answer, closed, reason, a, c, r)
		}
		if !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(stream)))
		if err != nil {
			return
		}
		if r.ContentLength > 0 || len(r.TransferEncoding) > 0 || len(r.Header["Origin"]) > 1 || !originAllowed(nil, r.Header.Get("Origin"), r.Host) ||
			!strings.Contains(answer, acceptKey(r.Header.Get("Sec-WebSocket-Key"))) {
			t.Fatalf("accepted, but net/http reads %+v", r)
		}
	})
}

func TestOriginsAreChecked(t *testing.T) {
	for origin, ok := range map[string]bool{
		"*": true, "https://a.example": true, "http://[::1]:3000": true, "http://localhost:8080": true,
		"": false, "a.example": false, "https://a.example/": false, "https://": false, "https://u@a.example": false, "*.example": false, "https://a b": false,
	} {
		if err := CheckOrigin(origin); (err == nil) != ok {
			t.Errorf("CheckOrigin(%q) = %v", origin, err)
		}
	}
}
