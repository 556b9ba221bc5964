package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

const apiVersion = "0.5.0"

// maxRequestBytes holds a chain of certificates and a password, both of the
// greatest length that MQTT and TLS have.
const maxRequestBytes = 1 << 20

// Reason Codes of MQTT 5.0 for those who are refused.
const (
	badUserNameOrPassword = 134
	notAuthorized         = 135
)

// request is what a broker asks.
type request struct {
	Type                   string  `json:"type"`
	UserName               *string `json:"username"`
	Password               []byte  `json:"password"` // in base64
	Certificates           string  `json:"certs"`    // in PEM
	EnhancedAuthentication *struct {
		Method string `json:"method"`
		Data   []byte `json:"data"` // in base64
	} `json:"enhancedAuthentication"`
}

// What the server answers.
type (
	granted struct {
		Expiry     string            `json:"expiry,omitempty"` // as in RFC 3339; "": never
		Attributes map[string]string `json:"attributes,omitempty"`
	}
	refused struct {
		Reason  byte   `json:"reason"`
		Message string `json:"message,omitempty"`
	}
	otherVersion struct {
		SupportedVersions []string `json:"supportedVersions"`
	}
	// badRequest is sent as text. A broker asks its next method then, unless the
	// Client authenticates again.
	badRequest string
)

// handler is the API. It is all that a server of yours can keep of this one;
// decide is the rest.
type handler struct {
	decide       func(*request) any // granted, refused or badRequest
	base64Method bool
	log          *slog.Logger
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, status := h.answer(w, r)
	h.log.Info("answered", "remote", r.RemoteAddr, "status", status)
	if text, ok := answer.(badRequest); ok {
		http.Error(w, string(text), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // an error means that the broker has gone
}

// answer checks a request from the outside to the inside.
func (h *handler) answer(w http.ResponseWriter, r *http.Request) (answer any, status int) {
	if r.Method != http.MethodPost {
		return badRequest("use POST"), http.StatusMethodNotAllowed
	}
	if given := r.Header.Get("Content-Type"); given != "" {
		if media, _, err := mime.ParseMediaType(given); err != nil || media != "application/json" {
			return badRequest("the Content-Type is not application/json"), http.StatusBadRequest
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	switch {
	case err != nil:
		return badRequest("the body cannot be read"), http.StatusBadRequest
	case len(body) == 0:
		return badRequest("there is no body"), http.StatusBadRequest
	case r.URL.Path != "/":
		return badRequest("there is nothing at this path"), http.StatusNotFound
	}
	versions := r.URL.Query()["api-version"]
	switch {
	case len(versions) != 1:
		return badRequest("give one api-version"), http.StatusBadRequest
	case versions[0] != apiVersion:
		return otherVersion{[]string{apiVersion}}, http.StatusUnprocessableEntity
	}
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return badRequest("the body is not what the API has"), http.StatusBadRequest // err might quote a password
	}
	return h.judge(&q)
}

func (h *handler) judge(q *request) (answer any, status int) {
	e := q.EnhancedAuthentication
	switch {
	case !slices.Contains([]string{"connect", "auth"}, q.Type):
		return badRequest("the type is neither connect nor auth"), http.StatusBadRequest
	case q.Type == "auth" && e == nil:
		return badRequest("auth without enhancedAuthentication"), http.StatusBadRequest
	case e != nil && h.base64Method:
		name, err := base64.StdEncoding.DecodeString(e.Method)
		if err != nil {
			return refused{notAuthorized, "the Authentication Method is not base64"}, http.StatusForbidden
		}
		e.Method = string(name)
	}
	answer = h.decide(q)
	switch answer.(type) {
	case granted:
		return answer, http.StatusOK
	case refused:
		return answer, http.StatusForbidden
	}
	return answer, http.StatusBadRequest
}

// shortLife is for how long byName grants those who are to expire.
const shortLife = 10 * time.Second

// byName decides without looking at a password.
func byName(q *request) any {
	name := ""
	switch {
	case q.Type == "auth":
		name = q.EnhancedAuthentication.Method
	case q.UserName != nil:
		name = *q.UserName
	}
	switch {
	case strings.HasPrefix(name, "deny"):
		return refused{notAuthorized, fmt.Sprintf("%q begins with deny", name)}
	case strings.HasPrefix(name, "expire"):
		return granted{Expiry: time.Now().Add(shortLife).UTC().Format(time.RFC3339)}
	}
	return granted{Attributes: map[string]string{"example_key": "example_value"}}
}
