package serviceaccount

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirmq/weir/security"
)

// Method is the Method of a [security.Result] from an [Authenticator].
const Method = "ServiceAccountToken"

// AuthenticationMethod is the Authentication Method of CONNECT and AUTH with
// which Clients show a token.
const AuthenticationMethod = "K8S-SAT"

// serverUnavailable is the MQTT 5.0 Reason Code of a CONNACK when nobody could
// be asked about the token: Clients may then come again with the same one.
const serverUnavailable byte = 0x88

// Defaults of [Config].
const (
	// DefaultConcurrency gets some 2,200 reviews a second out of an API server
	// on two cores. With hundreds at once it answers 429 and does less.
	DefaultConcurrency = 32
	// DefaultCacheSize takes some 500 bytes for each token.
	DefaultCacheSize = 10000
	// DefaultCacheLifetime is as long as the API server itself remembers that
	// a token was good, so that a ServiceAccount which is deleted is refused
	// after 20 seconds at most.
	DefaultCacheLifetime = 10 * time.Second
)

const (
	// refusalLifetime blunts a Client that comes again and again with a bad
	// token, and is short enough for one that was only early.
	refusalLifetime = 5 * time.Second
	// refusalCacheSize is small, and apart from the cache of good tokens: bad
	// ones can be made up without end.
	refusalCacheSize = 1000
)

// ServiceAccountNameAttribute is the attribute that
// [Config.ServiceAccountName] adds.
const ServiceAccountNameAttribute = "serviceAccountName"

// Config configures [New].
type Config struct {
	// Verifier tells whose a token is. Required.
	Verifier Verifier
	// LegacyUserName also takes the token from the Password of a CONNECT whose
	// User Name is "$sat" or begins with "K8S-SAT", and that has no
	// Authentication Method: the only way for MQTT 3.1.1. A Client that has
	// connected so cannot re-authenticate [MQTT-4.12.0-7].
	LegacyUserName bool
	// ServiceAccountName adds the attribute serviceAccountName, with the NAME
	// of the service account. It replaces an annotation of this name.
	ServiceAccountName bool
	// Revoked reports whether the token with this jti was withdrawn before its
	// time. It is asked at every authentication, for tokens that have a jti; it
	// must not wait. Nil means that none is.
	Revoked func(tokenID string) bool
	// Concurrency bounds how many verifications run at once; 0 means
	// [DefaultConcurrency]. The others wait for their turn.
	Concurrency int
	// CacheSize bounds the number of good tokens remembered; 0 means
	// [DefaultCacheSize].
	CacheSize int
	// CacheLifetime is how long a token is taken for good without asking again,
	// though not beyond its exp; 0 means [DefaultCacheLifetime].
	CacheLifetime time.Duration
}

// Authenticator is the method of service account tokens. It implements
// [security.Reauthenticator], [security.Originator] and
// [security.MethodHandler], and is safe for concurrent use.
//
// The effective user name is that of the service account,
// system:serviceaccount:NAMESPACE:NAME; the User Name of the CONNECT, which
// nobody vouches for, is no part of it.
type Authenticator struct {
	config   Config
	now      func() time.Time
	flights  *flights
	slots    chan struct{} // one element for each verification that runs
	accepted *cache
	refused  *cache
	origin   *origin
}

// origin is the same for Authenticators that share what they remember. It has
// a size so that each has an address of its own.
type origin struct{ _ byte }

// New returns an Authenticator.
func New(config Config) (*Authenticator, error) {
	switch {
	case config.Verifier == nil:
		return nil, errors.New("serviceaccount: no Verifier")
	case config.Concurrency < 0, config.CacheSize < 0, config.CacheLifetime < 0:
		return nil, fmt.Errorf("serviceaccount: Concurrency %d, CacheSize %d, CacheLifetime %v: none may be negative",
			config.Concurrency, config.CacheSize, config.CacheLifetime)
	}
	if config.Concurrency == 0 {
		config.Concurrency = DefaultConcurrency
	}
	if config.CacheSize == 0 {
		config.CacheSize = DefaultCacheSize
	}
	if config.CacheLifetime == 0 {
		config.CacheLifetime = DefaultCacheLifetime
	}
	return &Authenticator{
		config:   config,
		now:      time.Now,
		flights:  newFlights(),
		slots:    make(chan struct{}, config.Concurrency),
		accepted: newCache(config.CacheSize),
		refused:  newCache(refusalCacheSize),
		origin:   new(origin),
	}, nil
}

// WithRevoked returns an Authenticator that differs from a in what
// [Config.Revoked] is. The two share what they remember of tokens and what they
// have under way, so that a new deny list costs no review.
func (a *Authenticator) WithRevoked(revoked func(tokenID string) bool) *Authenticator {
	other := *a
	other.config.Revoked = revoked
	return &other
}

// HandlesAuthenticationMethod implements [security.MethodHandler].
func (a *Authenticator) HandlesAuthenticationMethod(name string) bool {
	return name == AuthenticationMethod
}

// Authenticate implements [security.Authenticator] for a CONNECT with
// Authentication Method K8S-SAT.
func (a *Authenticator) Authenticate(ctx context.Context, c *security.Credentials) (security.Result, error) {
	token, ok := a.tokenOf(c)
	if !ok {
		return security.Result{}, security.ErrNotRelevant
	}
	return a.judge(ctx, token)
}

// AuthenticatePromptly implements [security.Prompt]: it judges the tokens that it
// remembers.
func (a *Authenticator) AuthenticatePromptly(c *security.Credentials) (security.Result, error) {
	token, ok := a.tokenOf(c)
	if !ok {
		return security.Result{}, security.ErrNotRelevant
	}
	_, v, ok := a.remembered(token, a.now())
	if !ok {
		return security.Result{}, security.ErrMustWait
	}
	return a.conclude(v)
}

// Reauthenticate implements [security.Reauthenticator]: the token must be one
// of the same service account.
func (a *Authenticator) Reauthenticate(ctx context.Context, c *security.Credentials, previous security.Result) (security.Result, error) {
	if previous.Method != Method || c.AuthenticationMethod != AuthenticationMethod {
		return security.Result{}, security.ErrNotRelevant
	}
	result, err := a.judge(ctx, c.AuthenticationData)
	if err == nil && result.Username != previous.Username {
		return security.Result{}, errOtherAccount
	}
	return result, err
}

// Recheck implements [security.Rechecker]. The token itself is not kept, so that
// a Client whose token was good stays who it is until the token's end, unless
// that was withdrawn.
func (a *Authenticator) Recheck(_ context.Context, _ *security.Credentials, previous security.Result) (security.Result, error) {
	if previous.Method != Method {
		return security.Result{}, security.ErrNotRelevant
	}
	return a.unlessRevoked(previous)
}

// IsOriginOf implements [security.Originator].
func (a *Authenticator) IsOriginOf(r security.Result) bool { return r.Origin == a.origin }

var (
	errOtherAccount = denied("the token is that of another service account than the one connected")
	errRevoked      = denied("the token is on the deny list")
)

// tokenOf returns the token of a CONNECT, if there is one to judge.
func (a *Authenticator) tokenOf(c *security.Credentials) (token []byte, relevant bool) {
	switch {
	case c.AuthenticationMethod == AuthenticationMethod:
		return c.AuthenticationData, true
	case a.config.LegacyUserName && c.AuthenticationMethod == "" && isLegacyUserName(c.UserName):
		return c.Password, true
	}
	return nil, false
}

// isLegacyUserName reports whether a User Name says that the Password is a
// token, in the manner of the preview releases.
func isLegacyUserName(name string) bool {
	return name == "$sat" || strings.HasPrefix(name, AuthenticationMethod)
}

// judge returns the verdict on a token, from memory if there is one.
func (a *Authenticator) judge(ctx context.Context, token []byte) (security.Result, error) {
	now := a.now()
	key, v, ok := a.remembered(token, now)
	if !ok {
		claims, err := inspect(token)
		if err == nil {
			_, err = claims.expiry(now)
		}
		if err != nil {
			return security.Result{}, err
		}
		text := string(token) // the Credentials are borrowed
		v, err = a.flights.do(ctx, key, func(ctx context.Context) verdict { return a.verify(ctx, key, text) })
		if err != nil {
			return security.Result{}, cannotTell(unavailable("the token was not verified in time", err))
		}
	}
	return a.conclude(v)
}

// remembered returns the key of a token, and the verdict on it if there is one
// without asking anybody.
func (a *Authenticator) remembered(token []byte, now time.Time) (key digest, v verdict, ok bool) {
	if len(token) > maxTokenBytes {
		return key, verdict{err: errTokenTooLong}, true // not even worth a digest
	}
	key = sha256.Sum256(token)
	if v, ok = a.accepted.get(key, now); !ok {
		v, ok = a.refused.get(key, now)
	}
	return key, v, ok
}

// conclude is what a verdict comes to now.
func (a *Authenticator) conclude(v verdict) (security.Result, error) {
	if v.err != nil {
		return security.Result{}, v.err
	}
	return a.unlessRevoked(v.result)
}

// unlessRevoked returns r, if its token was not withdrawn.
func (a *Authenticator) unlessRevoked(r security.Result) (security.Result, error) {
	if r.CredentialID != "" && a.config.Revoked != nil && a.config.Revoked(r.CredentialID) {
		return security.Result{}, errRevoked
	}
	return r, nil
}

// verify asks the Verifier and remembers what it says.
func (a *Authenticator) verify(ctx context.Context, key digest, token string) verdict {
	id, err := a.ask(ctx, token)
	now := a.now()
	if err == nil && !now.Before(id.Expiry) {
		err = errTokenExpired
	}
	var u *security.Unavailable
	switch {
	case err == nil:
		v := a.accept(id, now)
		a.accepted.put(key, v)
		return v
	case errors.As(err, &u):
		return verdict{err: cannotTell(u)}
	}
	v := verdict{err: err, until: now.Add(refusalLifetime)}
	a.refused.put(key, v)
	return v
}

// ask has a token verified, when it is its turn. What the Verifier must wait for
// without doing anything comes before that: tokens of keys that are yet to be
// fetched hold up no others.
func (a *Authenticator) ask(ctx context.Context, token string) (Identity, error) {
	verify := func() (Identity, error) { return a.config.Verifier.Verify(ctx, token) }
	if p, ok := a.config.Verifier.(preparer); ok {
		var err error
		if verify, err = p.prepare(ctx, token); err != nil {
			return Identity{}, err
		}
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
		return verify()
	case <-ctx.Done():
		return Identity{}, unavailable("nobody waits for the token to be verified any more", ctx.Err())
	}
}

func (a *Authenticator) accept(id Identity, now time.Time) verdict {
	attributes := id.Attributes
	if a.config.ServiceAccountName && id.ServiceAccount != "" {
		attributes = map[string]string{ServiceAccountNameAttribute: id.ServiceAccount}
		for name, value := range id.Attributes {
			if name != ServiceAccountNameAttribute {
				attributes[name] = value
			}
		}
	}
	v := verdict{
		result: security.Result{
			Method:       Method,
			Username:     id.Username,
			Attributes:   security.NewAttributes(attributes),
			Expiry:       id.Expiry,
			CredentialID: id.TokenID,
			Origin:       a.origin,
		},
		until: now.Add(a.config.CacheLifetime),
	}
	if v.until.After(id.Expiry) {
		v.until = id.Expiry
	}
	return v
}

// cannotTell denies a Client because its token could not be judged. It is a
// denial, though of another code, because the next method must not save a
// Client that has shown a token.
func cannotTell(u *security.Unavailable) *security.Denied {
	return &security.Denied{Code: serverUnavailable, Reason: "the service account token could not be verified", Err: u}
}
