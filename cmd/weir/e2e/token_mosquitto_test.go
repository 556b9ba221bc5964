//go:build e2e && linux

package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// tokenOptions are those of the documentation for a Client with a token.
func (s *tokenSite) tokenOptions(topic, token string) []string {
	return []string{
		"--host", "localhost", "--port", strconv.Itoa(s.port), "--topic", topic, "--debug", "--cafile", "contoso_root_ca.crt", "-i", "guest",
		"-D", "CONNECT", "authentication-method", satMethod, "-D", "CONNECT", "authentication-data", token,
	}
}

func TestH15AsMosquittoDoesIt(t *testing.T) {
	needTools(t, "mosquitto_pub", "mosquitto_sub")
	playCluster(t, func(s *tokenSite) {
		out, code := run(s.t, s.dir, nil, "mosquitto_pub", append(s.tokenOptions("world", s.issue(satAudience)), "--message", "hello")...)
		if code != 0 || !containsAll(out, []string{"received CONNACK (0)", "sending PUBLISH (d0, q0, r0, m1, 'world', ... (5 bytes))", "sending DISCONNECT"}) {
			s.t.Errorf("exit code %d:\n%s", code, out)
		}
		out, code = run(s.t, s.dir, nil, "mosquitto_pub", append(s.tokenOptions("world", s.issue("somebody-else")), "--message", "hello")...)
		if code != notAuthorized || !strings.Contains(out, "received CONNACK (135)") {
			s.t.Errorf("with a token for somebody else: exit code %d:\n%s", code, out)
		}
	})
}

func TestH25MosquittoEndsAtItsSecondTry(t *testing.T) {
	needTools(t, "mosquitto_sub")
	playCluster(t, func(s *tokenSite) {
		// mosquitto_sub comes back with the token that has ended by then.
		out, code := run(s.t, s.dir, nil, "mosquitto_sub", s.tokenOptions("orders", s.signed(3*time.Second))...)
		if code != notAuthorized || !containsAll(out, []string{"received CONNACK (0)", "received CONNACK (135)"}) || strings.Contains(out, "received DISCONNECT") {
			s.t.Errorf("exit code %d:\n%s", code, out)
		}
	})
}
