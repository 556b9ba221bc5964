//go:build linux

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
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

// answers expects an AUTH with this Reason Code.
func (s *tokenSite) answers(c *codectest.Conn, want codec.ReasonCode) {
	s.t.Helper()
	s.expectAuth(c, want, satMethod)
}

// keysOf returns the JWK Set of a cluster.
func keysOf(t testing.TB, cluster *kubetest.Server) string {
	t.Helper()
	var set json.RawMessage
	cluster.Do(t, http.StatusOK, http.MethodGet, "/openid/v1/jwks", nil, &set)
	return string(set)
}
