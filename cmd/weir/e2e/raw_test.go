package e2e

import (
	"slices"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
)

// Clients of raw packets authenticate in ways that no player knows.

// showing has a CONNECT begin an enhanced authentication.
func showing(method, data string) func(*codec.Connect) {
	return func(c *codec.Connect) {
		c.Properties.SetAuthenticationMethod([]byte(method))
		c.Properties.SetAuthenticationData([]byte(data))
	}
}

// try connects, and returns the Reason Code of the CONNACK.
func (s *site) try(c client, change ...func(*codec.Connect)) (*codectest.Conn, codec.ReasonCode) {
	s.t.Helper()
	conn, err := s.player.(*goPlayer).dial(c)
	if err != nil {
		s.t.Fatal(err)
	}
	connect := &codec.Connect{Version: codec.V5, ClientID: []byte("guest"), CleanStart: true}
	for _, f := range change {
		f(connect)
	}
	raw := codectest.New(s.t, conn, codectest.Options{Timeout: patience})
	raw.Send(codec.AppendConnect(nil, connect))
	var connack codec.Connack
	if err := codec.DecodeConnack(&connack, connect.Version, raw.NextOf(codec.TypeConnack).Body); err != nil {
		s.t.Fatal(err)
	}
	if method := string(connack.Properties.AuthenticationMethod); connack.ReasonCode == codec.Success && method != string(connect.Properties.AuthenticationMethod) {
		s.t.Fatalf("CONNACK with Authentication Method %q, want %q", method, connect.Properties.AuthenticationMethod) // [MQTT-4.12.0-5]
	}
	return raw, connack.ReasonCode
}

// admits connects and expects to succeed.
func (s *site) admits(change ...func(*codec.Connect)) *codectest.Conn {
	s.t.Helper()
	c, code := s.try(client{}, change...)
	if code != codec.Success {
		s.t.Fatalf("CONNACK with %v, want %v", code, codec.Success)
	}
	return c
}

// rejects connects and expects one of these codes.
func (s *site) rejects(change func(*codec.Connect), want ...codec.ReasonCode) {
	s.t.Helper()
	c, code := s.try(client{}, change)
	if !slices.Contains(want, code) {
		s.t.Fatalf("CONNACK with %v, want %v", code, want)
	}
	c.ExpectClose()
}

// sendAuth sends an AUTH.
func sendAuth(c *codectest.Conn, code codec.ReasonCode, method, data string) {
	auth := &codec.Auth{ReasonCode: code}
	auth.Properties.SetAuthenticationMethod([]byte(method))
	auth.Properties.SetAuthenticationData([]byte(data))
	c.Send(codec.AppendAuth(nil, auth))
}

// expectAuth expects an AUTH with this Reason Code, and the Authentication
// Method [MQTT-4.12.0-5].
func (s *site) expectAuth(c *codectest.Conn, want codec.ReasonCode, method string) {
	s.t.Helper()
	var auth codec.Auth
	if err := codec.DecodeAuthFromServer(&auth, codec.V5, c.NextOf(codec.TypeAuth).Body); err != nil {
		s.t.Fatal(err)
	}
	if auth.ReasonCode != want || string(auth.Properties.AuthenticationMethod) != method {
		s.t.Fatalf("AUTH with %v for %q, want %v for %q", auth.ReasonCode, auth.Properties.AuthenticationMethod, want, method)
	}
}

// answersPing expects the connection to be alive.
func answersPing(c *codectest.Conn) {
	c.SendHex(`c0 00`)
	c.Expect(`d0 00`)
}
