package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// There is no object by default: a cluster's come along as they are, of the
// first preview to the latest release. What weir get shows is what was applied.
func TestH1DefaultObjectsOfAClusterAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newSite(t, goKit, freePort(t))
	for name, authentication := range map[string]string{
		"default": `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata:
  name: default
  namespace: azure-iot-operations
spec:
  authenticationMethods:
  - method: ServiceAccountToken
    serviceAccountTokenSettings:
      audiences:
      - aio-internal
`,
		"authn": `apiVersion: mqttbroker.iotoperations.azure.com/v1beta1
kind: BrokerAuthentication
metadata:
  name: authn
  namespace: azure-iot-operations
spec:
  authenticationMethods:
  - method: ServiceAccountToken
    serviceAccountToken:
      audiences:
      - aio-mq
`,
	} {
		s.applyText(name+".yaml", authentication)
		s.expectWeir(authentication, "get", "brokerauthentication", name, "-n", namespace, "-o", "yaml")
	}
	s.createSecret()
	for _, port := range s.openPorts(goKit, overTLS+", authenticationRef: default", overTLS+", authenticationRef: authn") {
		port.refused(client{}, notAuthorized) // nothing but a token is relevant
	}
}

func TestT5ServerSecretIsAccepted(t *testing.T) {
	play(t, func(s *site) {
		s.createSecret()
		for _, want := range []string{"broker-server-cert", "kubernetes.io/tls"} {
			if out := s.weir("get", "secret", "broker-server-cert", "-n", namespace); !strings.Contains(out, want) {
				s.t.Errorf("weir get secret does not show %s:\n%s", want, out)
			}
		}
		// Whoever creates it again is told, as by kubectl.
		out, code := s.tryWeir("create", "secret", "tls", "broker-server-cert", "--cert", "mqtts-endpoint.crt", "--key", "mqtts-endpoint.key")
		if want := `error: failed to create secret secrets "broker-server-cert" already exists` + "\n"; code != 1 || out != want {
			s.t.Errorf("created twice: exit code %d, %q, want %q", code, out, want)
		}
	})
}

func TestT6FabrikamRootIsAccepted(t *testing.T) {
	play(t, func(s *site) {
		s.createConfigMap()
		out := s.weir("describe", "configmap", "fabrikam-ca", "-n", namespace)
		if root := string(mustRead(s.t, s.dir+"/fabrikam_root_ca.crt")); !strings.Contains(out, "client_ca.pem:\n----\n"+root) {
			s.t.Errorf("weir describe configmap does not show the certificate under its key:\n%s", out)
		}
	})
}

func TestT7AuthenticationIsAcceptedAsPasted(t *testing.T) {
	play(t, func(s *site) {
		s.createAuthentication()
		out := s.weir("get", "brokerauthentication", "x509-auth", "-n", namespace, "-o", "yaml")
		for _, want := range []string{"method: X509", "trustedClientCaCert: fabrikam-ca", "subject: CN = Fabrikam Intermediate CA 1"} {
			if !strings.Contains(out, want) {
				s.t.Errorf("weir get does not show %q:\n%s", want, out)
			}
		}
	})
}

func TestT8ListenerBecomesAService(t *testing.T) {
	playTutorial(t, func(s *site) {
		out := s.weir("get", "service", "mqtts-endpoint", "-n", namespace)
		header, row, _ := strings.Cut(out, "\n")
		if got, want := strings.Fields(header), "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE"; strings.Join(got, " ") != want {
			s.t.Errorf("the columns are %q, want %q", got, want)
		}
		if want := []string{"mqtts-endpoint", "LoadBalancer", fmt.Sprintf("%d/TCP", s.port)}; !containsAll(row, want) {
			s.t.Errorf("the row is %q, want %q in it", row, want)
		}
		s.publish(thermostat, message{topic: "example/topic"}, success)
	})
}

func TestT9ListenerWaitsForItsSecret(t *testing.T) {
	play(t, func(s *site) {
		s.createConfigMap()
		s.createAuthentication()
		s.after(func() { s.createListener("") }, "Server certificate broker-server-cert not found. Awaiting creation of secret.")
		if out := s.weir("get", "service", "mqtts-endpoint", "-n", namespace); !containsAll(out, []string{"<pending>", strconv.Itoa(s.port)}) {
			s.t.Errorf("the service of a port that waits:\n%s", out)
		}
		s.unreachable(thermostat)
		s.createSecret()
		s.awaitOpen()
		s.publish(thermostat, message{topic: "example/topic"}, success)
	})
}

func TestT10PortAnswersWithAChainToContososRoot(t *testing.T) {
	playTutorial(t, func(s *site) {
		config := (&goPlayer{s}).tlsConfig(thermostat)
		conn, err := tls.Dial("tcp", net.JoinHostPort("localhost", strconv.Itoa(s.port)), config)
		if err != nil {
			s.t.Fatal(err)
		}
		defer conn.Close()
		chain := conn.ConnectionState().VerifiedChains[0]
		var names []string
		for _, cert := range chain {
			names = append(names, cert.Subject.CommonName)
		}
		if got, want := strings.Join(names, " < "), "mqtts-endpoint < Contoso Intermediate CA 1 < Contoso Root CA"; got != want {
			s.t.Errorf("the chain is %s, want %s", got, want)
		}
	})
}
