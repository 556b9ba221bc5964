package peers

import (
	"fmt"
	"strings"
)

// The access rules of the MutualTLS door say the same to each broker that has
// any: fifty devices, known by the CN of their certificates, may each publish
// and subscribe to four Topic Filters of their own. The device that is measured
// is the last, and the Topic Filter that allows what weir bench does is its
// last, so that no broker finds it by looking at the first.
const (
	devices        = 50
	rulesPerDevice = 4
	// client is the CN of the certificate that weir bench uses.
	client = "device-49"
	// benchTopics matches all that weir bench publishes by default.
	benchTopics = "bench/#"
)

// deviceFilters returns the Topic Filters of one device.
func deviceFilters(device string) [rulesPerDevice]string {
	last := device + "/bench/#"
	if device == client {
		last = benchTopics
	}
	return [rulesPerDevice]string{device + "/telemetry/#", device + "/commands/+", device + "/state", last}
}

// deviceName returns the name of the i-th device.
func deviceName(i int) string { return fmt.Sprintf("device-%02d", i) }

// mosquittoRules is the rules as an acl_file.
func mosquittoRules() string {
	var b strings.Builder
	for i := range devices {
		fmt.Fprintf(&b, "user %s\n", deviceName(i))
		for _, filter := range deviceFilters(deviceName(i)) {
			fmt.Fprintf(&b, "topic readwrite %s\n", filter)
		}
	}
	return b.String()
}

// weirRules is the rules as a manifest.
func weirRules() string {
	var b strings.Builder
	b.WriteString(`apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthorization
metadata: {name: bench-rules}
spec:
  authorizationPolicies:
    rules:
`)
	for i := range devices {
		for _, filter := range deviceFilters(deviceName(i)) {
			fmt.Fprintf(&b, `      - principals: {usernames: [%s]}
        brokerResources:
          - method: Connect
          - {method: Publish, topics: ["%s"]}
          - {method: Subscribe, topics: ["%[2]s"]}
`, deviceName(i), filter)
		}
	}
	return b.String()
}
