// Command embedded is an appliance with an MQTT broker inside: a boiler
// controller. Devices of the house connect with client certificates, and the
// controller takes part as the Server itself: it listens to the thermostats
// and publishes what the boiler does.
//
//	go run ./examples/embedded -address 127.0.0.1:8883 -credentials boiler
//
// It makes its certificates when it starts, which an appliance would do once
// in the factory, and writes those that a thermostat needs to the directory
// given with -credentials. Then, for instance:
//
//	cd boiler && mosquitto_pub -h 127.0.0.1 -p 8883 --cafile ca.crt \
//		--cert thermostat.crt --key thermostat.key -i hall -q 1 -t rooms/hall/temperature -m 17.5
//
// It ends on SIGINT and SIGTERM, or after the time given with -for.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

func main() {
	address := flag.String("address", "127.0.0.1:8883", "where devices connect")
	credentials := flag.String("credentials", "", "directory to write a thermostat's certificate and key to")
	howLong := flag.Duration("for", 0, "end after this time; 0 means on a signal only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *howLong > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *howLong)
		defer cancel()
	}
	if err := run(ctx, *address, *credentials); err != nil {
		fmt.Fprintln(os.Stderr, "embedded:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, credentials string) error {
	c, err := newCertificates()
	if err != nil {
		return err
	}
	if credentials != "" {
		if err := c.writeThermostat(credentials); err != nil {
			return err
		}
	}
	listener, err := c.listener(address)
	if err != nil {
		return err
	}
	e, err := engine.New(engine.Options{Listeners: []engine.Listener{listener}, Logger: slog.Default()})
	if err != nil {
		return err
	}
	// Whatever ends first ends the other.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- e.Run(ctx)
	}()
	err = control(ctx, e)
	cancel()
	return errors.Join(err, <-ended)
}

// control is what the appliance is for: it heats while a room is cold.
func control(ctx context.Context, e *engine.Engine) error {
	select {
	case <-e.Started():
	case <-ctx.Done():
		return nil
	}
	// The handler may take its time and may publish: it has a goroutine of its
	// own, and the broker queues for it as for any other Client.
	heating := "" // not known yet
	onTemperature := func(m *engine.Message) {
		celsius, err := strconv.ParseFloat(string(m.Payload), 64)
		if err != nil {
			slog.Warn("not a temperature", "topic", m.TopicName, "payload", string(m.Payload))
			return
		}
		if state := map[bool]string{true: "on", false: "off"}[celsius < 19]; state != heating {
			heating = state
			slog.Info("boiler", "state", state, "because", m.TopicName, "celsius", celsius)
			if err := publishState(ctx, e, state); err != nil {
				slog.Error("cannot publish", "error", err)
			}
		}
	}
	sub, err := e.Subscribe(ctx, "rooms/+/temperature", engine.SubscribeOptions{QoS: 1}, onTemperature)
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := publishState(ctx, e, "off"); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// publishState tells everyone, and by a retained message also those who come
// later.
func publishState(ctx context.Context, e *engine.Engine, state string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return e.Publish(ctx, engine.Message{TopicName: "boiler/state", Payload: []byte(state), QoS: 1, Retain: true})
}

// certificates are the appliance's own authority, its certificate as a Server,
// and one for the thermostats.
type certificates struct {
	ca         *pki.Authority
	server     *pki.Leaf
	thermostat *pki.Leaf
}

func newCertificates() (c certificates, err error) {
	if c.ca, err = pki.NewRoot(pki.Options{CommonName: "Boiler CA"}); err != nil {
		return c, err
	}
	c.server, err = c.ca.NewLeaf(pki.Options{
		CommonName: "boiler", DNSNames: []string{"boiler.local", "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		return c, err
	}
	c.thermostat, err = c.ca.NewLeaf(pki.Options{CommonName: "thermostat"})
	return c, err
}

// listener is the one port: mutual TLS, and rules for who may do what.
func (c certificates) listener(address string) (engine.Listener, error) {
	l := engine.Listener{
		Name:    "devices",
		Address: address,
		TLS: &tlsstate.Config{
			Certificates:       []tls.Certificate{c.server.TLSCertificate()},
			ClientCAs:          c.ca.Pool(),
			ClientCertificates: tlsstate.Required,
		},
	}
	authenticator, err := security.NewX509(security.X509Config{
		TrustedCAs: []*x509.Certificate{c.ca.Cert},
		Entries:    []security.X509Entry{{Name: "thermostat", Subject: "CN = thermostat", Attributes: map[string]string{"kind": "thermostat"}}},
	})
	if err != nil {
		return l, err
	}
	rules, err := security.Compile(security.Policy{Rules: []security.Rule{{
		Name:       "thermostats",
		Principals: security.Principals{Attributes: []map[string]string{{"kind": "thermostat"}}},
		BrokerResources: []security.BrokerResource{
			{Method: security.ActionConnect},
			// Each speaks for the room that it is named for.
			{Method: security.ActionPublish, Topics: []string{"rooms/{principal.clientId}/temperature"}},
			{Method: security.ActionSubscribe, Topics: []string{"boiler/#"}},
		},
	}}})
	if err != nil {
		return l, err
	}
	l.Authenticator, l.Authorizer = authenticator, rules
	return l, nil
}

// writeThermostat writes what a thermostat needs to connect.
func (c certificates) writeThermostat(dir string) error {
	key, err := c.thermostat.KeyPEM()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, pem := range map[string][]byte{"ca.crt": c.ca.CertPEM(), "thermostat.crt": c.thermostat.BundlePEM(), "thermostat.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), pem, 0o600); err != nil {
			return err
		}
	}
	return nil
}
