package engine_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// connectAll makes n Clients at once: most of the time goes to handshakes.
func (b *broker) connectAll(n int, listener string, client func(i int) (id string, c *tls.Config)) []*codectest.Conn {
	b.t.Helper()
	addr := b.addr(listener)
	conns := make([]*codectest.Conn, n)
	var work sync.WaitGroup
	const workers = 4
	for w := range workers {
		work.Go(func() {
			for i := w; i < n; i += workers {
				id, c := client(i)
				nc, err := tls.Dial("tcp", addr, c)
				if err != nil {
					b.t.Errorf("%s: %v", id, err)
					return
				}
				conns[i] = codectest.New(b.t, nc, codectest.Options{Timeout: patience})
				conns[i].Send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true}))
			}
		})
	}
	work.Wait()
	if b.t.Failed() {
		b.t.FailNow()
	}
	for _, c := range conns {
		var ack codec.Connack
		if err := codec.DecodeConnack(&ack, codec.V5, c.NextOf(codec.TypeConnack).Body); err != nil || ack.ReasonCode != codec.Success {
			b.t.Fatalf("CONNACK with %v %v", ack.ReasonCode, err)
		}
	}
	return conns
}

// Two policies take turns under 1,000 Clients with mutual TLS. Thermostats may
// do the same under both; lamps lose a Subscription; one user in ten loses the
// right to connect.
func TestPolicySwapIsNoticedOnlyByThoseWhoLoseARight(t *testing.T) {
	const (
		clients = 1000
		lamps   = clients / 4
		guests  = clients / 10
		swaps   = 10
	)
	certificates := testCertificates()
	guest := security.Rule{
		Name:            "guests",
		Principals:      security.Principals{Usernames: []string{"guest"}},
		BrokerResources: []security.BrokerResource{may(security.ActionConnect)},
	}
	thermostats := group("thermostats", may(security.ActionConnect), may(security.ActionPublish, "temperature/{principal.clientId}"))
	wide := table(t, thermostats, guest, group("lamps", may(security.ActionConnect), may(security.ActionSubscribe, "light/#", "scene/#")))
	narrow := table(t, thermostats, group("lamps", may(security.ActionConnect), may(security.ActionSubscribe, "scene/#")))
	listener := engine.Listener{Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x509Authentication(t), Authorizer: wide}
	plain := engine.Listener{Name: "plain", Address: "127.0.0.1:0"}
	b := start(t, engine.Options{Loops: 4, Listeners: []engine.Listener{listener, plain}})

	kind := func(i int) string {
		switch {
		case i < guests:
			return "guest"
		case i < guests+lamps:
			return "lamp"
		}
		return "thermostat"
	}
	// Ten certificates of each kind.
	settings := make(map[string][]*tls.Config)
	for range 10 {
		settings["guest"] = append(settings["guest"], deviceTLS(t, certificates.clientRoot, pki.Options{CommonName: "guest"}))
		settings["lamp"] = append(settings["lamp"], deviceTLS(t, certificates.lamps, pki.Options{CommonName: "lamp"}))
		settings["thermostat"] = append(settings["thermostat"], deviceTLS(t, certificates.thermostats, pki.Options{CommonName: "thermostat"}))
	}
	conns := b.connectAll(clients, "mtls", func(i int) (string, *tls.Config) {
		return fmt.Sprint(kind(i), i), settings[kind(i)][i%10]
	})
	for i, c := range conns {
		if kind(i) == "lamp" {
			subscribe(t, c, "light/all", codec.QoS0)
			subscribe(t, c, "scene/all", codec.QoS0)
		}
	}
	source := b.connect("plain", "source")
	sink := b.connect("plain", "sink")
	subscribe(t, sink, "temperature/+", codec.QoS0)

	for swap := range swaps {
		listener.Authorizer = narrow
		if swap%2 == 1 {
			listener.Authorizer = wide
		}
		// A tenth of the thermostats publish while the policy changes.
		var publishing sync.WaitGroup
		for i := clients - 60 + swap; i < clients; i += 10 {
			publishing.Go(func() {
				for id := range codec.PacketID(5) {
					conns[i].Send(publish("temperature/"+fmt.Sprint(kind(i), i), codec.QoS1, id+1, "21"))
				}
			})
		}
		b.apply(listener, plain)
		publishing.Wait()
		for i := clients - 60 + swap; i < clients; i += 10 {
			for range 5 {
				var a codec.Ack
				if err := codec.DecodeAck(&a, codec.V5, codec.TypePuback, conns[i].NextOf(codec.TypePuback).Body); err != nil || a.ReasonCode != codec.Success {
					t.Fatalf("PUBACK with %v %v", a.ReasonCode, err)
				}
			}
		}
		if swap == 0 {
			for i := range guests {
				conns[i].ExpectDisconnect(codec.NotAuthorized)
				b.events.awaitClose(t, fmt.Sprint("guest", i), engine.CloseNotAuthorized)
			}
			eventually(t, "Subscriptions are removed", func() bool { return b.stats().SubscriptionsRevoked == lamps })
		}
		// Nobody gets a Subscription back, whatever the policy is now.
		source.Send(publish("light/all", codec.QoS0, 0, "on"))
		source.Send(publish("scene/all", codec.QoS0, 0, "evening"))
		for i, c := range conns {
			if kind(i) == "lamp" {
				if p := c.NextPublish(); string(p.TopicName) != "scene/all" {
					t.Fatalf("swap %d: lamp %d received %s", swap, i, p.TopicName)
				}
			}
		}
	}
	for i, c := range conns[guests:] {
		if kind(guests+i) == "thermostat" {
			if code := publishQoS1(t, c, "temperature/"+fmt.Sprint("thermostat", guests+i), "22"); code != codec.Success {
				t.Fatalf("PUBACK with %v", code)
			}
		}
		ping(c)
	}
	s := b.stats()
	if s.Connections != clients-guests+2 || s.Closed(engine.CloseNotAuthorized) != guests || s.PublicationsDenied != 0 || s.SubscriptionsRevoked != lamps || s.Panics != 0 {
		t.Errorf("%d connections, %d closed, %d PUBLISH denied, %d Subscriptions removed, %d panics; want %d, %d, 0, %d, 0", s.Connections,
			s.Closed(engine.CloseNotAuthorized), s.PublicationsDenied, s.SubscriptionsRevoked, s.Panics, clients-guests+2, guests, lamps)
	}
}

// What arrives after Apply has returned is judged by the new policy, whether
// or not the recheck has got to the Client.
func TestNoPacketAfterApplyIsJudgedByTheOldPolicy(t *testing.T) {
	rules := func(topic string) *security.Table {
		return table(t, security.Rule{
			Principals:      security.Principals{Usernames: []string{"u"}},
			BrokerResources: []security.BrokerResource{may(security.ActionConnect), may(security.ActionPublish, topic), may(security.ActionSubscribe, topic)},
		})
	}
	policies := [2]*security.Table{rules("a"), rules("b")}
	authenticator := &fixedAuthenticator{username: "u"}
	l := engine.Listener{Name: "p", Address: "127.0.0.1:0", Authenticator: authenticator, Authorizer: policies[0]}
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{l}})
	c := b.connect("p", "c")
	for i := range 50 {
		want := map[string]codec.ReasonCode{"a": codec.Success, "b": codec.NotAuthorized}
		if i%2 == 1 {
			want = map[string]codec.ReasonCode{"b": codec.Success, "a": codec.NotAuthorized}
		}
		for topic, code := range want {
			if got := publishQoS1(t, c, topic, "x"); got != code {
				t.Fatalf("change %d: PUBLISH to %s: %v, want %v", i, topic, got, code)
			}
		}
		l.Authorizer = policies[(i+1)%2]
		b.apply(l)
	}
}

// fixedAuthenticator is an Authenticator that can be compared.
type fixedAuthenticator struct{ username string }

func (f *fixedAuthenticator) AuthenticatesImmediately() bool { return true }

func (f *fixedAuthenticator) Authenticate(context.Context, *security.Credentials) (security.Result, error) {
	return security.Result{Username: f.username}, nil
}

// Connected Clients are authenticated again, by the certificate that they came
// with, when the trusted CAs or the mapping to attributes change.
func TestChangedAuthenticationIsAppliedToConnectedClients(t *testing.T) {
	certificates := testCertificates()
	// Each group of devices has its own anchor here, so that one can go.
	anchors := []*x509.Certificate{certificates.lamps.Cert, certificates.thermostats.Cert}
	entries := []security.X509Entry{
		{Name: "lamps", Subject: "CN = Lamps", Attributes: map[string]string{"group": "lamps"}},
		{Name: "thermostats", Subject: "CN = Thermostats", Attributes: map[string]string{"group": "thermostats"}},
	}
	rules := table(t,
		group("lamps", may(security.ActionConnect), may(security.ActionSubscribe, "#")),
		group("thermostats", may(security.ActionConnect), may(security.ActionPublish, "#")),
		security.Rule{Principals: security.Principals{Usernames: []string{"one"}}, BrokerResources: []security.BrokerResource{may(security.ActionConnect)}})
	l := engine.Listener{
		Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required),
		Authenticator: newX509(t, security.X509Config{TrustedCAs: anchors, Entries: entries}), Authorizer: rules,
	}
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{l}})
	lamp := b.connectTLS("mtls", "lamp", deviceTLS(t, certificates.lamps, pki.Options{CommonName: "one"}))
	other := b.connectTLS("mtls", "other lamp", deviceTLS(t, certificates.lamps, pki.Options{CommonName: "two"}))
	thermostat := b.connectTLS("mtls", "thermostat", deviceTLS(t, certificates.thermostats, pki.Options{CommonName: "one"}))
	subscribe(t, lamp, "a", codec.QoS0)

	// The same in other values: everyone is authenticated again, nobody notices.
	l.Authenticator = newX509(t, security.X509Config{TrustedCAs: anchors, Entries: entries})
	b.apply(l)
	if code := publishQoS1(t, thermostat, "a", "x"); code != codec.Success {
		t.Fatalf("PUBACK with %v", code)
	}
	lamp.NextPublish()
	ping(other)

	// The attributes of lamps go: one may still connect, for its user name,
	// and loses its Subscription; the other may not.
	l.Authenticator = newX509(t, security.X509Config{TrustedCAs: anchors, Entries: entries[1:]})
	b.apply(l)
	other.ExpectDisconnect(codec.NotAuthorized)
	b.events.awaitClose(t, "other lamp", engine.CloseNotAuthorized)
	eventually(t, "the Subscription is removed", func() bool { return b.stats().SubscriptionsRevoked == 1 })
	if code := publishQoS1(t, thermostat, "a", "x"); code != codec.Success {
		t.Fatalf("PUBACK with %v", code)
	}
	ping(lamp) // and nothing before the answer

	// The CA of lamps goes.
	l.Authenticator = newX509(t, security.X509Config{TrustedCAs: anchors[1:], Entries: entries[1:]})
	b.apply(l)
	lamp.ExpectDisconnect(codec.NotAuthorized)
	b.events.awaitClose(t, "lamp", engine.CloseNotAuthenticated)
	if code := publishQoS1(t, thermostat, "a", "x"); code != codec.Success {
		t.Fatalf("PUBACK with %v", code)
	}
}

func TestOnPolicyChangeDisconnectClosesEveryoneSilently(t *testing.T) {
	authenticator := &fixedAuthenticator{username: "u"}
	everything := table(t, security.Rule{
		Principals:      security.Principals{Usernames: []string{"u"}},
		BrokerResources: []security.BrokerResource{may(security.ActionConnect), may(security.ActionPublish, "#"), may(security.ActionSubscribe, "#")},
	})
	l := engine.Listener{Name: "p", Address: "127.0.0.1:0", Authenticator: authenticator, Authorizer: everything, OnPolicyChange: engine.Disconnect}
	plain := engine.Listener{Name: "plain", Address: "127.0.0.1:0"}
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{l, plain}})
	watcher := b.connect("plain", "watcher")
	subscribe(t, watcher, "will", codec.QoS0)
	kept := codec.Connect{Version: codec.V5, ClientID: []byte("kept")}
	kept.Properties.SetSessionExpiryInterval(3600)
	first := b.connectWith("p", nil, &kept)
	mortal := b.connectWith("p", nil, &codec.Connect{
		Version: codec.V5, ClientID: []byte("mortal"), CleanStart: true, HasWill: true, Will: codec.Will{TopicName: []byte("will")},
	})
	b.apply(l, plain) // the same policy
	ping(first)

	// Nobody may connect; Wills that are due may still be published.
	l.Authorizer = table(t, security.Rule{
		Principals:      security.Principals{Usernames: []string{"u"}},
		BrokerResources: []security.BrokerResource{may(security.ActionPublish, "will")},
	})
	b.apply(l, plain)
	first.ExpectClose() // without DISCONNECT
	mortal.ExpectClose()
	watcher.NextPublish() // an abnormal end [MQTT-3.1.2-8]
	b.events.awaitClose(t, "kept", engine.ClosePolicyChanged)
	if code := refusal(t, b.dial("p"), &kept); code != codec.NotAuthorized {
		t.Errorf("under the new policy: CONNACK with %v", code)
	}
	l.Authorizer = everything
	b.apply(l, plain)
	if c := b.connectWith("p", nil, &kept); !c.Connack.SessionPresent {
		t.Error("the Session is gone")
	}
}

func TestFirstAuthenticationOfAPortClosesTheAnonymous(t *testing.T) {
	l := engine.Listener{Name: "p", Address: "127.0.0.1:0"}
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{l}})
	anonymous := b.connect("p", "anonymous")
	undecided := b.dial("p")

	l.Authenticator = passwords{"u": "p"}
	b.apply(l)
	anonymous.ExpectDisconnect(codec.NotAuthorized)
	b.events.awaitClose(t, "anonymous", engine.ClosePolicyChanged)
	if code := refusal(t, undecided, &codec.Connect{Version: codec.V5, ClientID: []byte("undecided"), CleanStart: true}); code != codec.BadUserNameOrPassword {
		t.Errorf("CONNACK with %v", code)
	}

	// Another authenticator cannot ask for the password again, so it stays.
	known := b.connectWith("p", nil, connectAs("known", "u", "p"))
	l.Authenticator = passwords{"u": "q"}
	b.apply(l)
	ping(known)
	// And without any, everyone is welcome again.
	l.Authenticator = nil
	b.apply(l)
	ping(known)
	ping(b.connect("p", "anonymous"))
}

// A custom Authorizer is asked again about those who are connected.
func TestCustomAuthorizerIsAskedAgainAfterAChange(t *testing.T) {
	var mu sync.Mutex
	denied := map[string]bool{}
	decide := func(_ context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error) {
		mu.Lock()
		defer mu.Unlock()
		return security.Decision(!denied[p.ClientID+" "+a.String()+" "+topic]), nil
	}
	l := engine.Listener{Name: "p", Address: "127.0.0.1:0", Authenticator: everyoneIs("u"), Authorizer: authorizerFunc(decide)}
	b := start(t, engine.Options{Loops: 2, Listeners: []engine.Listener{l}})
	a, c := b.connect("p", "a"), b.connect("p", "c")
	subscribe(t, a, "x", codec.QoS0)
	subscribe(t, a, "y", codec.QoS0)
	mu.Lock()
	denied["c Connect "], denied["a Subscribe x"] = true, true
	mu.Unlock()
	// Functions cannot be compared, so each Apply counts as a change.
	b.apply(l)
	c.ExpectDisconnect(codec.NotAuthorized)
	b.events.awaitClose(t, "c", engine.CloseNotAuthorized)
	eventually(t, "the Subscription is removed", func() bool { return b.stats().SubscriptionsRevoked == 1 })
	a.Send(publish("x", codec.QoS0, 0, ""))
	a.Send(publish("y", codec.QoS0, 0, ""))
	if p := a.NextPublish(); string(p.TopicName) != "y" {
		t.Errorf("received %s", p.TopicName)
	}
}
