package serviceaccount

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"
)

// BenchmarkAuthenticate is one CONNECT with a token: remembered, verified by
// its signature, and reviewed by an API server that takes no time.
func BenchmarkAuthenticate(b *testing.B) {
	c := newClock()
	b.Run("cached=true", func(b *testing.B) {
		a := newTestAuthenticator(b, c, Config{Verifier: &knowing{identity: mqttClient()}})
		credentials := connect(newSigner(b, "one").sign(nil))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Authenticate(context.Background(), credentials); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached=false/verifier=jwks/alg=ES256", func(b *testing.B) {
		s := newSigner(b, "one")
		a := newTestAuthenticator(b, c, Config{Verifier: newTestIssuer(b, keySetOf(b, s), nil), CacheSize: 1})
		credentials := [2]string{s.sign(map[string]any{"jti": "one"}), s.sign(map[string]any{"jti": "two"})}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := a.Authenticate(context.Background(), connect(credentials[n%2])); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached=false/verifier=tokenreview", func(b *testing.B) {
		a := newTestAuthenticator(b, c, Config{Verifier: newFakeServer(b).reviewer(b), CacheSize: 1})
		tokens := [2]string{tokenFor(b, time.Hour), tokenFor(b, 2*time.Hour)}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := a.Authenticate(context.Background(), connect(tokens[n%2])); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkInspect is what a bad token costs, before anybody is asked.
func BenchmarkInspect(b *testing.B) {
	for _, size := range []int{1 << 10, maxTokenBytes} {
		b.Run("bytes="+strconv.Itoa(size), func(b *testing.B) {
			text, err := json.Marshal(map[string]any{"exp": 1, "x": string(make([]byte, size/9))})
			if err != nil {
				b.Fatal(err)
			}
			token := []byte("e30." + encoded(string(text)) + ".c2ln")
			if len(token) > maxTokenBytes {
				b.Fatalf("the token has %d bytes", len(token))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := inspect(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
