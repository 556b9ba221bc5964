package serviceaccount

import (
	"bytes"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

func write(t testing.TB, directory, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// podServer returns a fake API server and the Access of a pod to it, whose
// files are in directory.
func podServer(t testing.TB, c *clock) (f *fakeServer, r *TokenReviewer, directory string) {
	t.Helper()
	f, directory = newFakeServer(t), t.TempDir()
	write(t, directory, "ca.crt", string(f.access().ca.data))
	write(t, directory, "token", "first-token\n")
	host, port, _ := strings.Cut(strings.TrimPrefix(f.URL, "https://"), ":")
	environment := map[string]string{hostVariable: host, portVariable: port}
	access := must[Access](t)(inCluster(func(name string) string { return environment[name] }, directory))
	r = must[*TokenReviewer](t)(NewTokenReviewer(TokenReviewerConfig{Access: access, Audiences: []string{"a"}}))
	r.server.now = c.now
	return f, r, directory
}

func TestATokenThatIsReplacedIsShown(t *testing.T) {
	c := newClock()
	f, r, directory := podServer(t, c)
	expect := func(want string) {
		t.Helper()
		if _, err := r.Verify(t.Context(), tokenFor(t, time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := f.bearers[len(f.bearers)-1]; got != "Bearer "+want {
			t.Errorf("shown %s, want %s", got, want)
		}
	}
	expect("first-token")
	write(t, directory, "token", "second-token")
	expect("first-token")
	c.advance(credentialsAge)
	expect("second-token")

	// While a file is being replaced, what it held before does.
	if err := os.Remove(filepath.Join(directory, "token")); err != nil {
		t.Fatal(err)
	}
	c.advance(credentialsAge)
	expect("second-token")
	write(t, directory, "token", "")
	c.advance(credentialsAge)
	expect("second-token")
}

func TestATokenThatIsRefusedIsReadAgainAtOnce(t *testing.T) {
	f, r, directory := podServer(t, newClock())
	f.review = func(w http.ResponseWriter, q *tokenReview) {
		if f.bearers[len(f.bearers)-1] != "Bearer second-token" {
			write(t, directory, "token", "second-token")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.approve(w, q, "system:serviceaccount:factory:mqtt-client")
	}
	if _, err := r.Verify(t.Context(), tokenFor(t, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := slices.Compact(f.bearers); len(got) != 2 {
		t.Errorf("shown %q", got)
	}
}

func TestACAThatIsReplacedIsTrusted(t *testing.T) {
	c := newClock()
	_, r, directory := podServer(t, c)
	good := must[[]byte](t)(os.ReadFile(filepath.Join(directory, "ca.crt")))
	stranger := must[*pki.Authority](t)(pki.NewRoot(pki.Options{CommonName: "another"}))
	write(t, directory, "ca.crt", string(stranger.CertPEM()))
	token := tokenFor(t, time.Hour)
	_, err := r.Verify(t.Context(), token)
	expectUnavailable(t, err, "certificate", token)
	write(t, directory, "ca.crt", string(good))
	c.advance(credentialsAge)
	if _, err := r.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	write(t, directory, "ca.crt", "damaged") // is passed over, as it was good before
	c.advance(credentialsAge)
	if _, err := r.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

func TestAPodWithoutItsFilesAsksNobody(t *testing.T) {
	for _, file := range []string{"ca.crt", "token"} {
		f, r, directory := podServer(t, newClock())
		if err := os.Remove(filepath.Join(directory, file)); err != nil {
			t.Fatal(err)
		}
		_, err := r.Verify(t.Context(), tokenFor(t, time.Hour))
		expectUnavailable(t, err, file, "")
		if f.reviews != 0 {
			t.Error("the API server was asked")
		}
	}
}

func TestInClusterNeedsAHostAndAPort(t *testing.T) {
	for _, environment := range []map[string]string{{}, {hostVariable: "10.0.0.1"}, {portVariable: "443"}} {
		if _, err := inCluster(func(name string) string { return environment[name] }, "/nowhere"); !errors.Is(err, ErrNotInCluster) {
			t.Errorf("%v: %v", environment, err)
		}
	}
	access := must[Access](t)(inCluster(func(name string) string {
		return map[string]string{hostVariable: "fd00::1", portVariable: "443"}[name]
	}, "/nowhere"))
	if access.server != "https://[fd00::1]:443" {
		t.Errorf("the server is %s", access.server)
	}
}

const goodKubeconfig = `
apiVersion: v1
kind: Config
preferences: {}
current-context: weir
contexts:
- name: weir
  context: {cluster: edge, user: weir, namespace: factory}
- {name: admin, context: {cluster: edge, user: admin}}
clusters:
- {name: edge, cluster: {server: "https://10.0.0.1:6443/k8s/", certificate-authority-data: Q0E=, tls-server-name: api}}
- {name: insecure, cluster: {server: "http://10.0.0.1", insecure-skip-tls-verify: true}}
users:
- {name: weir, user: {token: not-for-anyone}}
- name: admin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, interactiveMode: Never}}
`

func TestKubeconfigLeadsToTheServerOfItsContext(t *testing.T) {
	a := must[Access](t)(ParseKubeconfig([]byte(goodKubeconfig)))
	c := must[credentials](t)(a.read())
	if a.server != "https://10.0.0.1:6443/k8s" || a.serverName != "api" || c.token != "not-for-anyone" || string(c.ca) != "CA" {
		t.Errorf("got %+v, %q", a, c.ca)
	}
}

func TestKubeconfigsAreRefused(t *testing.T) {
	user := func(text string) string {
		return strings.Replace(goodKubeconfig, "{token: not-for-anyone}", text, 1)
	}
	cluster := func(text string) string {
		return strings.Replace(goodKubeconfig, `tls-server-name: api`, text, 1)
	}
	for _, row := range []struct{ name, text, problem string }{
		{"exec", user("{token: not-for-anyone, exec: {command: aws}}"), "users[weir].user.exec: is not supported"},
		{"auth-provider", user("{auth-provider: {name: oidc}}"), "users[weir].user.auth-provider"},
		{"user name and password", user("{username: a, password: not-for-anyone}"), "users[weir].user.username"},
		{"impersonation", user("{token: not-for-anyone, as: admin}"), "users[weir].user.as"},
		{"no credential", user("{}"), "users[weir].user.token: is missing"},
		{"certificate without key", user("{client-certificate-data: Q0E=}"), "client-key go together"},
		{"certificate twice", user("{client-certificate-data: Q0E=, client-certificate: /x, client-key: /y}"), "keep one of them"},
		{"a relative path", user("{tokenFile: token}"), "is not an absolute path"},
		{"insecure", cluster("insecure-skip-tls-verify: true"), "insecure-skip-tls-verify: is refused"},
		{"a proxy", cluster("proxy-url: http://p"), "proxy-url: is not supported"},
		{"http", strings.Replace(goodKubeconfig, "https://10", "http://10", 1), "clusters[edge].cluster.server: is not an https URL"},
		{"no such context", strings.Replace(goodKubeconfig, "current-context: weir", "current-context: x", 1), `current-context: names "x"`},
		{"no context", strings.Replace(goodKubeconfig, "current-context: weir", "", 1), "current-context: is missing"},
		{"no such cluster", strings.Replace(goodKubeconfig, "cluster: edge, user: weir", "cluster: x, user: weir", 1), `contexts[weir].context.cluster: names "x"`},
		{"no such user", strings.Replace(goodKubeconfig, "user: weir,", "user: x,", 1), `contexts[weir].context.user: names "x"`},
		{"an unknown field", user("{token: not-for-anyone, tokn: x}"), "one that no kubeconfig has"},
		{"a field twice", goodKubeconfig + "kind: Config\n", "has a field twice"},
		{"another kind", strings.Replace(goodKubeconfig, "kind: Config", "kind: Secret", 1), "kind: is not Config"},
		{"base64 that is none", user("{token: not-for-anyone, client-key-data: '!'}"), "wrong type"},
		{"no YAML", "{", "is not YAML"},
		{"nothing", "", "kind: is not Config"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := ParseKubeconfig([]byte(row.text))
			var e *KubeconfigError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), row.problem) {
				t.Errorf("%v, want an error that says %q", err, row.problem)
			}
			if err != nil && strings.Contains(err.Error(), "not-for-anyone") || a.token.isSet() {
				t.Errorf("the token is there: %v", err)
			}
		})
	}
}

func TestKubeconfigOfAClientCertificate(t *testing.T) {
	ca := must[*pki.Authority](t)(pki.NewRoot(pki.Options{CommonName: "cluster"}))
	leaf := must[*pki.Leaf](t)(ca.NewLeaf(pki.Options{CommonName: "weir"}))
	directory := t.TempDir()
	key := must[[]byte](t)(leaf.KeyPEM())
	write(t, directory, "crt", string(leaf.CertPEM()))
	write(t, directory, "key", string(key))
	a := must[Access](t)(ParseKubeconfig([]byte(strings.Replace(goodKubeconfig, "{token: not-for-anyone}",
		"{client-certificate: "+directory+"/crt, client-key: "+directory+"/key}", 1))))
	c := must[credentials](t)(a.read())
	a.ca.data, c.ca = ca.CertPEM(), ca.CertPEM()
	config, err := a.tlsConfig(c)
	if err != nil || len(config.Certificates) != 1 || c.token != "" {
		t.Fatalf("%v, %q", err, c.token)
	}
	block, _ := pem.Decode(key)
	c.key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes.Repeat([]byte{7}, len(block.Bytes))})
	if _, err := a.tlsConfig(c); err == nil {
		t.Error("a key that is none is accepted")
	}
}
