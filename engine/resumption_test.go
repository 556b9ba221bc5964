package engine_test

import (
	"crypto/tls"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/security/revocation"
	"github.com/weirmq/weir/tlsstate"
)

// A resumed session brings the certificates of the session, not a decision:
// who its Client is and what it may do is found as after a full handshake.
func TestResumedSessionIsJudgedAsAFullHandshakeIs(t *testing.T) {
	issuer := testCertificates().lamps
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			x := x509Authentication(t)
			l := engine.Listener{
				Name: "mtls", Address: "127.0.0.1:0", TLS: serverTLS(tlsstate.Required), Authenticator: x,
				Authorizer: table(t, group("lamps", may(security.ActionConnect), may(security.ActionPublish, "light"))),
			}
			b := start(t, engine.Options{Listeners: []engine.Listener{l}})

			settings := deviceTLS(t, issuer, pki.Options{CommonName: "lamp"})
			settings.MinVersion, settings.MaxVersion = version, version
			settings.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			dial := func(resumed bool) *codectest.Conn {
				t.Helper()
				nc, err := tls.Dial("tcp", b.addr("mtls"), settings)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = nc.Close() })
				if got := nc.ConnectionState().DidResume; got != resumed {
					t.Fatalf("resumed is %v, want %v", got, resumed)
				}
				return codectest.New(t, nc, codectest.Options{Timeout: patience})
			}
			connect := &codec.Connect{Version: codec.V5, ClientID: []byte("lamp"), CleanStart: true}
			accepted := func(resumed bool) {
				t.Helper()
				c := dial(resumed)
				c.Send(codec.AppendConnect(nil, connect))
				c.NextOf(codec.TypeConnack)
				for topic, want := range map[string]codec.ReasonCode{"light": codec.Success, "door": codec.NotAuthorized} {
					if code := publishQoS1(t, c, topic, "on"); code != want {
						t.Errorf("PUBLISH to %s: %v, want %v", topic, code, want)
					}
				}
				c.Close()
			}
			accepted(false)
			accepted(true)

			deny, err := revocation.ParseDenyList("deny", []byte("cn lamp\n"))
			if err != nil {
				t.Fatal(err)
			}
			revoking := l
			revoking.Authenticator = x.WithRevocation(revocation.New(revocation.Config{DenyLists: []*revocation.DenyList{deny}}))
			b.apply(revoking)
			if code := refusal(t, dial(true), connect); code != codec.NotAuthorized {
				t.Errorf("revoked: CONNACK with %v", code)
			}

			// Its rules go.
			other := l
			other.Authorizer = table(t, group("thermostats", may(security.ActionConnect)))
			b.apply(other)
			if code := refusal(t, dial(true), connect); code != codec.NotAuthorized {
				t.Errorf("without a rule: CONNACK with %v", code)
			}
			b.apply(l)
			accepted(true)
		})
	}
}
