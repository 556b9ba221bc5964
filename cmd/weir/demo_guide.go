package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
)

// demoGuide is what weir demo prints before it serves: the tutorial's walk in
// short, each step with what it should show.
var demoGuide = template.Must(template.New("guide").Parse(`
Weir serves mqtts-endpoint on localhost:{{.Port}}. Clients need a certificate from Fabrikam,
and may do what the policy abac-authz allows. Control-C ends it.

In a second terminal:

  cd {{.Dir}}

  # The thermostat may not publish humidity: PUBACK ... RC:135, Not authorized.
  {{call .Pub "thermostat" "telemetry/humidity" "45"}}

  # It may publish temperature, RC:0. Leave this running.
  {{call .Pub "thermostat" "telemetry/temperature" "21.5"}} --repeat 10000 --repeat-delay 3

In a third terminal:

  cd {{.Dir}}

  # The heater may not subscribe to heartbeats: Subscribed (mid: 1): 135
  {{call .Sub "heater" "health/heartbeat"}}

  # It may subscribe to the temperature, by its user name, and receives it.
  {{call .Sub "heater" "telemetry/temperature"}}

In a fourth terminal, while that one runs:

  cd {{.Dir}}

  # The lightbulb may publish heartbeats, as its certificate has Fabrikam's
  # intermediate above it: RC:0. The heater does not see them.
  {{call .Pub "lightbulb" "health/heartbeat" "alive"}} --repeat 100 --repeat-delay 3

  # Why is that so?
  weir explain --config config --port {{.Port}} --cert lightbulb.crt publish health/heartbeat
  weir explain --config config --port {{.Port}} --cert thermostat.crt publish telemetry/humidity

The manifests are in {{.Config}}: change one, and it is in
force within a second. 'weir check --config config' says what is wrong with them.

`))

// printGuide prints what to type next.
func (d *demo) printGuide(port int) error {
	dir, err := filepath.Abs(d.dir)
	if err != nil {
		return err
	}
	portOption := ""
	if port != demoPort { // mosquitto's own choice when there is a --cafile
		portOption = fmt.Sprintf(" -p %d", port)
	}
	common := func(client string) string {
		return fmt.Sprintf("-i %s -q 1 -V mqttv5 -d -h localhost%s \\\n      --cert %s.crt --key %s.key --cafile contoso_root_ca.crt",
			client, portOption, client, client)
	}
	return demoGuide.Execute(d.app.stdout, struct {
		Port        int
		Dir, Config string
		Pub         func(client, topicName, payload string) string
		Sub         func(client, topicFilter string) string
	}{
		port, shellQuote(dir), filepath.Join(dir, "config"),
		func(client, topicName, payload string) string {
			return fmt.Sprintf("mosquitto_pub -t %s -m %s %s", topicName, payload, common(client))
		},
		func(client, topicFilter string) string {
			return fmt.Sprintf("mosquitto_sub -t %s %s", topicFilter, common(client))
		},
	})
}

// shellQuote makes one word of a path for a shell.
func shellQuote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@%:,", r)
	}
	if strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
