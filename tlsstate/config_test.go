package tlsstate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
)

func TestConfigThatCannotBeServedIsRefused(t *testing.T) {
	w := newWorld(t)
	other := w.stranger
	reversed := w.server
	reversed.Certificate = [][]byte{w.server.Certificate[1], w.server.Certificate[0]}
	reversed.Leaf = nil

	for _, test := range []struct {
		name   string
		change func(*Config)
		field  string // "" if c can be served
	}{
		{"nothing wrong", func(*Config) {}, ""},
		{"TLS 1.2", func(c *Config) { c.MinVersion = tls.VersionTLS12 }, ""},
		{"TLS 1.3", func(c *Config) { c.MinVersion = tls.VersionTLS13 }, ""},
		{"no client CAs, and none needed", func(c *Config) { c.ClientCAs, c.ClientCertificates = nil, RequestedUnverified }, ""},
		{"no certificate", func(c *Config) { c.Certificates = nil }, "Certificates"},
		{"certificate without DER", func(c *Config) { c.Certificates = []tls.Certificate{{}} }, "Certificates[0].Certificate"},
		{"certificate that is not one", func(c *Config) {
			c.Certificates = []tls.Certificate{w.server, {Certificate: [][]byte{{1, 2, 3}}, PrivateKey: w.server.PrivateKey}}
		}, "Certificates[1].Certificate"},
		{"no key", func(c *Config) {
			c.Certificates = []tls.Certificate{{Certificate: w.server.Certificate}}
		}, "Certificates[0].PrivateKey"},
		{"another's key", func(c *Config) {
			c.Certificates = []tls.Certificate{{Certificate: w.server.Certificate, PrivateKey: other.PrivateKey}}
		}, "Certificates[0].PrivateKey"},
		{"intermediate before leaf", func(c *Config) { c.Certificates = []tls.Certificate{reversed} }, "Certificates[0].PrivateKey"},
		{"verified without client CAs", func(c *Config) { c.ClientCAs = nil }, "ClientCAs"},
		{"verified if given without client CAs", func(c *Config) {
			c.ClientCAs, c.ClientCertificates = x509.NewCertPool(), VerifiedIfGiven
		}, "ClientCAs"},
		{"unknown demand", func(c *Config) { c.ClientCertificates = Required + 1 }, "ClientCertificates"},
		{"negative demand", func(c *Config) { c.ClientCertificates = -1 }, "ClientCertificates"},
		{"TLS 1.1", func(c *Config) { c.MinVersion = tls.VersionTLS11 }, "MinVersion"},
		{"TLS 1.4", func(c *Config) { c.MinVersion = tls.VersionTLS13 + 1 }, "MinVersion"},
		{"empty protocol name", func(c *Config) { c.NextProtos = []string{"mqtt", ""} }, "NextProtos[1]"},
		{"long protocol name", func(c *Config) { c.NextProtos = []string{strings.Repeat("m", 256)} }, "NextProtos[0]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := w.config(Required)
			test.change(&c)
			_, err := NewServer(c)
			var configErr *ConfigError
			switch {
			case test.field == "" && err != nil:
				t.Fatal(err)
			case test.field == "":
			case !errors.As(err, &configErr):
				t.Fatalf("error is %v, want a *ConfigError", err)
			case configErr.Field != test.field:
				t.Fatalf("error is about %q, want %q: %v", configErr.Field, test.field, err)
			}
		})
	}
}

func TestLimitsDefaultsFillWhatIsUnset(t *testing.T) {
	l := Limits{}.WithDefaults()
	if l.Concurrent < 1 || l.Pending != 4096 || l.Timeout != defaultTimeout || l.Bytes != 64<<10 {
		t.Errorf("defaults are %+v", l)
	}
	if set := (Limits{1, 2, 3, 4}); set.WithDefaults() != set {
		t.Errorf("%+v became %+v", set, set.WithDefaults())
	}
	if negative := (Limits{-1, -1, -1, -1}); negative.WithDefaults() != l {
		t.Errorf("negative limits became %+v, want the defaults", negative.WithDefaults())
	}
}

func TestNamesOfConstantsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for c := NotRequested; c <= Required+1; c++ {
		seen[c.String()] = true
	}
	for c := Cause(0); c <= Other; c++ {
		seen[c.String()] = true
	}
	if want := int(Required+2) + int(Other+1); len(seen) != want {
		t.Errorf("%d names for %d constants: %v", len(seen), want, seen)
	}
}
