package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirmq/weir/codec"
)

// at is a site as seen from another of its ports.
func (s *site) at(port int, k *kit) *site {
	other := *s
	other.port = port
	other.player = k.player(&other)
	return &other
}

// openPorts replaces the port of the site by several, each given by its fields
// but for number and address, and waits until they are open.
func (s *site) openPorts(k *kit, fields ...string) (ports []*site) {
	s.t.Helper()
	var text strings.Builder
	text.WriteString(`
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: mqtts-endpoint, namespace: azure-iot-operations}
spec:
  ports:
`)
	for _, f := range fields {
		port := s.at(freePort(s.t), k)
		ports = append(ports, port)
		fmt.Fprintf(&text, "  - {port: %d, address: 127.0.0.1%s}\n", port.port, f)
	}
	s.applyText("ports.yaml", text.String())
	for _, port := range ports {
		port.awaitOpen()
	}
	return ports
}

// overTLS is the field of a port with the site's certificate.
const overTLS = ", tls: {mode: Manual, manual: {secretRef: broker-server-cert}}"

func TestH2EachPortFollowsItsOwnAuthentication(t *testing.T) {
	t.Parallel()
	s := newSite(t, goKit, freePort(t))
	s.createSecret()
	s.createConfigMap()
	s.createAuthentication()
	s.putUser("valve")
	s.applyText("passwords-authn.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: passwords, namespace: azure-iot-operations}
spec:
  authenticationMethods: [{method: PasswordFile, passwordFileSettings: {secretRef: users}}]
`)
	ports := s.openPorts(goKit, overTLS+", authenticationRef: x509-auth", overTLS+", authenticationRef: passwords", overTLS+", authenticationRef: passwords")
	valve, m := user("valve", "v"), message{topic: "a"}
	ports[0].publish(thermostat, m, success)
	ports[0].refused(valve, notAuthorized)
	for _, port := range ports[1:] {
		port.publish(valve, m, success)
		port.refused(client{}, notAuthorized)
		stranger := user("valve", "v")
		stranger.password = "wrong"
		port.refused(stranger, badUserName)
	}
}

// A policy with nobody to judge is refused, not passed over: the port keeps what
// it had until both references are gone.
func TestH7WithoutAuthenticationAnyoneMayConnect(t *testing.T) {
	playRestricted(t, func(s *site) {
		listener := func(references string) string {
			return fmt.Sprintf(`
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: mqtts-endpoint, namespace: azure-iot-operations}
spec:
  serviceType: LoadBalancer
  ports:
  - {port: %d, address: 127.0.0.1%s%s}
`, s.port, references, overTLS)
		}
		mustWrite(s.t, filepath.Join(s.dir, "half.yaml"), []byte(listener(", authorizationRef: abac-authz")))
		if out, code := s.tryWeir("apply", "-f", "half.yaml"); code == 0 || !strings.Contains(out, "add an authenticationRef") {
			s.t.Errorf("weir apply: exit code %d\n%s", code, out)
		}
		s.refused(client{}, notAuthorized)

		s.after(func() { s.applyText("without.yaml", listener("")) }, `msg="listener uses a new policy"`, s.listener())
		sub := s.subscribe(client{id: "anyone"}, granted("#"), "#")
		s.publish(client{id: "another"}, message{topic: "telemetry/humidity"}, success)
		sub.receives(message{topic: "telemetry/humidity"})
	})
}

func TestH13ChainsOfRSAOfECAndOfBothAreAccepted(t *testing.T) {
	t.Parallel()
	s := newSite(t, goKit, freePort(t))
	for _, args := range [][]string{
		{"root", "RSA Root CA", "rsa_root.crt", "rsa_root.key", "--kty=RSA"},
		{"intermediate", "RSA Intermediate CA", "rsa_ca.crt", "rsa_ca.key", "--kty=RSA", "--ca=rsa_root.crt", "--ca-key=rsa_root.key"},
		{"leaf", "rsa", "rsa.crt", "rsa.key", "--bundle", "--kty=RSA", "--ca=rsa_ca.crt", "--ca-key=rsa_ca.key"},
		{"intermediate", "Mixed CA", "mixed_ca.crt", "mixed_ca.key", "--kty=RSA", "--ca=fabrikam_root_ca.crt", "--ca-key=fabrikam_root_ca.key"},
		{"leaf", "mixed", "mixed.crt", "mixed.key", "--bundle", "--kty=EC384", "--ca=mixed_ca.crt", "--ca-key=mixed_ca.key"},
	} {
		if out, code := run(t, s.dir, nil, weirProgram, append([]string{"pki"}, args...)...); code != 0 {
			t.Fatalf("weir pki %q: exit code %d\n%s", args, code, out)
		}
	}
	s.createSecret()
	s.weir("create", "configmap", "fabrikam-ca", "-n", namespace, "--from-file=ec.pem=fabrikam_root_ca.crt", "--from-file=rsa.pem=rsa_root.crt")
	s.createAuthentication()
	s.createListener("")
	s.awaitOpen()
	for _, name := range []string{"thermostat", "rsa", "mixed"} {
		s.publish(client{name: name}, message{topic: "a"}, success)
	}
}

// The certificate is made when everything else is ready: it ends 5 seconds later.
func TestH26ConnectionEndsWithItsCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t, goKit, freePort(t))
	s.createAll("")
	brief := client{name: "brief"}
	if out, code := run(t, s.dir, nil, weirProgram, "pki", "leaf", "brief", "brief.crt", "brief.key", "--bundle", "--not-after=5s",
		"--ca", "fabrikam_intermediate_ca.crt", "--ca-key", "fabrikam_intermediate_ca.key"); code != 0 {
		t.Fatalf("weir pki: exit code %d\n%s", code, out)
	}
	c, code := s.try(brief)
	if code != codec.Success {
		t.Fatalf("CONNACK with %v", code)
	}
	witness, code := s.try(thermostat, func(c *codec.Connect) { c.ClientID = []byte("witness") })
	if code != codec.Success {
		t.Fatalf("CONNACK with %v", code)
	}
	s.after(c.ExpectClose, `msg="connection closed"`, `reason="credential expired"`) // no DISCONNECT
	answersPing(witness)
	s.after(func() { s.fails(brief) }, `reason="client certificate refused"`, "has expired")
}

func TestP3ClientIdentifierMustBeginWithAnAttribute(t *testing.T) {
	playPasswords(t, func(s *site) {
		s.applyRules(`[{principals: {usernames: [valve, van]}, brokerResources: [{method: Connect, clientIds: ["{principal.attributes.organization}*"]}, {method: Publish, topics: [own]}]}]`)
		s.publish(user("valve", "contoso-x"), message{topic: "own"}, success)
		s.refused(user("valve", "other"), notAuthorized)
		s.refused(user("valve", "fabrikam-x"), notAuthorized)
		s.refused(user("van", "contoso-x"), notAuthorized) // it has no organization
	})
}

func TestP4TokenInsideALevelIsRefusedAndThePolicyStays(t *testing.T) {
	playPasswords(t, func(s *site) {
		mark := s.broker.mark()
		mustWrite(s.t, filepath.Join(s.dir, "partial.yaml"), []byte(rulesManifest(`[{principals: {usernames: [valve]}, brokerResources: [{method: Publish, topics: ["client-{principal.clientId}/#"]}]}]`)))
		out, code := s.tryWeir("apply", "-f", "partial.yaml")
		if code == 0 || !strings.Contains(out, "client-{principal.clientId}/#") || !strings.Contains(out, "a token must be a whole level") {
			s.t.Errorf("weir apply: exit code %d\n%s", code, out)
		}
		s.publish(user("valve", "v"), message{topic: "/sensor/contoso"}, success)
		if text, _, _ := s.broker.out.from(mark); strings.Contains(text, "listener uses a new policy") {
			s.t.Errorf("the policy is another:\n%s", text)
		}
	})
}

func TestP5PolicyWithoutRulesAdmitsNobody(t *testing.T) {
	playPasswords(t, func(s *site) {
		valve := s.publisher(user("valve", "v"), "/sensor/contoso")
		valve.send("before", success)
		mark := s.broker.mark()
		s.applyRules(`[]`)
		s.broker.logged(mark, `msg="connection closed"`, "clientID=v", `reason="not authorized"`)
		s.refused(user("valve", "v"), notAuthorized)
		s.refused(user("temperature-sensor", "s"), notAuthorized)
	})
}

func TestP6EditedPolicyCutsEveryoneWhoThenHasTheNewRights(t *testing.T) {
	playPasswords(t, func(s *site) {
		const disconnect = `, onPolicyChange: Disconnect}}`
		policy := func(topic string) string {
			rules := `[{principals: {usernames: [valve, van]}, brokerResources: [{method: Connect}, {method: Publish, topics: [` + topic + `]}]}]`
			return strings.Replace(rulesManifest(rules), "}}", disconnect, 1)
		}
		s.after(func() { s.applyText("rules.yaml", policy("one")) }, `msg="listener uses a new policy"`, s.listener(), "onPolicyChange=Disconnect")
		s.publisher(user("valve", "v"), "one").send("before", success)
		s.publisher(user("van", "w"), "one").send("before", success)
		mark := s.broker.mark()
		s.applyText("rules.yaml", policy("two"))
		for _, id := range []string{"v", "w"} { // though nobody has lost the right to connect
			s.broker.logged(mark, `msg="connection closed"`, "clientID="+id, `reason="policy changed"`)
		}
		s.publish(user("valve", "v"), message{topic: "one"}, notAuthorized)
		s.publish(user("valve", "v"), message{topic: "two"}, success)
	})
}

func TestP7PortWithoutTLSAndAuthenticationIsOpenAndNoOther(t *testing.T) {
	t.Parallel()
	s := newSite(t, goKit, freePort(t))
	s.createSecret()
	s.createConfigMap()
	s.createAuthentication()
	ports := s.openPorts(goKit, "", overTLS+", authenticationRef: x509-auth")
	open, closed := ports[0], ports[1]
	anyone := client{id: "anyone", plain: true}
	sub := open.subscribe(anyone, granted("#"), "#")
	open.publish(client{id: "another", plain: true}, message{topic: "a"}, success)
	sub.receives(message{topic: "a"})
	closed.refused(client{}, notAuthorized)
	closed.fails(client{plain: true})
	closed.publish(thermostat, message{topic: "b"}, success)
	sub.receives(message{topic: "b"}) // it is one broker
}

// rulesManifest is the policy of playPasswords with other rules.
func rulesManifest(rules string) string {
	return `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthorization
metadata: {name: rules}
spec: {authorizationPolicies: {rules: ` + rules + `}}
`
}

// applyRules replaces the rules of playPasswords and waits until they are in
// force.
func (s *site) applyRules(rules string) {
	s.t.Helper()
	s.after(func() { s.applyText("rules.yaml", rulesManifest(rules)) }, `msg="listener uses a new policy"`, s.listener())
}
