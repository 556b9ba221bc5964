package serviceaccount

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Access is where an API server is and how Weir shows itself to it. It holds
// secrets, which its String does not show.
type Access struct {
	server      string // https URL without a path
	serverName  string // expected in the certificate; "" for the host of server
	ca          material
	token       material
	certificate material
	key         material
}

// material is a credential: in a file that may be replaced at any time, or at
// hand. The zero value is none.
type material struct {
	file string
	data []byte
}

func (m material) isSet() bool { return m.file != "" || m.data != nil }

func (m material) read() ([]byte, error) {
	if m.file == "" {
		return m.data, nil
	}
	return os.ReadFile(m.file)
}

// Where Kubernetes puts what a pod needs to reach its API server.
const (
	accountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"
	hostVariable     = "KUBERNETES_SERVICE_HOST"
	portVariable     = "KUBERNETES_SERVICE_PORT"
)

// ErrNotInCluster is the answer of [InCluster] outside of a pod. Test for it
// with [errors.Is].
var ErrNotInCluster = errors.New("not in a pod of a Kubernetes cluster: " + hostVariable + " and " + portVariable + " are not set")

// InCluster returns the Access of a pod to the API server of its cluster, as
// its service account. The token and the CA certificate are read again as
// Kubernetes replaces them.
func InCluster() (Access, error) { return inCluster(os.Getenv, accountDirectory) }

func inCluster(getenv func(string) string, directory string) (Access, error) {
	host, port := getenv(hostVariable), getenv(portVariable)
	if host == "" || port == "" {
		return Access{}, ErrNotInCluster
	}
	return Access{
		server: "https://" + net.JoinHostPort(host, port),
		ca:     material{file: filepath.Join(directory, "ca.crt")},
		token:  material{file: filepath.Join(directory, "token")},
	}, nil
}

// String returns the URL of the API server.
func (a Access) String() string { return "API server " + a.server }

// GoString returns the same as String.
func (a Access) GoString() string { return a.String() }

// credentials is what the files of an Access held when they were last read.
type credentials struct {
	token                string
	ca, certificate, key []byte
}

func (a Access) read() (c credentials, err error) {
	token, err := a.token.read()
	if err != nil {
		return c, err
	}
	c.token = string(bytes.TrimSpace(token))
	if a.token.isSet() && c.token == "" {
		return c, fmt.Errorf("%s is empty", a.token.file)
	}
	if c.ca, err = a.ca.read(); err != nil {
		return c, err
	}
	if c.certificate, err = a.certificate.read(); err != nil {
		return c, err
	}
	c.key, err = a.key.read()
	return c, err
}

// sameTLS reports whether connections made with c are as good as those made
// with other. The token goes with each request.
func (c credentials) sameTLS(other credentials) bool {
	return bytes.Equal(c.ca, other.ca) && bytes.Equal(c.certificate, other.certificate) && bytes.Equal(c.key, other.key)
}

// tlsConfig trusts the CA of the cluster alone, or those of the system if the
// Access names none.
func (a Access) tlsConfig(c credentials) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.serverName}
	if a.ca.isSet() {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.ca) {
			return nil, errors.New("the CA certificate of the API server is not PEM with a certificate")
		}
	}
	if a.certificate.isSet() {
		// What crypto/tls says about a key is not passed on: it might quote it.
		pair, err := tls.X509KeyPair(c.certificate, c.key)
		if err != nil {
			return nil, errors.New("the client certificate and key for the API server do not belong together, or are not PEM")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
