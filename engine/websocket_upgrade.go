package engine

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const (
	// maxUpgradeBytes bounds the HTTP request that opens a WebSocket.
	maxUpgradeBytes = 8 << 10

	// mqttSubprotocol is what a Client must offer and the Server answers.
	mqttSubprotocol = "mqtt"

	// acceptGUID is appended to a key before it is hashed (RFC 6455, 1.3): no
	// secret, but proof that the answer is not that of some other server.
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// upgradeError is an HTTP request that is refused.
type upgradeError struct {
	status string // of HTTP
	header string // further header fields
	detail string // for people
}

// upgrade takes bytes of the HTTP request. Once it is complete the connection
// speaks WebSocket, or is closed with an HTTP error; the result is what came
// after the request. b is borrowed.
func (c *conn) upgrade(b []byte) (rest []byte) {
	w := c.ws
	if len(b) == 0 {
		return nil
	}
	if len(w.request) == 0 && looksLikeTLS(b) && c.tls == nil {
		c.close(CloseTLSOnPlainPort)
		return nil
	}
	// What has been searched for the end is not searched again, so that a
	// request in single bytes costs no more than one that comes at once.
	searched := max(len(w.request)-len(endOfHead)+1, 0)
	head := b
	if len(w.request) > 0 {
		w.request = append(w.request, b...)
		head = w.request
	}
	end := bytes.Index(head[searched:], endOfHead)
	switch {
	case !startsLikeGet(head):
		c.refuseUpgrade(badRequest("not a GET request of HTTP"))
		return nil
	case end < 0 && len(head) < maxUpgradeBytes:
		if len(w.request) == 0 {
			w.request = bytes.Clone(b)
		}
		return nil
	case end < 0 || searched+end+len(endOfHead) > maxUpgradeBytes:
		c.refuseUpgrade(&upgradeError{status: "431 Request Header Fields Too Large", detail: fmt.Sprintf("the request is longer than %d bytes", maxUpgradeBytes)})
		return nil
	}
	end += searched
	key, err := c.port.judgeUpgrade(string(head[:end]))
	if err != nil {
		c.refuseUpgrade(err)
		return nil
	}
	w.request = nil
	w.upgraded = true
	c.write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptKey(key) + "\r\nSec-WebSocket-Protocol: " + mqttSubprotocol + "\r\n\r\n")) // [MQTT-6.0.0-4]
	return head[end+len(endOfHead):]
}

var endOfHead = []byte("\r\n\r\n")

// startsLikeGet tells a request from what is none, such as a CONNECT, as soon
// as possible.
func startsLikeGet(head []byte) bool {
	const get = "GET "
	n := min(len(head), len(get))
	return string(head[:n]) == get[:n]
}

func (c *conn) refuseUpgrade(e *upgradeError) {
	c.ws.request = nil
	text := e.detail + "\n"
	c.write(fmt.Appendf(nil, "HTTP/1.1 %s\r\nConnection: close\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s",
		e.status, e.header, len(text), text))
	c.closeDetail(CloseWebSocketUpgrade, e.detail)
}

func badRequest(format string, args ...any) *upgradeError {
	return &upgradeError{status: "400 Bad Request", detail: fmt.Sprintf(format, args...)}
}

// upgradeRequest is what matters of the header of a request (RFC 6455, 4.2.1).
type upgradeRequest struct {
	host, origin, key, version string
	connection, upgrade        string
	protocols                  string
	body                       bool
}

// judgeUpgrade returns the key of a request that may be upgraded.
func (p *port) judgeUpgrade(head string) (key string, err *upgradeError) {
	r, err := parseUpgrade(head)
	if err != nil {
		return "", err
	}
	decoded, badKey := base64.StdEncoding.DecodeString(r.key)
	switch {
	case !hasToken(r.upgrade, "websocket") || !hasToken(r.connection, "upgrade"):
		return "", &upgradeError{"426 Upgrade Required", "Upgrade: websocket\r\n", "this port speaks MQTT over WebSocket"}
	case r.version != "13":
		return "", &upgradeError{"426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version is not 13"}
	case r.host == "":
		return "", badRequest("Host is missing")
	case badKey != nil || len(decoded) != 16:
		return "", badRequest("Sec-WebSocket-Key is not the base64 of 16 bytes")
	case r.body:
		return "", badRequest("a request that opens a WebSocket has no body")
	case !slices.Contains(strings.FieldsFunc(r.protocols, isListSeparator), mqttSubprotocol): // [MQTT-6.0.0-3]
		return "", badRequest("Sec-WebSocket-Protocol does not offer mqtt")
	case !originAllowed(*p.origins.Load(), r.origin, r.host):
		return "", &upgradeError{status: "403 Forbidden", detail: fmt.Sprintf("origin %.100q is not allowed on this port", r.origin)}
	}
	return r.key, nil
}

// parseUpgrade reads the lines of a request, without the empty one at its end.
func parseUpgrade(head string) (*upgradeRequest, *upgradeError) {
	line, fields, _ := strings.Cut(head, "\r\n")
	parts := strings.Split(line, " ")
	// Any path will do, but no target that names a host besides Host.
	if len(parts) != 3 || !strings.HasPrefix(parts[1], "/") || parts[2] != "HTTP/1.1" {
		return nil, badRequest("not a request for a path in HTTP/1.1")
	}
	r := new(upgradeRequest)
	for fields != "" {
		line, fields, _ = strings.Cut(fields, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		// This refuses continued lines as well, which begin with a space.
		if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(line, "\r\n\x00") {
			return nil, badRequest("a header field is malformed")
		}
		if !r.set(strings.ToLower(name), strings.Trim(value, " \t")) {
			return nil, badRequest("%.100s is empty, or there twice", name)
		}
	}
	return r, nil
}

// set takes a header field. It returns false for an empty one, or a second one
// of which one would have to be ignored.
func (r *upgradeRequest) set(name, value string) bool {
	once := func(field *string) bool {
		first := *field == "" && value != ""
		*field = value
		return first
	}
	join := func(field *string) { *field += "," + value }
	switch name {
	case "host":
		return once(&r.host)
	case "origin":
		return once(&r.origin)
	case "sec-websocket-key":
		return once(&r.key)
	case "sec-websocket-version":
		return once(&r.version)
	case "connection":
		join(&r.connection)
	case "upgrade":
		join(&r.upgrade)
	case "sec-websocket-protocol":
		join(&r.protocols)
	case "content-length":
		r.body = r.body || value != "0"
	case "transfer-encoding":
		r.body = true
	}
	return true
}

func isListSeparator(r rune) bool { return r == ',' || r == ' ' || r == '\t' }

// hasToken looks for a token, in any case, in a list.
func hasToken(list, token string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(list, isListSeparator), func(s string) bool { return strings.EqualFold(s, token) })
}

// acceptKey proves that the request was understood.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// originAllowed decides about the Origin of a request, which browsers send for
// the page that the script came from; see Listener.Origins.
func originAllowed(allowed []string, origin, host string) bool {
	if origin == "" {
		return true
	}
	if len(allowed) == 0 {
		from, err := url.Parse(origin)
		to, err2 := url.Parse("//" + host)
		return err == nil && err2 == nil && from.Hostname() != "" && strings.EqualFold(from.Hostname(), to.Hostname())
	}
	return slices.ContainsFunc(allowed, func(s string) bool { return s == anyOrigin || strings.EqualFold(s, origin) })
}

// CheckOrigin returns an error unless s can stand in Listener.Origins: "*", or
// a scheme and a host, with a port if it is not the scheme's own.
func CheckOrigin(s string) error {
	if s == anyOrigin {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != s {
		return fmt.Errorf("%q is not an origin; write one such as https://dashboard.example.com:8443, or * for all", s)
	}
	return nil
}
