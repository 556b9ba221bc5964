//go:build e2e

package e2e

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// The command of the page on authentication, whose Client finds its intermediate
// in the file of the CAs that it trusts; and the same without that intermediate
// there, which must come with the certificate then.
func TestH12AsMosquittoDoesIt(t *testing.T) {
	needTools(t, "mosquitto_pub")
	t.Parallel()
	s := newSite(t, mosquittoKit, freePort(t))
	s.createAll("")
	file := func(name string, parts ...string) {
		var text []byte
		for _, part := range parts {
			text = append(text, mustRead(t, filepath.Join(s.dir, part))...)
		}
		mustWrite(t, filepath.Join(s.dir, name), text)
	}
	file("thermostat_cert.pem", "thermostat_alone.crt")
	file("thermostat_bundle.pem", "thermostat.crt")
	file("thermostat_key.pem", "thermostat.key")
	file("chain.pem", "contoso_root_ca.crt", "fabrikam_intermediate_ca.crt", "fabrikam_root_ca.crt")
	file("server_root.pem", "contoso_root_ca.crt")
	for _, row := range []struct {
		cert, cafile string
		accepted     bool
	}{
		{"thermostat_cert.pem", "chain.pem", true},
		{"thermostat_bundle.pem", "server_root.pem", true},
		{"thermostat_bundle.pem", "chain.pem", true},
		{"thermostat_cert.pem", "server_root.pem", false},
	} {
		out, code := run(t, s.dir, nil, "mosquitto_pub", "-q", "1", "-t", "hello", "-d", "-V", "mqttv5", "-m", "world", "-i", "thermostat",
			"-h", "localhost", "-p", strconv.Itoa(s.port), "--cert", row.cert, "--key", "thermostat_key.pem", "--cafile", row.cafile)
		lines := slices.Concat(connected(thermostat), published(thermostat, message{topic: "hello", payload: "world"}, 1, success))
		if accepted := code == 0 && containsAll(out, lines); accepted != row.accepted {
			t.Errorf("--cert %s --cafile %s: exit code %d\n%s", row.cert, row.cafile, code, out)
		}
	}
}
