package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// authenticatorFunc is an Authenticator that may wait. Being a function it
// cannot be compared, as one of a caller may be.
type authenticatorFunc func(context.Context, *security.Credentials) (security.Result, error)

func (f authenticatorFunc) Authenticate(ctx context.Context, c *security.Credentials) (security.Result, error) {
	return f(ctx, c)
}

// authorizerFunc is an Authorizer of the same kind.
type authorizerFunc func(ctx context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error)

func (f authorizerFunc) Authorize(ctx context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error) {
	return f(ctx, p, a, topic)
}

// everyoneIs authenticates everyone under one effective user name.
func everyoneIs(username string) authenticatorFunc {
	return func(context.Context, *security.Credentials) (security.Result, error) {
		return security.Result{Method: "test", Username: username}, nil
	}
}

func TestCustomAuthenticatorAndAuthorizerSeeWhoTheClientIs(t *testing.T) {
	certificates := testCertificates()
	seen := make(chan security.Credentials, 1)
	type request struct {
		who    security.Principal
		action security.Action
		topic  string
	}
	var mu sync.Mutex
	var requests []request
	b := start(t, engine.Options{Listeners: []engine.Listener{{
		Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required),
		Authenticator: authenticatorFunc(func(_ context.Context, c *security.Credentials) (security.Result, error) {
			kept := *c
			kept.Password = slices.Clone(c.Password)
			kept.AuthenticationData = slices.Clone(c.AuthenticationData)
			seen <- kept
			return security.Result{
				Method: "test", Username: c.VerifiedChains[0][0].Subject.CommonName,
				Attributes: security.NewAttributes(map[string]string{"issuer": c.VerifiedChains[0][1].Subject.CommonName}),
			}, nil
		}),
		Authorizer: authorizerFunc(func(_ context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error) {
			mu.Lock()
			defer mu.Unlock()
			requests = append(requests, request{*p, a, topic})
			return a != security.ActionPublish || topic != "denied", nil
		}),
	}}})
	connect := &codec.Connect{
		Version: codec.V5, ClientID: []byte("id"), CleanStart: true,
		HasUserName: true, UserName: []byte("claimed"), HasPassword: true, Password: []byte("secret"),
		HasWill: true, Will: codec.Will{TopicName: []byte("will")},
	}
	connect.Properties.SetAuthenticationMethod([]byte("method"))
	connect.Properties.SetAuthenticationData([]byte("data"))
	c := b.connectWith("mtls", deviceTLS(t, certificates.lamps, pki.Options{CommonName: "lamp 7"}), connect)
	if string(c.Connack.Properties.AuthenticationMethod) != "method" {
		t.Errorf("CONNACK has the Authentication Method %q [MQTT-4.12.0-5]", c.Connack.Properties.AuthenticationMethod)
	}
	got := next(t, seen)
	if got.ClientID != "id" || !got.HasUserName || got.UserName != "claimed" || string(got.Password) != "secret" ||
		got.AuthenticationMethod != "method" || string(got.AuthenticationData) != "data" ||
		got.Listener != "mtls" || got.RemoteAddr == "" || got.ProtocolVersion != 5 {
		t.Errorf("the authenticator saw %+v", got)
	}
	if len(got.PresentedChain) != 2 || len(got.VerifiedChains) != 1 || len(got.VerifiedChains[0]) != 3 || !got.VerifiedChains[0][2].Equal(certificates.clientRoot.Cert) {
		t.Errorf("the authenticator saw chains of %d, %v", len(got.PresentedChain), got.VerifiedChains)
	}

	if code := publishQoS1(t, c, "denied", "x"); code != codec.NotAuthorized {
		t.Errorf("PUBACK with %v", code)
	}
	if code := publishQoS1(t, c, "allowed", "x"); code != codec.Success {
		t.Errorf("PUBACK with %v", code)
	}
	publishQoS1(t, c, "allowed", "again")
	if code := subscribe(t, c, "a/#", codec.QoS1); code != codec.Success+1 {
		t.Errorf("SUBACK with %v", code)
	}
	who := security.Principal{ClientID: "id", Username: "lamp 7", Attributes: security.NewAttributes(map[string]string{"issuer": "Lamps"})}
	want := []request{
		{who, security.ActionConnect, ""}, {who, security.ActionPublish, "will"},
		// The second PUBLISH to allowed is answered from memory.
		{who, security.ActionPublish, "denied"}, {who, security.ActionPublish, "allowed"}, {who, security.ActionSubscribe, "a/#"},
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.EqualFunc(requests, want, func(a, b request) bool {
		return a.who.ClientID == b.who.ClientID && a.who.Username == b.who.Username && a.who.Attributes.Equal(b.who.Attributes) && a.action == b.action && a.topic == b.topic
	}) {
		t.Errorf("the authorizer was asked\n%v, want\n%v", requests, want)
	}
}

// Answers take their time; packets that come meanwhile are handled afterwards
// and in order, and other Clients are not held up.
func TestAnswersMayComeLater(t *testing.T) {
	asked, answer := make(chan string, 16), make(chan struct{})
	wait := func(ctx context.Context, what string) error {
		asked <- what
		select {
		case <-answer:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b := start(t, engine.Options{Loops: 1, Listeners: []engine.Listener{
		{Name: "plain", Address: "127.0.0.1:0"},
		{
			Name: "slow", Address: "127.0.0.1:0",
			Authenticator: authenticatorFunc(func(ctx context.Context, c *security.Credentials) (security.Result, error) {
				return security.Result{Username: "u"}, wait(ctx, "authenticate")
			}),
			Authorizer: authorizerFunc(func(ctx context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error) {
				return security.Allow, wait(ctx, a.String()+" "+topic)
			}),
		},
	}})
	other := b.connect("plain", "other")
	subscribe(t, other, "t/#", codec.QoS1)
	bystander := b.connect("plain", "bystander")
	c := b.dial("slow")
	all := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true})
	all = append(all, publish("t/1", codec.QoS1, 1, "first")...)
	all = append(all, publish("t/2", codec.QoS1, 2, "second")...)
	all = append(all, subscribePacket("t/3", codec.QoS0)...)
	all = codec.AppendPingreq(all)
	c.Send(all)
	for _, question := range []string{"authenticate", "Connect ", "Publish t/1", "Publish t/2", "Subscribe t/3"} {
		if got := next(t, asked); got != question {
			t.Fatalf("asked for %q, want %q", got, question)
		}
		ping(bystander) // the same loop works on
		answer <- struct{}{}
	}
	for _, want := range []codec.PacketType{codec.TypeConnack, codec.TypePuback, codec.TypePuback, codec.TypeSuback, codec.TypePingresp} {
		c.NextOf(want)
	}
	if p := other.NextPublish(); string(p.Payload) != "first" {
		t.Errorf("received %q first", p.Payload)
	}
}

func TestWhoeverCannotAnswerHasNotAllowedIt(t *testing.T) {
	broken := errors.New("broken")
	ok := everyoneIs("u")
	allow := authorizerFunc(func(context.Context, *security.Principal, security.Action, string) (security.Decision, error) {
		return security.Allow, nil
	})
	for _, test := range []struct {
		name          string
		authenticator security.Authenticator
		authorizer    security.Authorizer
		code          codec.ReasonCode
		reason        engine.CloseReason
	}{
		{"authenticator fails", authenticatorFunc(func(context.Context, *security.Credentials) (security.Result, error) {
			return security.Result{Username: "u"}, broken
		}), allow, codec.NotAuthorized, engine.CloseNotAuthenticated},
		{"authenticator denies with a Reason Code", authenticatorFunc(func(context.Context, *security.Credentials) (security.Result, error) {
			return security.Result{}, &security.Denied{Code: byte(codec.Banned), Reason: "you again"}
		}), allow, codec.Banned, engine.CloseNotAuthenticated},
		{"authenticator denies with Success", authenticatorFunc(func(context.Context, *security.Credentials) (security.Result, error) {
			return security.Result{}, &security.Denied{Code: 0, Reason: "a mistake"}
		}), allow, codec.NotAuthorized, engine.CloseNotAuthenticated},
		{"authenticator does not find it relevant", authenticatorFunc(func(context.Context, *security.Credentials) (security.Result, error) {
			return security.Result{}, security.ErrNotRelevant
		}), allow, codec.NotAuthorized, engine.CloseNotAuthenticated},
		{"authenticator takes too long", authenticatorFunc(func(ctx context.Context, _ *security.Credentials) (security.Result, error) {
			<-ctx.Done()
			return security.Result{}, ctx.Err()
		}), allow, codec.NotAuthorized, engine.CloseNotAuthenticated},
		{"authorizer denies", ok, authorizerFunc(func(context.Context, *security.Principal, security.Action, string) (security.Decision, error) {
			return security.Deny, nil
		}), codec.NotAuthorized, engine.CloseNotAuthorized},
		{"authorizer fails", ok, authorizerFunc(func(context.Context, *security.Principal, security.Action, string) (security.Decision, error) {
			return security.Allow, broken
		}), codec.NotAuthorized, engine.CloseNotAuthorized},
		{"authorizer takes too long", ok, authorizerFunc(func(ctx context.Context, _ *security.Principal, _ security.Action, _ string) (security.Decision, error) {
			<-ctx.Done()
			return security.Deny, ctx.Err()
		}), codec.NotAuthorized, engine.CloseNotAuthorized},
		{"authorizer denies the Will", ok, authorizerFunc(func(_ context.Context, _ *security.Principal, a security.Action, _ string) (security.Decision, error) {
			return a == security.ActionConnect, nil
		}), codec.NotAuthorized, engine.CloseNotAuthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, engine.Options{
				Limits:    engine.Limits{AuthenticationTimeout: time.Second},
				Listeners: []engine.Listener{{Name: "p", Address: "127.0.0.1:0", Authenticator: test.authenticator, Authorizer: test.authorizer}},
			})
			connect := &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true, HasWill: true, Will: codec.Will{TopicName: []byte("will")}}
			if code := refusal(t, b.dial("p"), connect); code != test.code {
				t.Errorf("CONNACK with %v, want %v", code, test.code)
			}
			b.events.awaitClose(t, "c", test.reason)
		})
	}

	t.Run("authenticator panics", func(t *testing.T) {
		b := start(t, engine.Options{Listeners: []engine.Listener{
			{Name: "plain", Address: "127.0.0.1:0"},
			{Name: "p", Address: "127.0.0.1:0", Authenticator: authenticatorFunc(func(context.Context, *security.Credentials) (security.Result, error) { panic("oh") })},
		}})
		c := b.dial("p")
		c.Send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true}))
		c.ExpectClose()
		b.events.awaitClose(t, "c", engine.CloseInternalError)
		ping(b.connect("plain", "other"))
	})

	t.Run("authorizer fails later", func(t *testing.T) {
		b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "p", Address: "127.0.0.1:0", Authenticator: ok, Authorizer: authorizerFunc(
			func(_ context.Context, _ *security.Principal, a security.Action, _ string) (security.Decision, error) {
				if a != security.ActionConnect {
					return security.Allow, broken
				}
				return security.Allow, nil
			})}}})
		c := b.connect("p", "c")
		if code := publishQoS1(t, c, "a", "x"); code != codec.NotAuthorized {
			t.Errorf("PUBACK with %v", code)
		}
		if code := subscribe(t, c, "a", codec.QoS0); code != codec.NotAuthorized {
			t.Errorf("SUBACK with %v", code)
		}
	})
}

func TestTooManyWhoWaitForAnAuthenticatorAreTurnedAway(t *testing.T) {
	const limit = 4
	asked := make(chan struct{}, limit)
	release := make(chan struct{})
	b := start(t, engine.Options{
		Limits: engine.Limits{PendingAuthentications: limit},
		Listeners: []engine.Listener{{Name: "p", Address: "127.0.0.1:0", Authenticator: authenticatorFunc(func(ctx context.Context, _ *security.Credentials) (security.Result, error) {
			asked <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return security.Result{}, ctx.Err()
		})}},
	})
	hello := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true})
	var waiting []*codectest.Conn
	for range limit {
		c := b.dial("p")
		c.Send(hello)
		<-asked
		waiting = append(waiting, c)
	}
	if code := refusal(t, b.dial("p"), &codec.Connect{Version: codec.V5, CleanStart: true}); code != codec.ServerBusy {
		t.Errorf("CONNACK with %v", code)
	}
	// One who goes makes room: its question is canceled.
	waiting[0].Close()
	eventually(t, "room", func() bool {
		c := codectest.Dial(t, b.addr("p"), codectest.Options{Timeout: patience})
		c.Send(hello)
		select {
		case <-asked:
			return true
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
	close(release)
	for _, c := range waiting[1:] {
		c.NextOf(codec.TypeConnack)
	}
}

// What arrives while a Client waits is bounded.
func TestInputThatPilesUpBehindAQuestionEndsTheConnection(t *testing.T) {
	asked := make(chan struct{}, 1)
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "p", Address: "127.0.0.1:0", Authenticator: authenticatorFunc(func(ctx context.Context, _ *security.Credentials) (security.Result, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return security.Result{}, ctx.Err()
	})}}})
	nc := dialRaw(t, b.addr("p"))
	_, _ = nc.Write(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("c"), CleanStart: true}))
	<-asked
	_ = nc.SetWriteDeadline(time.Now().Add(patience))
	for packet := publish("a", codec.QoS0, 0, string(make([]byte, 64<<10))); ; {
		if _, err := nc.Write(packet); err != nil {
			break
		}
	}
	b.events.awaitClose(t, "c", engine.CloseQuotaExceeded)
}

func TestObserverIsToldOfConnectDenyAndClose(t *testing.T) {
	var calls atomic.Int64
	b := start(t, engine.Options{
		Observe: func(engine.Event) { calls.Add(1) },
		Listeners: []engine.Listener{{Name: "p", Address: "127.0.0.1:0", Authenticator: everyoneIs("u"), Authorizer: table(t, security.Rule{
			Principals:      security.Principals{Usernames: []string{"u"}},
			BrokerResources: []security.BrokerResource{may(security.ActionConnect)},
		})}},
	})
	began := time.Now()
	c := b.connect("p", "c")
	// Within the same second, being one read: not told again.
	c.Send(append(publish("secret/topic", codec.QoS1, 1, "x"), publish("secret/topic", codec.QoS1, 2, "x")...))
	c.NextOf(codec.TypePuback)
	c.NextOf(codec.TypePuback)
	subscribe(t, c, "secret/#", codec.QoS0)
	c.SendHex(`e0 01 82`)
	c.ExpectClose()
	b.events.awaitClose(t, "c", engine.CloseClientError)
	b.events.mu.Lock()
	events := slices.Clone(b.events.events)
	b.events.mu.Unlock()
	type told struct {
		kind   engine.EventKind
		action string
		topic  string
	}
	var got []told
	for _, ev := range events {
		if ev.Listener != "p" || ev.ClientID != "c" || ev.Username != "u" || ev.Remote == nil || ev.Time.Before(began) {
			t.Errorf("event %+v", ev)
		}
		got = append(got, told{ev.Kind, ev.Action, ev.Topic})
	}
	want := []told{
		{engine.EventConnect, "", ""}, {engine.EventDeny, "Publish", "secret/topic"},
		{engine.EventDeny, "Subscribe", "secret/#"}, {engine.EventClose, "", ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if calls.Load() != int64(len(want)) {
		t.Errorf("%d calls of Observe", calls.Load())
	}
	if s := b.stats(); s.PublicationsDenied != 2 || s.SubscriptionsDenied != 1 {
		t.Errorf("%d PUBLISH and %d SUBSCRIBE denied", s.PublicationsDenied, s.SubscriptionsDenied)
	}
}

// An Observer that hangs holds up its own events only, within a bound.
func TestSlowObserverHoldsUpNobody(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	open := func() { once.Do(func() { close(release) }) }
	b := start(t, engine.Options{
		Observe:   func(engine.Event) { <-release },
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	defer open()
	c := b.connect("plain", "c")
	hello := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("d"), CleanStart: true})
	for b.stats().EventsDropped == 0 {
		for range 100 {
			nc := dialRaw(t, b.addr("plain"))
			_, _ = nc.Write(hello)
			_ = nc.Close()
		}
	}
	ping(c)
	open()
}

// hangingLog takes no line before it is closed.
type hangingLog struct {
	slog.Handler
	release chan struct{}
}

func (hangingLog) Enabled(context.Context, slog.Level) bool { return true }

func (h hangingLog) Handle(context.Context, slog.Record) error {
	<-h.release
	return nil
}

// Ports open, change and close while the log is stuck.
func TestSlowLogHoldsUpNobody(t *testing.T) {
	log := hangingLog{slog.DiscardHandler, make(chan struct{})}
	plain := engine.Listener{Name: "plain", Address: "127.0.0.1:0"}
	b := start(t, engine.Options{Logger: slog.New(log), Listeners: []engine.Listener{plain, {Name: "other", Address: "127.0.0.1:0"}}})
	defer close(log.release)
	plain.Authenticator = everyoneIs("u")
	b.apply(plain)
	ping(b.connect("plain", "c"))
}

// The connection ends with the certificate: silently, so that the Client takes
// it for a broken network, and the Will is published.
func TestConnectionEndsWithItsCertificate(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{
		{Name: "plain", Address: "127.0.0.1:0"},
		{Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x509Authentication(t)},
	}})
	watcher := b.connect("plain", "watcher")
	subscribe(t, watcher, "will", codec.QoS0)
	lives := b.connectTLS("mtls", "lives", deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "lives"}))
	// Certificates count whole seconds.
	expires := time.Now().Add(5 * time.Second).Truncate(time.Second)
	c := b.connectWith("mtls", deviceTLS(t, testCertificates().lamps, pki.Options{CommonName: "expires", NotAfter: expires}), &codec.Connect{
		Version: codec.V5, ClientID: []byte("expires"), CleanStart: true, HasWill: true, Will: codec.Will{TopicName: []byte("will"), Payload: []byte("expired")},
	})
	ping(c)
	c.ExpectClose()
	if now := time.Now(); now.Before(expires) {
		t.Errorf("closed %v before its time", expires.Sub(now))
	}
	if ev := b.events.awaitClose(t, "expires", engine.CloseCredentialExpired); ev.ReasonCode != 0 {
		t.Errorf("the Client was told %#x", ev.ReasonCode)
	}
	if p := watcher.NextPublish(); string(p.Payload) != "expired" {
		t.Errorf("received %q", p.Payload)
	}
	ping(lives)
}

// The same for a Result's Expiry of whatever origin, one in the past included.
func TestConnectionEndsWhenTheAuthenticatorSaid(t *testing.T) {
	b := start(t, engine.Options{Listeners: []engine.Listener{{Name: "p", Address: "127.0.0.1:0", Authenticator: authenticatorFunc(
		func(_ context.Context, c *security.Credentials) (security.Result, error) {
			in := map[string]time.Duration{"past": -time.Hour, "soon": 20 * time.Millisecond, "later": time.Hour, "in 300 years": 290 * 365 * 24 * time.Hour}[c.ClientID]
			return security.Result{Username: "u", Expiry: time.Now().Add(in)}, nil
		})}}})
	later, far := b.connect("p", "later"), b.connect("p", "in 300 years")
	b.connect("p", "soon").ExpectClose()
	b.connect("p", "past").ExpectClose()
	b.events.awaitClose(t, "soon", engine.CloseCredentialExpired)
	b.events.awaitClose(t, "past", engine.CloseCredentialExpired)
	ping(later)
	ping(far)
}
