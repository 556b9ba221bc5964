package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// goKit needs nothing that the module does not bring.
var goKit = &kit{
	name:   "go",
	need:   func(testing.TB) {},
	issue:  issueWithWeir,
	player: func(s *site) player { return &goPlayer{s} },
}

// issueWithWeir does with weir pki what the tutorial does with step.
func issueWithWeir(t testing.TB, dir string) {
	t.Helper()
	for _, c := range []struct {
		profile, subject, file, issuer string
		options                        []string
	}{
		{"root", "Contoso Root CA", "contoso_root_ca", "", nil},
		{"intermediate", "Contoso Intermediate CA 1", "contoso_intermediate_ca", "contoso_root_ca", nil},
		{"leaf", "mqtts-endpoint", "mqtts-endpoint", "contoso_intermediate_ca", []string{"--bundle", "--san", "localhost", "--not-after", "2400h"}},
		{"root", "Fabrikam Root CA", "fabrikam_root_ca", "", nil},
		{"intermediate", "Fabrikam Intermediate CA 1", "fabrikam_intermediate_ca", "fabrikam_root_ca", nil},
		{"leaf", "thermostat", "thermostat", "fabrikam_intermediate_ca", []string{"--bundle", "--not-after", "2400h"}},
		{"leaf", "hygrometer", "hygrometer", "fabrikam_intermediate_ca", []string{"--bundle", "--not-after", "2400h"}},
		{"leaf", "heater", "heater", "fabrikam_intermediate_ca", []string{"--bundle", "--not-after", "2400h"}},
		{"leaf", "lightbulb", "lightbulb", "fabrikam_intermediate_ca", []string{"--bundle", "--not-after", "2400h"}},

		// What the tutorial does not have: a Client of Fabrikam's without the
		// intermediate, one of another factory, and one whose time is over.
		{"leaf", "newcomer", "newcomer", "fabrikam_root_ca", []string{"--bundle", "--not-after", "2400h"}},
		{"leaf", "stranger", "stranger", "contoso_intermediate_ca", []string{"--bundle", "--not-after", "2400h"}},
		{"leaf", "expired", "expired", "fabrikam_intermediate_ca", []string{"--bundle", "--not-before=-2h", "--not-after=-1h"}},
	} {
		args := append([]string{"pki", c.profile, c.subject, c.file + ".crt", c.file + ".key"}, c.options...)
		if c.issuer != "" {
			args = append(args, "--ca", c.issuer+".crt", "--ca-key", c.issuer+".key")
		}
		if out, code := run(t, dir, nil, weirProgram, args...); code != 0 {
			t.Fatalf("weir %q: exit code %d\n%s", args, code, out)
		}
	}
}

// goPlayer plays with paho.golang, and with raw packets for MQTT 3.1.1.
type goPlayer struct{ s *site }

// link is a Client that is connected.
type link interface {
	// publish returns the Reason Code of the PUBACK, or 0 for QoS 0.
	publish(m message) byte
	subscribe(filters []string) []byte
	next() message
	// end waits for the Server to close the connection, and returns the
	// Reason Code of its DISCONNECT, or silence.
	end() int
	disconnect()
}

// silence is what end returns if no DISCONNECT came.
const silence = -1

// tlsConfig is that of a client.
func (p *goPlayer) tlsConfig(c client) *tls.Config {
	p.s.t.Helper()
	config := &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(mustRead(p.s.t, filepath.Join(p.s.dir, c.caFile()))) {
		p.s.t.Fatalf("%s holds no certificate", c.caFile())
	}
	if c.name == "" {
		return config
	}
	file := filepath.Join(p.s.dir, c.name)
	certificate, err := tls.LoadX509KeyPair(file+".crt", file+".key")
	if err != nil {
		p.s.t.Fatal(err)
	}
	// Not Certificates: of those it would send none whose issuer the Server
	// does not ask for, where mosquitto sends what it is given.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	return config
}

func (p *goPlayer) dial(c client) (net.Conn, error) {
	p.s.t.Helper()
	dialer := &net.Dialer{Timeout: patience}
	address := net.JoinHostPort("localhost", strconv.Itoa(p.s.port))
	if c.plain {
		return dialer.Dial("tcp", address)
	}
	return tls.DialWithDialer(dialer, "tcp", address, p.tlsConfig(c))
}

// connect returns a link, or the code of the CONNACK that refused it, or an
// error if there was none.
func (p *goPlayer) connect(c client) (l link, refusal byte, err error) {
	p.s.t.Helper()
	conn, err := p.dial(c)
	if err != nil {
		return nil, 0, err
	}
	p.s.t.Cleanup(func() { _ = conn.Close() })
	if c.v311 {
		return connectRaw(p.s.t, conn, c)
	}
	return connectPaho(p.s.t, conn, c)
}

func (p *goPlayer) mustConnect(c client) link {
	p.s.t.Helper()
	l, refusal, err := p.connect(c)
	switch {
	case err != nil:
		p.s.t.Fatalf("%s: %v", c.clientID(), err)
	case l == nil:
		p.s.t.Fatalf("%s: CONNACK %d, want 0", c.clientID(), refusal)
	}
	return l
}

func (p *goPlayer) publish(c client, m message, want byte) {
	p.s.t.Helper()
	l := p.mustConnect(c)
	if code := l.publish(m); code != want {
		p.s.t.Fatalf("%s publishes to %s: PUBACK %d, want %d", c.clientID(), m.topic, code, want)
	}
	l.disconnect()
}

func (p *goPlayer) subscribe(c client, want []byte, filters ...string) subscriber {
	p.s.t.Helper()
	l := p.mustConnect(c)
	if codes := l.subscribe(filters); !bytes.Equal(codes, want) {
		p.s.t.Fatalf("%s subscribes to %q: SUBACK %v, want %v", c.clientID(), filters, codes, want)
	}
	for _, code := range want {
		if code < 0x80 {
			return &goSubscriber{p, c, filters, l}
		}
	}
	l.disconnect()
	return nil
}

func (p *goPlayer) publisher(c client, topic string) publisher {
	p.s.t.Helper()
	return &goPublisher{p, c, topic, p.mustConnect(c)}
}

func (p *goPlayer) refused(c client, want byte) {
	p.s.t.Helper()
	switch l, refusal, err := p.connect(c); {
	case err != nil:
		p.s.t.Fatalf("%s: %v, want CONNACK %d", c.clientID(), err, want)
	case l != nil:
		p.s.t.Fatalf("%s: CONNACK 0, want %d", c.clientID(), want)
	case refusal != want:
		p.s.t.Fatalf("%s: CONNACK %d, want %d", c.clientID(), refusal, want)
	}
}

func (p *goPlayer) fails(c client) string {
	p.s.t.Helper()
	l, refusal, err := p.connect(c)
	switch {
	case l != nil:
		p.s.t.Fatalf("%s: CONNACK 0, want none", c.clientID())
	case err == nil:
		p.s.t.Fatalf("%s: CONNACK %d, want none", c.clientID(), refusal)
	case errors.Is(err, context.DeadlineExceeded):
		p.s.t.Fatalf("%s: no end, want the connection closed", c.clientID())
	}
	return err.Error()
}

func (p *goPlayer) unreachable(c client) {
	p.s.t.Helper()
	conn, err := p.dial(c)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		p.s.t.Fatalf("connecting to the port: %v, want %v", err, syscall.ECONNREFUSED)
	}
}

type goSubscriber struct {
	p       *goPlayer
	c       client
	filters []string
	link    link
}

func (g *goSubscriber) receives(m message) {
	g.p.s.t.Helper()
	if got := g.link.next(); got.topic != m.topic || got.payload != m.text() {
		g.p.s.t.Fatalf("%s received %q on %s, want %q on %s", g.c.clientID(), got.payload, got.topic, m.text(), m.topic)
	}
}

func (g *goSubscriber) ends(want int) {
	g.p.s.t.Helper()
	if code := g.link.end(); code != want {
		g.p.s.t.Fatalf("%s: DISCONNECT %d, want %d (%d: none)", g.c.clientID(), code, want, silence)
	}
}

func (g *goSubscriber) takenOver() {
	g.p.s.t.Helper()
	g.ends(sessionTakenOver)
}

func (g *goSubscriber) cutAndRefused(want byte) {
	g.p.s.t.Helper()
	g.ends(int(want))
	g.p.refused(g.c, want)
}

func (g *goSubscriber) cutAndBack() {
	g.p.s.t.Helper()
	g.ends(silence)
	again := g.p.subscribe(g.c, granted(g.filters...), g.filters...).(*goSubscriber)
	g.link = again.link
}

type goPublisher struct {
	p     *goPlayer
	c     client
	topic string
	link  link
}

func (g *goPublisher) send(payload string, want byte) {
	g.p.s.t.Helper()
	if code := g.link.publish(message{topic: g.topic, payload: payload}); code != want {
		g.p.s.t.Fatalf("%s publishes to %s: PUBACK %d, want %d", g.c.clientID(), g.topic, code, want)
	}
}

// within returns a context that ends with the test's patience.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// receive returns the next element of a channel.
func receive[T any](t testing.TB, from <-chan T, what string) (element T) {
	t.Helper()
	select {
	case element = <-from:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	return element
}
