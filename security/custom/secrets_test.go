package custom

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/internal/breaker"
)

// The secrets of these tests, none of which may be seen anywhere.
const (
	password = "correct horse"
	authData = "battery staple"
	header   = "Bearer 0f3c9a77"
	query    = "f4b1d0"
)

func secrets() []string {
	return []string{
		password, base64.StdEncoding.EncodeToString([]byte(password)),
		authData, base64.StdEncoding.EncodeToString([]byte(authData)),
		header, query,
	}
}

func expectNoSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range secrets() {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %q:\n%s", where, secret, text)
		}
	}
}

// TestNothingShowsASecret has servers repeat all that they are sent, in every
// kind of answer.
func TestNothingShowsASecret(t *testing.T) {
	repeats := func(status int, format string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			all := string(body) + r.Header.Get("Authorization") + password + authData
			text := strings.NewReplacer(`"`, `'`, "\\", "/").Replace(all)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, format, text)
		}
	}
	inHeader := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Authorization"))
	}
	for name, handler := range map[string]http.HandlerFunc{
		"200":                   repeats(200, `{"attributes": {"a": 1}, "b": "%s"}`),
		"200 that is no JSON":   repeats(200, `%s`),
		"200 of another type":   inHeader,
		"400":                   repeats(400, `%s`),
		"403":                   repeats(403, `{"reason": 135, "message": "%s"}`),
		"403 with a bad reason": repeats(403, `{"reason": "%s"}`),
		"422":                   repeats(422, `{"supportedVersions": ["%s"]}`),
		"500":                   repeats(500, `%s`),
		"an endless answer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(password, 10000))
		},
		"a connection that ends": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an answer that is broken": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(c, password+"\r\n\r\n")
				_ = c.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, handler)
			a, log := newAuthenticator(t, s.URL+"/?code="+query, func(cfg *Config) { cfg.Headers = map[string]string{"Authorization": header} })
			c := newClock()
			a.now = c.Now
			for range breaker.Threshold + 1 {
				for _, ask := range []func(*Authenticator) (security.Result, error){authenticate, reauthenticate} {
					_, err := ask(a)
					if err == nil {
						t.Fatal("it was granted")
					}
					expectNoSecret(t, "an error", err.Error())
				}
				c.advance(reportInterval)
			}
			if log.String() == "" && !strings.HasPrefix(name, "403") {
				t.Error("nothing was logged, so nothing was tested")
			}
			expectNoSecret(t, "the log", log.String())
		})
	}
}

func TestSecretIsFoundHoweverItIsWritten(t *testing.T) {
	a, _ := newAuthenticator(t, "https://127.0.0.1:1", func(cfg *Config) { cfg.Headers = map[string]string{"X": "h\t\"\u00fc<"} })
	c := &security.Credentials{Password: []byte("p\"\n<\u00fc"), AuthenticationData: []byte("\x00\xff\"")}
	for _, secret := range []string{string(c.Password), string(c.AuthenticationData), "h\t\"\u00fc<"} {
		inJSON, err := json.Marshal(map[string]string{"message": secret})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			secret, "before " + secret + " after", fmt.Sprintf("%q", secret), string(inJSON), base64.StdEncoding.EncodeToString([]byte(secret)),
		} {
			if got := a.quote(text, c); got != withheld {
				t.Errorf("%q: %q is shown", text, got)
			}
		}
	}
	for value, text := range map[string]string{
		"Bearer t0ken":   "no such token: t0ken",
		"Bearer   t0ken": "no such token: t0ken",
		" t0ken\t":       "no such token: t0ken",
		"Basic Ym9iOng=": "bad credentials Ym9iOng=",
	} {
		a, _ := newAuthenticator(t, "https://127.0.0.1:1", func(cfg *Config) { cfg.Headers = map[string]string{"Authorization": value} })
		if got := a.quote(text, c); got != withheld {
			t.Errorf("header %q: %q is shown", value, got)
		}
	}
	if got := a.quote("cGFzc3dvcmQ is wrong", &security.Credentials{Password: []byte("password")}); got != withheld {
		t.Errorf("base64 without padding: %q is shown", got)
	}
	if got := a.quote("no such user", c); got != "no such user" {
		t.Errorf("%q is not what was said", got)
	}
	if got := a.quote("anything", &security.Credentials{Password: []byte{}}); got != "anything" {
		t.Errorf("an empty Password hides everything: %q", got)
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	cfg := Config{Endpoint: "https://h/?code=" + query, Headers: map[string]string{"Authorization": header}}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&text, verb+verb+verb+"\n", cfg, &cfg, a)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
		slog.New(handler).Info("x", "config", cfg, "method", a)
	}
	expectNoSecret(t, "printing", text.String())
	if !strings.Contains(text.String(), "[redacted]") {
		t.Errorf("printed %s", &text)
	}
}

func TestGrantedClientLeavesNoTraceInTheLog(t *testing.T) {
	s := newServer(t, answers(200, "{}"))
	a, log := newAuthenticator(t, s.URL)
	if _, err := a.Authenticate(context.Background(), bob()); err != nil || log.String() != "" {
		t.Errorf("%v, and logged %q", err, log)
	}
}
