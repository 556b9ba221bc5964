package resource

import (
	"strings"
	"testing"
)

// TestServiceAccountTokensAreRememberedAcrossReloads loads a directory again
// and again: the method, and what it remembers of tokens, must be the same one
// until something that it is made of changes.
func TestServiceAccountTokensAreRememberedAcrossReloads(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // a pod may run the tests
	const manifest = `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: tokens}
spec:
  authenticationMethods:
  - {method: ServiceAccountToken, serviceAccountTokenSettings: {audiences: [a]}}
  - {method: ServiceAccountToken, serviceAccountTokenSettings: {audiences: [a], kubeconfigSecretRef: cluster}}
  - {method: ServiceAccountToken, serviceAccountTokenSettings: {audiences: [a], jwks: {issuer: i, configMapRef: keys}}}
  - {method: ServiceAccountToken, serviceAccountTokenSettings: {audiences: [a], jwks: {issuer: i, url: "https://i", caCertConfigMap: ca}}}
`
	const kubeconfig = `{apiVersion: v1, kind: Config, current-context: c,
  contexts: [{name: c, context: {cluster: c, user: u}}],
  clusters: [{name: c, cluster: {server: "https://10.0.0.1"}}],
  users: [{name: u, user: {token: TOKEN}}]}`
	const keys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "KID"}]}`
	certs := testCertificates(t)
	dir := t.TempDir()
	writeFile(t, dir, "authn.yaml", manifest)
	writeFile(t, dir, "secrets/cluster/kubeconfig", kubeconfig)
	writeFile(t, dir, "configmaps/keys/keys.json", keys)
	writeFile(t, dir, "configmaps/ca/ca.crt", string(certs.pem["contoso-root"]))

	var snapshot *Snapshot
	load := func(why string, replaced ...int) {
		t.Helper()
		old := snapshot
		var problems Problems
		snapshot, problems = Load(dir, snapshot)
		for _, p := range problems {
			if p.Severity == Error {
				t.Fatal(p)
			}
		}
		if old == nil {
			return
		}
		before, after := old.authentications["tokens"].methods, snapshot.authentications["tokens"].methods
		for i := range after {
			want := true
			for _, r := range replaced {
				want = want && r != i
			}
			if same := before[i].Authenticator == after[i].Authenticator; same != want {
				t.Errorf("%s: method %d is the same: %v, want %v", why, i, same, want)
			}
		}
	}
	load("at first")
	writeFile(t, dir, "other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n")
	load("another object")
	writeFile(t, dir, "secrets/cluster/kubeconfig", strings.Replace(kubeconfig, "TOKEN", "OTHER", 1))
	load("another kubeconfig", 1)
	writeFile(t, dir, "configmaps/keys/keys.json", strings.Replace(keys, "KID", "two", 1))
	load("other keys", 2)
	writeFile(t, dir, "configmaps/ca/ca.crt", string(certs.pem["fabrikam-root"]))
	load("another CA", 3)
	writeFile(t, dir, "authn.yaml", strings.ReplaceAll(manifest, "[a]", "[b]"))
	load("another audience", 0, 1, 2, 3)
	writeFile(t, dir, "authn.yaml", strings.Replace(strings.ReplaceAll(manifest, "[a]", "[b]"), "[b]}}", "[b], legacyUserName: Enabled}}", 1))
	load("a switch", 0)
}
