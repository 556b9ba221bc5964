package engine_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// patience bounds every wait of these tests. No test takes that long unless it
// fails.
const patience = 20 * time.Second

// broker is an Engine that runs for a test, with what it has logged.
type broker struct {
	*engine.Engine
	t      testing.TB
	events *recorder
	cancel context.CancelFunc
	done   chan error // what Run returned
}

// start runs an Engine until the test ends. Its log and its events go to
// broker.events.
func start(t testing.TB, o engine.Options) *broker {
	t.Helper()
	events := newRecorder()
	observe := o.Observe
	o.Observe = func(ev engine.Event) {
		events.add(ev)
		if observe != nil {
			observe(ev)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(events, nil))
	}
	b := startUnobserved(t, o)
	b.events = events
	return b
}

// startUnobserved runs an Engine until the test ends, and keeps nothing of
// what it tells.
func startUnobserved(t testing.TB, o engine.Options) *broker {
	t.Helper()
	b := &broker{t: t, done: make(chan error, 1)}
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() { b.done <- e.Run(ctx) }()
	select {
	case <-e.Started():
	case err := <-b.done:
		t.Fatalf("Run returned early: %v", err)
	}
	t.Cleanup(b.stop)
	return b
}

// in is the same broker for a subtest.
func (b *broker) in(t testing.TB) *broker {
	same := *b
	same.t = t
	return &same
}

// stop ends the Engine and waits for Run to return.
func (b *broker) stop() {
	b.t.Helper()
	b.cancel()
	select {
	case err := <-b.done:
		if err != nil {
			b.t.Errorf("Run: %v", err)
		}
		b.done <- nil // for the next call
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		b.t.Fatalf("Run does not return:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// addr is the address of a listener.
func (b *broker) addr(listener string) string {
	b.t.Helper()
	a := b.Addr(listener)
	if a == nil {
		b.t.Fatalf("no listener %q", listener)
	}
	return a.String()
}

// connect makes an MQTT 5 Client with Clean Start on a plain listener.
func (b *broker) connect(listener, id string) *codectest.Conn {
	b.t.Helper()
	return b.connectWith(listener, nil, &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true})
}

// connectTLS is connect on a TLS listener.
func (b *broker) connectTLS(listener, id string, c *tls.Config) *codectest.Conn {
	b.t.Helper()
	return b.connectWith(listener, c, &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true})
}

func (b *broker) connectWith(listener string, c *tls.Config, p *codec.Connect) *codectest.Conn {
	b.t.Helper()
	return codectest.Dial(b.t, b.addr(listener), codectest.Options{TLS: c, Connect: p, Timeout: patience})
}

// dial opens a connection and sends nothing.
func (b *broker) dial(listener string) *codectest.Conn {
	b.t.Helper()
	return codectest.Dial(b.t, b.addr(listener), codectest.Options{Timeout: patience})
}

func (b *broker) stats() engine.Stats {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := b.Stats(ctx)
	if err != nil {
		b.t.Fatalf("Stats: %v", err)
	}
	return s
}

// closed is how many connections ended for a reason.
func (b *broker) closed(r engine.CloseReason) uint64 {
	b.t.Helper()
	s := b.stats()
	return s.Closed(r)
}

func (b *broker) apply(ls ...engine.Listener) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Apply(ctx, ls); err != nil {
		b.t.Fatalf("Apply: %v", err)
	}
}

// eventually waits for a condition that has no event of its own.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(time.Millisecond) // between two looks, not instead of one
	}
}

// recorder keeps the events of an Engine, and its log as text.
type recorder struct {
	mu     sync.Mutex
	events []engine.Event
	log    bytes.Buffer
	more   chan struct{} // closed and replaced when something is added
}

func newRecorder() *recorder { return &recorder{more: make(chan struct{})} }

func (r *recorder) add(ev engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
	close(r.more)
	r.more = make(chan struct{})
}

// Write is for the slog.Handler.
func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// await returns the first event that is wanted, now or later.
func (r *recorder) await(t testing.TB, what string, wanted func(engine.Event) bool) engine.Event {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		i := slices.IndexFunc(r.events, wanted)
		more := r.more
		if i >= 0 {
			defer r.mu.Unlock()
			return r.events[i]
		}
		r.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("no event: %s; log:\n%s", what, r.text())
		}
	}
}

// count returns how many events are wanted so far.
func (r *recorder) count(wanted func(engine.Event) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, ev := range r.events {
		if wanted(ev) {
			n++
		}
	}
	return n
}

func closedFor(reason engine.CloseReason) func(engine.Event) bool {
	return func(ev engine.Event) bool { return ev.Kind == engine.EventClose && ev.Reason == reason }
}

func (r *recorder) awaitClose(t testing.TB, clientID string, reason engine.CloseReason) engine.Event {
	t.Helper()
	return r.await(t, fmt.Sprintf("close of %q for %q", clientID, reason), func(ev engine.Event) bool {
		return ev.Kind == engine.EventClose && ev.ClientID == clientID && ev.Reason == reason
	})
}

// Certificates: one root for servers; one root for Clients with two
// intermediates, which stand for two groups of devices.
type certificates struct {
	serverCA, clientRoot, thermostats, lamps *pki.Authority
	server                                   *pki.Leaf
}

var testCertificates = sync.OnceValue(func() *certificates {
	c := &certificates{
		serverCA:   must(pki.NewRoot(pki.Options{CommonName: "Server Root"})),
		clientRoot: must(pki.NewRoot(pki.Options{CommonName: "Client Root"})),
	}
	c.thermostats = must(c.clientRoot.NewIntermediate(pki.Options{CommonName: "Thermostats"}))
	c.lamps = must(c.clientRoot.NewIntermediate(pki.Options{CommonName: "Lamps"}))
	c.server = must(c.serverCA.NewLeaf(pki.Options{CommonName: "broker", IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}))
	return c
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// serverTLS is the settings of a TLS port.
func serverTLS(clients tlsstate.ClientCertificates) *tlsstate.Config {
	c := testCertificates()
	return &tlsstate.Config{
		Certificates:       []tls.Certificate{c.server.TLSCertificate()},
		ClientCAs:          c.clientRoot.Pool(),
		ClientCertificates: clients,
	}
}

// anonymousTLS is the settings of a Client without a certificate.
func anonymousTLS() *tls.Config {
	return &tls.Config{
		RootCAs: testCertificates().serverCA.Pool(), ServerName: "127.0.0.1",
		// The one that is assembly throughout: the others take several times
		// as long under the race detector.
		CurvePreferences: []tls.CurveID{tls.CurveP256},
	}
}

// deviceTLS is the settings of a Client that has a certificate of its own.
func deviceTLS(t testing.TB, issuer *pki.Authority, o pki.Options) *tls.Config {
	t.Helper()
	leaf, err := issuer.NewLeaf(o)
	if err != nil {
		t.Fatal(err)
	}
	c := anonymousTLS()
	c.Certificates = []tls.Certificate{leaf.TLSCertificate()}
	return c
}

// x509Authentication trusts the Client root and gives each group its
// attribute.
func x509Authentication(t testing.TB) *security.X509 {
	t.Helper()
	return newX509(t, security.X509Config{
		TrustedCAs: []*x509.Certificate{testCertificates().clientRoot.Cert},
		Entries: []security.X509Entry{
			{Name: "thermostats", Subject: "CN = Thermostats", Attributes: map[string]string{"group": "thermostats"}},
			{Name: "lamps", Subject: "CN = Lamps", Attributes: map[string]string{"group": "lamps"}},
		},
	})
}

func newX509(t testing.TB, c security.X509Config) *security.X509 {
	t.Helper()
	x, err := security.NewX509(c)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// group is a rule for the Clients with the attribute group.
func group(name string, resources ...security.BrokerResource) security.Rule {
	return security.Rule{
		Name:            name,
		Principals:      security.Principals{Attributes: []map[string]string{{"group": name}}},
		BrokerResources: resources,
	}
}

func may(a security.Action, topics ...string) security.BrokerResource {
	return security.BrokerResource{Method: a, Topics: topics}
}

func table(t testing.TB, rules ...security.Rule) *security.Table {
	t.Helper()
	tb, err := security.Compile(security.Policy{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// publish encodes a PUBLISH.
func publish(topic string, qos codec.QoS, id codec.PacketID, payload string) []byte {
	return codec.AppendPublish(nil, codec.V5, &codec.Publish{TopicName: []byte(topic), QoS: qos, PacketID: id, Payload: []byte(payload)})
}

// subscribe makes one Subscription and returns its Reason Code.
func subscribe(t testing.TB, c *codectest.Conn, filter string, qos codec.QoS) codec.ReasonCode {
	t.Helper()
	c.Send(subscribePacket(filter, qos))
	var s codec.Suback
	if err := codec.DecodeSuback(&s, codec.V5, c.NextOf(codec.TypeSuback).Body); err != nil {
		t.Fatal(err)
	}
	return s.ReasonCodes[0]
}

func subscribePacket(filter string, qos codec.QoS) []byte {
	return codec.AppendSubscribe(nil, codec.V5, &codec.Subscribe{
		PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte(filter), QoS: qos}},
	})
}

// publishQoS1 publishes and returns the Reason Code of the PUBACK.
func publishQoS1(t testing.TB, c *codectest.Conn, topic, payload string) codec.ReasonCode {
	t.Helper()
	c.Send(publish(topic, codec.QoS1, 1, payload))
	var a codec.Ack
	if err := codec.DecodeAck(&a, codec.V5, codec.TypePuback, c.NextOf(codec.TypePuback).Body); err != nil {
		t.Fatal(err)
	}
	return a.ReasonCode
}

// ping fails the test unless the connection works. Whatever was sent before
// has been handled when it returns.
func ping(c *codectest.Conn) {
	c.Send(codec.AppendPingreq(nil))
	c.NextOf(codec.TypePingresp)
}

// refusal connects and returns the Reason Code of a CONNACK that must not be
// Success, after which the connection must close.
func refusal(t testing.TB, c *codectest.Conn, p *codec.Connect) codec.ReasonCode {
	t.Helper()
	c.Send(codec.AppendConnect(nil, p))
	var a codec.Connack
	if err := codec.DecodeConnack(&a, p.Version, c.NextOf(codec.TypeConnack).Body); err != nil {
		t.Fatal(err)
	}
	if a.ReasonCode == codec.Success {
		t.Fatal("the Client was accepted")
	}
	c.ExpectClose()
	return a.ReasonCode
}

// passwords is an Authenticator for User Names and passwords that answers at
// once.
type passwords map[string]string

func (p passwords) AuthenticatesImmediately() bool { return true }

func (p passwords) Authenticate(_ context.Context, c *security.Credentials) (security.Result, error) {
	if want, ok := p[c.UserName]; !ok || want != string(c.Password) {
		return security.Result{}, &security.Denied{Code: byte(codec.BadUserNameOrPassword), Reason: "wrong password"}
	}
	return security.Result{Method: "passwords", Username: c.UserName}, nil
}

func connectAs(id, userName, password string) *codec.Connect {
	return &codec.Connect{
		Version: codec.V5, ClientID: []byte(id), CleanStart: true,
		HasUserName: true, UserName: []byte(userName), HasPassword: true, Password: []byte(password),
	}
}

// dialFails reports whether nobody listens.
func dialFails(addr string) bool {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err == nil {
		_ = nc.Close()
	}
	return err != nil
}

// handshakeError returns what a TLS client gets to know: with TLS 1.3 a
// refused certificate shows with the first read.
func handshakeError(t testing.TB, addr string, c *tls.Config) error {
	t.Helper()
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, c)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	if _, err = nc.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
