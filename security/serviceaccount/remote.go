package serviceaccount

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	// refetchInterval is how often keys are fetched at most. A token signed
	// with a key that is not known yet has to wait so long, and one who makes
	// key IDs up has nothing fetched more often.
	refetchInterval = 10 * time.Second
	// keysAge is when keys are fetched anew though none is missing: one that
	// the issuer has withdrawn must go.
	keysAge = 10 * time.Minute
	// keysExpire is when keys that could not be fetched anew are no longer
	// believed. A gateway may be cut off for a night.
	keysExpire = 24 * time.Hour
)

// RemoteKeys is the key set of an issuer, fetched by HTTPS when it is needed
// and kept for a while. Safe for concurrent use.
type RemoteKeys struct {
	url    string
	name   string // the url without its query, which may hold a secret
	client *http.Client
	now    func() time.Time

	held atomic.Pointer[fetchedKeys] // nil before there are any

	turn  chan struct{} // held by the one who fetches, for what follows
	tried time.Time     // when the keys were last asked for
	err   error         // how that went wrong
}

// fetchedKeys are keys as they were at a time.
type fetchedKeys struct {
	keys *KeySet
	at   time.Time
}

// know reports whether f can serve for a key ID, as yet.
func (f *fetchedKeys) know(id string, now time.Time) bool {
	return f != nil && now.Sub(f.at) < keysExpire && (id == "" || f.keys.has(id))
}

// NewRemoteKeys returns the key set at an https URL. roots are the CAs of the
// server; nil stands for those of the system.
func NewRemoteKeys(address string, roots *x509.CertPool) (*RemoteKeys, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("serviceaccount: the address of a key set is an https URL: over any other, anyone could make keys up")
	}
	return &RemoteKeys{
		url:  address,
		name: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(),
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:             http.ProxyFromEnvironment,
				TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
				ForceAttemptHTTP2: true,
				DisableKeepAlives: true, // the next request is minutes away
			},
			CheckRedirect: noRedirect,
		},
		now:  time.Now,
		turn: make(chan struct{}, 1),
	}, nil
}

// keySet returns the keys, with the one that has this ID if the issuer has it.
// Only for a key that is missing does it wait for a fetch of somebody else's:
// an issuer that hangs must not hold up the tokens whose keys are known.
func (r *RemoteKeys) keySet(ctx context.Context, id string) (*KeySet, error) {
	now := r.now()
	held := r.held.Load()
	known := held.know(id, now)
	if known && now.Sub(held.at) < keysAge {
		return held.keys, nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	default:
		if known {
			return held.keys, nil
		}
		select {
		case r.turn <- struct{}{}:
			defer func() { <-r.turn }()
		case <-ctx.Done():
			return nil, unavailable("the keys of the issuer were not fetched in time", ctx.Err())
		}
	}
	held = r.held.Load()
	if stale := !held.know(id, now) || now.Sub(held.at) >= keysAge; stale && now.Sub(r.tried) >= refetchInterval {
		r.fetch(ctx, now)
		held = r.held.Load()
	}
	if expired := held == nil || now.Sub(held.at) >= keysExpire; expired || !held.know(id, now) && r.err != nil {
		// A key that is not among old ones may be among those that could not
		// be fetched: the token is not known to be bad.
		return nil, unavailable("the keys of the issuer could not be fetched", r.err)
	}
	return held.keys, nil
}

// fetch asks for the keys. On failure those of before stay. It is not given up
// with the Client that needs them: the next one would need them too, and who
// makes key IDs up and leaves at once could have them fetched without pause.
func (r *RemoteKeys) fetch(ctx context.Context, now time.Time) {
	keys, err := r.get(context.WithoutCancel(ctx))
	r.tried, r.err = now, err
	if err == nil {
		r.held.Store(&fetchedKeys{keys, now})
	}
}

func (r *RemoteKeys) get(ctx context.Context) (*KeySet, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "weir")
	response, err := r.client.Do(request)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%s: %w", r.name, e.Err)
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", r.name, response.StatusCode)
	}
	text, err := readAnswer(response.Body)
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeySet(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", r.name, err)
	}
	return keys, nil
}

// keySet returns the keys, which are always the same.
func (s *KeySet) keySet(context.Context, string) (*KeySet, error) { return s, nil }
