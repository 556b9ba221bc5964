package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestT19LinkedPolicyCutsOnlyWhoMayNoLongerConnect(t *testing.T) {
	playTutorial(t, func(s *site) {
		s.createAuthorization()
		sub := s.subscribe(heater, granted("telemetry/temperature", "health/heartbeat"), "telemetry/temperature", "health/heartbeat")
		outsider := s.subscribe(newcomer, granted("#"), "#")
		pub := s.publisher(thermostat, "telemetry/temperature")
		other := s.publisher(client{name: "thermostat", id: "thermostat-2"}, "example/topic")
		pub.send("before", success)
		sub.receives(message{topic: "telemetry/temperature", payload: "before"})
		outsider.receives(message{topic: "telemetry/temperature", payload: "before"})
		other.send("before", success)
		outsider.receives(message{topic: "example/topic", payload: "before"})

		mark := s.broker.mark()
		s.after(func() { s.link("abac-authz") }, `msg="listener uses a new policy"`, s.listener(), "onPolicyChange=Reevaluate")
		s.broker.logged(mark, "clientID=heater", "topic=health/heartbeat", "Subscription removed")
		outsider.cutAndRefused(notAuthorized)
		// The others are still connected, and may do what the policy allows.
		other.send("after", notAuthorized)
		s.publish(lightbulb, message{topic: "health/heartbeat"}, success)
		for _, payload := range []string{"after", "and after that"} {
			pub.send(payload, success)
			sub.receives(message{topic: "telemetry/temperature", payload: payload})
		}
	})
}

func TestT19LinkedPolicyCutsEveryoneIfItSaysSo(t *testing.T) {
	playTutorial(t, func(s *site) {
		rules := string(mustRead(s.t, "testdata/abac-authz.json"))
		mustWrite(s.t, filepath.Join(s.dir, "disconnect.json"), fmt.Appendf(nil, `{"rules": %s, "onPolicyChange": "Disconnect"}`, rules))
		s.expectWeir("brokerauthorization."+group+"/abac-authz created\n", "apply", "-f", "disconnect.json", "--name", "abac-authz")
		sub := s.subscribe(heater, granted("telemetry/temperature"), "telemetry/temperature")
		s.publisher(thermostat, "telemetry/temperature").send(measurement, success)
		sub.receives(message{topic: "telemetry/temperature"})

		mark := s.broker.mark()
		s.link("abac-authz")
		s.broker.logged(mark, `msg="connection closed"`, "clientID=thermostat", `reason="policy changed"`)
		sub.cutAndBack()
		s.publish(client{name: "thermostat", id: "thermostat-2"}, message{topic: "telemetry/temperature", payload: "after"}, success)
		sub.receives(message{topic: "telemetry/temperature", payload: "after"})
		s.refused(newcomer, notAuthorized)
	})
}

func TestT37WithoutConnectTheLightbulbIsRefused(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.publisher(lightbulb, "health/heartbeat").send("example heartbeat", success)
		rules := string(mustRead(s.t, "testdata/abac-authz.json"))
		third := strings.LastIndex(rules[:strings.Index(rules, `"health/heartbeat"`)], `"method": "Connect"`)
		if third < 0 {
			s.t.Fatal("the third rule has no Connect")
		}
		without := rules[:third] + strings.Replace(rules[third:], `"method": "Connect"`, `"method": "Publish", "topics": ["health/heartbeat"]`, 1)

		mark := s.broker.mark()
		s.applyPolicy(without)
		s.broker.logged(mark, `msg="connection closed"`, "clientID=lightbulb", `reason="not authorized"`)
		s.refused(lightbulb, notAuthorized)
		s.refused(client{name: "lightbulb", v311: true}, refusedV311)
		// The heater connects by its own rule.
		s.publish(heater, message{topic: "health/heartbeat"}, success)
	})
}

func TestT38CleaningUpClosesThePort(t *testing.T) {
	playRestricted(t, func(s *site) {
		s.publisher(thermostat, "telemetry/temperature").send(measurement, success)
		mark := s.broker.mark()
		s.expectWeir("brokerlistener."+group+` "mqtts-endpoint" deleted`+"\n", "delete", "brokerlistener", "mqtts-endpoint")
		s.broker.logged(mark, `msg="listener closed"`, s.listener())
		s.broker.logged(mark, `msg="connection closed"`, "clientID=thermostat", `reason="listener removed"`)
		s.unreachable(thermostat)

		s.expectWeir("brokerauthentication."+group+` "x509-auth" deleted`+"\n", "delete", "brokerauthentication", "x509-auth")
		s.expectWeir("brokerauthorization."+group+` "abac-authz" deleted`+"\n", "delete", "brokerauthorization", "abac-authz")
		s.expectWeir(`secret "broker-server-cert" deleted`+"\n", "delete", "secret", "broker-server-cert", "-n", namespace)
		s.after(func() {
			s.expectWeir(`configmap "fabrikam-ca" deleted`+"\n", "delete", "configmap", "fabrikam-ca", "-n", namespace)
		}, `msg="configuration loaded"`, "open=0 waiting=0 closed=0 errors=0 warnings=0")
		if out := s.weir("get", "all"); !strings.HasPrefix(out, "No resources found") {
			s.t.Errorf("weir get all:\n%s", out)
		}
		for _, name := range []string{"contoso_root_ca", "contoso_intermediate_ca", "mqtts-endpoint", "fabrikam_root_ca",
			"fabrikam_intermediate_ca", "thermostat", "hygrometer", "heater", "lightbulb"} {
			for _, extension := range []string{".crt", ".key"} {
				if err := os.Remove(filepath.Join(s.dir, name+extension)); err != nil {
					s.t.Error(err)
				}
			}
		}
	})
}

func TestT38DeletingWhatAPortNeedsClosesIt(t *testing.T) {
	for _, row := range []struct {
		name       string
		kind, what string
		create     func(s *site)
	}{
		{"authentication", "brokerauthentication", "x509-auth", (*site).createAuthentication},
		{"authorization", "brokerauthorization", "abac-authz", (*site).createAuthorization},
		{"secret", "secret", "broker-server-cert", (*site).createSecret},
		{"configmap", "configmap", "fabrikam-ca", (*site).createConfigMap},
	} {
		t.Run(row.name, func(t *testing.T) {
			playRestricted(t, func(s *site) {
				s.publisher(thermostat, "telemetry/temperature").send(measurement, success)
				mark := s.broker.mark()
				s.weir("delete", row.kind, row.what)
				s.broker.logged(mark, `msg="listener closed"`, s.listener())
				s.broker.logged(mark, `msg="connection closed"`, "clientID=thermostat", `reason="listener removed"`)
				s.unreachable(client{})
				s.unreachable(thermostat)

				s.after(func() { row.create(s) }, `msg="listener open"`, s.listener())
				s.publish(thermostat, message{topic: "telemetry/temperature"}, success)
				s.publish(thermostat, message{topic: "telemetry/humidity"}, notAuthorized)
				s.refused(client{}, notAuthorized)
			})
		})
	}
}
