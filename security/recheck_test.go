package security

import (
	"context"
	"testing"

	"github.com/weirmq/weir/security/pki"
)

// rechecking is a method whose Clients are judged once more.
type rechecking struct {
	method
	name string
	err  error
}

func (r *rechecking) Recheck(_ context.Context, _ *Credentials, previous Result) (Result, error) {
	if previous.Method != r.name {
		return Result{}, ErrNotRelevant
	}
	return r.result, r.err
}

func TestChainRechecksByTheKindOfMethodThatAccepted(t *testing.T) {
	now := noon
	ca, other := newRoot(t, pki.Options{CommonName: "ca"}), newRoot(t, pki.Options{CommonName: "other"})
	chain := newLeaf(t, ca, pki.Options{CommonName: "device"}).Chain
	mine, theirs := newX509(t, &now, certs(ca.Cert)), newX509(t, &now, certs(other.Cert))
	yes := &rechecking{name: "B", method: method{result: Result{Method: "B", Entry: "new"}}}
	no := &rechecking{name: "B", err: &Denied{Code: NotAuthorized}}
	for _, tc := range []struct {
		name     string
		methods  []Authenticator
		previous string
		denied   bool
	}{
		{"the method knows better", []Authenticator{mine, yes}, "B", false},
		{"the method no longer accepts", []Authenticator{mine, no}, "B", true},
		{"the method is gone", []Authenticator{mine}, "B", true},
		{"the method is gone, or one that cannot tell", []Authenticator{mine, plain{}}, "B", false},
		{"the CA is there", []Authenticator{yes, mine}, MethodX509, false},
		{"the CA is that of another method", []Authenticator{theirs, mine}, MethodX509, false},
		{"the CA is gone", []Authenticator{yes, theirs}, MethodX509, true},
		{"certificates are no longer asked for", []Authenticator{yes}, MethodX509, true},
		{"certificates cannot be what an unknown method accepted", []Authenticator{plain{}}, MethodX509, true},
		{"there is no method", nil, "B", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			previous := Result{Method: tc.previous}
			_, err := NewChain(tc.methods...).Recheck(context.Background(), &Credentials{PresentedChain: chain}, previous)
			if tc.denied {
				wantDenied(t, err, NotAuthorized, "")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
