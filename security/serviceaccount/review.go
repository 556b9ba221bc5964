package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weirmq/weir/security/internal/quote"
)

// TokenReviewerConfig configures [NewTokenReviewer].
type TokenReviewerConfig struct {
	// Access is the API server to ask. It must let Weir create tokenreviews,
	// which the ClusterRole system:auth-delegator allows, and get the
	// serviceaccounts of the namespaces that Clients run in.
	Access Access
	// Audiences are those that a token may be for; at least one.
	Audiences []string
	// Connections bounds the connections to an API server that speaks no
	// HTTP/2; 0 means [DefaultConcurrency].
	Connections int
}

// TokenReviewer is a [Verifier] that asks the API server of a Kubernetes
// cluster. The annotations aio-broker-auth/NAME of a ServiceAccount, or else
// those of the preview releases, aio-mq-broker-auth/NAME, give the attribute
// NAME.
type TokenReviewer struct {
	audiences []string
	server    apiServer
}

// NewTokenReviewer returns a TokenReviewer. It connects when it is first asked.
func NewTokenReviewer(config TokenReviewerConfig) (*TokenReviewer, error) {
	if config.Access.server == "" {
		return nil, errors.New("serviceaccount: no Access to an API server")
	}
	if err := checkAudiences(config.Audiences); err != nil {
		return nil, err
	}
	if config.Connections == 0 {
		config.Connections = DefaultConcurrency
	}
	return &TokenReviewer{
		audiences: config.Audiences,
		server:    apiServer{access: config.Access, connections: config.Connections, now: time.Now},
	}, nil
}

// checkAudiences refuses a list that would let tokens in which are meant for
// somebody else: asked about no audience, an API server takes itself to be it.
func checkAudiences(audiences []string) error {
	if len(audiences) == 0 {
		return errors.New("serviceaccount: no audience: name at least one that a token must be for")
	}
	for i, audience := range audiences {
		if audience == "" {
			return fmt.Errorf("serviceaccount: audience %d is empty", i)
		}
	}
	return nil
}

// tokenReview is the object of authentication.k8s.io/v1.
type tokenReview struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Spec       tokenReviewSpec   `json:"spec"`
	Status     tokenReviewStatus `json:"status,omitzero"`
}

type tokenReviewSpec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences"`
}

type tokenReviewStatus struct {
	Authenticated bool     `json:"authenticated"`
	Audiences     []string `json:"audiences"`
	Error         string   `json:"error"`
	User          struct {
		Username string `json:"username"`
		UID      string `json:"uid"`
	} `json:"user"`
}

const (
	tokenReviewVersion = "authentication.k8s.io/v1"
	tokenReviewKind    = "TokenReview"
	tokenReviewPath    = "/apis/authentication.k8s.io/v1/tokenreviews"
)

var (
	errNoServiceAccount = denied("the token belongs to no service account")
	errOtherAudience    = denied("the token is for another audience")
	errAccountGone      = denied("the service account of the token does not exist any more")
	errAccountReplaced  = denied("the service account of the token was deleted, and another has its name")
)

// Verify implements [Verifier].
func (r *TokenReviewer) Verify(ctx context.Context, token string) (Identity, error) {
	status, err := r.review(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	// Not from the token: the API server does not look at its sub either.
	namespace, name, ok := splitUsername(status.User.Username)
	if !ok {
		return Identity{}, errNoServiceAccount
	}
	annotations, err := r.annotations(ctx, namespace, name, status.User.UID)
	if err != nil {
		return Identity{}, err
	}
	// The review says nothing of the token's end. Its claims can be trusted now.
	claims, err := inspect([]byte(token))
	if err != nil {
		return Identity{}, err
	}
	expiry, ok := claims.date("exp")
	if !ok {
		return Identity{}, errTokenNoExpiry
	}
	id, _ := claims.text("jti")
	return Identity{
		Username:       status.User.Username,
		ServiceAccount: name,
		Attributes:     attributesOf(annotations),
		Expiry:         expiry,
		TokenID:        id,
	}, nil
}

// review asks for a TokenReview and returns the status of one that is good.
func (r *TokenReviewer) review(ctx context.Context, token string) (*tokenReviewStatus, error) {
	question := tokenReview{
		APIVersion: tokenReviewVersion,
		Kind:       tokenReviewKind,
		Spec:       tokenReviewSpec{token, r.audiences},
	}
	var answer tokenReview
	if err := r.server.call(ctx, http.MethodPost, tokenReviewPath, token, &question, &answer); err != nil {
		return nil, r.trouble(err, "review tokens", "bind its account to the ClusterRole system:auth-delegator")
	}
	status := &answer.Status
	switch {
	case answer.Kind != tokenReviewKind:
		return nil, unavailable(r.server.access.String()+" answers with something else than a TokenReview", nil)
	case !status.Authenticated:
		// For the log alone: it names accounts and audiences.
		return nil, denied("the API server does not accept the token: " + quote.Line(without(status.Error, token), quote.Most))
	case !overlap(status.Audiences, r.audiences):
		// An authenticator that knows nothing of audiences answers without.
		return nil, errOtherAudience
	}
	return status, nil
}

// annotations reads the ServiceAccount, which must still be the one that the
// token was issued to.
func (r *TokenReviewer) annotations(ctx context.Context, namespace, name, uid string) (map[string]string, error) {
	var account struct {
		Kind     string `json:"kind"`
		Metadata struct {
			UID         string            `json:"uid"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	path := "/api/v1/namespaces/" + namespace + "/serviceaccounts/" + name
	err := r.server.call(ctx, http.MethodGet, path, "", nil, &account)
	switch {
	case statusOf(err) == http.StatusNotFound:
		return nil, errAccountGone
	case err != nil:
		return nil, r.trouble(err, "read service accounts", "give its account the right to get serviceaccounts")
	case account.Kind != "ServiceAccount":
		return nil, unavailable(r.server.access.String()+" answers with something else than a ServiceAccount", nil)
	case uid == "" || account.Metadata.UID != uid:
		return nil, errAccountReplaced
	}
	return account.Metadata.Annotations, nil
}

// trouble says why the API server could not be asked, in words for the one who
// can do something about it.
func (r *TokenReviewer) trouble(err error, what, remedy string) error {
	who := r.server.access.String()
	switch statusOf(err) {
	case http.StatusUnauthorized:
		return unavailable(who+" does not know Weir's own credentials", err)
	case http.StatusForbidden:
		return unavailable(who+" does not let Weir "+what+": "+remedy, err)
	case 0:
		return unavailable(who+" could not be asked", err)
	}
	return unavailable(who+" could not answer", err)
}
