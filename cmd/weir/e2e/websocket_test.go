//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// npm is the directory where the npm package mqtt is installed, once for all
// tests that need it.
var npm struct {
	once sync.Once
	dir  string
	fail string
}

// needNPMClient returns the script of the Client, beside what it requires. It
// ends the test if that cannot be had.
func needNPMClient(t testing.TB) (script string) {
	t.Helper()
	needTools(t, "node", "npm")
	npm.once.Do(func() {
		var err error
		if npm.dir, err = os.MkdirTemp("", "weir-e2e-npm-"); err != nil {
			t.Fatal(err)
		}
		temporary = append(temporary, npm.dir)
		if err := os.CopyFS(npm.dir, os.DirFS("testdata/npm")); err != nil {
			t.Fatal(err)
		}
		if out, code := run(t, npm.dir, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); code != 0 {
			npm.fail = "npm ci failed:\n" + out
		}
	})
	if npm.fail != "" {
		giveUp(t, npm.fail)
	}
	return filepath.Join(npm.dir, "client.js")
}

// TestNPMClientOnWebSocket plays the package mqtt, which dashboards use, on
// WebSocket with and without TLS, with certificates and without.
func TestNPMClientOnWebSocket(t *testing.T) {
	t.Parallel()
	script := needNPMClient(t)
	s := newSite(t, goKit, freePort(t))
	plain := freePort(t)
	s.createSecret()
	s.createConfigMap()
	s.createAuthentication()
	text := string(mustRead(t, "testdata/mqtts-endpoint.yaml"))
	// Whoever has a certificate of Fabrikam's may do anything.
	text = strings.NewReplacer("PORT", fmt.Sprint(s.port), "ADDRESS", "127.0.0.1", "      authorizationRef: AUTHORIZATION\n", "", "Mqtt", "WebSockets").Replace(text)
	text += fmt.Sprintf("    - {port: %d, address: 127.0.0.1, protocol: Websockets}\n", plain)
	mustWrite(t, filepath.Join(s.dir, "mqtts-endpoint.yaml"), []byte(text))
	s.weir("apply", "-f", "mqtts-endpoint.yaml")
	s.awaitOpen()
	s.broker.logged(0, `msg="listener open"`, fmt.Sprintf("listener=mqtts-endpoint:%d", plain), "protocol=WebSockets", "tls=false")

	type settings map[string]any
	sizes := []int{5, 200, 100_000, 1_000_000}
	var everything strings.Builder
	for _, size := range sizes {
		for qos := range 3 {
			fmt.Fprintf(&everything, "received %d with %d\n", size, qos)
		}
	}
	for _, c := range []struct {
		name     string
		settings settings
		want     string
		code     int
	}{
		{"ws, 5.0", settings{"url": fmt.Sprintf("ws://localhost:%d/mqtt", plain), "clientId": "a", "topic": "t", "protocolVersion": 5},
			"connected\ngranted 2\n" + everything.String() + "ended\n", 0},
		{"ws, 3.1.1, no path", settings{"url": fmt.Sprintf("ws://localhost:%d", plain), "clientId": "b", "topic": "u", "protocolVersion": 4},
			"connected\ngranted 2\n" + everything.String() + "ended\n", 0},
		{"wss with a certificate", settings{
			"url": fmt.Sprintf("wss://localhost:%d/mqtt", s.port), "clientId": "heater", "topic": "t", "protocolVersion": 5,
			"ca": "contoso_root_ca.crt", "cert": "heater.crt", "key": "heater.key",
		}, "connected\ngranted 2\n" + everything.String() + "ended\n", 0},
		{"wss without a certificate", settings{
			"url": fmt.Sprintf("wss://localhost:%d", s.port), "clientId": "c", "topic": "t", "protocolVersion": 5, "ca": "contoso_root_ca.crt",
		}, "failed: Connection refused: Not authorized\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.settings["sizes"] = sizes
			argument, err := json.Marshal(c.settings)
			if err != nil {
				t.Fatal(err)
			}
			out, code := run(t, s.dir, nil, "node", script, string(argument))
			if code != c.code || out != c.want {
				t.Errorf("exit code %d, want %d; it printed\n%s\nwant\n%s", code, c.code, out, c.want)
			}
		})
	}
}
