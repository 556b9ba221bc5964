package resource

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLoad loads a directory at start, and once more after one file of it
// has changed. Certificates and rules are what takes time.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []int{10, 1000} {
		dir := b.TempDir()
		writeTutorial(b, dir, 8883)
		var rules strings.Builder
		rules.WriteString(strings.SplitAfter(tutorialAuthorization, "rules:\n")[0])
		for i := range size {
			fmt.Fprintf(&rules, "    - principals: {attributes: [{group: group-%d}]}\n      brokerResources: [{method: Connect}, {method: Publish, topics: [telemetry/%d/#]}]\n", i, i)
		}
		writeFile(b, dir, "authz.yaml", rules.String())
		certs := testCertificates(b)
		for i := range 100 {
			writeFile(b, dir, fmt.Sprintf("secrets/cert-%d/tls.crt", i), string(certs.pem["server-cert"]))
			writeFile(b, dir, fmt.Sprintf("secrets/cert-%d/tls.key", i), string(certs.pem["server-key"]))
		}
		first, problems := Load(dir, nil)
		if problems.HasErrors() {
			b.Fatal(problems)
		}
		for _, c := range []struct {
			name string
			prev *Snapshot
		}{{"start", nil}, {"reload", first}} {
			b.Run(fmt.Sprintf("rules=%d/certificates=100/%s", size, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Load(dir, c.prev)
				}
			})
		}
		b.Run(fmt.Sprintf("rules=%d/certificates=100/poll", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				scanDir(dir)
			}
		})
	}
}
