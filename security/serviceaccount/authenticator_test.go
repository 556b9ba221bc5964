package serviceaccount

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/security"
)

var (
	_ security.Reauthenticator = (*Authenticator)(nil)
	_ security.Originator      = (*Authenticator)(nil)
	_ security.MethodHandler   = (*Authenticator)(nil)
	_ security.Prompt          = (*Authenticator)(nil)
)

func TestATokenIsRelevantInTheAuthenticationData(t *testing.T) {
	c := newClock()
	token := tokenFor(t, time.Hour)
	for _, row := range []struct {
		name           string
		credentials    security.Credentials
		strict, legacy bool // relevant without and with the switch
	}{
		{"K8S-SAT", security.Credentials{AuthenticationMethod: "K8S-SAT", AuthenticationData: []byte(token)}, true, true},
		{"K8S-SAT and a User Name, which does not matter", security.Credentials{AuthenticationMethod: "K8S-SAT", AuthenticationData: []byte(token), UserName: "me", HasUserName: true}, true, true},
		{"another letter case", security.Credentials{AuthenticationMethod: "k8s-sat", AuthenticationData: []byte(token)}, false, false},
		{"another method", security.Credentials{AuthenticationMethod: "SCRAM", AuthenticationData: []byte(token)}, false, false},
		{"User Name $sat", security.Credentials{UserName: "$sat", Password: []byte(token)}, false, true},
		{"User Name that begins with K8S-SAT", security.Credentials{UserName: "K8S-SAT-1", Password: []byte(token)}, false, true},
		{"another User Name that begins with $sat", security.Credentials{UserName: "$saturn", Password: []byte(token)}, false, false},
		{"another method with User Name $sat", security.Credentials{AuthenticationMethod: "SCRAM", UserName: "$sat", Password: []byte(token)}, false, false},
		{"a User Name and Password", security.Credentials{UserName: "me", Password: []byte("x")}, false, false},
		{"nothing", security.Credentials{}, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, legacy := range []bool{false, true} {
				a := newTestAuthenticator(t, c, Config{Verifier: &knowing{identity: mqttClient()}, LegacyUserName: legacy})
				_, err := a.Authenticate(t.Context(), &row.credentials)
				want := row.strict
				if legacy {
					want = row.legacy
				}
				if relevant := !errors.Is(err, security.ErrNotRelevant); relevant != want {
					t.Errorf("legacy %v: relevant %v: %v", legacy, relevant, err)
				}
			}
		})
	}
	a := newTestAuthenticator(t, c, Config{Verifier: &knowing{}})
	if !a.HandlesAuthenticationMethod("K8S-SAT") || a.HandlesAuthenticationMethod("k8s-sat") || a.HandlesAuthenticationMethod("") {
		t.Error("the Authentication Method is not exactly K8S-SAT")
	}
}

func TestResultIsWhatTheVerifierVouchesFor(t *testing.T) {
	c := newClock()
	a := newTestAuthenticator(t, c, Config{Verifier: &knowing{identity: mqttClient()}})
	credentials := connect(tokenFor(t, time.Hour))
	credentials.UserName, credentials.HasUserName = "admin", true
	got := must[security.Result](t)(a.Authenticate(t.Context(), credentials))
	if got.Method != "ServiceAccountToken" || got.Username != "system:serviceaccount:factory:mqtt-client" ||
		!got.Expiry.Equal(epoch.Add(time.Hour)) || got.Attributes.String() != "{group: sensors}" {
		t.Errorf("got %+v", got)
	}
}

func TestServiceAccountNameIsAnAttributeOnRequest(t *testing.T) {
	c := newClock()
	id := mqttClient()
	id.Attributes = map[string]string{"group": "sensors", "serviceAccountName": "somebody-else"}
	a := newTestAuthenticator(t, c, Config{Verifier: &knowing{identity: id}, ServiceAccountName: true})
	got := must[security.Result](t)(a.Authenticate(t.Context(), connect(tokenFor(t, time.Hour))))
	if got.Attributes.String() != "{group: sensors, serviceAccountName: mqtt-client}" {
		t.Errorf("the attributes are %v", got.Attributes)
	}
}

func TestBadTokensAreRefusedWithoutAskingAnybody(t *testing.T) {
	c := newClock()
	for _, row := range []struct{ name, token, reason string }{
		{"none", "", "no token"},
		{"garbage", "garbage", "not a JSON Web Token"},
		{"16 MiB", strings.Repeat("A", 16<<20), "longer than 16 KiB"},
		{"expired", tokenFor(t, 0), "has expired"},
		{"without exp", unsigned(t, map[string]any{"sub": "x"}), "no exp claim"},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := &knowing{identity: mqttClient()}
			a := newTestAuthenticator(t, c, Config{Verifier: k})
			_, err := a.Authenticate(t.Context(), connect(row.token))
			expectDenied(t, err, row.reason, row.token)
			if k.asked.Load() != 0 {
				t.Error("the Verifier was asked")
			}
		})
	}
}

func TestGoodTokensAreRememberedForSecondsButNotBeyondTheirEnd(t *testing.T) {
	c := newClock()
	k := &knowing{identity: mqttClient()}
	a := newTestAuthenticator(t, c, Config{Verifier: k})
	try := func(after time.Duration, asked int64) {
		t.Helper()
		c.advance(after)
		if _, err := a.Authenticate(t.Context(), connect(tokenFor(t, time.Hour))); err != nil {
			t.Fatal(err)
		}
		if got := k.asked.Load(); got != asked {
			t.Fatalf("asked %d times, want %d", got, asked)
		}
	}
	try(0, 1)
	try(DefaultCacheLifetime-1, 1)
	try(1, 2)

	k.identity.Expiry = c.now().Add(DefaultCacheLifetime + time.Second)
	try(DefaultCacheLifetime, 3) // remembered until its end, a second from now
	c.advance(time.Second - 1)
	try(0, 3)
	c.advance(1)
	_, err := a.Authenticate(t.Context(), connect(tokenFor(t, time.Hour)))
	expectDenied(t, err, "has expired", "")
}

func TestBadTokensAreRememberedForAMoment(t *testing.T) {
	c := newClock()
	k := &knowing{err: errOtherAudience}
	a := newTestAuthenticator(t, c, Config{Verifier: k})
	token := tokenFor(t, time.Hour)
	for range 3 {
		_, err := a.Authenticate(t.Context(), connect(token))
		expectDenied(t, err, "another audience", token)
	}
	if got := k.asked.Load(); got != 1 {
		t.Errorf("asked %d times within %v, want once", got, refusalLifetime)
	}
	c.advance(refusalLifetime)
	k.identity, k.err = mqttClient(), nil
	if _, err := a.Authenticate(t.Context(), connect(token)); err != nil {
		t.Error(err)
	}
}

// What is remembered is told on an event loop, where nobody may be asked.
func TestTokensThatAreRememberedAreJudgedPromptly(t *testing.T) {
	c := newClock()
	k := &knowing{identity: mqttClient()}
	revoked := map[string]bool{}
	a := newTestAuthenticator(t, c, Config{Verifier: k, Revoked: func(id string) bool { return revoked[id] }})
	token := tokenFor(t, time.Hour)
	promptly := func(token string, asked int64) (security.Result, error) {
		t.Helper()
		r, err := a.AuthenticatePromptly(connect(token))
		if got := k.asked.Load(); got != asked {
			t.Fatalf("asked %d times, want %d", got, asked)
		}
		return r, err
	}
	if _, err := promptly(token, 0); !errors.Is(err, security.ErrMustWait) {
		t.Errorf("a new token: %v", err)
	}
	want := must[security.Result](t)(a.Authenticate(t.Context(), connect(token)))
	if got, err := promptly(token, 1); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	revoked[want.CredentialID] = true
	_, err := promptly(token, 1)
	expectDenied(t, err, "deny list", token)
	c.advance(DefaultCacheLifetime)
	if _, err := promptly(token, 1); !errors.Is(err, security.ErrMustWait) {
		t.Errorf("a token of a while ago: %v", err)
	}

	k.err = errOtherAudience
	_, _ = a.Authenticate(t.Context(), connect(token))
	_, err = promptly(token, 2)
	expectDenied(t, err, "another audience", token)
	huge := strings.Repeat("x", maxTokenBytes+1)
	_, err = promptly(huge, 2)
	expectDenied(t, err, "longer than", huge)
	if _, err := a.AuthenticatePromptly(new(security.Credentials)); !errors.Is(err, security.ErrNotRelevant) {
		t.Errorf("without a token: %v", err)
	}
}

func TestServerUnavailableIsNoDenialOfTheTokenAndNotRemembered(t *testing.T) {
	c := newClock()
	k := &knowing{err: unavailable("no answer", nil)}
	a := newTestAuthenticator(t, c, Config{Verifier: k})
	token := tokenFor(t, time.Hour)
	_, err := a.Authenticate(t.Context(), connect(token))
	expectUnavailable(t, err, "no answer", token)
	var d *security.Denied
	if !errors.As(err, &d) || d.Code != 0x88 {
		t.Errorf("%v, want a denial with Server unavailable", err)
	}
	// So the Chain asks no other method.
	chain := security.NewChain(a, newTestAuthenticator(t, c, Config{Verifier: &knowing{identity: mqttClient()}}))
	if _, err := chain.Authenticate(t.Context(), connect(token)); err == nil {
		t.Error("the next method saved the Client")
	}
	k.identity, k.err = mqttClient(), nil
	if _, err := a.Authenticate(t.Context(), connect(token)); err != nil {
		t.Error(err)
	}
}

func TestNobodyCanTell(t *testing.T) {
	a := newTestAuthenticator(t, newClock(), Config{Verifier: Nobody(ErrNotInCluster)})
	token := tokenFor(t, time.Hour)
	_, err := a.Authenticate(t.Context(), connect(token))
	expectUnavailable(t, err, "KUBERNETES_SERVICE_HOST", token)
	if !errors.Is(err, ErrNotInCluster) {
		t.Error("the error does not say why")
	}
}

func TestRevokedTokensAreRefusedEvenIfRemembered(t *testing.T) {
	c := newClock()
	revoked := map[string]bool{}
	a := newTestAuthenticator(t, c, Config{
		Verifier: &knowing{identity: mqttClient()},
		Revoked:  func(id string) bool { return revoked[id] },
	})
	token := tokenFor(t, time.Hour)
	if _, err := a.Authenticate(t.Context(), connect(token)); err != nil {
		t.Fatal(err)
	}
	revoked["one"] = true
	_, err := a.Authenticate(t.Context(), connect(token))
	expectDenied(t, err, "deny list", token)
	delete(revoked, "one")
	revoked[""] = true // a token without jti cannot be on a list
	if _, err := a.Authenticate(t.Context(), connect(token)); err != nil {
		t.Error(err)
	}
}

func TestAnotherDenyListCostsNoReview(t *testing.T) {
	k := &knowing{identity: mqttClient()}
	before := newTestAuthenticator(t, newClock(), Config{Verifier: k})
	after := before.WithRevoked(func(id string) bool { return id == "one" })
	token := tokenFor(t, time.Hour)
	if _, err := before.Authenticate(t.Context(), connect(token)); err != nil {
		t.Fatal(err)
	}
	k.err = errOtherAudience // nobody is asked
	_, err := after.Authenticate(t.Context(), connect(token))
	expectDenied(t, err, "deny list", token)
	for _, a := range []*Authenticator{before, after.WithRevoked(nil)} {
		if _, err := a.Authenticate(t.Context(), connect(token)); err != nil {
			t.Error(err)
		}
	}
}

func TestReauthenticationKeepsTheIdentity(t *testing.T) {
	c := newClock()
	k := &knowing{identity: mqttClient()}
	a := newTestAuthenticator(t, c, Config{Verifier: k})
	first := must[security.Result](t)(a.Authenticate(t.Context(), connect(tokenFor(t, time.Hour))))

	k.identity.Expiry = epoch.Add(2 * time.Hour)
	k.identity.Attributes = map[string]string{"group": "actuators"}
	second := must[security.Result](t)(a.Reauthenticate(t.Context(), connect(tokenFor(t, 2*time.Hour)), first))
	if !second.Expiry.Equal(epoch.Add(2*time.Hour)) || second.Attributes.String() != "{group: actuators}" {
		t.Errorf("got %+v", second)
	}

	k.identity.Username = "system:serviceaccount:factory:other"
	token := tokenFor(t, 3*time.Hour)
	_, err := a.Reauthenticate(t.Context(), connect(token), first)
	expectDenied(t, err, "another service account", token)

	if _, err := a.Reauthenticate(t.Context(), connect(token), security.Result{Method: security.MethodX509}); !errors.Is(err, security.ErrNotRelevant) {
		t.Errorf("of a Client with a certificate: %v", err)
	}
	_, err = a.Reauthenticate(t.Context(), connect("garbage"), first)
	expectDenied(t, err, "not a JSON Web Token", "")

	k.err = unavailable("no answer", nil)
	_, err = a.Reauthenticate(t.Context(), connect(tokenFor(t, 4*time.Hour)), first)
	expectUnavailable(t, err, "no answer", token)
}

func TestConnectedClientsAreRecheckedByTheIDOfTheirToken(t *testing.T) {
	revoked := map[string]bool{}
	k := &knowing{identity: mqttClient()}
	a := newTestAuthenticator(t, newClock(), Config{Verifier: k, Revoked: func(id string) bool { return revoked[id] }})
	first := must[security.Result](t)(a.Authenticate(t.Context(), connect(tokenFor(t, time.Hour))))
	k.err = errOtherAudience // nobody is asked
	again := must[security.Result](t)(a.Recheck(t.Context(), new(security.Credentials), first))
	if again.Username != first.Username || !again.Expiry.Equal(first.Expiry) || !again.Attributes.Equal(first.Attributes) {
		t.Errorf("got %+v, had %+v", again, first)
	}
	revoked["one"] = true
	_, err := a.Recheck(t.Context(), new(security.Credentials), first)
	expectDenied(t, err, "deny list", "")
	if _, err := a.Recheck(t.Context(), new(security.Credentials), security.Result{Method: security.MethodX509}); !errors.Is(err, security.ErrNotRelevant) {
		t.Errorf("of a Client with a certificate: %v", err)
	}
}

// A Client of the second of two methods, which alone takes tokens as passwords,
// is judged by the deny list of the second.
func TestOfTwoMethodsInAChainTheOneThatAcceptedRechecks(t *testing.T) {
	listed := func(string) bool { return true }
	method := func(legacy bool) *Authenticator {
		return newTestAuthenticator(t, newClock(), Config{Verifier: &knowing{identity: mqttClient()}, LegacyUserName: legacy})
	}
	first, second := method(false), method(true)
	previous := must[security.Result](t)(security.NewChain(first, second).Authenticate(t.Context(),
		&security.Credentials{UserName: "$sat", Password: []byte(tokenFor(t, time.Hour))}))
	for _, row := range []struct {
		name   string
		chain  *security.Chain
		denied bool
	}{
		{"nothing is listed", security.NewChain(first, second), false},
		{"the first lists it", security.NewChain(first.WithRevoked(listed), second), false},
		{"the second lists it", security.NewChain(first, second.WithRevoked(listed)), true},
		{"they have changed places", security.NewChain(second.WithRevoked(listed), first), true},
		{"the second is replaced", security.NewChain(first, method(true)), false},
		{"the second is replaced, and lists it", security.NewChain(first, method(true).WithRevoked(listed)), true},
		{"both are replaced, and the first lists it", security.NewChain(method(false).WithRevoked(listed), method(true)), true},
		{"the second is gone, and the first lists it", security.NewChain(first.WithRevoked(listed)), true},
	} {
		_, err := row.chain.Recheck(t.Context(), new(security.Credentials), previous)
		if row.denied != (err != nil) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestReauthenticationIsNotForThePassword(t *testing.T) {
	a := newTestAuthenticator(t, newClock(), Config{Verifier: &knowing{identity: mqttClient()}, LegacyUserName: true})
	credentials := &security.Credentials{UserName: "$sat", Password: []byte(tokenFor(t, time.Hour))}
	first := must[security.Result](t)(a.Authenticate(t.Context(), credentials))
	if _, err := a.Reauthenticate(t.Context(), credentials, first); !errors.Is(err, security.ErrNotRelevant) {
		t.Errorf("got %v", err)
	}
}

func TestConfigIsRefused(t *testing.T) {
	for name, config := range map[string]Config{
		"no Verifier":          {},
		"negative concurrency": {Verifier: &knowing{}, Concurrency: -1},
		"negative cache":       {Verifier: &knowing{}, CacheSize: -1},
		"negative lifetime":    {Verifier: &knowing{}, CacheLifetime: -1},
	} {
		if _, err := New(config); err == nil {
			t.Error(name + " is accepted")
		}
	}
}

func TestCacheForgetsTheOldest(t *testing.T) {
	c := newCache(3)
	v := verdict{until: epoch.Add(1)}
	for i := range byte(5) {
		c.put(digest{i}, v)
		c.put(digest{i}, v) // once more takes no more room
	}
	for i := range byte(5) {
		if _, ok := c.get(digest{i}, epoch); ok != (i >= 2) {
			t.Errorf("key %d: %v", i, ok)
		}
	}
	if len(c.slots) != 3 || len(c.order) != 3 {
		t.Errorf("%d slots, %d keys", len(c.slots), len(c.order))
	}
}
