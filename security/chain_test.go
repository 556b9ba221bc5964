package security

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/weirmq/weir/security/pki"
)

// method is an Authenticator that always gives the same answer.
type method struct {
	result    Result
	err       error
	handles   string // Authentication Method
	immediate bool
	asked     int
}

func (m *method) Authenticate(context.Context, *Credentials) (Result, error) {
	m.asked++
	return m.result, m.err
}
func (m *method) HandlesAuthenticationMethod(name string) bool { return name == m.handles }
func (m *method) AuthenticatesImmediately() bool               { return m.immediate }

// plain has none of the optional interfaces.
type plain struct{ Authenticator }

func TestChainStopsAtTheFirstRelevantMethod(t *testing.T) {
	accept := func() *method { return &method{result: Result{Username: "u"}} }
	skip := func() *method { return &method{err: ErrNotRelevant} }
	away := func() *method { return &method{err: fmt.Errorf("just now: %w", &Unavailable{Method: "M"})} }
	deny := func() *method { return &method{err: &Denied{Code: 0x86, Reason: "wrong"}} }
	for _, tc := range []struct {
		name    string
		methods []*method
		asked   []int
		code    byte // 0: accepted
	}{
		{"the first accepts", []*method{accept(), deny()}, []int{1, 0}, 0},
		{"the first denies", []*method{deny(), accept()}, []int{1, 0}, 0x86},
		{"the first has nothing to judge", []*method{skip(), accept(), deny()}, []int{1, 1, 0}, 0},
		{"the second denies", []*method{skip(), deny(), accept()}, []int{1, 1, 0}, 0x86},
		{"nobody has anything to judge", []*method{skip(), skip()}, []int{1, 1}, NotAuthorized},
		{"there is nobody", nil, nil, NotAuthorized},
		{"the first is unavailable and the second accepts", []*method{away(), accept()}, []int{1, 1}, 0},
		{"the first is unavailable and the second denies", []*method{away(), deny()}, []int{1, 1}, 0x86},
		{"all are unavailable", []*method{away(), away()}, []int{1, 1}, NotAuthorized},
		{"the first denies for want of what it depends on", []*method{{err: &Denied{Code: 0x88, Err: &Unavailable{}}}, accept()}, []int{1, 0}, 0x88},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var methods []Authenticator
			for _, m := range tc.methods {
				methods = append(methods, m)
			}
			r, err := NewChain(methods...).Authenticate(context.Background(), &Credentials{})
			if tc.code == 0 {
				if err != nil || r.Username != "u" {
					t.Errorf("got %+v, %v", r, err)
				}
			} else {
				wantDenied(t, err, tc.code, "")
			}
			for i, m := range tc.methods {
				if m.asked != tc.asked[i] {
					t.Errorf("method %d was asked %d times", i, m.asked)
				}
			}
		})
	}
}

func TestChainAlwaysDeniesWithAnErrorCode(t *testing.T) {
	cause := errors.New("disk on fire")
	for _, tc := range []struct {
		name string
		err  error
		code byte
	}{
		{"some other error", cause, NotAuthorized},
		{"a canceled context", context.Canceled, NotAuthorized},
		{"success code", &Denied{Code: 0x00, Reason: "x", Err: cause}, NotAuthorized},
		{"MQTT 3.1.1 return code", &Denied{Code: 0x05, Reason: "x", Err: cause}, NotAuthorized},
		{"wrapped denial", errors.Join(cause, &Denied{Code: 0x8A, Reason: "banned"}), 0x8A},
		{"denial because of an inner method", &Denied{Code: 0x88, Err: ErrNotRelevant}, 0x88},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewChain(&method{err: tc.err}, &method{}).Authenticate(context.Background(), &Credentials{})
			d, ok := err.(*Denied)
			if !ok || d.Code != tc.code {
				t.Fatalf("got %#v", err)
			}
			if tc.err == cause && (!errors.Is(err, cause) || !strings.Contains(err.Error(), cause.Error())) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func TestChainRefusesAnUnknownAuthenticationMethod(t *testing.T) { // [MQTT-4.12.0-1]
	accept := &method{result: Result{Username: "u"}, handles: "K8S-SAT"}
	for _, tc := range []struct {
		name string
		code byte
	}{
		{"", 0}, {"K8S-SAT", 0}, {"k8s-sat", BadAuthenticationMethod}, {"FOO", BadAuthenticationMethod},
	} {
		_, err := NewChain(plain{accept}, accept).Authenticate(context.Background(), &Credentials{AuthenticationMethod: tc.name})
		if tc.code == 0 {
			if err != nil {
				t.Errorf("%q: %v", tc.name, err)
			}
			continue
		}
		wantDenied(t, err, tc.code, "Authentication Method")
	}
	if accept.asked != 2 {
		t.Errorf("asked %d times, want 2", accept.asked)
	}
	if !NewChain(NewChain(accept)).HandlesAuthenticationMethod("K8S-SAT") {
		t.Error("a Chain in a Chain handles what its methods handle")
	}
}

// promptMethod knows its answer at once, or not.
type promptMethod struct {
	method
	knows bool
}

func (p *promptMethod) AuthenticatePromptly(cr *Credentials) (Result, error) {
	if !p.knows {
		return Result{}, fmt.Errorf("not yet: %w", ErrMustWait)
	}
	return p.Authenticate(context.Background(), cr)
}

// A chain tells at once what it would tell anyway, unless a method that counts would
// have to wait.
func TestChainAnswersPromptlyUnlessAMethodThatCountsMustWait(t *testing.T) {
	skip := func() error { return ErrNotRelevant }
	fast := func(err error) Authenticator { return &method{err: err, immediate: true} }
	slow := func(err error) Authenticator { return &method{err: err} }
	known := func(err error) Authenticator { return &promptMethod{method{err: err}, true} }
	unknown := func(err error) Authenticator { return &promptMethod{method: method{err: err}} }
	wrong := &Denied{Code: BadUserNameOrPassword, Reason: "wrong"}
	away := &Unavailable{Method: "M"}
	for _, tc := range []struct {
		name    string
		methods []Authenticator
		waits   bool
	}{
		{"none", nil, false},
		{"an immediate one", []Authenticator{fast(nil)}, false},
		{"one that is not", []Authenticator{slow(nil)}, true},
		{"one that cannot say", []Authenticator{plain{fast(nil)}}, true},
		{"an immediate one before one that waits", []Authenticator{fast(nil), slow(nil)}, false},
		{"one that waits after one that is not relevant", []Authenticator{fast(skip()), slow(nil)}, true},
		{"one that waits, first", []Authenticator{slow(skip()), fast(nil)}, true},
		{"one that knows", []Authenticator{known(nil)}, false},
		{"one that knows that it denies", []Authenticator{known(wrong), slow(nil)}, false},
		{"one that knows that it is unavailable", []Authenticator{known(away)}, false},
		{"one that is unavailable, and an immediate one", []Authenticator{known(away), fast(nil)}, false},
		{"one that is unavailable, and one that waits", []Authenticator{known(away), unknown(nil)}, true},
		{"one that does not know", []Authenticator{unknown(nil)}, true},
		{"a chain that knows", []Authenticator{NewChain(known(nil))}, false},
		{"a chain that does not", []Authenticator{NewChain(unknown(nil))}, true},
	} {
		c := NewChain(tc.methods...)
		r, err := Promptly(c, &Credentials{})
		if waits := errors.Is(err, ErrMustWait); waits != tc.waits {
			t.Errorf("%s: %v, want to wait: %v", tc.name, err, tc.waits)
		}
		if tc.waits {
			continue
		}
		if want, wantErr := c.Authenticate(t.Context(), &Credentials{}); !reflect.DeepEqual(r, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: %+v, %v and later %+v, %v", tc.name, r, err, want, wantErr)
		}
	}
}

func TestCertificateMayBelongToAnotherX509Method(t *testing.T) {
	now := noon
	a := newRoot(t, pki.Options{CommonName: "A"})
	b := newRoot(t, pki.Options{CommonName: "B"})
	xa, xb := newX509(t, &now, certs(a.Cert)), newX509(t, &now, certs(b.Cert))
	leaf := newLeaf(t, b, pki.Options{CommonName: "of-b"})
	for _, chain := range []*Chain{NewChain(xa, xb), NewChain(xb, xa)} {
		if r, err := authenticate(chain, leaf.Chain...); err != nil || r.Username != "of-b" {
			t.Errorf("got %+v, %v", r, err)
		}
	}

	// Between the two a method that judges anyone comes first, as listed.
	anyone := &method{result: Result{Username: "anyone"}}
	if r, err := authenticate(NewChain(xa, anyone, xb), leaf.Chain...); err != nil || r.Username != "anyone" {
		t.Errorf("got %+v, %v", r, err)
	}
}

// A CA that is removed while a connection is being made, or before a TLS
// session is resumed, leaves a certificate that nobody trusts. It counts as
// presented and unacceptable, not as absent.
func TestUntrustedCertificateIsNotRescuedByALaterMethod(t *testing.T) {
	now := noon
	x := newX509(t, &now, certs(newRoot(t, pki.Options{CommonName: "A"}).Cert))
	leaf := newLeaf(t, newRoot(t, pki.Options{CommonName: "Removed"}), pki.Options{CommonName: "a"})
	anyone := &method{result: Result{Username: "anyone"}}
	_, err := authenticate(NewChain(x, anyone), leaf.Chain...)
	wantDenied(t, err, NotAuthorized, "trusted CA")
	if anyone.asked != 0 {
		t.Error("the next method was asked")
	}
	if _, err := authenticate(NewChain(x, anyone)); err != nil {
		t.Errorf("without a certificate the next method decides: %v", err)
	}
}
