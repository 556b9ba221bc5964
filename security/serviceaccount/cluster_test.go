//go:build linux

package serviceaccount

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/serviceaccount/kubetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	kubetest.StopShared()
	os.Exit(code)
}

const clusterAudience = "my-audience"

// cluster is a namespace of a real API server, with an account for Weir.
type cluster struct {
	server    *kubetest.Server
	namespace string
	weir      *kubetest.Account
	access    Access
}

func newCluster(t testing.TB, server *kubetest.Server) *cluster {
	t.Helper()
	namespace := server.Namespace(t)
	c := &cluster{server: server, namespace: namespace, weir: server.Account(t, namespace, "weir", nil)}
	c.access = must[Access](t)(ParseKubeconfig(server.Kubeconfig(c.weir.Token(t, kubetest.Issuer))))
	return c
}

// authenticator returns one that remembers nothing.
func (c *cluster) authenticator(t testing.TB) *Authenticator {
	t.Helper()
	reviewer := must[*TokenReviewer](t)(NewTokenReviewer(TokenReviewerConfig{Access: c.access, Audiences: []string{clusterAudience, "other"}}))
	a := must[*Authenticator](t)(New(Config{Verifier: reviewer, CacheLifetime: 1}))
	a.refused = newCache(1)
	return a
}

// eventually tries until there is no error. An API server believes what it
// has seen for up to 10 seconds, and its informers take a moment.
func eventually(t testing.TB, try func() error) {
	t.Helper()
	const patience = 30 * time.Second
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", patience, err)
		}
		time.Sleep(100 * time.Millisecond) // nothing tells when another try is worth while
	}
}

func TestAClusterJudgesTokens(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kubetest.Shared(t))
	c.weir.MayReviewTokens(t, c.namespace)
	account := c.server.Account(t, c.namespace, "mqtt-client", map[string]string{
		"aio-broker-auth/group": "authz-sat", "aio-mq-broker-auth/site": "seattle", "other": "x",
	})
	a := c.authenticator(t)
	before := time.Now()
	token := account.Token(t, clusterAudience)
	got := must[security.Result](t)(a.Authenticate(t.Context(), connect(token)))
	if got.Username != account.Username() || got.Attributes.String() != "{group: authz-sat, site: seattle}" || got.CredentialID == "" {
		t.Errorf("got %+v", got)
	}
	if got.Expiry.Before(before.Add(9*time.Minute)) || got.Expiry.After(time.Now().Add(11*time.Minute)) {
		t.Errorf("a token for 10 minutes ends at %v", got.Expiry)
	}

	now := time.Now().Unix()
	stranger := newSigner(t, "stranger")
	for _, row := range []struct{ name, token, reason string }{
		{"of another audience", account.Token(t, "somebody-else"), "does not accept the token"},
		{"of the API server's own audience", account.Token(t, kubetest.Issuer), "does not accept the token"},
		{"expired an hour ago", c.server.Sign(t, account.Claims(clusterAudience, now-7200, now-3600)), "has expired"},
		{"expired a moment ago, which the API server would still take", c.server.Sign(t, account.Claims(clusterAudience, now-3600, now-5)), "has expired"},
		{"not yet valid", c.server.Sign(t, account.Claims(clusterAudience, now+3600, now+7200)), "not valid yet"},
		{"of another issuer", stranger.sign(map[string]any{"exp": now + 3600}), "does not accept the token"},
		{"with the signature of another", token[:strings.LastIndex(token, ".")] + "." + strings.Repeat("A", 86), "does not accept the token"},
		{"garbage", strings.Repeat("A", 100), "not a JSON Web Token"},
		{"and another word, which the API server would pass over", token + " junk", "not a JSON Web Token"},
		{"and a line feed, which the API server would pass over", token + "\n", "not a JSON Web Token"},
		{"of an administrator", c.server.AdministratorToken, "not a JSON Web Token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := a.Authenticate(t.Context(), connect(row.token))
			expectDenied(t, err, row.reason, row.token)
		})
	}
}

func TestAnnotationsAreReadAgainForTheNextToken(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kubetest.Shared(t))
	c.weir.MayReviewTokens(t, c.namespace)
	account := c.server.Account(t, c.namespace, "mqtt-client", map[string]string{"aio-broker-auth/group": "one"})
	a := c.authenticator(t)
	first := must[security.Result](t)(a.Authenticate(t.Context(), connect(account.Token(t, clusterAudience))))
	account.Annotate(t, map[string]any{"aio-broker-auth/group": "two", "aio-broker-auth/site": "seattle"})
	second := must[security.Result](t)(a.Reauthenticate(t.Context(), connect(account.Token(t, clusterAudience)), first))
	if second.Attributes.String() != "{group: two, site: seattle}" {
		t.Errorf("the attributes are %v", second.Attributes)
	}
	other := c.server.Account(t, c.namespace, "other", nil).Token(t, clusterAudience)
	_, err := a.Reauthenticate(t.Context(), connect(other), first)
	expectDenied(t, err, "another service account", other)
}

func TestAServiceAccountThatWasDeletedIsRefusedWithinSeconds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kubetest.Shared(t))
	c.weir.MayReviewTokens(t, c.namespace)
	a := c.authenticator(t)
	account := c.server.Account(t, c.namespace, "mqtt-client", nil)
	token := account.Token(t, clusterAudience)
	if _, err := a.Authenticate(t.Context(), connect(token)); err != nil {
		t.Fatal(err)
	}
	account.Delete(t)
	// Whatever the API server remembers of the token, the account is not there.
	_, err := a.Authenticate(t.Context(), connect(token))
	expectDenied(t, err, "", token)
	// Another of the same name does not take its place.
	c.server.Account(t, c.namespace, "mqtt-client", map[string]string{"aio-broker-auth/group": "new"})
	_, err = a.Authenticate(t.Context(), connect(token))
	expectDenied(t, err, "", token)
	eventually(t, func() error {
		_, err := a.Authenticate(t.Context(), connect(token))
		if err == nil || !strings.Contains(err.Error(), "does not match claim") {
			return errors.New("the API server still takes the token")
		}
		return nil
	})
}

func TestWithoutItsRightsWeirSaysWhichItNeeds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kubetest.Shared(t))
	token := c.weir.Token(t, clusterAudience)
	_, err := c.authenticator(t).Authenticate(t.Context(), connect(token))
	expectUnavailable(t, err, "system:auth-delegator", token)

	c.access.token.data = []byte("stale")
	_, err = c.authenticator(t).Authenticate(t.Context(), connect(token))
	expectUnavailable(t, err, "does not know Weir's own credentials", token)
}

func TestTheKeysOfAClusterVerifyItsTokens(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kubetest.Shared(t))
	var set json.RawMessage
	c.server.Do(t, http.StatusOK, http.MethodGet, "/openid/v1/jwks", nil, &set)
	issuer := must[*Issuer](t)(NewIssuer(IssuerConfig{
		Issuer: kubetest.Issuer, Audiences: []string{clusterAudience}, Keys: must[*KeySet](t)(ParseKeySet(set)),
		AttributeClaims: map[string]string{"namespace": "/kubernetes.io/namespace", "account": "/kubernetes.io/serviceaccount/name"},
	}))
	a := must[*Authenticator](t)(New(Config{Verifier: issuer}))
	token := c.weir.Token(t, clusterAudience)
	got := must[security.Result](t)(a.Authenticate(t.Context(), connect(token)))
	if got.Username != c.weir.Username() || got.Attributes.String() != "{account: weir, namespace: "+c.namespace+"}" {
		t.Errorf("got %+v", got)
	}
	other := c.weir.Token(t, "somebody-else")
	_, err := a.Authenticate(t.Context(), connect(other))
	expectDenied(t, err, "another audience", other)
}

func TestAnAPIServerThatComesBackIsAskedAgain(t *testing.T) {
	t.Parallel()
	server := kubetest.Start(t)
	c := newCluster(t, server)
	c.weir.MayReviewTokens(t, c.namespace)
	a, token := c.authenticator(t), c.weir.Token(t, clusterAudience)

	server.Freeze(t)
	began := time.Now()
	_, err := a.Authenticate(t.Context(), connect(token))
	expectUnavailable(t, err, "could not be asked", token)
	if took := time.Since(began); took > 5*requestTimeout {
		t.Errorf("it took %v to give a frozen API server up", took)
	}
	server.Thaw(t)
	eventually(t, func() error { _, err := a.Authenticate(t.Context(), connect(token)); return err })

	server.Kill()
	_, err = a.Authenticate(t.Context(), connect(token))
	expectUnavailable(t, err, "could not be asked", token)
	server.Restart(t)
	eventually(t, func() error { _, err := a.Authenticate(t.Context(), connect(token)); return err })
}
