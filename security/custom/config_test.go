package custom

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

func TestConfigIsChecked(t *testing.T) {
	for _, row := range []struct {
		name string
		cfg  Config
		want []string // what the error says, line by line
	}{
		{"good", Config{Endpoint: "https://auth.example.com:8443/path?code=1", Headers: map[string]string{"X-Key": "\tvalue ü"}}, nil},
		{"nothing", Config{}, []string{"endpoint: is missing"}},
		{"http", Config{Endpoint: "http://h"}, []string{`endpoint "http://h": is not an https URL, and credentials are sent to no other`}},
		{"a host alone", Config{Endpoint: "auth.example.com"}, []string{"is not an https URL"}},
		{"no host", Config{Endpoint: "https://:443/"}, []string{"is not an https URL"}},
		{"no URL", Config{Endpoint: "https://h:port"}, []string{"is not an https URL"}},
		{"a password in it", Config{Endpoint: "https://broker:" + query + "@h/"}, []string{"endpoint: has a user name in it"}},
		{"a secret in a bad one", Config{Endpoint: "http://h/?code=" + query}, []string{"endpoint: is not an https URL"}},
		{"a fragment", Config{Endpoint: "https://h/#a"}, []string{"has a fragment"}},
		{"a version", Config{Endpoint: "https://h/?api-version=1"}, []string{"has an api-version already"}},
		{
			"headers", Config{Endpoint: "https://h", Headers: map[string]string{
				"": "", "a b": "", "x:": "", "ü": "", "content-TYPE": header, "Host": "", "Transfer-Encoding": "", "Authorization": header + "\r\nX: y",
			}},
			[]string{
				"headers.: is not the name", "headers.Authorization: has a control character", "headers.Host: is a header that the broker sets",
				"headers.Transfer-Encoding: is", "headers.a b: is not the name", "headers.content-TYPE: is a header", "headers.x:: is not", "headers.ü: is not",
			},
		},
		{"a header twice", Config{Endpoint: "https://h", Headers: map[string]string{"x-key": header, "X-Key": "other"}}, []string{"headers.x-key: is the same header as X-Key"}},
		{"numbers", Config{Endpoint: "https://h", Timeout: -time.Second, Concurrency: -1}, []string{`timeout "-1s"`, `concurrency "-1"`}},
		{"certificates that are none", Config{Endpoint: "https://h", TrustedCAs: []*x509.Certificate{nil}, Certificate: &tls.Certificate{}}, []string{"caCertConfigMap[0]", "auth.x509.secretRef"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := New(row.cfg)
			if row.want == nil {
				if err != nil || a == nil {
					t.Errorf("%v", err)
				}
				return
			}
			if err == nil || a != nil {
				t.Fatal("it was accepted")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(row.want) {
				t.Fatalf("got %q, want %d lines", lines, len(row.want))
			}
			for i, want := range row.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("got %q, want %q", lines[i], want)
				}
			}
			expectNoSecret(t, "the error", err.Error())
		})
	}
}
