package bench

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Transport is what carries MQTT.
type Transport string

// The transports, named as the schemes of their URLs.
const (
	TCP          Transport = "mqtt"
	TLS          Transport = "mqtts"
	WebSocket    Transport = "ws"
	WebSocketTLS Transport = "wss"
)

func (t Transport) hasTLS() bool       { return t == TLS || t == WebSocketTLS }
func (t Transport) hasWebSocket() bool { return t == WebSocket || t == WebSocketTLS }

var defaultPorts = map[Transport]string{TCP: "1883", TLS: "8883", WebSocket: "80", WebSocketTLS: "443"}

// endpoint is Config.Broker taken apart.
type endpoint struct {
	transport Transport
	host      string
	address   string // host and port
	path      string // of WebSocket
}

// ParseBroker returns how Config.Broker is reached: the transport, and the
// address as net.Dial takes it.
func ParseBroker(broker string) (t Transport, address string, err error) {
	e, err := parseBroker(broker)
	return e.transport, e.address, err
}

func parseBroker(broker string) (e endpoint, err error) {
	const want = "want HOST:PORT, or a URL such as mqtts://HOST:PORT or ws://HOST:PORT/PATH"
	text := broker
	if !strings.Contains(text, "://") {
		text = string(TCP) + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return e, fmt.Errorf("%q is no address: %s", broker, want)
	}
	e.transport = Transport(u.Scheme)
	port, known := defaultPorts[e.transport]
	switch {
	case !known:
		return e, fmt.Errorf("%q: the scheme %q is unknown: want mqtt, mqtts, ws or wss", broker, u.Scheme)
	case u.User != nil:
		// Not quoted: it may hold a password.
		return e, fmt.Errorf("the address has a user name in it: it has a flag, or a field, of its own")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "",
		u.Path != "" && u.Path != "/" && !e.transport.hasWebSocket():
		return e, fmt.Errorf("%q: %s", broker, want)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	e.host = u.Hostname()
	e.address = net.JoinHostPort(e.host, port)
	if e.path = u.EscapedPath(); e.path == "" {
		e.path = "/"
	}
	return e, nil
}
