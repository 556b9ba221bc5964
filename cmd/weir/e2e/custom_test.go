package e2e

import (
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

func TestH3CustomServersAnswerIsFinal(t *testing.T) {
	s := newCustomSite(t, methodCustom+methodX509)
	s.startServer()
	s.connects("", named("bob"))
	s.connects("thermostat", named("bob"))
	// A certificate that the next method would accept does not save it.
	s.after(func() { s.refuses(codec.NotAuthorized, "thermostat", named("deny1")) },
		`msg="connection closed"`, "with reason 135", "begins with deny")
}

func TestH5WithoutTheCustomServerACertificateCounts(t *testing.T) {
	s := newCustomSite(t, methodCustom+methodX509)
	s.startServer()
	s.stopServer()
	c := s.connects("thermostat", named("deny1"))
	// It is who its certificate says, and has no attribute of the server's.
	c.SendHex(`32 0c 0007 "example" 0001 00`)
	c.Expect(`40 03 0001 87`)
	s.broker.logged(0, `msg="custom authentication server gave no answer that can be used"`, "cannot be reached")
	s.startServer()
	s.refuses(codec.NotAuthorized, "thermostat", named("deny1"))
}

func TestH6WithoutTheCustomServerNobodyIsLetInForNothing(t *testing.T) {
	s := newCustomSite(t, methodCustom+methodX509)
	s.after(func() { s.refuses(codec.NotAuthorized, "") }, `msg="connection closed"`, "authentication method Custom is unavailable")
	s.refuses(codec.NotAuthorized, "", named("bob"))
	s.refuses(codec.NotAuthorized, "", showing("TOKEN", clientData))
	// What is open now is the way past the dead server, not the door.
	for range 10 {
		s.refuses(codec.NotAuthorized, "", named("bob"))
	}
	s.broker.logged(0, `msg="custom authentication server does not answer`)
}

func TestH20UserNamesOfTheTemplate(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	s.startServer()
	s.refuses(codec.NotAuthorized, "", named("deny1"))

	expires := s.connects("", named("expire1"), func(c *codec.Connect) { c.ClientID = []byte("short-lived") })
	bob := s.connects("", named("bob"))
	bob.SendHex(`32 0c 0007 "example" 0001 00`) // its attribute allows it
	bob.Expect(`40 02 0001`)

	mark := s.broker.mark()
	expires.ExpectClose() // after ten seconds, and without a DISCONNECT
	s.broker.logged(mark, "clientID=short-lived", `reason="credential expired"`)
	answersPing(bob)
}

func TestH20OverMQTT311(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	s.script(answering(403, `{"reason": 134}`), answering(403, `{"reason": 0}`), answering(403, `{"reason": 138}`), grantingAlways)
	old := func(c *codec.Connect) { c.Version = codec.V311 }
	s.refuses(codec.BadUserNameOrPassword, "", named("bob"), old)
	s.refuses(codec.NotAuthorized, "", named("bob"), old)
	s.refuses(codec.NotAuthorized, "", named("bob"), old)
	s.connects("", named("bob"), old)
}

func TestH21ServerThatDemandsACertificate(t *testing.T) {
	s := newCustomSite(t, `
  - method: Custom
    customSettings: {endpoint: "https://SERVER", caCertConfigMap: custom-auth-ca}
`+methodX509)
	s.startServer()
	s.refuses(codec.NotAuthorized, "", named("bob"))
	s.broker.logged(0, "certificate required")
	s.connects("thermostat", named("deny1"))
	s.after(func() { s.applyMethods(methodCustom + methodX509) }, `msg="listener uses a new policy"`)
	s.connects("", named("bob"))
	s.refuses(codec.NotAuthorized, "thermostat", named("deny1"))
}

func TestH22ServerOfAnUnknownCA(t *testing.T) {
	s := newCustomSite(t, `
  - method: Custom
    customSettings: {endpoint: "https://SERVER", caCertConfigMap: fabrikam-ca, auth: {x509: {secretRef: custom-auth-client-cert}}}
`+methodX509)
	s.startServer()
	s.refuses(codec.NotAuthorized, "", named("bob"))
	s.broker.logged(0, "unknown authority")
	s.connects("thermostat")
}

func TestH23HeadersAreInEveryRequest(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	sc := s.script(grantingAlways)
	c := s.connects("thermostat", named("bob"), showing("TOKEN", clientData))
	sendAuth(c, codec.ReAuthenticate, "TOKEN", clientData)
	s.expectAuth(c, codec.Success, "TOKEN")
	requests, bodies := sc.asked()
	if len(requests) != 2 {
		t.Fatalf("%d requests, want 2", len(requests))
	}
	for _, r := range requests {
		if got := r.Header.Get("header_key"); got != secretHeader || r.URL.RequestURI() != "/?api-version=0.5.0" {
			t.Errorf("%s with header_key %q", r.URL, got)
		}
	}
	// Nobody has verified the certificate, and the server is shown it.
	if certs, _ := bodies[0]["certs"].(string); certs != string(mustRead(t, s.certs+"/thermostat.crt")) {
		t.Errorf("the server was shown the certificates %q", certs)
	}
	if len(bodies[1]) != 2 || bodies[1]["type"] != "auth" {
		t.Errorf("of an AUTH the server was told %v", bodies[1])
	}
}

func TestH24ServerNamesAVersion(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	sc := s.script(answering(422, `{"supportedVersions": ["0.6.0", "0.5.0"]}`), grantingAlways)
	s.connects("", named("bob"))
	if requests, _ := sc.asked(); len(requests) != 2 {
		t.Errorf("%d requests, want one and a second try", len(requests))
	}
}

func TestH27CustomCredentialIsReplaced(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	const life = 3 * time.Second
	s.script(grantingFor(life), grantingAlways)
	c := s.connects("", showing("TOKEN", clientData))
	sendAuth(c, codec.ReAuthenticate, "TOKEN", "another "+clientData)
	s.expectAuth(c, codec.Success, "TOKEN")
	c.ExpectSilence(life) // in which the first one has expired
	answersPing(c)
}

func TestH28CustomServerRefusesTheNewCredential(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	s.script(grantingAlways, answering(403, `{"reason": 135, "message": "no longer"}`))
	c := s.connects("", showing("TOKEN", clientData))
	s.after(func() {
		sendAuth(c, codec.ReAuthenticate, "TOKEN", clientData)
		c.ExpectDisconnect(codec.NotAuthorized)
	}, `msg="connection closed"`, "with reason 135: no longer")
}

func TestH29WhileTheCustomServerIsAwayTheOldCredentialCounts(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	s.startServer()
	c := s.connects("", showing("TOKEN", clientData))
	s.stopServer()
	for range 3 {
		sendAuth(c, codec.ReAuthenticate, "TOKEN", clientData)
		s.expectAuth(c, codec.ContinueAuthentication, "TOKEN")
	}
	answersPing(c)
	s.startServer()
	sendAuth(c, codec.ReAuthenticate, "TOKEN", clientData)
	s.expectAuth(c, codec.Success, "TOKEN")
}

func TestH29TheOldCredentialExpiresFirst(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	sc := s.script(grantingFor(3*time.Second), answering(503, ""))
	c := s.connects("", showing("TOKEN", clientData))
	sendAuth(c, codec.ReAuthenticate, "TOKEN", clientData)
	s.expectAuth(c, codec.ContinueAuthentication, "TOKEN")
	s.after(c.ExpectClose, `reason="credential expired"`)
	if requests, _ := sc.asked(); len(requests) != 2 {
		t.Errorf("%d requests, want 2", len(requests))
	}
}

func TestH31CustomClientChangesTheMethod(t *testing.T) {
	s := newCustomSite(t, methodCustom)
	sc := s.script(grantingAlways)
	c := s.connects("", showing("TOKEN", clientData))
	sendAuth(c, codec.ReAuthenticate, "OTHER", clientData)
	c.ExpectDisconnect(codec.ProtocolError) // [MQTT-4.12.1-1]
	if requests, _ := sc.asked(); len(requests) != 1 {
		t.Errorf("%d requests, want 1: the server is not asked about it", len(requests))
	}
}
