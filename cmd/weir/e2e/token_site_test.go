//go:build linux

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/security/serviceaccount/kubetest"
)

const (
	satMethod   = "K8S-SAT"
	satAudience = "my-audience"
)

func init() { ending = append(ending, kubetest.StopShared) }

// tokenSite is a site whose port takes the service account tokens of a real
// cluster.
type tokenSite struct {
	*site
	cluster   *kubetest.Server
	namespace string
	account   *kubetest.Account // mqtt-client
	shown     []string          // tokens that must be in no log
}

// newTokenSite makes a site in front of a cluster, which has a service account
// mqtt-client with the attribute group=authz-sat.
func newTokenSite(t *testing.T, cluster *kubetest.Server) *tokenSite {
	t.Helper()
	s := &tokenSite{site: newSite(t, goKit, freePort(t)), cluster: cluster, namespace: cluster.Namespace(t)}
	weir := cluster.Account(t, s.namespace, "weir", nil)
	weir.MayReviewTokens(t, s.namespace)
	s.account = cluster.Account(t, s.namespace, "mqtt-client", map[string]string{"aio-broker-auth/group": "authz-sat"})
	own := weir.Token(t, kubetest.Issuer)
	s.shown = append(s.shown, own)
	t.Cleanup(s.expectNoTokenInTheLog)

	s.createSecret()
	s.createConfigMap()
	s.apply("cluster.json", map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": "cluster", "namespace": namespace},
		"data": map[string]string{"kubeconfig": base64.StdEncoding.EncodeToString(cluster.Kubeconfig(own))},
	})
	s.applyText("sat-authn.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: sat, namespace: azure-iot-operations}
spec:
  authenticationMethods:
  - method: ServiceAccountToken
    serviceAccountTokenSettings:
      audiences: [aio-mq, my-audience]
      kubeconfigSecretRef: cluster
      legacyUserName: Enabled
  - {method: X509, x509Settings: {trustedClientCaCert: fabrikam-ca}}
`)
	s.openPort("sat")
	// A permission takes a moment to come.
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		c, code := s.try(client{}, showing(satMethod, s.issue(satAudience)))
		c.Close()
		if code == codec.Success {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("CONNACK with %v, want %v", code, codec.Success)
		}
	}
	return s
}

// playCluster plays a scenario at a site in front of the cluster that the tests
// share.
func playCluster(t *testing.T, scenario func(s *tokenSite)) {
	t.Helper()
	t.Parallel()
	scenario(newTokenSite(t, kubetest.Shared(t)))
}

func (s *tokenSite) apply(file string, object map[string]any) {
	s.t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		s.t.Fatal(err)
	}
	s.applyText(file, string(text))
}

func (s *site) applyText(file, text string) {
	s.t.Helper()
	mustWrite(s.t, filepath.Join(s.dir, file), []byte(text))
	s.weir("apply", "-f", file)
}

// openPort opens the port with an authentication and a policy that lets the
// members of authz-sat do what the documentation has them do, and everyone
// else connect.
func (s *site) openPort(authentication string) {
	s.t.Helper()
	s.applyText("sat-authz.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthorization
metadata: {name: sat-authz, namespace: azure-iot-operations}
spec:
  authorizationPolicies:
    rules:
    - principals: {attributes: [{group: authz-sat}], clientIds: [guest]}
      brokerResources: [{method: Connect}]
    - principals: {attributes: [{group: authz-sat}]}
      brokerResources: [{method: Publish, topics: [odd-numbered-orders, world]}, {method: Subscribe, topics: [orders]}]
`)
	s.applyText("sat-listener.yaml", fmt.Sprintf(`
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: mqtts-endpoint, namespace: azure-iot-operations}
spec:
  serviceType: LoadBalancer
  ports:
  - {port: %d, address: 127.0.0.1, authenticationRef: %s, authorizationRef: sat-authz, tls: {mode: Manual, manual: {secretRef: broker-server-cert}}}
`, s.port, authentication))
	s.awaitOpen()
}

// issue has a token of mqtt-client issued.
func (s *tokenSite) issue(audience string) string {
	s.t.Helper()
	token := s.account.Token(s.t, audience)
	s.shown = append(s.shown, token)
	return token
}

// signed returns a token of mqtt-client that ends after a while, or has ended.
func (s *tokenSite) signed(end time.Duration) string {
	s.t.Helper()
	now := time.Now()
	token := s.cluster.Sign(s.t, s.account.Claims(satAudience, now.Add(-time.Hour).Unix(), now.Add(end).Unix()))
	s.shown = append(s.shown, token)
	return token
}

func (s *tokenSite) expectNoTokenInTheLog() {
	log := s.broker.out.String()
	for _, token := range s.shown {
		signature := token[strings.LastIndex(token, ".")+1:]
		if strings.Contains(log, signature) {
			s.t.Errorf("weir serve shows a token in its log:\n%s", log)
		}
	}
}

// showing has a CONNECT show a token.
func showing(method, token string) func(*codec.Connect) {
	return func(c *codec.Connect) {
		c.Properties.SetAuthenticationMethod([]byte(method))
		c.Properties.SetAuthenticationData([]byte(token))
	}
}

// try connects, and returns the Reason Code of the CONNACK, which for MQTT 3.1.1
// is a Return Code.
func (s *site) try(c client, change ...func(*codec.Connect)) (*codectest.Conn, codec.ReasonCode) {
	s.t.Helper()
	conn, err := s.player.(*goPlayer).dial(c)
	if err != nil {
		s.t.Fatal(err)
	}
	connect := &codec.Connect{Version: codec.V5, ClientID: []byte("guest"), CleanStart: true}
	for _, f := range change {
		f(connect)
	}
	raw := codectest.New(s.t, conn, codectest.Options{Timeout: patience})
	raw.Send(codec.AppendConnect(nil, connect))
	var connack codec.Connack
	f := raw.NextOf(codec.TypeConnack)
	if connect.Version == codec.V311 {
		return raw, codec.ReasonCode(f.Body[1])
	}
	if err := codec.DecodeConnack(&connack, connect.Version, f.Body); err != nil {
		s.t.Fatal(err)
	}
	if method := string(connack.Properties.AuthenticationMethod); connack.ReasonCode == codec.Success && method != string(connect.Properties.AuthenticationMethod) {
		s.t.Fatalf("CONNACK with Authentication Method %q, want %q", method, connect.Properties.AuthenticationMethod) // [MQTT-4.12.0-5]
	}
	return raw, connack.ReasonCode
}

// admits connects with a token and expects to succeed.
func (s *site) admits(change ...func(*codec.Connect)) *codectest.Conn {
	s.t.Helper()
	c, code := s.try(client{}, change...)
	if code != codec.Success {
		s.t.Fatalf("CONNACK with %v, want %v", code, codec.Success)
	}
	return c
}

// rejects connects and expects one of these codes.
func (s *site) rejects(change func(*codec.Connect), want ...codec.ReasonCode) {
	s.t.Helper()
	c, code := s.try(client{}, change)
	if !slices.Contains(want, code) {
		s.t.Fatalf("CONNACK with %v, want %v", code, want)
	}
	c.ExpectClose()
}

// sendAuth sends an AUTH with a token.
func sendAuth(c *codectest.Conn, code codec.ReasonCode, method, token string) {
	auth := &codec.Auth{ReasonCode: code}
	auth.Properties.SetAuthenticationMethod([]byte(method))
	auth.Properties.SetAuthenticationData([]byte(token))
	c.Send(codec.AppendAuth(nil, auth))
}

// answers expects an AUTH with this Reason Code [MQTT-4.12.0-5].
func (s *tokenSite) answers(c *codectest.Conn, want codec.ReasonCode) {
	s.t.Helper()
	var auth codec.Auth
	if err := codec.DecodeAuthFromServer(&auth, codec.V5, c.NextOf(codec.TypeAuth).Body); err != nil {
		s.t.Fatal(err)
	}
	if auth.ReasonCode != want || string(auth.Properties.AuthenticationMethod) != satMethod {
		s.t.Fatalf("AUTH with %v for %q, want %v for %q", auth.ReasonCode, auth.Properties.AuthenticationMethod, want, satMethod)
	}
}

// answersPing expects the connection to be alive.
func answersPing(c *codectest.Conn) {
	c.SendHex(`c0 00`)
	c.Expect(`d0 00`)
}

// keysOf returns the JWK Set of a cluster.
func keysOf(t testing.TB, cluster *kubetest.Server) string {
	t.Helper()
	var set json.RawMessage
	cluster.Do(t, http.StatusOK, http.MethodGet, "/openid/v1/jwks", nil, &set)
	return string(set)
}
