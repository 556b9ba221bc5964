package custom

import (
	"context"
	"fmt"
	"testing"

	"github.com/weirmq/weir/security/internal/breaker"
)

// BenchmarkAuthenticate is what the broker and a server on the same machine
// take for one Client, over TLS.
func BenchmarkAuthenticate(b *testing.B) {
	for _, attributes := range []int{0, 8} {
		for _, certificates := range []int{0, 2} {
			b.Run(fmt.Sprintf("attributes=%d/certs=%d", attributes, certificates), func(b *testing.B) {
				body := `{"expiry": "2099-01-01T00:00:00Z", "attributes": {`
				for i := range attributes {
					if i > 0 {
						body += ","
					}
					body += fmt.Sprintf(`"attribute%d": "value%d"`, i, i)
				}
				s := newServer(b, answers(200, body+"}}"))
				a, _ := newAuthenticator(b, s.URL)
				c := bob()
				for range certificates {
					c.PresentedChain = append(c.PresentedChain, testCertificates(b).broker.Cert)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := a.Authenticate(context.Background(), c); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkLeftAlone is what a Client costs while the server is not asked.
func BenchmarkLeftAlone(b *testing.B) {
	a, _ := newAuthenticator(b, "https://127.0.0.1:1")
	a.now = newClock().Now
	now := a.now()
	for range breaker.Threshold {
		ticket, _ := a.breaker.Admit(now)
		a.breaker.Settle(ticket, breaker.Failed, now)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(context.Background(), bob()); err == nil {
			b.Fatal("it was granted")
		}
	}
}

func BenchmarkGrant(b *testing.B) {
	body := []byte(`{"expiry": "2030-05-08T20:04:16+00:00", "attributes": {"group": "group1", "floor": "2", "site": "north"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(200, "application/json", body); err != nil {
			b.Fatal(err.reason)
		}
	}
}
