package revocation

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDenyList parses anything. What is accepted must be what a second and
// simpler reading finds in the text: as many tokens and names, each one denied.
func FuzzDenyList(f *testing.F) {
	f.Add([]byte("# x\nserial 12:ab CN = Root\nserial 0\nfingerprint " + strings.Repeat("ab", 32) + "\ncn a b\njti x\r\n"))
	f.Add([]byte("jti \xff"))
	f.Add([]byte("cn\n\ncn x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDenyList("fuzz", text)
		if err != nil {
			if d != nil {
				t.Fatal("a list and an error")
			}
			return
		}
		if !utf8.Valid(bytes.ReplaceAll(text, []byte("\n"), nil)) && !bytes.Contains(text, []byte("#")) {
			t.Fatal("accepted what is not UTF-8")
		}
		set := New(Config{DenyLists: []*DenyList{d}})
		tokens, names := make(map[string]bool), make(map[string]bool)
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, len(text)+1)
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			if id, ok := strings.CutPrefix(line, "jti "); ok {
				tokens[strings.TrimSpace(id)] = true
			}
			if name, ok := strings.CutPrefix(line, "cn "); ok {
				names[strings.TrimSpace(name)] = true
			}
		}
		if len(tokens) != len(d.tokens) || len(names) != len(d.names) {
			t.Fatalf("%d tokens and %d names, want %d and %d", len(d.tokens), len(d.names), len(tokens), len(names))
		}
		for id := range tokens {
			if !set.RevokedToken(id) {
				t.Fatalf("token %q is not revoked", id)
			}
		}
	})
}

// FuzzCRL parses anything: an error and no list, or lists with a moment from
// which on they are stale.
func FuzzCRL(f *testing.F) {
	s := newSite(f)
	f.Add(issue(f, s.root, template(1, s.heater.Cert.SerialNumber)))
	f.Add([]byte("-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		crls, err := ParseCRLs("fuzz", text)
		if (err == nil) != (len(crls) > 0) {
			t.Fatalf("%d lists and %v", len(crls), err)
		}
		for _, c := range crls {
			if !c.Stale(c.NextUpdate) {
				t.Fatalf("good at %v, which is its nextUpdate", c.NextUpdate)
			}
			c.signedBy(s.root.Cert) // must not panic
		}
	})
}
