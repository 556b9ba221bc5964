package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/weirmq/weir/security/internal/quote"
)

// clockSkew is how far the clock of an issuer may be ahead. It makes a token
// valid a little early, never longer.
const clockSkew = time.Minute

// maxClaimBytes bounds a claim that becomes a user name or an attribute.
const maxClaimBytes = 1024

// algorithms are those that an [Issuer] can be told to take. HMAC is none: its
// key, which every verifier has, makes tokens.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// Keys are the keys of an issuer: a [*KeySet], or [*RemoteKeys].
type Keys interface {
	keySet(ctx context.Context, id string) (*KeySet, error)
}

// IssuerConfig configures [NewIssuer].
type IssuerConfig struct {
	// Issuer is the iss that tokens must have. Required.
	Issuer string
	// Audiences are those that a token may be for; at least one.
	Audiences []string
	// Keys are the keys of the issuer. Required.
	Keys Keys
	// Algorithms are those that tokens may be signed by, of RS256, ES256 and
	// EdDSA; none stands for all three.
	Algorithms []string
	// UsernameClaim is the claim that becomes the user name. "" stands for
	// the sub of a service account, system:serviceaccount:NAMESPACE:NAME; other
	// tokens are then refused.
	UsernameClaim string
	// AttributeClaims gives, by the name of an attribute, the claim with its
	// value: a string. A token that lacks the claim does not get the attribute.
	// A claim within others, here and above, is written as the path to it, such
	// as /kubernetes.io/namespace (RFC 6901).
	AttributeClaims map[string]string
}

// Issuer is a [Verifier] that verifies signatures itself. It cannot know that a
// ServiceAccount was deleted: a token is good until its exp.
type Issuer struct {
	config     IssuerConfig
	algorithms []jose.SignatureAlgorithm
	now        func() time.Time
}

// NewIssuer returns an Issuer.
func NewIssuer(config IssuerConfig) (*Issuer, error) {
	if config.Issuer == "" || config.Keys == nil {
		return nil, errors.New("serviceaccount: an issuer needs its name, the iss of its tokens, and its keys")
	}
	if err := checkAudiences(config.Audiences); err != nil {
		return nil, err
	}
	i := &Issuer{config: config, now: time.Now, algorithms: algorithms}
	if len(config.Algorithms) > 0 {
		i.algorithms = nil
	}
	for _, name := range config.Algorithms {
		if !slices.Contains(algorithms, jose.SignatureAlgorithm(name)) {
			return nil, fmt.Errorf("serviceaccount: algorithm %q: use RS256, ES256 or EdDSA", name)
		}
		i.algorithms = append(i.algorithms, jose.SignatureAlgorithm(name))
	}
	return i, nil
}

var (
	errUnknownKey    = denied("the token is signed with a key that its issuer does not have")
	errBadSignature  = denied("the signature of the token is wrong")
	errOtherIssuer   = denied("the token is of another issuer")
	errTokenNotYet   = denied("the token is not valid yet")
	errBadNotBefore  = denied("the nbf claim of the token is no date")
	errTokenUsername = denied("the token has no claim that names its user")
)

// Verify implements [Verifier].
func (i *Issuer) Verify(ctx context.Context, token string) (Identity, error) {
	verify, err := i.prepare(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	return verify()
}

// prepare finds the keys that a token may be signed with.
func (i *Issuer) prepare(ctx context.Context, token string) (verify func() (Identity, error), err error) {
	jws, err := jose.ParseSignedCompact(token, i.algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, refusedHeader(err)
	}
	// The header may name a key, or bring one along. It is not asked about
	// more than the ID of one we know.
	header := jws.Signatures[0].Header
	keys, err := i.config.Keys.keySet(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	candidates := keys.candidates(header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if len(candidates) == 0 {
		return nil, errUnknownKey
	}
	return func() (Identity, error) {
		claims, err := signedClaims(jws, candidates)
		if err != nil {
			return Identity{}, err
		}
		return i.identify(claims)
	}, nil
}

// identify tells whose a token with these claims is, which its issuer has signed.
func (i *Issuer) identify(claims claims) (Identity, error) {
	now := i.now()
	if iss, _ := claims.text("iss"); iss != i.config.Issuer {
		return Identity{}, errOtherIssuer
	}
	if !overlap(claims.texts("aud"), i.config.Audiences) {
		return Identity{}, errOtherAudience
	}
	expiry, err := claims.expiry(now)
	if err != nil {
		return Identity{}, err
	}
	if _, ok := claims["nbf"]; ok {
		notBefore, ok := claims.date("nbf")
		switch {
		case !ok:
			return Identity{}, errBadNotBefore
		case now.Add(clockSkew).Before(notBefore):
			return Identity{}, errTokenNotYet
		}
	}
	id, _ := claims.text("jti")
	identity := Identity{Expiry: expiry, TokenID: id, Attributes: make(map[string]string)}
	if err := i.name(&identity, claims); err != nil {
		return Identity{}, err
	}
	if err := i.attribute(identity.Attributes, claims); err != nil {
		return Identity{}, err
	}
	return identity, nil
}

// signedClaims returns the claims of a token that one of the keys has signed.
func signedClaims(jws *jose.JSONWebSignature, candidates []jose.JSONWebKey) (claims, error) {
	for _, key := range candidates {
		if text, err := jws.Verify(key.Key); err == nil {
			return parseClaims(text)
		}
	}
	return nil, errBadSignature
}

// refusedHeader says what is wrong with the header of a token.
func refusedHeader(err error) error {
	var unexpected *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &unexpected) {
		return denied("the token is signed by an algorithm that is not allowed: " + quote.Line(string(unexpected.Got), 32))
	}
	return errTokenMalformed
}

// name finds whom the token is for.
func (i *Issuer) name(id *Identity, c claims) error {
	claim := i.config.UsernameClaim
	if claim == "" {
		claim = "sub"
	}
	username, ok := c.text(claim)
	if !ok || len(username) > maxClaimBytes {
		return errTokenUsername
	}
	id.Username = username
	_, id.ServiceAccount, _ = splitUsername(username)
	if id.ServiceAccount == "" && i.config.UsernameClaim == "" {
		return errNoServiceAccount
	}
	return nil
}

// attribute adds the attributes that claims give.
func (i *Issuer) attribute(attributes map[string]string, c claims) error {
	for name, path := range i.config.AttributeClaims {
		raw, ok := c.find(path)
		if !ok {
			continue
		}
		var value *string
		if json.Unmarshal(raw, &value) != nil || value == nil || len(*value) > maxClaimBytes {
			return denied(fmt.Sprintf("the claim %q of the token, for the attribute %q, is not a string of up to %d bytes", path, name, maxClaimBytes))
		}
		attributes[name] = *value
	}
	return nil
}
