// Command custom-auth-server is a custom authentication server to begin with:
// it speaks version 0.5.0 of the API by which a broker asks who a Client is.
// The README beside it sets it up with a broker, step by step.
//
//	custom-auth-server -cert server.crt -key server.key -client-ca ca.crt -users users.json
//
// Without -users it decides by the user name alone, which is good for tests and
// for nothing else: one that begins with "deny" is refused, one that begins with
// "expire" is granted for ten seconds, and everybody else gets the attribute
// example_key with the value example_value. Of a Client that authenticates again
// it looks at the Authentication Method in the same way.
//
// With -users it knows the users in a file, by their passwords. A line for that
// file is made from a password on standard input with -hash.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are what the flags say.
type options struct {
	address, cert, key, clientCA, users string
	base64Method                        bool
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "127.0.0.1:8443", "where the broker asks")
	flag.StringVar(&o.cert, "cert", "", "`file` with the server's certificate and its intermediates")
	flag.StringVar(&o.key, "key", "", "`file` with the server's private key")
	flag.StringVar(&o.clientCA, "client-ca", "", "`file` with the CAs that the broker's certificate must chain to; without it anybody may ask")
	flag.StringVar(&o.users, "users", "", "`file` with the users; without it the user name alone decides")
	flag.BoolVar(&o.base64Method, "base64-method", false, "the broker sends the Authentication Method in base64")
	hash := flag.Bool("hash", false, "print the hash of the password on standard input, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *hash {
		err = printHash(os.Stdin, os.Stdout)
	} else {
		err = serve(ctx, o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "custom-auth-server:", err)
		os.Exit(1)
	}
}

// printHash reads one line, so that no password is an argument that others on
// the machine can see.
func printHash(in io.Reader, out io.Writer) error {
	line, err := bufio.NewReader(in).ReadString('\n')
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return errors.Join(errors.New("no password on standard input"), err)
	}
	hash, err := newHash(password, iterations)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, hash)
	return err
}

// serve answers until ctx ends.
func serve(ctx context.Context, o options, log *slog.Logger) error {
	decide := byName
	if o.users != "" {
		users, err := readUsers(o.users)
		if err != nil {
			return err
		}
		decide = users.decide
	}
	config, err := o.tlsConfig()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           &handler{decide: decide, base64Method: o.base64Method, log: log},
		TLSConfig:         config,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("listening", "address", listener.Addr().String(), "demandsCertificate", o.clientCA != "", "users", o.users)
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}

// tlsConfig loads the server's certificate, and whom it lets ask.
func (o options) tlsConfig() (*tls.Config, error) {
	if o.cert == "" || o.key == "" {
		return nil, errors.New("give -cert and -key: the broker sends passwords to nobody without TLS")
	}
	certificate, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, fmt.Errorf("-cert %s, -key %s: %w", o.cert, o.key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	if o.clientCA != "" {
		text, err := os.ReadFile(o.clientCA)
		if err != nil {
			return nil, fmt.Errorf("-client-ca: %w", err)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("-client-ca %s: there is no certificate in PEM in it", o.clientCA)
		}
	}
	return config, nil
}
