package e2e

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// attributePolicy lets whoever has an attribute publish to the topic of its
// name, and nobody else connect.
const attributePolicy = `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthorization
metadata: {name: abac-authz, namespace: azure-iot-operations}
spec:
  authorizationPolicies:
    rules:
    - {principals: {attributes: [{organization: contoso}]}, brokerResources: [{method: Connect}, {method: Publish, topics: [organization]}]}
    - {principals: {attributes: [{city: seattle, foo: bar}]}, brokerResources: [{method: Connect}, {method: Publish, topics: [city]}]}
    - {principals: {attributes: [{building: "17"}]}, brokerResources: [{method: Connect}, {method: Publish, topics: [building]}]}
`

// mayPublishOnlyTo expects that, by attributePolicy, a Client has the attribute
// of this name, and none of the others.
func (s *site) mayPublishOnlyTo(c client, topic string) {
	s.t.Helper()
	for _, other := range []string{"organization", "city", "building"} {
		want := byte(notAuthorized)
		if other == topic {
			want = success
		}
		s.publish(c, message{topic: other}, want)
	}
}

func TestH8DescriptionOfAConfigMapShowsTheCertificate(t *testing.T) {
	play(t, func(s *site) {
		ca := mustRead(s.t, filepath.Join(s.dir, "fabrikam_root_ca.crt"))
		mustWrite(s.t, filepath.Join(s.dir, "client_ca.pem"), ca)
		s.expectWeir("configmap/client-ca created\n", "create", "configmap", "client-ca", "--from-file=client_ca.pem", "-n", namespace)
		s.expectWeir(`Name:         client-ca
Namespace:    azure-iot-operations

Data
====
client_ca.pem:
----
`+string(ca)+`

BinaryData
====
`, "describe", "configmap", "client-ca", "-n", namespace)
	})
}

func TestH9AttributesAreThoseOfTheFirstEntryFromTheLeaf(t *testing.T) {
	play(t, func(s *site) {
		s.createSecret()
		s.createConfigMap()
		s.applyText("attributes.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: x509-auth, namespace: azure-iot-operations}
spec:
  authenticationMethods:
  - method: X509
    x509Settings:
      trustedClientCaCert: fabrikam-ca
      authorizationAttributes:
        root: {subject: CN = Fabrikam Root CA, attributes: {organization: contoso}}
        intermediate: {subject: CN = Fabrikam Intermediate CA 1, attributes: {city: seattle, foo: bar}}
        smart-fan: {subject: CN = thermostat, attributes: {building: "17"}}
---`+attributePolicy)
		s.createListener("abac-authz")
		s.awaitOpen()
		s.mayPublishOnlyTo(newcomer, "organization")
		s.mayPublishOnlyTo(heater, "city")
		s.mayPublishOnlyTo(thermostat, "building")
	})
}

// printed is the example of one edition of the page on authentication, which
// assigns as TOML does, in the middle of YAML.
const printed = `apiVersion: mqttbroker.iotoperations.azure.com/v1beta1
kind: BrokerAuthentication
metadata: 
  name: authn
  namespace: azure-iot-operations
spec:
  authenticationMethods:
    - method: x509Credentials
      x509Credentials:
        authorizationAttributes:
          root:
            subject = "CN = Contoso Root CA Cert, OU = Engineering, C = US"
            attributes:
              organization = contoso
          smart-fan:
            subject = "CN = smart-fan"
            attributes:
              building = 17
`

func TestH10AssignmentsInYAMLAreRefusedWithTheRightForm(t *testing.T) {
	t.Parallel()
	s := newSite(t, goKit, freePort(t))
	file := filepath.Join(s.dir, "printed.yaml")
	text := printed
	// Each time what the message says is done, until there is nothing to say.
	for _, row := range []struct{ wrong, right string }{
		{`subject = "CN = Contoso Root CA Cert, OU = Engineering, C = US"`, `subject: "CN = Contoso Root CA Cert, OU = Engineering, C = US"`},
		{`organization = contoso`, `organization: "contoso"`},
		{`subject = "CN = smart-fan"`, `subject: "CN = smart-fan"`},
		{`building = 17`, `building: "17"`},
	} {
		mustWrite(t, file, []byte(text))
		if out, code := s.tryWeir("apply", "-f", "printed.yaml"); code == 0 || !strings.Contains(out, "write "+row.right) {
			t.Errorf("exit code %d, and no %q in\n%s", code, "write "+row.right, out)
		}
		text = strings.Replace(text, row.wrong, row.right, 1)
	}
	mustWrite(t, file, []byte(text))
	s.expectWeir("brokerauthentication."+group+"/authn created\n", "apply", "-f", "printed.yaml")
}

func TestH11AttributesOfASecretInTOML(t *testing.T) {
	play(t, func(s *site) {
		s.createSecret()
		s.createConfigMap()
		secret := func(text string) {
			object, err := json.Marshal(map[string]any{
				"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": "x509-attributes", "namespace": namespace},
				"stringData": map[string]string{"x509Attributes.toml": text},
			})
			if err != nil {
				s.t.Fatal(err)
			}
			s.applyText("attributes.json", string(object))
		}
		const entries = `[root]
subject = "CN = Fabrikam Root CA"

[root.attributes]
organization = "contoso"

[intermediate]
subject = "CN = Fabrikam Intermediate CA 1"

[intermediate.attributes]
city = "seattle"
foo = "bar"
`
		secret(entries)
		s.applyText("authn.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1beta1
kind: BrokerAuthentication
metadata: {name: x509-auth, namespace: azure-iot-operations}
spec:
  authenticationMethods:
    - method: x509Credentials
      x509Credentials:
        trustedClientCaCert: fabrikam-ca
        attributes:
          secretName: x509-attributes
---`+attributePolicy)
		s.createListener("abac-authz")
		s.awaitOpen()
		s.mayPublishOnlyTo(newcomer, "organization")
		s.mayPublishOnlyTo(heater, "city")
		s.mayPublishOnlyTo(thermostat, "city")

		// Who is connected has the new attributes too.
		fan := s.publisher(client{name: "thermostat", id: "fan"}, "city")
		fan.send("before", success)
		const another = entries + "\n[smart-fan]\nsubject = \"CN = thermostat\"\n\n[smart-fan.attributes]\nbuilding = "
		s.after(func() { secret(another + `"18"`) }, `msg="connection closed"`, "clientID=fan", `reason="not authorized"`)
		s.refused(thermostat, notAuthorized)
		s.after(func() { secret(another + `"17"`) }, `msg="listener uses a new policy"`, s.listener())
		s.mayPublishOnlyTo(thermostat, "building")
		s.mayPublishOnlyTo(heater, "city")

		// What cannot be read leaves what was in force, and is not shown.
		s.after(func() {
			mustWrite(s.t, filepath.Join(s.config(), "secret-x509-attributes.yaml"), []byte(`
apiVersion: v1
kind: Secret
metadata: {name: x509-attributes}
stringData: {x509Attributes.toml: "[root]\nsubject = \"swordfish\"\n"}
`))
		}, "level=ERROR", "kind=Secret name=x509-attributes", "has a subject that is none")
		s.mayPublishOnlyTo(thermostat, "building")
		if strings.Contains(s.broker.out.String(), "swordfish") {
			s.t.Error("the log shows what the Secret holds")
		}
	})
}

// A Client may show its whole chain, the root included, as OpenSSL does when it
// puts the chain together from the file of those that it trusts.
func TestH12ClientThatShowsItsRootIsAccepted(t *testing.T) {
	t.Parallel()
	s := newSite(t, goKit, freePort(t))
	s.createAll("")
	leaf := mustRead(t, filepath.Join(s.dir, "thermostat.crt"))
	root := mustRead(t, filepath.Join(s.dir, "fabrikam_root_ca.crt"))
	mustWrite(t, filepath.Join(s.dir, "whole.crt"), append(leaf, root...))
	if err := os.Link(filepath.Join(s.dir, "thermostat.key"), filepath.Join(s.dir, "whole.key")); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(s.dir, "whole.crt"), filepath.Join(s.dir, "whole.key"))
	if err != nil || len(pair.Certificate) != 3 {
		t.Fatalf("%d certificates, want the leaf, the intermediate and the root; %v", len(pair.Certificate), err)
	}
	s.publish(client{name: "whole", id: "thermostat"}, message{topic: "hello", payload: "world"}, success)
}
