//go:build e2e

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tutorialPort is the one that mosquitto takes when it is given a --cafile.
const tutorialPort = 8883

// TestTutorialAsItIsPrinted types every command of the tutorial as the page has
// it, for which kubectl is another name of weir, and looks for the lines that
// the page shows. What the page does in a portal is done with manifests.
func TestTutorialAsItIsPrinted(t *testing.T) {
	l, err := net.Listen("tcp", ":8883")
	if err != nil {
		giveUp(t, "the port of the tutorial is taken: "+err.Error())
	}
	_ = l.Close()
	s := newSite(t, mosquittoKit, tutorialPort)
	bin := t.TempDir()
	if err := os.Symlink(weirProgram, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	env := []string{"WEIR_CONFIG=" + s.config(), "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}
	typed := func(command string) *terminal { return shell(t, s.dir, env, command) }
	stop := func(p *terminal) {
		_ = p.command.Process.Kill() // Control-C
		p.wait()
	}

	// Configure Kubernetes.
	p := typed(`kubectl create secret tls broker-server-cert -n azure-iot-operations \
--cert mqtts-endpoint.crt \
--key mqtts-endpoint.key`)
	p.prints("secret/broker-server-cert created")
	p.exits(0)
	p = typed(`kubectl create configmap fabrikam-ca -n azure-iot-operations \
--from-file=client_ca.pem=fabrikam_root_ca.crt`)
	p.prints("configmap/fabrikam-ca created")
	p.exits(0)

	// Configure MQTT broker.
	s.createAuthentication()
	s.applyListener("created", "", "")
	s.awaitOpen()
	p = typed(`kubectl get service mqtts-endpoint -n azure-iot-operations`)
	p.ends(0)
	if rows := strings.Split(p.out.String(), "\n"); !containsAll(rows[0], []string{"NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"}) ||
		!containsAll(rows[1], []string{"mqtts-endpoint", "LoadBalancer", "8883/TCP"}) {
		t.Errorf("kubectl get service printed\n%s", p.out)
	}

	// Use a single Mosquitto client to publish messages over TLS.
	p = typed(`mosquitto_pub -t "example/topic" -m "example temperature measurement" -i thermostat \
-q 1 -V mqttv5 -d \
-h localhost \
--key thermostat.key \
--cert thermostat.crt \
--cafile contoso_root_ca.crt`)
	p.prints(
		"Client thermostat sending CONNECT",
		"Client thermostat received CONNACK (0)",
		"Client thermostat sending PUBLISH (d0, q1, r0, m1, 'example/topic', ... (31 bytes))",
		"Client thermostat received PUBACK (Mid: 1, RC:0)",
		"Client thermostat sending DISCONNECT")
	p.exits(0)

	// Configure authorization to MQTT topics.
	s.createAuthorization()
	s.after(func() { s.applyListener("configured", "", "abac-authz") }, `msg="listener uses a new policy"`)

	// Publish messages to a restricted topic. The page has "(6 bytes)" here,
	// though the message is that of before.
	p = typed(`mosquitto_pub -t "telemetry/humidity" -m "example temperature measurement" -i thermostat \
-q 1 -V mqttv5 -d \
-h localhost \
--key thermostat.key \
--cert thermostat.crt \
--cafile contoso_root_ca.crt`)
	p.prints(
		"Client thermostat sending CONNECT",
		"Client thermostat received CONNACK (0)",
		"Client thermostat sending PUBLISH (d0, q1, r0, m1, 'telemetry/humidity', ... (31 bytes))",
		"Client thermostat received PUBACK (Mid: 1, RC:135)",
		"Warning: Publish 1 failed: Not authorized.",
		"Client thermostat sending DISCONNECT")
	p.exits(0)
	telemetry := typed(`mosquitto_pub -t "telemetry/temperature" -m "example temperature measurement" -i thermostat \
-q 1 -V mqttv5 -d \
-h localhost \
--repeat 10000 \
--repeat-delay 3 \
--key thermostat.key \
--cert thermostat.crt \
--cafile contoso_root_ca.crt`)
	telemetry.shows("Client thermostat received PUBACK (Mid: 1, RC:0)")

	// Subscribe to messages on restricted topics.
	p = typed(`mosquitto_sub -q 1 -t "health/heartbeat" -d -V mqttv5 \
-i heater \
-h localhost \
--key heater.key \
--cert heater.crt \
--cafile contoso_root_ca.crt`)
	p.prints(
		"Client heater sending CONNECT",
		"Client heater received CONNACK (0)",
		"Client heater sending SUBSCRIBE (Mid: 1, Topic: health/heartbeat, QoS: 1, Options: 0x00)",
		"Client heater received SUBACK",
		"Subscribed (mid: 1): 135",
		"Client heater sending DISCONNECT",
		"All subscription requests were denied.")
	p.exits(0)
	heating := typed(`mosquitto_sub -q 1 -t "telemetry/temperature" -d -V mqttv5 \
-i heater \
-h localhost \
--key heater.key \
--cert heater.crt \
--cafile contoso_root_ca.crt`)
	heating.shows(
		"Subscribed (mid: 1): 1",
		"Client heater received PUBLISH (d0, q1, r0, m1, 'telemetry/temperature', ... (31 bytes))",
		"Client heater sending PUBACK (m1, rc0)",
		"example temperature measurement")
	heartbeats := typed(`mosquitto_pub -q 1 -t "health/heartbeat" -m "example heartbeat" -d -V mqttv5 \
-i lightbulb \
-h localhost \
--repeat 100 \
--repeat-delay 3 \
--key lightbulb.key \
--cert lightbulb.crt \
--cafile contoso_root_ca.crt`)
	heartbeats.shows("Client lightbulb received PUBACK (Mid: 1, RC:0)")
	// The heater's next message is the thermostat's.
	heating.prints("Client heater received PUBLISH (d0, q1, r0, m2, 'telemetry/temperature', ... (31 bytes))")

	// Clean up resources.
	stop(telemetry)
	stop(heating)
	stop(heartbeats)
	s.weir("delete", "brokerlistener", "mqtts-endpoint")
	s.weir("delete", "brokerauthentication", "x509-auth")
	s.weir("delete", "brokerauthorization", "abac-authz")
	p = typed(`kubectl delete secret broker-server-cert -n azure-iot-operations`)
	p.prints(`secret "broker-server-cert" deleted`)
	p.exits(0)
	p = typed(`kubectl delete configmap fabrikam-ca -n azure-iot-operations`)
	p.prints(`configmap "fabrikam-ca" deleted`)
	p.exits(0)
	p = typed(`set -e
rm contoso_root_ca.crt contoso_root_ca.key contoso_intermediate_ca.crt contoso_intermediate_ca.key mqtts-endpoint.crt mqtts-endpoint.key
rm fabrikam_root_ca.crt fabrikam_root_ca.key fabrikam_intermediate_ca.crt fabrikam_intermediate_ca.key thermostat.crt thermostat.key hygrometer.crt hygrometer.key heater.crt heater.key lightbulb.crt lightbulb.key`)
	p.exits(0)
	s.broker.logged(0, `msg="listener closed"`, s.listener())
}
