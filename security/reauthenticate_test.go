package security

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// renewing is a method that can re-authenticate the Clients of its name.
type renewing struct {
	method
	name    string
	renewal error
}

func (r *renewing) Reauthenticate(_ context.Context, _ *Credentials, previous Result) (Result, error) {
	if previous.Method != r.name {
		return Result{}, ErrNotRelevant
	}
	return r.result, r.renewal
}

func TestChainReauthenticatesByTheKindOfMethodThatAccepted(t *testing.T) {
	who := Result{Method: "B", Username: "u"}
	yes := &renewing{method: method{result: Result{Method: "B", Username: "u", Entry: "new"}}, name: "B"}
	other := &renewing{name: "A"}
	for _, tc := range []struct {
		name    string
		methods []Authenticator
		code    byte // 0: accepted
	}{
		{"the second is of the kind", []Authenticator{other, yes}, 0},
		{"the first of two of the kind decides", []Authenticator{yes, &renewing{name: "B", renewal: &Denied{Code: 0x87}}}, 0},
		{"the method denies", []Authenticator{&renewing{name: "B", renewal: &Denied{Code: 0x86}}, yes}, 0x86},
		{"the method fails", []Authenticator{&renewing{name: "B", renewal: errors.New("out of order")}, yes}, NotAuthorized},
		{"none is of the kind", []Authenticator{other}, NotAuthorized},
		{"none can", []Authenticator{&method{result: who}}, NotAuthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := NewChain(tc.methods...).Reauthenticate(context.Background(), &Credentials{}, who)
			if tc.code != 0 {
				wantDenied(t, err, tc.code, "")
			} else if err != nil || r.Entry != "new" {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

// A Client keeps its old credential when the new one could not be judged, even
// where the method would have denied a CONNECT for it.
func TestChainLetsTheClientTryAgainWhenTheMethodIsUnavailable(t *testing.T) {
	away := &Unavailable{Method: "B", Reason: "no answer"}
	for _, err := range []error{away, &Denied{Code: 0x87, Err: away}, fmt.Errorf("just now: %w", away)} {
		c := NewChain(&renewing{name: "B", renewal: err})
		_, got := c.Reauthenticate(context.Background(), &Credentials{}, Result{Method: "B"})
		if u, ok := got.(*Unavailable); !ok || u != away {
			t.Errorf("for %v: %v", err, got)
		}
	}
}

func TestChainSaysThatAMethodWasUnavailableWhenNothingElseIsRelevant(t *testing.T) {
	away := &Unavailable{Method: "B", Reason: "no answer"}
	_, err := NewChain(&method{err: away}, &method{err: ErrNotRelevant}).Authenticate(context.Background(), &Credentials{})
	if !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}
