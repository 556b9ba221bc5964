package e2e

import (
	"strings"
	"testing"
)

func TestT11ThermostatPublishes(t *testing.T) {
	playTutorial(t, func(s *site) {
		s.publish(thermostat, message{topic: "example/topic"}, success)
	})
}

func TestT12WithoutAuthorizationEveryoneMayDoAnything(t *testing.T) {
	playTutorial(t, func(s *site) {
		for _, c := range []client{thermostat, hygrometer, heater, lightbulb, newcomer} {
			reader := client{name: c.name, id: c.name + "-reader"}
			sub := s.subscribe(reader, granted("#"), "#")
			for _, topic := range []string{"telemetry/humidity", "health/heartbeat", "a/b/c"} {
				m := message{topic: topic, payload: "from " + c.name}
				s.publish(c, m, success)
				sub.receives(m)
			}
		}
	})
}

func TestT13ClientWithoutCertificateIsRefused(t *testing.T) {
	playTutorial(t, func(s *site) {
		s.refused(client{}, notAuthorized)
		s.refused(client{userName: "thermostat"}, notAuthorized)
		s.refused(client{v311: true}, refusedV311)
	})
}

func TestT14LeafWithoutIntermediateFailsTheHandshake(t *testing.T) {
	playTutorial(t, func(s *site) {
		s.after(func() { s.fails(client{name: "thermostat_alone"}) },
			`reason="client certificate refused"`, "unknown authority", "CN=thermostat")
	})
}

func TestT15CertificateOfAnotherRootFailsTheHandshake(t *testing.T) {
	playTutorial(t, func(s *site) {
		s.after(func() { s.fails(client{name: "stranger"}) },
			`reason="client certificate refused"`, "unknown authority", "CN=stranger")
	})
}

func TestT16ExpiredCertificateFailsTheHandshake(t *testing.T) {
	playTutorial(t, func(s *site) {
		s.after(func() { s.fails(client{name: "expired"}) },
			`reason="client certificate refused"`, "has expired", "CN=expired")
	})
}

func TestT17ClientRefusesAServerItDoesNotTrust(t *testing.T) {
	playTutorial(t, func(s *site) {
		said := s.fails(client{name: "thermostat", trusts: "fabrikam_root_ca"})
		if !strings.Contains(said, "certificate") {
			s.t.Errorf("the Client says %q, nothing about the certificate", said)
		}
	})
}

func TestT18PlainClientIsClosedWithoutAnAnswer(t *testing.T) {
	playTutorial(t, func(s *site) {
		s.after(func() { s.fails(client{plain: true}) }, `reason="not a TLS client"`)
	})
}
