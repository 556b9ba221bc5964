package serviceaccount

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func newTestIssuer(t testing.TB, keys Keys, change func(*IssuerConfig)) *Issuer {
	t.Helper()
	config := IssuerConfig{Issuer: testIssuer, Audiences: []string{"aio-internal", "my-audience"}, Keys: keys}
	if change != nil {
		change(&config)
	}
	i := must[*Issuer](t)(NewIssuer(config))
	i.now = newClock().now
	return i
}

func TestIssuerVouchesForTheTokensItSigned(t *testing.T) {
	rsaKey := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	es, rs, ed := newSigner(t, "one"), &signer{t, jose.RS256, rsaKey, "two"}, &signer{t, jose.EdDSA, edKey, "three"}
	i := newTestIssuer(t, keySetOf(t, es, rs, ed), func(c *IssuerConfig) {
		c.AttributeClaims = map[string]string{"namespace": "/kubernetes.io/namespace", "site": "site"}
	})
	for _, s := range []*signer{es, rs, ed} {
		t.Run(string(s.algorithm), func(t *testing.T) {
			id := must[Identity](t)(i.Verify(t.Context(), s.sign(nil)))
			if id.Username != "system:serviceaccount:factory:mqtt-client" || id.ServiceAccount != "mqtt-client" ||
				!id.Expiry.Equal(epoch.Add(time.Hour)) || id.TokenID != "one" || fmt.Sprint(id.Attributes) != "map[namespace:factory]" {
				t.Errorf("got %+v", id)
			}
			anonymous := *s
			anonymous.id = ""
			if _, err := i.Verify(t.Context(), anonymous.sign(nil)); err != nil {
				t.Errorf("without kid: %v", err)
			}
		})
	}
}

func TestIssuerRefusesClaims(t *testing.T) {
	s := newSigner(t, "one")
	i := newTestIssuer(t, keySetOf(t, s), func(c *IssuerConfig) {
		c.AttributeClaims = map[string]string{"site": "site"}
	})
	at := func(d time.Duration) int64 { return epoch.Add(d).Unix() }
	for _, row := range []struct {
		name    string
		changed map[string]any
		reason  string // "" if the token is good
	}{
		{"nothing wrong", nil, ""},
		{"another issuer", map[string]any{"iss": testIssuer + "/"}, "of another issuer"},
		{"no issuer", map[string]any{"iss": nil}, "of another issuer"},
		{"an issuer that is a list", map[string]any{"iss": []string{testIssuer}}, "of another issuer"},
		{"one audience, as text", map[string]any{"aud": "my-audience"}, ""},
		{"another audience", map[string]any{"aud": []string{"aio"}}, "another audience"},
		{"an audience in another letter case", map[string]any{"aud": "AIO-internal"}, "another audience"},
		{"no audience", map[string]any{"aud": nil}, "another audience"},
		{"an empty audience", map[string]any{"aud": ""}, "another audience"},
		{"audiences with a number", map[string]any{"aud": []any{"aio-internal", 1}}, "another audience"},
		{"expired", map[string]any{"exp": at(0)}, "has expired"},
		{"about to expire", map[string]any{"exp": at(time.Second)}, ""},
		{"no end", map[string]any{"exp": nil}, "no exp claim"},
		{"not yet valid", map[string]any{"nbf": at(clockSkew + time.Second)}, "not valid yet"},
		{"valid by a clock that is a little ahead", map[string]any{"nbf": at(clockSkew)}, ""},
		{"no nbf", map[string]any{"nbf": nil}, ""},
		{"an nbf that is no date", map[string]any{"nbf": "now"}, "nbf claim"},
		{"no subject", map[string]any{"sub": nil}, "names its user"},
		{"a subject that is no service account", map[string]any{"sub": "admin"}, "no service account"},
		{"a subject of five parts", map[string]any{"sub": "system:serviceaccount:a:b:c"}, "no service account"},
		{"an attribute that is a list", map[string]any{"site": []string{"a"}}, `"site"`},
		{"an attribute that is null", map[string]any{"site": json.RawMessage("null")}, `"site"`},
		{"an attribute", map[string]any{"site": "a"}, ""},
		{"an attribute without end", map[string]any{"site": strings.Repeat("x", maxClaimBytes+1)}, `"site"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := s.sign(row.changed)
			id, err := i.Verify(t.Context(), token)
			if row.reason != "" {
				expectDenied(t, err, row.reason, token)
				if id.Username != "" {
					t.Error("the token is vouched for all the same")
				}
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIssuerRefusesForgeries(t *testing.T) {
	s, stranger := newSigner(t, "one"), newSigner(t, "one")
	i := newTestIssuer(t, keySetOf(t, s), nil)
	good := s.sign(nil)
	parts := strings.Split(good, ".")
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	publicDER := must[[]byte](t)(x509.MarshalPKIXPublicKey(s.key.Public()))
	claims := must[[]byte](t)(base64.RawURLEncoding.DecodeString(parts[1]))

	withJWK := must[jose.Signer](t)(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: stranger.key}, &jose.SignerOptions{EmbedJWK: true}))
	embedded := must[string](t)(must[*jose.JSONWebSignature](t)(withJWK.Sign(claims)).CompactSerialize())

	p384 := &signer{t, jose.ES384, must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "one"}
	otherKey := newSigner(t, "two")

	for _, row := range []struct{ name, token, reason string }{
		{"signed by another key", stranger.sign(nil), "signature of the token is wrong"},
		{"signed with a key that brings itself along", embedded, "signature of the token is wrong"},
		{"signed by a key that the issuer does not have", otherKey.sign(nil), "does not have"},
		{"alg none with a signature", header(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2], "not allowed: none"},
		{"alg NONE", header(`{"alg":"NONE"}`) + "." + parts[1] + "." + parts[2], "not allowed: NONE"},
		{"no alg", header(`{}`) + "." + parts[1] + "." + parts[2], "not allowed"},
		{"HS256, the public key as secret", signWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: publicDER}, "one", claims), "not allowed: HS256"},
		{"another algorithm than the key's", header(`{"alg":"EdDSA","kid":"one"}`) + "." + parts[1] + "." + parts[2], "does not have"},
		{"ES384", p384.sign(nil), "not allowed: ES384"},
		{"other claims below the signature", parts[0] + "." + header(`{"sub":"system:serviceaccount:a:b"}`) + "." + parts[2], "signature of the token is wrong"},
		{"a critical header that nobody knows", header(`{"alg":"ES256","crit":["x"],"x":1}`) + "." + parts[1] + "." + parts[2], "signature of the token is wrong"},
		{"a signature of zeros", parts[0] + "." + parts[1] + "." + header(strings.Repeat("\x00", 64)), "signature of the token is wrong"},
		{"a header that is no JSON", header(`{`) + "." + parts[1] + "." + parts[2], "not a JSON Web Token"},
		{"claims that are no JSON, though signed", s.signText([]byte("{")), "not a JSON object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := i.Verify(t.Context(), row.token)
			expectDenied(t, err, row.reason, row.token)
		})
	}
}

func TestIssuerTakesTheAlgorithmsOfItsList(t *testing.T) {
	s := newSigner(t, "one")
	i := newTestIssuer(t, keySetOf(t, s), func(c *IssuerConfig) { c.Algorithms = []string{"RS256", "EdDSA"} })
	_, err := i.Verify(t.Context(), s.sign(nil))
	expectDenied(t, err, "not allowed: ES256", "")
	for _, algorithm := range []string{"none", "HS256", "ES384", "es256", ""} {
		config := IssuerConfig{Issuer: testIssuer, Audiences: []string{"a"}, Keys: keySetOf(t, s), Algorithms: []string{algorithm}}
		if _, err := NewIssuer(config); err == nil {
			t.Errorf("algorithm %q is accepted", algorithm)
		}
	}
}

func TestUsernameOfAnotherClaim(t *testing.T) {
	s := newSigner(t, "one")
	for _, row := range []struct{ claim, want string }{{"email", "a@example"}, {"/nested/name", "deep"}} {
		i := newTestIssuer(t, keySetOf(t, s), func(c *IssuerConfig) { c.UsernameClaim = row.claim })
		id := must[Identity](t)(i.Verify(t.Context(), s.sign(map[string]any{"email": "a@example", "nested": map[string]string{"name": "deep"}})))
		if id.Username != row.want || id.ServiceAccount != "" {
			t.Errorf("%s: %+v", row.claim, id)
		}
		_, err := i.Verify(t.Context(), s.sign(map[string]any{"email": strings.Repeat("x", maxClaimBytes+1)}))
		expectDenied(t, err, "names its user", "")
	}
}

func TestIssuerConfigIsRefused(t *testing.T) {
	keys := keySetOf(t, newSigner(t, "one"))
	for name, config := range map[string]IssuerConfig{
		"no issuer":   {Audiences: []string{"a"}, Keys: keys},
		"no keys":     {Issuer: testIssuer, Audiences: []string{"a"}},
		"no audience": {Issuer: testIssuer, Keys: keys},
	} {
		if _, err := NewIssuer(config); err == nil {
			t.Error(name + " is accepted")
		}
	}
}

func TestKeySetsAreRead(t *testing.T) {
	s := newSigner(t, "one")
	good := string(must[[]byte](t)(json.Marshal(s.public())))
	private := string(must[[]byte](t)(json.Marshal(jose.JSONWebKey{Key: s.key, KeyID: "secret"})))
	weak := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024)).Public()
	weakText := string(must[[]byte](t)(json.Marshal(jose.JSONWebKey{Key: weak})))
	for _, row := range []struct{ name, text, problem string }{
		{"one key", `{"keys":[` + good + `]}`, ""},
		{"one key among those not understood", `{"keys":[{"kty":"future"},{},null,1,` + good + `]}`, ""},
		{"a private key", `{"keys":[` + good + `,` + private + `]}`, "keys[1]"},
		{"a symmetric key", `{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0"}]}`, "keys[0]"},
		{"a short RSA key", `{"keys":[` + weakText + `]}`, "has no key"},
		{"a key for encryption", `{"keys":[` + strings.Replace(good, `"sig"`, `"enc"`, 1) + `]}`, "has no key"},
		{"a key for another algorithm", `{"keys":[` + strings.Replace(good, `{`, `{"alg":"ES384",`, 1) + `]}`, "has no key"},
		{"no keys", `{"keys":[]}`, "has no key"},
		{"no list", `{}`, "not a JWK Set"},
		{"no JSON", `keys`, "not a JWK Set"},
		{"too many", `{"keys":[` + strings.Repeat(good+",", maxKeys) + good + `]}`, "at most"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ParseKeySet([]byte(row.text))
			switch {
			case row.problem == "" && err != nil:
				t.Error(err)
			case row.problem != "" && (err == nil || !strings.Contains(err.Error(), row.problem)):
				t.Errorf("%v, want an error that says %q", err, row.problem)
			}
			expectSecret(t, err, "c2VjcmV0c2VjcmV0c2VjcmV0")
		})
	}
}
