package bench_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
)

func TestConfigErrorsNameTheField(t *testing.T) {
	for _, row := range []struct {
		field  string
		config bench.Config
	}{
		{"Scenario", bench.Config{Scenario: "fan"}},
		{"Broker", bench.Config{Broker: "http://localhost"}},
		{"Version", bench.Config{Version: codec.V31}},
		{"QoS", bench.Config{QoS: 3}},
		{"Size", bench.Config{Size: bench.MinSize - 1}},
		{"Window", bench.Config{Window: -1}},
		{"Window", bench.Config{Window: 1 << 16}}, // there are 0xFFFF Packet Identifiers
		{"Rate", bench.Config{Rate: -1}},
		{"Rate", bench.Config{Rate: math.NaN()}},
		{"Rate", bench.Config{Rate: 10, Window: 1}},
		{"Publishers", bench.Config{Publishers: -1}},
		{"Subscribers", bench.Config{Publishers: 2, Subscribers: 3}},
		{"Subscribers", bench.Config{Scenario: bench.Wild, Subscribers: 1}},
		{"Connections", bench.Config{Scenario: bench.Reconnect, Connections: -1}},
		{"Dropped", bench.Config{Scenario: bench.Reconnect, Connections: 5, Dropped: 6}},
		{"Storms", bench.Config{Scenario: bench.Reconnect, Storms: -1}},
		{"Slow", bench.Config{Scenario: bench.Overload, Slow: -1}},
		{"Take", bench.Config{Scenario: bench.Overload, Take: -1}},
		{"Topics", bench.Config{Scenario: bench.Wild, Topics: 7}},
		{"Connections", bench.Config{Scenario: bench.Idle, Connections: -1}},
		{"TopicPrefix", bench.Config{TopicPrefix: "a/+"}},
		{"SessionExpiry", bench.Config{SessionExpiry: time.Millisecond}},
		{"PID", bench.Config{PID: -1}},
	} {
		if row.config.Broker == "" {
			row.config.Broker = "localhost"
		}
		_, err := row.config.WithDefaults()
		var config *bench.ConfigError
		if !errors.As(err, &config) || config.Field != row.field {
			t.Errorf("%+v: %v, want a ConfigError for %s", row.config, err, row.field)
		}
		if _, again := bench.Run(t.Context(), row.config); again == nil || again.Error() != err.Error() {
			t.Errorf("Run: %v, want %v", again, err)
		}
	}
}

func TestDefaultsCanBeRun(t *testing.T) {
	for _, scenario := range bench.Scenarios {
		c, err := bench.Config{Scenario: scenario, Broker: "localhost"}.WithDefaults()
		if err != nil {
			t.Errorf("%s: %v", scenario, err)
		}
		if again, err := c.WithDefaults(); err != nil || again.Window != c.Window || again.Rate != c.Rate {
			t.Errorf("%s: with defaults twice %+v, %v", scenario, again, err)
		}
	}
}

func TestBrokerAddresses(t *testing.T) {
	for _, row := range []struct {
		broker    string
		transport bench.Transport
		address   string
	}{
		{"localhost", bench.TCP, "localhost:1883"},
		{"localhost:1", bench.TCP, "localhost:1"},
		{"[::1]:1884", bench.TCP, "[::1]:1884"},
		{"mqtt://192.0.2.7", bench.TCP, "192.0.2.7:1883"},
		{"mqtts://localhost", bench.TLS, "localhost:8883"},
		{"ws://localhost/mqtt", bench.WebSocket, "localhost:80"},
		{"wss://localhost:8443", bench.WebSocketTLS, "localhost:8443"},
	} {
		transport, address, err := bench.ParseBroker(row.broker)
		if err != nil || transport != row.transport || address != row.address {
			t.Errorf("%s: %s, %s, %v; want %s, %s", row.broker, transport, address, err, row.transport, row.address)
		}
	}
	for _, broker := range []string{"", ":1883", "tcp://localhost", "mqtt://localhost/path", "ws://localhost/?a=b", "mqtt://user:secret@localhost", "local host"} {
		if _, _, err := bench.ParseBroker(broker); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", broker, err)
		}
	}
}
