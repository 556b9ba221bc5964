package serviceaccount

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/security"
)

// Verifier tells whose a token is.
type Verifier interface {
	// Verify judges a token that has the form of a JSON Web Token. It returns
	// [*security.Denied] when the token is no good and [*security.Unavailable]
	// when it cannot tell. It honors ctx and is safe for concurrent use.
	Verify(ctx context.Context, token string) (Identity, error)
}

// preparer is a Verifier that may first have to wait for what it needs. Verify
// is prepare and then verify, which does not wait.
type preparer interface {
	prepare(ctx context.Context, token string) (verify func() (Identity, error), err error)
}

// Identity is what a Verifier vouches for.
type Identity struct {
	Username       string            // such as system:serviceaccount:NAMESPACE:NAME
	ServiceAccount string            // its NAME; "" when the user is no service account
	Attributes     map[string]string // not changed afterwards
	Expiry         time.Time         // exp of the token
	TokenID        string            // jti of the token; "" when it has none
}

// usernamePrefix begins the user names of service accounts.
const usernamePrefix = "system:serviceaccount:"

// splitUsername returns the two variable parts of a service account's user
// name, which has four in all. They are checked, since they become part of a
// URL. Both are empty if ok is false.
func splitUsername(username string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(username, usernamePrefix)
	namespace, name, _ = strings.Cut(rest, ":")
	if !ok || !isObjectName(namespace) || !isObjectName(name) {
		return "", "", false
	}
	return namespace, name, true
}

// isObjectName reports whether s may be the name of a Kubernetes object, a
// subdomain as RFC 1123 has it.
func isObjectName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	alphanumeric := func(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' && s[i] != '.' {
			return false
		}
	}
	return alphanumeric(s[0]) && alphanumeric(s[len(s)-1])
}

// Prefixes of the annotations that give attributes: the current one and that
// of the preview releases.
const (
	annotationPrefix        = "aio-broker-auth/"
	previewAnnotationPrefix = "aio-mq-broker-auth/"
)

// attributesOf returns the attributes that the annotations of a ServiceAccount
// give: aio-broker-auth/NAME gives NAME, as does aio-mq-broker-auth/NAME where
// there is no such annotation.
func attributesOf(annotations map[string]string) map[string]string {
	attributes := make(map[string]string)
	for _, prefix := range []string{previewAnnotationPrefix, annotationPrefix} {
		for key, value := range annotations {
			if name, ok := strings.CutPrefix(key, prefix); ok && name != "" {
				attributes[name] = value
			}
		}
	}
	return attributes
}

// overlap reports whether a and b have an element in common.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

func denied(reason string) *security.Denied {
	return &security.Denied{Code: security.NotAuthorized, Reason: reason}
}

func unavailable(reason string, err error) *security.Unavailable {
	return &security.Unavailable{Method: Method, Reason: reason, Err: err}
}
