package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/security/pki"
)

// selfManifest is the configuration of the broker that --self starts.
const selfManifest = `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata:
  name: bench
spec:
  serviceType: LoadBalancer
  ports:
    - port: PORT
      address: ADDRESS
      protocol: PROTOCOL
`

const selfTLS = `      tls:
        mode: Manual
        manual:
          secretRef: bench-tls
`

// withSelf runs f beside a broker of its own: this program, in another process,
// so that its CPU time is its own.
func (b *benching) withSelf(ctx context.Context, f func(context.Context) error) (err error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	address, err := b.configureSelf(dir)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	broker := exec.CommandContext(ctx, program, "serve", "--config", dir, "--log-level", "warn")
	broker.Cancel = func() error { return broker.Process.Signal(os.Interrupt) }
	broker.WaitDelay = 10 * time.Second
	broker.Stderr = b.app.stderr
	if err := broker.Start(); err != nil {
		cancel()
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = broker.Wait() // what it has to say is on standard error
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	if err := b.awaitSelf(ctx, address, ended); err != nil {
		return err
	}
	b.config.PID = broker.Process.Pid
	return f(ctx)
}

// awaitSelf waits until the broker answers.
func (b *benching) awaitSelf(ctx context.Context, address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			return errors.New("the broker of --self ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("the broker of --self does not answer at %s: %w", address, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// configureSelf writes the manifests, and has the Clients trust the broker.
func (b *benching) configureSelf(dir string) (address string, err error) {
	transport, address, err := bench.ParseBroker(b.config.Broker)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if number, err := strconv.Atoi(port); err != nil || number < 1 {
		return "", usagef("--broker %s: --self needs a port", b.config.Broker)
	}
	// Whoever has the port already would be measured in our place.
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("--self cannot have the address of --broker: %w", err)
	}
	ip := l.Addr().(*net.TCPAddr).IP.String()
	if err := l.Close(); err != nil {
		return "", err
	}
	protocol := "Mqtt"
	if transport == bench.WebSocket || transport == bench.WebSocketTLS {
		protocol = "WebSockets"
	}
	manifest := strings.NewReplacer("PORT", port, "ADDRESS", ip, "PROTOCOL", protocol).Replace(selfManifest)
	if transport == bench.TLS || transport == bench.WebSocketTLS {
		if err := b.certifySelf(dir, host); err != nil {
			return "", err
		}
		manifest += selfTLS
	}
	return address, writeFile(filepath.Join(dir, "listener.yaml"), []byte(manifest), modePublic)
}

// certifySelf makes a certificate for host, of an authority that is forgotten.
func (b *benching) certifySelf(dir, host string) error {
	root, err := pki.NewRoot(pki.Options{CommonName: "weir bench"})
	if err != nil {
		return err
	}
	leaf, err := root.NewLeaf(pki.Options{CommonName: host})
	if err != nil {
		return err
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		return err
	}
	secret := filepath.Join(dir, "secrets", "bench-tls")
	err = errors.Join(os.MkdirAll(secret, 0o700),
		os.WriteFile(filepath.Join(secret, "tls.crt"), leaf.CertPEM(), modePublic),
		os.WriteFile(filepath.Join(secret, "tls.key"), key, modePrivate))
	if err != nil {
		return err
	}
	b.config.TLS.RootCAs = x509.NewCertPool()
	b.config.TLS.RootCAs.AppendCertsFromPEM(root.CertPEM())
	return nil
}
