package resource

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const settingsJSON = `{
  "trustedClientCaCert": "fabrikam-ca",
  "authorizationAttributes": {
    "thermostat": {"subject": "CN = thermostat", "attributes": {"group": "thermostat_group"}}
  }
}`

// filesOf returns the files below a directory, relative and sorted.
func filesOf(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			rel := must[string](t)(filepath.Rel(dir, path))
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func expectText(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
	}
}

func expectError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	expectText(t, "error", err.Error(), want)
}

// TestStoreFollowsTheTutorial does with the Store what the tutorial does with
// kubectl and a portal, and expects what kubectl prints.
func TestStoreFollowsTheTutorial(t *testing.T) {
	const namespace = "azure-iot-operations"
	certs := testCertificates(t)
	s := &Store{Dir: filepath.Join(t.TempDir(), "new")}
	say := func(r Result, err error) string {
		if err != nil {
			return err.Error()
		}
		return r.String()
	}
	apply := func(text, name string) string {
		results, warnings, err := s.Apply([]byte(text), ApplyOptions{FileName: name, Namespace: namespace})
		if err != nil || len(results) != 1 || len(warnings) != 0 {
			t.Fatal(results, warnings, err)
		}
		return results[0].String()
	}
	listener := `{"serviceType": "LoadBalancer", "ports": [{"port": 8883, "authenticationRef": "x509-auth", "tls": {"mode": "Manual", "manual": {"secretRef": "broker-server-cert"}}}]}`
	tls := func() string {
		return say(s.CreateSecretTLS("broker-server-cert", namespace, certs.pem["server-cert"], certs.pem["server-key"]))
	}
	ca := func() string {
		return say(s.CreateConfigMap("fabrikam-ca", namespace, map[string][]byte{"client_ca.pem": certs.pem["fabrikam-root"]}))
	}
	expectText(t, "secret", tls(), "secret/broker-server-cert created")
	expectText(t, "secret again", tls(), `failed to create secret secrets "broker-server-cert" already exists`)
	expectText(t, "configmap", ca(), "configmap/fabrikam-ca created")
	expectText(t, "configmap again", ca(), `failed to create configmap configmaps "fabrikam-ca" already exists`)
	expectText(t, "authn", apply(settingsJSON, "dir/x509-auth.json"), "brokerauthentication.mqttbroker.iotoperations.azure.com/x509-auth created")
	expectText(t, "listener", apply(listener, "mqtts-endpoint.json"), "brokerlistener.mqttbroker.iotoperations.azure.com/mqtts-endpoint created")
	expectText(t, "listener again", apply(listener, "mqtts-endpoint.json"), "brokerlistener.mqttbroker.iotoperations.azure.com/mqtts-endpoint unchanged")
	expectText(t, "other port", apply(strings.Replace(listener, "8883", "8884", 1), "mqtts-endpoint.json"),
		"brokerlistener.mqttbroker.iotoperations.azure.com/mqtts-endpoint configured")

	report := Check(s.Dir)
	expectText(t, "check", report.String(), "mqtts-endpoint:8884: open\n")
	files := filesOf(t, s.Dir)
	if want := []string{"brokerauthentication-x509-auth.yaml", "brokerlistener-mqtts-endpoint.yaml", "configmap-fabrikam-ca.yaml", "secret-broker-server-cert.yaml"}; !slices.Equal(files, want) {
		t.Errorf("files are %v, want %v", files, want)
	}
	info := must[os.FileInfo](t)(os.Stat(filepath.Join(s.Dir, "secret-broker-server-cert.yaml")))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the Secret has mode %v", info.Mode().Perm())
	}

	services := must[[]Service](t)(s.Services())
	if len(services) != 1 || services[0].Name != "mqtts-endpoint" || services[0].Type != "LoadBalancer" || !slices.Equal(services[0].Ports, []ServicePort{{8884, 0}}) {
		t.Errorf("services are %+v", services)
	}

	expectText(t, "delete", say(s.Delete(KindSecret, "broker-server-cert")), `secret "broker-server-cert" deleted`)
	expectText(t, "delete again", say(s.Delete(KindSecret, "broker-server-cert")), `Error from server (NotFound): secrets "broker-server-cert" not found`)
	_, err := s.Get(KindBrokerListener, "none")
	expectError(t, err, `Error from server (NotFound): brokerlisteners.mqttbroker.iotoperations.azure.com "none" not found`)
	if objects := must[[]*Object](t)(s.List("")); len(objects) != 3 || objects[0].Kind != KindBrokerListener || objects[2].Kind != KindConfigMap {
		t.Errorf("objects are %v", objects)
	}
}

// TestStoreDescribesAConfigMapAsKubectlDoes has the transcript of the how-to
// as its pattern.
func TestStoreDescribesAConfigMapAsKubectlDoes(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	const pem = "-----BEGIN CERTIFICATE-----\nMIIBmzCCAUGgAwIBAgIQVAZ2I0ydpCut1imrk\n-----END CERTIFICATE-----\n"
	data := map[string][]byte{"client_ca.pem": []byte(pem), "blob": {0, 1, 2}}
	if _, err := s.CreateConfigMap("client-ca", "azure-iot-operations", data); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Describe(&b, KindConfigMap, "client-ca"); err != nil {
		t.Fatal(err)
	}
	expectText(t, "describe", b.String(), `Name:         client-ca
Namespace:    azure-iot-operations

Data
====
client_ca.pem:
----
`+pem+`

BinaryData
====
blob: 3 bytes
`)
	expectError(t, s.Describe(&b, KindConfigMap, "none"), `Error from server (NotFound): configmaps "none" not found`)
}

func TestStoreDescribesASecretWithoutItsData(t *testing.T) {
	certs := testCertificates(t)
	s := &Store{Dir: t.TempDir()}
	writeFile(t, s.Dir, "s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: login, labels: {a: b}}\nstringData: {password: hunter2, user: me}\n")
	writeFile(t, s.Dir, "secrets/plain/tls.key", string(certs.pem["server-key"]))
	var b bytes.Buffer
	for _, name := range []string{"login", "plain"} {
		if err := s.Describe(&b, KindSecret, name); err != nil {
			t.Fatal(err)
		}
	}
	if text := b.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "PRIVATE") {
		t.Errorf("the data is shown:\n%s", text)
	}
	if !strings.Contains(b.String(), "Labels:       a: b\n\nType:  Opaque\n\nData\n====\npassword:  7 bytes\nuser:      2 bytes\n") {
		t.Errorf("got\n%s", b.String())
	}
}

func TestStoreDescribesAListener(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	writeFile(t, s.Dir, "l.yaml", "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: BrokerListener\nmetadata: {name: abc}\nspec:\n  serviceType: NodePort\n  ports:\n  - port: 1\n    nodePort: 2\n")
	var b bytes.Buffer
	if err := s.Describe(&b, KindBrokerListener, "abc"); err != nil {
		t.Fatal(err)
	}
	expectText(t, "describe", b.String(), `Name:         abc
Namespace:    <none>
API Version:  mqttbroker.iotoperations.azure.com/v1
Kind:         BrokerListener
Spec:
  Service Type:  NodePort
  Ports:
    Port:  1
    Node Port:  2
`)
}

const threeDocuments = `# Keep this comment.
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
--- # and this
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
data: {version: 1.10}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: three}
`

func TestStoreEditsOneDocumentAndLeavesTheOthers(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	writeFile(t, s.Dir, "sub/all.yaml", threeDocuments)
	results, _, err := s.Apply([]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata: {a: b}\n"), ApplyOptions{})
	if err != nil || results[0].Action != Configured {
		t.Fatal(results, err)
	}
	expectText(t, "after apply", readFile(t, s.Dir, "sub/all.yaml"), `# Keep this comment.
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
---
apiVersion: v1
data:
  a: b
kind: ConfigMap
metadata:
  name: two
---
apiVersion: v1
kind: ConfigMap
metadata: {name: three}
`)
	for _, name := range []string{"one", "three"} {
		if _, err := s.Delete(KindConfigMap, name); err != nil {
			t.Fatal(err)
		}
	}
	expectText(t, "after delete", readFile(t, s.Dir, "sub/all.yaml"), "---\napiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\nmetadata:\n  name: two\n")
	if _, err := s.Delete(KindConfigMap, "two"); err != nil {
		t.Fatal(err)
	}
	if files := filesOf(t, s.Dir); len(files) != 0 {
		t.Errorf("left over: %v", files)
	}
}

func TestStoreEditsItemsOfAList(t *testing.T) {
	for _, file := range []string{"list.yaml", "list.json"} {
		t.Run(file, func(t *testing.T) {
			s := &Store{Dir: t.TempDir()}
			writeFile(t, s.Dir, file, `{"apiVersion": "v1", "kind": "List", "items": [
				{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}},
				{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}, "data": {"version": 1.10}}]}`)
			manifest := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: b}\n")
			if results, _, err := s.Apply(manifest, ApplyOptions{}); err != nil || results[0].Action != Configured {
				t.Fatal(results, err)
			}
			if results, _, err := s.Apply(manifest, ApplyOptions{}); err != nil || results[0].Action != Unchanged {
				t.Fatal(results, err)
			}
			if _, err := s.DeleteManifest(manifest, ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			two := must[*Object](t)(s.Get(KindConfigMap, "two"))
			if !bytes.Contains(two.YAML(), []byte(`version: "1.10"`)) {
				t.Errorf("its neighbor became\n%s", two.YAML())
			}
			if _, err := s.Delete(KindConfigMap, "two"); err != nil {
				t.Fatal(err)
			}
			if files := filesOf(t, s.Dir); len(files) != 0 {
				t.Errorf("left over: %v", files)
			}
		})
	}
}

func TestStoreReplacesAndDeletesPlainFiles(t *testing.T) {
	certs := testCertificates(t)
	s := &Store{Dir: t.TempDir()}
	writeFile(t, s.Dir, "configmaps/ca/ca.crt", string(certs.pem["fabrikam-root"]))
	writeFile(t, s.Dir, "secrets/cert/tls.crt", string(certs.pem["server-cert"]))
	writeFile(t, s.Dir, "secrets/cert/tls.key", string(certs.pem["server-key"]))
	if o := must[*Object](t)(s.Get(KindSecret, "cert")); !bytes.Contains(o.YAML(), []byte("type: kubernetes.io/tls")) {
		t.Errorf("the Secret is\n%s", o.YAML())
	}
	results, _, err := s.Apply([]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata: {a: b}\n"), ApplyOptions{})
	if err != nil || results[0].Action != Configured {
		t.Fatal(results, err)
	}
	if _, err := s.Delete(KindSecret, "cert"); err != nil {
		t.Fatal(err)
	}
	if files := filesOf(t, s.Dir); !slices.Equal(files, []string{"configmap-ca.yaml"}) {
		t.Errorf("files are %v", files)
	}
}

func TestStoreDeletesWhatIsDefinedTwice(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	writeFile(t, s.Dir, "a.yaml", threeDocuments)
	writeFile(t, s.Dir, "b.yaml", threeDocuments)
	if _, err := s.Delete(KindConfigMap, "two"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(KindConfigMap, "two"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("Get: %v", err)
	}
}

// TestStoreKeepsForeignContentOfItsOwnFile appends when somebody has put other
// objects into the file that an object would get, and replaces rubbish.
func TestStoreKeepsForeignContentOfItsOwnFile(t *testing.T) {
	manifest := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: four}\n")
	for _, c := range []struct {
		name, before string
		objects      int
	}{
		{"objects", strings.TrimSuffix(threeDocuments, "\n"), 4},
		{"rubbish", "a: [", 1},
	} {
		s := &Store{Dir: t.TempDir()}
		writeFile(t, s.Dir, "configmap-four.yaml", c.before)
		if _, _, err := s.Apply(manifest, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		if objects := must[[]*Object](t)(s.List(KindConfigMap)); len(objects) != c.objects {
			t.Errorf("%s: there are %d objects, want %d:\n%s", c.name, len(objects), c.objects, readFile(t, s.Dir, "configmap-four.yaml"))
		}
	}
}

// TestStoreWritesNothingThatIsWrong applies a good object together with one
// that has an error.
func TestStoreWritesNothingThatIsWrong(t *testing.T) {
	certs := testCertificates(t)
	good := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n---\n"
	for _, c := range []struct {
		name, manifest, want string
		options              ApplyOptions
	}{
		{"syntax", good + "a: [", "m.yaml:5: error: is not YAML: did not find expected node content", ApplyOptions{FileName: "m.yaml"}},
		{"field", good + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndta: {}\n",
			"m.yaml:8: error: ConfigMap/bad: dta: is not a field here; did you mean data?", ApplyOptions{FileName: "m.yaml"}},
		{"partial-level token", good + strings.Replace(tutorialAuthorization, "telemetry/temperature", `"t-{principal.clientId}"`, 1),
			`m.yaml:12: error: BrokerAuthorization/abac-authz: spec.authorizationPolicies.rules[0].brokerResources[1].topics[0]: "t-{principal.clientId}": a token must be a whole level; give it a level of its own, as in clients/{principal.clientId}/#`,
			ApplyOptions{FileName: "m.yaml"}},
		{"subject", good + strings.Replace(tutorialAuthentication, "CN = thermostat", "thermostat", 1),
			`m.yaml:14: error: BrokerAuthentication/x509-auth: spec.authenticationMethods[0].x509Settings.authorizationAttributes.thermostat.subject: "thermostat": at byte 0: expected TYPE = value, such as CN = name`,
			ApplyOptions{FileName: "m.yaml"}},
		{"fragment without a name", settingsJSON, "1: error: BrokerAuthentication: metadata.name: is missing; give the object a name", ApplyOptions{}},
		{"other namespace", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad, namespace: a}\n",
			`m.yaml:3: error: ConfigMap/bad: metadata.namespace: "a": is not the namespace asked for, b`, ApplyOptions{FileName: "m.yaml", Namespace: "b"}},
		{"nothing", "# nothing\n", "m.yaml: error: holds no object", ApplyOptions{FileName: "m.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Store{Dir: t.TempDir()}
			results, _, err := s.Apply([]byte(c.manifest), c.options)
			if !errors.As(err, new(*ManifestError)) || len(results) != 0 {
				t.Fatalf("results %v, error %v", results, err)
			}
			expectText(t, "error", err.Error(), strings.TrimPrefix(c.want, "1: "))
			if files := filesOf(t, s.Dir); len(files) != 0 {
				t.Errorf("written: %v", files)
			}
		})
	}
	s := &Store{Dir: t.TempDir()}
	_, err := s.CreateSecretTLS("cert", "", certs.pem["server-cert"], certs.pem["expired-key"])
	expectError(t, err, `error: Secret/cert: data.tls.key: is not the private key of the certificate "CN=mqtts-endpoint"`)
	_, err = s.CreateSecretTLS("Cert", "", certs.pem["server-cert"], certs.pem["server-key"])
	expectError(t, err, `error: Secret: metadata.name: "Cert": is not a name: lower-case letters, digits and hyphens, in labels joined by dots`)
	_, err = s.CreateConfigMap("cm", "", map[string][]byte{"../x": nil})
	expectError(t, err, `error: ConfigMap/cm: data: "../x": is not a key; use letters, digits, '-', '_' and '.'`)
}

func TestStoreKeepsTextThatLooksLikeANumber(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	manifest := strings.Replace(tutorialAuthentication, "thermostat_group", "017", 1)
	_, warnings, err := s.Apply([]byte(manifest), ApplyOptions{})
	if err != nil || len(warnings) != 1 {
		t.Fatal(warnings, err)
	}
	o := must[*Object](t)(s.Get(KindBrokerAuthentication, "x509-auth"))
	if !bytes.Contains(o.YAML(), []byte(`group: "017"`)) || !bytes.Contains(o.JSON(), []byte(`"group": "017"`)) {
		t.Errorf("stored as\n%s", o.YAML())
	}
}

// TestStoreReplacesFilesAtomically reads while two writers write: what is read
// is always whole.
func TestStoreReplacesFilesAtomically(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	var writers sync.WaitGroup
	for _, value := range []string{strings.Repeat("a", 5000), strings.Repeat("b", 9000)} {
		writers.Go(func() {
			manifest := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {key: " + value + "}\n")
			for range 20 {
				if _, _, err := s.Apply(manifest, ApplyOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		select {
		case <-done:
			if files := filesOf(t, s.Dir); len(files) != 1 {
				t.Errorf("left over: %v", files)
			}
			return
		default:
		}
		if _, problems := Load(s.Dir, nil); len(problems) > 0 {
			t.Fatal(problems)
		}
	}
}

func TestStoreOfADirectoryThatIsNotThereIsEmpty(t *testing.T) {
	s := &Store{Dir: filepath.Join(t.TempDir(), "none")}
	if objects, err := s.List(""); err != nil || len(objects) != 0 {
		t.Errorf("List: %v, %v", objects, err)
	}
	s.Dir = filepath.Join(t.TempDir(), "file")
	writeFile(t, filepath.Dir(s.Dir), "file", "")
	if _, err := s.List(""); err == nil {
		t.Error("a file was taken for a directory")
	}
}
