package custom

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"

	"github.com/weirmq/weir/security"
)

// apiVersion is the version of the API that is spoken, the only one so far.
const apiVersion = "0.5.0"

// What a request is about: the MQTT Control Packet that brought the credentials.
const (
	typeConnect = "connect"
	typeAuth    = "auth"
)

// request is the body of a request.
type request struct {
	Type                   string                  `json:"type"`
	UserName               *string                 `json:"username,omitempty"`
	Password               *string                 `json:"password,omitempty"`
	Certificates           string                  `json:"certs,omitempty"`
	EnhancedAuthentication *enhancedAuthentication `json:"enhancedAuthentication,omitempty"`

	ClientID        string `json:"clientId,omitempty"`
	RemoteAddr      string `json:"remoteAddr,omitempty"`
	ProtocolVersion byte   `json:"protocolVersion,omitempty"`
	Listener        string `json:"listener,omitempty"`
}

type enhancedAuthentication struct {
	Method string  `json:"method"`
	Data   *string `json:"data,omitempty"`
}

// body returns what is asked about c.
func (a *Authenticator) body(packet string, c *security.Credentials) []byte {
	r := request{Type: packet}
	if packet == typeConnect {
		if c.HasUserName {
			r.UserName = &c.UserName
		}
		r.Password = encoded(c.Password)
		r.Certificates = chainPEM(c)
	}
	if c.AuthenticationMethod != "" {
		method := c.AuthenticationMethod
		if a.settings.Base64Method {
			method = base64.StdEncoding.EncodeToString([]byte(method))
		}
		r.EnhancedAuthentication = &enhancedAuthentication{Method: method, Data: encoded(c.AuthenticationData)}
	}
	if a.settings.ClientInformation {
		r.ClientID, r.RemoteAddr, r.ProtocolVersion, r.Listener = c.ClientID, c.RemoteAddr, c.ProtocolVersion, c.Listener
	}
	text, err := json.Marshal(&r)
	if err != nil {
		panic(fmt.Sprintf("custom: encoding a request: %v", err)) // strings and a number cannot fail
	}
	return text
}

// encoded returns data in base64, and nil for nil: a password may be empty, and
// still is one.
func encoded(data []byte) *string {
	if data == nil {
		return nil
	}
	text := base64.StdEncoding.EncodeToString(data)
	return &text
}

// chainPEM returns the certificates as the Client presented them, one PEM block
// after the other.
func chainPEM(c *security.Credentials) string {
	var b strings.Builder
	for _, certificate := range c.PresentedChain {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	}
	return b.String()
}

// newHeader returns what every request begins with.
func newHeader(configured map[string]string) http.Header {
	header := http.Header{
		"Accept":       {"application/json"},
		"Content-Type": {"application/json"},
		"User-Agent":   {"weir"},
		// A name without a value is not sent. It tells net/http that the request
		// may be repeated if the server closes an idle connection just as it is
		// used: a restart of the server would else refuse as many Clients as
		// there are connections.
		"Idempotency-Key": nil,
	}
	for name, value := range configured {
		header.Set(name, value)
	}
	return header
}
