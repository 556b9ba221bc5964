//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestC27RevokedCertificateIsCutAndRefused has openssl revoke the thermostat's
// certificate, as a CA without a program of its own does.
func TestC27RevokedCertificateIsCutAndRefused(t *testing.T) {
	needTools(t, "openssl", "bash")
	playTutorial(t, func(s *site) {
		s.openssl("")
		mustWrite(s.t, filepath.Join(s.dir, "revocation.json"), []byte(`{"trustedClientCaCert": "fabrikam-ca", "revocation": {"crlRef": "fabrikam-crl"}}`))
		s.after(func() {
			s.weir("apply", "-f", "revocation.json", "--name", "x509-auth")
		}, `msg="listener uses a new policy"`, s.listener())

		sub := s.subscribe(thermostat, granted("telemetry/temperature"), "telemetry/temperature")
		other := s.subscribe(heater, granted("health/heartbeat"), "health/heartbeat")
		s.openssl("thermostat_alone.crt")
		sub.cutAndRefused(notAuthorized)
		s.publish(lightbulb, message{topic: "health/heartbeat"}, success)
		other.receives(message{topic: "health/heartbeat"})
		s.after(func() { s.refused(client{name: "thermostat", v311: true}, refusedV311) }, "is revoked by CRL number 2 of fabrikam.crl")
	})
}

// openssl revokes a certificate, unless it is "", and has the broker know the
// CRL.
func (s *site) openssl(revoke string) {
	s.t.Helper()
	const script = `set -e
if [ ! -f ca.cnf ]; then
  printf '[ca]\ndefault_ca=fabrikam\n[fabrikam]\ndatabase=index.txt\ncrlnumber=crlnumber\ncertificate=fabrikam_intermediate_ca.crt\nprivate_key=fabrikam_intermediate_ca.key\ndefault_md=sha256\ndefault_crl_days=30\n' >ca.cnf
  : >index.txt
  echo 01 >crlnumber
fi
if [ -n "$1" ]; then openssl ca -config ca.cnf -revoke "$1"; fi
openssl ca -config ca.cnf -gencrl -out fabrikam.crl.new
mv fabrikam.crl.new "$2"`
	to := filepath.Join(s.config(), "configmaps", "fabrikam-crl", "fabrikam.crl")
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if out, code := run(s.t, s.dir, nil, "bash", "-c", script, "bash", revoke, to); code != 0 {
		s.t.Fatalf("openssl: exit code %d\n%s", code, out)
	}
}
