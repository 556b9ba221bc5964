//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security/serviceaccount/kubetest"
)

func TestH4WithoutTheCustomServerATokenCounts(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		s.after(func() {
			s.applyText("custom-first.yaml", fmt.Sprintf(`
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: sat, namespace: azure-iot-operations}
spec:
  authenticationMethods:
  - {method: Custom, customSettings: {endpoint: "https://localhost:%d"}}
  - {method: ServiceAccountToken, serviceAccountTokenSettings: {audiences: [my-audience], kubeconfigSecretRef: cluster}}
  - {method: X509, x509Settings: {trustedClientCaCert: fabrikam-ca}}
`, freePort(s.t)))
		}, `msg="listener uses a new policy"`, s.listener())
		answersPing(s.admits(showing(satMethod, s.issue(satAudience))))
		s.rejects(showing(satMethod, s.issue("somebody-else")), codec.NotAuthorized)
	})
}

func TestH14ServiceAccountTokensAreConfigured(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		out := s.weir("get", "brokerauthentication", "sat", "-n", namespace, "-o", "yaml")
		for _, want := range []string{"method: ServiceAccountToken", "- aio-mq", "- my-audience"} {
			if !strings.Contains(out, want) {
				s.t.Errorf("weir get does not show %q:\n%s", want, out)
			}
		}
		s.admits(showing(satMethod, s.issue("aio-mq")))
		s.admits(showing(satMethod, s.issue("my-audience")))
	})
}

func TestH15TokenInTheAuthenticationDataIsAllThatAClientNeeds(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		c := s.admits(showing(satMethod, s.issue(satAudience)), func(c *codec.Connect) { c.ClientID = nil })
		c.SendHex(`32 10 0005 "world" 0001 00 "hello!"`)
		c.Expect(`40 02 0001`)
		c.SendHex(`e0 00`)
		c.ExpectClose()
	})
}

func TestH16BadTokensAreRefused(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		gone := s.cluster.Account(s.t, s.namespace, "gone", nil)
		deleted := gone.Token(s.t, satAudience)
		s.shown = append(s.shown, deleted)
		gone.Delete(s.t)
		good := s.issue(satAudience)
		for name, token := range map[string]string{
			"another audience":           s.issue("somebody-else"),
			"expired":                    s.signed(-time.Minute / 2),
			"expired long ago":           s.signed(-30 * time.Minute),
			"garbage":                    "garbage",
			"nothing":                    "",
			"huge":                       strings.Repeat("A", 60000),
			"a deleted service account":  deleted,
			"two words":                  good + " junk",
			"an administrator's":         s.cluster.AdministratorToken,
			"another signature":          good[:len(good)-10] + "AAAAAAAAAA",
			"alg none and no signature":  "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".",
			"alg none and its signature": "eyJhbGciOiJub25lIn0." + strings.SplitN(good, ".", 2)[1],
		} {
			c, code := s.try(client{}, showing(satMethod, token))
			if code != codec.NotAuthorized {
				s.t.Errorf("%s: CONNACK with %v, want %v", name, code, codec.NotAuthorized)
			}
			c.ExpectClose()
		}
		// And a certificate does not save one who has shown a bad token.
		if _, code := s.try(thermostat, showing(satMethod, "garbage")); code != codec.NotAuthorized {
			s.t.Errorf("with a certificate: CONNACK with %v, want %v", code, codec.NotAuthorized)
		}
	})
}

func TestH17OtherAuthenticationMethodsAreRefused(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		token := s.issue(satAudience)
		for _, method := range []string{"k8s-sat", "FOO", "K8S-SAT "} {
			s.rejects(showing(method, token), codec.BadAuthenticationMethod)
		}
		s.rejects(func(*codec.Connect) {}, codec.NotAuthorized)
		s.rejects(func(c *codec.Connect) { c.HasPassword, c.Password = true, []byte(token) }, codec.NotAuthorized)
	})
}

func TestH18ClientComesBackWithItsNewToken(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		first := s.admits(showing(satMethod, s.issue(satAudience)))
		second := s.admits(showing(satMethod, s.issue(satAudience)))
		first.ExpectDisconnect(codec.SessionTakenOver) // the same Client Identifier
		answersPing(second)
	})
}

func TestH19AnnotationsAreAttributes(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		c := s.admits(showing(satMethod, s.issue(satAudience)))
		c.SendHex(`32 1d 0013 "odd-numbered-orders" 0001 00 "hello"`)
		c.Expect(`40 02 0001`)
		c.SendHex(`32 12 0006 "orders" 0002 00 "hello!!"`)
		c.Expect(`40 03 0002 87`)
		c.SendHex(`82 0c 0003 00 0006 "orders" 01`)
		c.Expect(`90 04 0003 00 01`)
		c.SendHex(`82 19 0004 00 0013 "odd-numbered-orders" 01`)
		c.Expect(`90 04 0004 00 87`)

		// An account without the annotation may connect, and no more.
		other := s.cluster.Account(s.t, s.namespace, "other", map[string]string{"group": "authz-sat"}).Token(s.t, satAudience)
		s.shown = append(s.shown, other)
		c = s.admits(showing(satMethod, other))
		c.SendHex(`82 0c 0003 00 0006 "orders" 01`)
		c.Expect(`90 04 0003 00 87`)
	})
}

func TestH25ConnectionEndsWithItsToken(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		token := s.signed(3 * time.Second)
		c := s.admits(showing(satMethod, token))
		s.after(c.ExpectClose, `msg="connection closed"`, `reason="credential expired"`) // no DISCONNECT
		s.rejects(showing(satMethod, token), codec.NotAuthorized)
	})
}

func TestH27ConnectionOutlivesATokenThatIsReplaced(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		c := s.admits(showing(satMethod, s.signed(3*time.Second)))
		witness := s.admits(showing(satMethod, s.signed(3*time.Second)), func(c *codec.Connect) { c.ClientID = []byte("witness") })
		sendAuth(c, codec.ReAuthenticate, satMethod, s.issue(satAudience))
		s.answers(c, codec.Success)
		witness.ExpectClose() // by when the first token of c has ended too
		answersPing(c)
	})
}

func TestH28ABadTokenInAuthEndsTheConnection(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		other := s.cluster.Account(s.t, s.namespace, "other", nil).Token(s.t, satAudience)
		s.shown = append(s.shown, other)
		for _, token := range []string{"garbage", s.issue("somebody-else"), s.signed(-time.Second), other} {
			c := s.admits(showing(satMethod, s.issue(satAudience)))
			sendAuth(c, codec.ReAuthenticate, satMethod, token)
			c.ExpectDisconnect(codec.NotAuthorized)
			c.ExpectClose()
		}
	})
}

func TestH29WhileTheAPIServerIsDownTheOldTokenCounts(t *testing.T) {
	t.Parallel()
	s := newTokenSite(t, kubetest.Start(t))
	long := s.issue(satAudience)
	c := s.admits(showing(satMethod, long))
	short := s.admits(showing(satMethod, s.signed(12*time.Second)), func(c *codec.Connect) { c.ClientID = []byte("short") })

	fresh := s.issue(satAudience)
	s.cluster.Kill()
	sendAuth(c, codec.ReAuthenticate, satMethod, fresh)
	s.answers(c, codec.ContinueAuthentication)
	sendAuth(short, codec.ReAuthenticate, satMethod, fresh)
	s.answers(short, codec.ContinueAuthentication)
	answersPing(c)
	s.rejects(showing(satMethod, s.signed(time.Hour)), codec.ServerUnavailable)
	short.ExpectClose() // its old token ends first

	s.cluster.Restart(t)
	sendAuth(c, codec.ContinueAuthentication, satMethod, fresh)
	s.answers(c, codec.Success)
	answersPing(c)
}

func TestH30CertificateCannotBeReplaced(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		c, code := s.try(thermostat)
		if code != codec.Success {
			s.t.Fatalf("CONNACK with %v", code)
		}
		sendAuth(c, codec.ReAuthenticate, satMethod, s.issue(satAudience))
		c.ExpectDisconnect(codec.ProtocolError)
		c.ExpectClose()
	})
}

func TestH31AuthenticationMethodStaysThatOfTheConnect(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		c := s.admits(showing(satMethod, s.issue(satAudience)))
		sendAuth(c, codec.ReAuthenticate, "OTHER", s.issue(satAudience))
		c.ExpectDisconnect(codec.ProtocolError)
		c.ExpectClose()
	})
}

func TestTokenAsPasswordIsTheOnlyWayOfMQTT311(t *testing.T) {
	playCluster(t, func(s *tokenSite) {
		as := func(name, token string) func(*codec.Connect) {
			return func(c *codec.Connect) {
				c.Version = codec.V311
				c.HasUserName, c.UserName = true, []byte(name)
				c.HasPassword, c.Password = true, []byte(token)
			}
		}
		answersPing(s.admits(as("$sat", s.issue(satAudience))))
		answersPing(s.admits(as("K8S-SAT", s.issue(satAudience))))
		s.rejects(as("$sat", s.issue("somebody-else")), codec.NotAuthorized)
		s.rejects(as("somebody", s.issue(satAudience)), codec.NotAuthorized)
	})
}

func TestTokensOfAClusterAreVerifiedWithoutIt(t *testing.T) {
	t.Parallel()
	cluster := kubetest.Shared(t)
	s := newSite(t, goKit, freePort(t))
	s.createSecret()
	mustWrite(t, s.dir+"/keys.json", []byte(keysOf(t, cluster)))
	s.weir("create", "configmap", "issuer-keys", "-n", namespace, "--from-file=keys.json=keys.json")
	s.applyText("jwks-authn.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: jwks, namespace: azure-iot-operations}
spec:
  authenticationMethods:
  - method: ServiceAccountToken
    serviceAccountTokenSettings:
      audiences: [my-audience]
      jwks:
        issuer: `+kubetest.Issuer+`
        configMapRef: issuer-keys
        attributeClaims: {group: /kubernetes.io/serviceaccount/name}
`)
	s.openPort("jwks")
	account := cluster.Account(t, cluster.Namespace(t), "authz-sat", nil)
	c := s.admits(showing(satMethod, account.Token(t, satAudience)))
	c.SendHex(`82 0c 0003 00 0006 "orders" 01`) // allowed to group=authz-sat
	c.Expect(`90 04 0003 00 01`)
	s.rejects(showing(satMethod, account.Token(t, "somebody-else")), codec.NotAuthorized)
}

func TestWithoutAClusterTokensAreRefusedAndCertificatesServe(t *testing.T) {
	t.Parallel()
	t.Run("go", func(t *testing.T) {
		s := newSite(t, goKit, freePort(t))
		s.createSecret()
		s.createConfigMap()
		s.after(func() {
			s.applyText("nobody.yaml", `
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: nobody, namespace: azure-iot-operations}
spec:
  authenticationMethods:
  - {method: ServiceAccountToken, serviceAccountTokenSettings: {audiences: [aio-internal]}}
  - {method: X509, x509Settings: {trustedClientCaCert: fabrikam-ca}}
`)
		}, "level=WARN", "has no API server to ask", "kubeconfigSecretRef")
		s.openPort("nobody")
		token := "e30.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJlLW9mLW5vYm9keQ"
		s.after(func() { s.rejects(showing(satMethod, token), codec.ServerUnavailable) }, "ServiceAccountToken is unavailable")
		if _, code := s.try(thermostat); code != codec.Success {
			s.t.Errorf("with a certificate: CONNACK with %v, want %v", code, codec.Success)
		}
		if strings.Contains(s.broker.out.String(), "c2lnbmF0dXJl") {
			s.t.Error("the token is in the log")
		}
	})
}
