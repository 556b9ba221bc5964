package custom

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/security"
)

const (
	// defaultTimeout is less than what an engine gives its authenticators by
	// default, so that the methods after this one get their turn.
	defaultTimeout = 5 * time.Second

	// defaultConcurrency keeps a storm of Clients from becoming a storm of
	// connections to the server: at 5 ms for an answer it is 12,800 a second.
	defaultConcurrency = 64
)

// Config configures [New]. It prints as "[redacted]".
type Config struct {
	// Endpoint is the https URL of the server. A path and a query are kept.
	Endpoint string
	// TrustedCAs are those that the server's certificate must chain to. None
	// means the roots of the system.
	TrustedCAs []*x509.Certificate
	// Certificate is shown to a server that asks for one; nil means none.
	Certificate *tls.Certificate
	// Headers are sent with every request.
	Headers map[string]string

	// ClientInformation adds clientId, remoteAddr, protocolVersion and listener
	// to the requests, which the API does not have.
	ClientInformation bool
	// Base64Method sends the Authentication Method in base64, as some servers
	// for this API expect it. The API says that only the data is.
	Base64Method bool

	// Timeout is all that a Client is given: to wait for its turn, to connect,
	// and for the answer. Default 5 s.
	Timeout time.Duration
	// Concurrency is the number of requests at once. Default 64.
	Concurrency int
}

// String returns "[redacted]": headers are often secret.
func (c Config) String() string { return redacted }

// GoString returns "[redacted]".
func (c Config) GoString() string { return redacted }

// LogValue returns "[redacted]".
func (c Config) LogValue() slog.Value { return slog.StringValue(redacted) }

const redacted = "[redacted]"

// Check reports every fault in c, each a [*security.ConfigError] that
// [errors.As] can find. Fields are named as manifests name them.
func (c *Config) Check() error {
	var errs []error
	refuse := func(field, value, problem string) {
		errs = append(errs, &security.ConfigError{Field: field, Value: value, Problem: problem})
	}
	if problem, secret := endpointProblem(c.Endpoint); problem != "" {
		value := c.Endpoint
		if secret {
			value = ""
		}
		refuse("endpoint", value, problem)
	}
	for i, ca := range c.TrustedCAs {
		if ca == nil {
			refuse(fmt.Sprintf("caCertConfigMap[%d]", i), "", "certificate missing")
		}
	}
	if c.Certificate != nil && (len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil) {
		refuse("auth.x509.secretRef", "", "certificate or key missing")
	}
	spelled := make(map[string]string) // by what HTTP takes for the same name
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if problem := headerProblem(name, c.Headers[name]); problem != "" {
			refuse("headers."+name, "", problem)
		}
		key := http.CanonicalHeaderKey(name)
		if other, twice := spelled[key]; twice {
			refuse("headers."+name, "", "is the same header as "+other+", whose value may be another; remove one of them")
		}
		spelled[key] = name
	}
	if c.Timeout < 0 {
		refuse("timeout", c.Timeout.String(), "write a positive duration, or 0 for "+defaultTimeout.String())
	}
	if c.Concurrency < 0 {
		refuse("concurrency", fmt.Sprint(c.Concurrency), fmt.Sprintf("write a number of requests, or 0 for %d", defaultConcurrency))
	}
	return errors.Join(errs...)
}

// endpointProblem says what is wrong with an endpoint, and whether it holds
// what must not be shown.
func endpointProblem(endpoint string) (problem string, secret bool) {
	secret = strings.ContainsAny(endpoint, "@?")
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		return "is missing; write the URL of the server, such as https://auth.example.com", false
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		return "is not an https URL, and credentials are sent to no other", secret
	case u.User != nil:
		return "has a user name in it; let the server know the broker by a header, or by a certificate in auth.x509", true
	case u.Fragment != "":
		return "has a fragment, which no server sees; remove what follows the #", secret
	case u.Query().Has("api-version"):
		return "has an api-version already; remove it, the broker adds its own", secret
	}
	return "", secret
}

// reservedHeaders are those that HTTP or the API give a value to.
var reservedHeaders = []string{
	"Connection", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// headerProblem says what keeps a header from being sent (RFC 9110, section 5).
func headerProblem(name, value string) string {
	if name == "" || strings.ContainsFunc(name, notTokenChar) {
		return "is not the name of a header; use letters, digits and hyphens"
	}
	if slices.ContainsFunc(reservedHeaders, func(r string) bool { return strings.EqualFold(r, name) }) {
		return "is a header that the broker sets itself; remove it"
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "has a control character in its value; a header is one line of text"
	}
	return ""
}

func notTokenChar(r rune) bool {
	return r >= 0x7f || r <= ' ' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
