package custom

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"time"
)

const (
	// maxAnswerBytes is many times what an answer with all imaginable
	// attributes takes.
	maxAnswerBytes = 64 << 10

	maxAnswerHeaderBytes = 16 << 10

	idleTimeout = time.Minute

	// retryPause is what a server that restarts is given between two attempts
	// to connect.
	retryPause = 100 * time.Millisecond
)

// newTransport returns what connects to the server, and to nothing else: it
// knows no proxy, and a RoundTrip follows no redirect.
func newTransport(cfg *Config) *http.Transport {
	t := &http.Transport{
		DialContext: (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
		},
		TLSHandshakeTimeout:    cfg.Timeout,
		MaxIdleConns:           cfg.Concurrency,
		MaxIdleConnsPerHost:    cfg.Concurrency,
		MaxConnsPerHost:        cfg.Concurrency,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeaderBytes,
		DisableCompression:     true,
		// HTTP/2 would put all requests on one connection. When that is dead
		// without saying so, all of them fail until it is found out; here the
		// one that times out takes its connection with it.
		Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if len(cfg.TrustedCAs) > 0 {
		pool := x509.NewCertPool()
		for _, ca := range cfg.TrustedCAs {
			pool.AddCert(ca)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	if certificate := cfg.Certificate; certificate != nil {
		// Not Certificates: of those none would be sent whose issuer the server
		// does not name, and it could not say what is wrong with it.
		t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return certificate, nil
		}
	}
	return t
}

// exchange sends a request and returns the answer, which is not otherVersion.
func (a *Authenticator) exchange(ctx context.Context, body []byte) (answer, *fault) {
	reply, err := a.send(ctx, body)
	if err != nil && err.connect && pause(ctx, retryPause) {
		reply, err = a.send(ctx, body)
	}
	if err != nil || reply.verdict != otherVersion {
		return reply, err
	}
	if !slices.Contains(reply.versions, apiVersion) {
		return answer{}, unusable("speaks version %s of the API and not %s", strings.Join(reply.versions, ", "), apiVersion)
	}
	if reply, err = a.send(ctx, body); err == nil && reply.verdict == otherVersion {
		return answer{}, unusable("says that it speaks version %s of the API, and does not", apiVersion)
	}
	return reply, err
}

// send is one attempt.
func (a *Authenticator) send(ctx context.Context, body []byte) (answer, *fault) {
	connected := false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	})
	r, err := http.NewRequestWithContext(traced, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, unusable("cannot be asked: %v", err) // the URL has been checked
	}
	r.Header = a.header.Clone()
	response, err := a.transport.RoundTrip(r)
	if err != nil {
		return answer{}, silence(err, connected)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		// Its body is the bare connection, which does not end with ctx any more.
		return decode(response.StatusCode, "", nil)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err == nil {
		// A server that sees the connection being closed may still get to end
		// an answer that it was in the middle of.
		err = ctx.Err()
	}
	switch {
	case err != nil:
		return answer{}, silence(fmt.Errorf("in the middle of the answer: %w", err), true)
	case len(text) > maxAnswerBytes:
		return answer{}, unusable("answered %d with more than %d KiB", response.StatusCode, maxAnswerBytes>>10)
	}
	return decode(response.StatusCode, response.Header.Get("Content-Type"), text)
}

// silence says why no answer came.
func silence(err error, connected bool) *fault {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(): // of ctx, or of what it took to connect
		return &fault{reason: "did not answer in time", silent: true}
	case !connected:
		return &fault{reason: "cannot be reached: " + err.Error(), silent: true, connect: true}
	}
	return &fault{reason: "broke the connection: " + err.Error(), silent: true}
}

// pause waits, and reports whether there is time left.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
