package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// demoPath is where a test has its demonstration: a path that a shell needs
// quotes for.
func demoPath(t *testing.T) string { return filepath.Join(t.TempDir(), "weir's demo") }

func TestDemoServesTheTutorial(t *testing.T) {
	dir, port := demoPath(t), strconv.Itoa(freePort(t))
	r := start(t, "demo", "--dir", dir, "--port", port)
	r.dial(t, "127.0.0.1:"+port).Close()

	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "thermostat.crt"), filepath.Join(dir, "thermostat.key"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{
		RootCAs:      pool(readCertificates(t, filepath.Join(dir, "contoso_root_ca.crt"))...),
		ServerName:   "localhost",
		Certificates: []tls.Certificate{pair},
	})
	if err != nil {
		t.Fatal(err)
	}
	connectTo(t, conn)
	if code := r.stop(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if r := weir(t, "", "check", "--config", filepath.Join(dir, "config")); r.code != exitOK {
		t.Errorf("weir check:\n%s%s", r.stdout, r.stderr)
	}
}

// TestDemoPromisesWhatThePolicySays asks weir explain about every mosquitto
// command of the guide, and compares with what the guide says it shows.
func TestDemoPromisesWhatThePolicySays(t *testing.T) {
	dir := demoPath(t)
	var out, errs strings.Builder
	d := demo{app: &app{stdout: &out, stderr: &errs}, dir: dir, port: freePort(t)}
	port, err := d.prepare()
	if err != nil {
		t.Fatal(err)
	}
	if port != d.port {
		t.Errorf("port %d, want %d", port, d.port)
	}
	out.Reset()
	if err := d.printGuide(port); err != nil {
		t.Fatal(err)
	}
	commands, comment := 0, ""
	for line := range strings.Lines(strings.ReplaceAll(out.String(), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			comment += line
			continue
		case strings.HasPrefix(line, "mosquitto_"):
			commands++
			words := strings.Fields(line)
			option := func(name string) string {
				for i, word := range words {
					if word == name {
						return words[i+1]
					}
				}
				t.Fatalf("%s is missing in %s", name, line)
				return ""
			}
			for _, file := range []string{"--cert", "--key", "--cafile"} {
				if _, err := os.Stat(filepath.Join(dir, option(file))); err != nil {
					t.Error(err)
				}
			}
			if option("-p") != strconv.Itoa(port) {
				t.Errorf("the port is not in %s", line)
			}
			action := "publish"
			if words[0] == "mosquitto_sub" {
				action = "subscribe"
			}
			r := weir(t, "", "explain", "--config", d.app.config, "--port", strconv.Itoa(port),
				"--cert", filepath.Join(dir, option("--cert")), "--client-id", option("-i"), action, option("-t"))
			if denied := strings.Contains(comment, "135"); denied != (r.code == exitFailure) {
				t.Errorf("%s\n%s\nweir explain: exit code %d\n%s%s", comment, line, r.code, r.stdout, r.stderr)
			}
		case strings.HasPrefix(line, "cd "):
			if got := splitShell(line)[1]; got != dir {
				t.Errorf("%s leads to %s", line, got)
			}
		}
		comment = ""
	}
	if commands != 5 {
		t.Errorf("the guide has %d mosquitto commands, want 5", commands)
	}
}

// splitShell undoes shellQuote.
func splitShell(line string) []string {
	first, rest, _ := strings.Cut(line, " ")
	rest = strings.ReplaceAll(rest, `'\''`, "\x00")
	return []string{first, strings.ReplaceAll(strings.Trim(rest, "'"), "\x00", "'")}
}

func TestDemoKeepsChangesToManifests(t *testing.T) {
	dir := demoPath(t)
	prepare := func(port int) (string, int, error) {
		var out, errs strings.Builder
		d := demo{app: &app{stdout: &out, stderr: &errs}, dir: dir, port: port}
		number, err := d.prepare()
		return out.String(), number, err
	}
	first := freePort(t)
	out, _, err := prepare(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"secret/broker-server-cert created", "configmap/fabrikam-ca created",
		"brokerauthentication.mqttbroker.iotoperations.azure.com/x509-auth created"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}

	config := filepath.Join(dir, "config")
	mine := `[{"principals": {"usernames": ["thermostat"]}, "brokerResources": [{"method": "Connect"}]}]`
	if r := weir(t, mine, "apply", "--config", config, "-f", "-", "--name", "abac-authz"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	out, number, err := prepare(0)
	if err != nil {
		t.Fatal(err)
	}
	if number != first {
		t.Errorf("the port is %d, want the %d of the first time", number, first)
	}
	if want := fmt.Sprintf("Certificates in %s used again.\n", dir); out != want {
		t.Errorf("the second time it says %q, want %q", out, want)
	}
	if got := mustWeir(t, "get", "--config", config, "brokerauthorization", "abac-authz", "-o", "json"); strings.Contains(got, "thermostat_group") {
		t.Errorf("the changed policy was replaced:\n%s", got)
	}

	second := freePort(t)
	if _, number, err = prepare(second); err != nil || number != second {
		t.Errorf("with --port %d: %d, %v", second, number, err)
	}

	// The port asked for is the one it has: nothing to change.
	listener := filepath.Join(config, "brokerlistener-mqtts-endpoint.yaml")
	writeTestFile(t, filepath.Join(config, "mine.yaml"), []byte(fmt.Sprintf(`# Mine.
apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata:
  name: mqtts-endpoint
spec:
  ports:
    - port: %d
`, second)))
	if err := os.Remove(listener); err != nil {
		t.Fatal(err)
	}
	if out, number, err = prepare(second); err != nil || number != second || strings.Contains(out, "brokerlistener") {
		t.Errorf("%d, %v, %s", number, err, out)
	}
	// And when it is another, the listener moves where it is.
	if _, number, err = prepare(first); err != nil || number != first {
		t.Errorf("with --port %d: %d, %v", first, number, err)
	}
	if _, err := os.Stat(listener); err == nil {
		t.Error("the listener is there twice")
	}

	// A renewed certificate reaches the Secret.
	if err := os.Remove(filepath.Join(dir, "mqtts-endpoint.key")); err != nil {
		t.Fatal(err)
	}
	if out, _, err = prepare(0); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "mqtts-endpoint made anew") || !strings.Contains(out, "secret/broker-server-cert configured") {
		t.Errorf("after the key was lost:\n%s", out)
	}
}

func TestDemoSaysThatThePortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	r := weir(t, "", "demo", "--dir", demoPath(t), "--port", port)
	if r.code != exitFailure || !strings.Contains(r.stderr, port) || !strings.Contains(r.stderr, "--port") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

func TestDemoRefusesFlagsItCannotHonor(t *testing.T) {
	for _, args := range [][]string{{"--config", "x"}, {"--port", "0"}, {"--port", "65536"}, {"x"}} {
		r := weir(t, "", append([]string{"demo", "--dir", demoPath(t)}, args...)...)
		if r.code != exitUsage {
			t.Errorf("%q: exit code %d\n%s", args, r.code, r.stderr)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"/srv/weir-demo": "/srv/weir-demo",
		"/srv/my demo":   "'/srv/my demo'",
		"it's":           `'it'\''s'`,
		"$HOME":          "'$HOME'",
		"größe":          "'größe'",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", in, got, want)
		}
	}
}
