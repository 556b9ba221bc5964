//go:build linux

package bench_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/custom"
	"github.com/weirmq/weir/security/serviceaccount"
)

// authentication is how a broker authenticates the crowd.
type authentication struct {
	Method   string    `json:",omitempty"`
	Endpoint string    // of the server that it asks, if any
	CA       []byte    // the server's, in PEM
	Expires  time.Time // what the crowd shows, unless it comes later
}

// doors are the addresses of a broker's ports.
type doors struct{ Traffic, Storm string }

// beBroker is an engine with a port for the crowd and one for everybody else,
// and says where.
func beBroker(argument []byte) (func(string) (any, error), error) {
	// As weir serve has it, and collects garbage while the heap is small.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	debug.SetGCPercent(400)
	var how authentication
	if err := json.Unmarshal(argument, &how); err != nil {
		return nil, err
	}
	a, err := how.authenticator()
	if err != nil {
		return nil, err
	}
	e, err := engine.New(engine.Options{
		Logger: slog.New(slog.DiscardHandler),
		Listeners: []engine.Listener{
			{Name: "traffic", Address: "127.0.0.1:0"},
			{Name: "storm", Address: "127.0.0.1:0", Authenticator: a},
		},
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Run(context.Background()) }()
	select {
	case <-e.Started():
	case err := <-ended:
		return nil, err
	}
	return func(string) (any, error) {
		return doors{e.Addr("traffic").String(), e.Addr("storm").String()}, nil
	}, nil
}

func (a authentication) authenticator() (security.Authenticator, error) {
	switch a.Method {
	case "everyone":
		return everyone{a.Expires}, nil
	case "nobody":
		return security.NewChain(), nil
	case "custom":
		block, _ := pem.Decode(a.CA)
		if block == nil {
			return nil, errors.New("no CA")
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		method, err := custom.New(custom.Config{Endpoint: a.Endpoint, TrustedCAs: []*x509.Certificate{ca}})
		return security.NewChain(method), err
	}
	access, err := serviceaccount.ParseKubeconfig(fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: x,
contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {token: x}}],
clusters: [{name: x, cluster: {server: %q, certificate-authority-data: %s}}]}`, a.Endpoint, base64.StdEncoding.EncodeToString(a.CA)))
	if err != nil {
		return nil, err
	}
	reviewer, err := serviceaccount.NewTokenReviewer(serviceaccount.TokenReviewerConfig{Access: access, Audiences: []string{"weir"}})
	if err != nil {
		return nil, err
	}
	method, err := serviceaccount.New(serviceaccount.Config{Verifier: reviewer})
	return security.NewChain(method), err
}

// everyone is a method that knows everyone, at once, until then or for good.
type everyone struct{ until time.Time }

func (everyone) AuthenticatesImmediately() bool { return true }

func (e everyone) Authenticate(context.Context, *security.Credentials) (security.Result, error) {
	r := security.Result{Method: "everyone"}
	if time.Now().Before(e.until) {
		r.Expiry = e.until
	}
	return r, nil
}

func (everyone) HandlesAuthenticationMethod(string) bool { return true }
