package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// ask sends one request to a handler and returns what it answers.
func ask(h http.Handler, method, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestAnswersByName(t *testing.T) {
	const here, js = "/?api-version=0.5.0", "application/json"
	for _, row := range []struct {
		name, method, target, contentType, body string
		base64Method                            bool
		status                                  int
		want                                    string // part of the answer
	}{
		{"everybody", "POST", here, js, `{"type": "connect", "username": "bob"}`, false, 200, `{"attributes":{"example_key":"example_value"}}`},
		{"nobody", "POST", here, js, `{"type": "connect"}`, false, 200, `example_value`},
		{"what else the broker says", "POST", here, js + "; charset=utf-8", `{"type": "connect", "clientId": "a", "password": "cA=="}`, false, 200, `example_value`},
		{"no Content-Type", "POST", here, "", `{"type": "connect"}`, false, 200, `example_value`},
		{"deny", "POST", here, js, `{"type": "connect", "username": "deny1"}`, false, 403, `{"reason":135,`},
		{"expire", "POST", here, js, `{"type": "connect", "username": "expire1"}`, false, 200, `{"expiry":"`},
		{"AUTH", "POST", here, js, `{"type": "auth", "enhancedAuthentication": {"method": "m", "data": "cA=="}}`, false, 200, `example_value`},
		{"AUTH, deny", "POST", here, js, `{"type": "auth", "enhancedAuthentication": {"method": "deny1"}}`, false, 403, `135`},
		{"AUTH, expire", "POST", here, js, `{"type": "auth", "enhancedAuthentication": {"method": "expire1"}}`, false, 200, `expiry`},
		{"AUTH in base64", "POST", here, js, `{"type": "auth", "enhancedAuthentication": {"method": "ZGVueTE="}}`, true, 403, `135`},
		{"AUTH not in base64", "POST", here, js, `{"type": "auth", "enhancedAuthentication": {"method": "bob!"}}`, true, 403, `135`},
		{"AUTH of nothing", "POST", here, js, `{"type": "auth"}`, false, 400, `enhancedAuthentication`},

		{"another method comes before all", "GET", "/nowhere", "text/plain", ``, false, 405, `POST`},
		{"the Content-Type comes second", "POST", "/nowhere", "text/plain", ``, false, 400, `Content-Type`},
		{"the body comes third", "POST", "/nowhere", js, ``, false, 400, `no body`},
		{"the path comes fourth", "POST", "/nowhere", js, `x`, false, 404, `path`},
		{"the version comes fifth", "POST", "/", js, `x`, false, 400, `api-version`},
		{"another version", "POST", "/?api-version=0.6.0", js, `x`, false, 422, `{"supportedVersions":["0.5.0"]}`},
		{"two versions", "POST", here + "&api-version=0.6.0", js, `x`, false, 400, `api-version`},
		{"no JSON", "POST", here, js, `x`, false, 400, `body`},
		{"another type", "POST", here, js, `{"type": "publish"}`, false, 400, `type`},
		{"too long", "POST", here, js, `{"type": "connect", "username": "` + strings.Repeat("a", maxRequestBytes) + `"}`, false, 400, `read`},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := ask(&handler{decide: byName, base64Method: row.base64Method, log: quiet()}, row.method, row.target, row.contentType, row.body)
			if w.Code != row.status || !strings.Contains(w.Body.String(), row.want) {
				t.Errorf("%d %s, want %d and %s", w.Code, w.Body, row.status, row.want)
			}
		})
	}
}

func TestWhoExpiresHasTenSeconds(t *testing.T) {
	name := "expire"
	answer := byName(&request{Type: "connect", UserName: &name}).(granted)
	at, err := time.Parse(time.RFC3339, answer.Expiry)
	if left := time.Until(at); err != nil || left > shortLife || left < shortLife-patience {
		t.Errorf("%q, %v: %v are left, want about %v", answer.Expiry, err, left, shortLife)
	}
}

// patience is what a busy machine may take.
const patience = 9 * time.Second

func TestUsersAreKnownByTheirPasswords(t *testing.T) {
	known, err := readUsers("users.json")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := &handler{decide: known.decide, log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, row := range []struct {
		name   string
		body   map[string]any
		status int
		want   string
	}{
		{"client1", map[string]any{"username": "client1", "password": []byte("password1")}, 200, `{"attributes":{"floor":"floor1","site":"site1"}}`},
		{"another's password", map[string]any{"username": "client2", "password": []byte("password1")}, 403, `{"reason":134,`},
		{"an unknown user", map[string]any{"username": "eve", "password": []byte("password1")}, 403, `134`},
		{"no user", map[string]any{"password": []byte("password1")}, 400, `user name`},
		{"AUTH", map[string]any{"type": "auth", "enhancedAuthentication": map[string]any{"method": "client1"}}, 400, `user name`},
	} {
		if row.body["type"] == nil {
			row.body["type"] = "connect"
		}
		body, err := json.Marshal(row.body)
		if err != nil {
			t.Fatal(err)
		}
		w := ask(h, "POST", "/?api-version=0.5.0", "application/json", string(body))
		if w.Code != row.status || !strings.Contains(w.Body.String(), row.want) {
			t.Errorf("%s: %d %s, want %d and %s", row.name, w.Code, w.Body, row.status, row.want)
		}
	}
	if strings.Contains(log.String(), "password") {
		t.Errorf("a password is in the log:\n%s", &log)
	}
}

func TestHashesAreReadAsTheyAreWritten(t *testing.T) {
	text, err := newHash("correct horse", 1000)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHash(text)
	if err != nil || h.iterations != 1000 || len(h.salt) != saltLength || len(h.sum) != hashLength {
		t.Fatalf("%+v, %v", h, err)
	}
	name := "alice"
	for password, want := range map[string]reflect.Type{"correct horse": reflect.TypeFor[granted](), "correct horse ": reflect.TypeFor[refused]()} {
		answer := users{name: {hash: h}}.decide(&request{Type: "connect", UserName: &name, Password: []byte(password)})
		if reflect.TypeOf(answer) != want {
			t.Errorf("%q: %T, want %v", password, answer, want)
		}
	}
	good := strings.Split(text, "$")
	for _, bad := range []string{
		"", "opensesame", "$pbkdf2-sha256$" + strings.Join(good[2:], "$"), "$pbkdf2-sha512$i=0,l=64$" + strings.Join(good[3:], "$"),
		"$pbkdf2-sha512$i=99999999999,l=64$" + strings.Join(good[3:], "$"), "$pbkdf2-sha512$210000,l=64$" + strings.Join(good[3:], "$"),
		"$pbkdf2-sha512$i=1,l=32$" + strings.Join(good[3:], "$"), "$pbkdf2-sha512$i=1$" + strings.Join(good[3:], "$"),
		"$pbkdf2-sha512$i=1,l=64$$" + good[4], "$pbkdf2-sha512$i=1,l=64$" + good[3] + "=$" + good[4], text + "$",
	} {
		file := filepath.Join(t.TempDir(), "users.json")
		if err := os.WriteFile(file, []byte(`{"alice": {"password": "`+bad+`"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readUsers(file); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v, want an error that does not show it", bad, err)
		}
	}
}

func TestHashIsPrinted(t *testing.T) {
	var out strings.Builder
	if err := printHash(strings.NewReader("sesame\nmore\n"), &out); err != nil {
		t.Fatal(err)
	}
	if _, err := parseHash(strings.TrimSpace(out.String())); err != nil {
		t.Errorf("%s: %v", &out, err)
	}
	if err := printHash(strings.NewReader("\n"), io.Discard); err == nil {
		t.Error("an empty password has a hash")
	}
}

func TestServingNeedsACertificate(t *testing.T) {
	for name, o := range map[string]options{
		"none":           {},
		"no such file":   {cert: "none.crt", key: "none.key"},
		"no users there": {users: "none.json"},
	} {
		if err := serve(t.Context(), o, quiet()); err == nil {
			t.Errorf("%s: it served", name)
		}
	}
}
