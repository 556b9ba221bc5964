package passwords

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/security"
)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// hash is a cheap one.
func hash(t testing.TB, password string) Hash {
	t.Helper()
	return must[Hash](t)(NewHash([]byte(password), MinIterations))
}

// fileOf returns a file with these users and their passwords.
func fileOf(t testing.TB, users ...string) []byte {
	t.Helper()
	var text []byte
	for i := 0; i < len(users); i += 2 {
		text = must[[]byte](t)(Put("users", text, users[i], hash(t, users[i+1]), map[string]string{"of": users[i]}))
	}
	return text
}

func authenticator(t testing.TB, text []byte) *Authenticator {
	t.Helper()
	return New(must[*File](t)(Parse("users", text)))
}

func login(a *Authenticator, name, password string) (security.Result, error) {
	return a.Authenticate(context.Background(), &security.Credentials{HasUserName: true, UserName: name, Password: []byte(password)})
}

// published is the example of the preview's documentation.
const published = `# Credential #1
[client1]
password = "$pbkdf2-sha512$i=100000,l=64$HqJwOCHweNk1pLryiu3RsA$KVSvxKYcibIG5S5n55RvxKRTdAAfCUtBJoy5IuFzdSZyzkwvUcU+FPawEWFPn+06JyZsndfRTfpiEh+2eSJLkg"

[client1.attributes]
floor = "floor1"
site = "site1"

[client2]
password = "$pbkdf2-sha512$i=100000,l=64$+H7jXzcEbq2kkyvpxtxePQ$jTzW6fSesiuNRLMIkDDAzBEILk7iyyDZ3rjlEwQap4UJP4TaCR+EXQXNukO7qNJWlPPP8leNnJDCBgX/255Ezw"

[client2.attributes]
floor = "floor2"
site = "site1"
`

func TestPublishedHashesVerify(t *testing.T) {
	a := authenticator(t, []byte(published))
	for _, row := range []struct{ name, password, attributes string }{
		{"client1", "password", "{floor: floor1, site: site1}"},
		{"client2", "password2", "{floor: floor2, site: site1}"},
		{"client1", "password2", ""},
		{"client3", "password", ""},
	} {
		r, err := login(a, row.name, row.password)
		switch {
		case row.attributes == "":
			wantDenied(t, err, security.BadUserNameOrPassword)
		case err != nil || r.Username != row.name || r.Attributes.String() != row.attributes || r.Method != Method || !r.Expiry.IsZero():
			t.Errorf("%s: %+v, %v", row.name, r, err)
		}
	}
}

func wantDenied(t *testing.T, err error, code byte) {
	t.Helper()
	var d *security.Denied
	if !errors.As(err, &d) || d.Code != code {
		t.Errorf("got %v, want a denial with 0x%02X", err, code)
	}
}

func TestRelevantIsAUserNameWithoutAuthenticationMethod(t *testing.T) {
	a := authenticator(t, fileOf(t, "u", "p"))
	for _, row := range []struct {
		name        string
		credentials security.Credentials
		relevant    bool
	}{
		{"nothing", security.Credentials{}, false},
		{"a Password alone", security.Credentials{Password: []byte("p")}, false},
		{"an Authentication Method", security.Credentials{HasUserName: true, UserName: "u", Password: []byte("p"), AuthenticationMethod: "K8S-SAT"}, false},
		{"User Name and Password", security.Credentials{HasUserName: true, UserName: "u", Password: []byte("p")}, true},
		{"a User Name alone", security.Credentials{HasUserName: true, UserName: "u"}, true},
		{"an empty User Name", security.Credentials{HasUserName: true}, true},
	} {
		if _, err := a.Authenticate(context.Background(), &row.credentials); errors.Is(err, security.ErrNotRelevant) == row.relevant {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := hash(t, "p").Encode()
	parts := strings.Split(good, "$")
	edited := func(i int, with string) string {
		other := append([]string(nil), parts...)
		other[i] = with
		return fmt.Sprintf("[u]\npassword = %q\n", strings.Join(other, "$"))
	}
	for _, row := range []struct{ name, text, want string }{
		{"a password that was not hashed", "[u]\npassword = \"hunter2-secret\"\n", "line 2: user \"u\": is not a hash"},
		{"another scheme", edited(1, "pbkdf2-md5"), "is not a hash"},
		{"parameters out of order", edited(2, "l=64,i=1000"), "has parameters other than i and l"},
		{"too few iterations", edited(2, "i=999,l=64"), "iterations that is not from 1000 to 10000000"},
		{"absurdly many iterations", edited(2, "i=10000001,l=64"), "iterations that is not from 1000 to 10000000"},
		{"iterations that overflow", edited(2, "i=99999999999999999999,l=64"), "iterations that is not"},
		{"a short salt", edited(3, "c2FsdA"), "has a salt that is not 8 to 64 bytes"},
		{"a padded salt", edited(3, "c2FsdHNhbHRzYWx0c2E="), "has a salt that is not"},
		{"another length than it says", edited(2, "i=1000,l=63"), "has a hash that is not l bytes"},
		{"a cut hash", edited(4, parts[4][:10]), "has a hash that is not l bytes"},
		{"no password", "# users\n\n[u]\n", "line 3: user \"u\": has no password"},
		{"an unknown field", "[u]\npassword = \"" + good + "\"\ngroup = \"x\"\n", "line 3: user \"u\": has u.group, which is no field"},
		{"a number for a password", "[u]\npassword = 1234567890123\n", "a password is not a hash"},
		{"a number that is too large", "[u]\npassword = 1e1234567890123\n", "line 2: user \"u\": unable to parse float"},
		{"a number for an attribute", "[u]\npassword = \"" + good + "\"\n[u.attributes]\nfloor = 17\n", "line 4"},
		{"a field outside of tables", "password = \"" + good + "\"\n", "line 1"},
		{"the same user twice", "[u]\npassword = \"" + good + "\"\n[u]\npassword = \"" + good + "\"\n", "line 3"},
		{"not TOML", "[u\n", "line 1"},
		{"a name with control characters", "[\"a\\u0000b\"]\npassword = \"" + good + "\"\n", "control characters"},
		{"no name", "[\"\"]\npassword = \"" + good + "\"\n", "a user has no name"},
		{"an attribute without a name", "[u]\npassword = \"" + good + "\"\n[u.attributes]\n\"\" = \"x\"\n", "an attribute without a name"},
	} {
		_, err := Parse("users", []byte(row.text))
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "users: ") {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
			continue
		}
		for _, secret := range []string{"hunter2", "1234567890123", parts[3], parts[4], parts[4][:10]} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error holds a secret: %v", row.name, err)
			}
		}
	}
	for name, text := range map[string]string{"empty": "", "comments": "# nobody\n"} {
		if f, err := Parse("users", []byte(text)); err != nil || f.Len() != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who exists shows neither in the answer nor, as far as it is ours to choose,
// in the work that leads to it.
func TestUnknownUsersCostWhatKnownOnesDo(t *testing.T) {
	a := authenticator(t, fileOf(t, "u", "p", "v", "q"))
	_, known := login(a, "u", "wrong")
	_, unknown := login(a, "x", "wrong")
	if known == nil || known != unknown {
		t.Errorf("known: %v, unknown: %v", known, unknown)
	}
	costs := make(map[int]bool)
	for i := range 100 {
		name := fmt.Sprint("stranger ", i)
		h := a.decoy(name)
		if h.iterations != MinIterations || len(h.key) != maxKey || h != a.decoy(name) {
			t.Fatalf("the decoy of %s has %d iterations", name, h.iterations)
		}
		costs[h.iterations] = true
		if h.Matches([]byte("")) {
			t.Fatal("a decoy matches")
		}
	}
	empty := New(must[*File](t)(Parse("users", nil)))
	if h := empty.decoy("x"); h.iterations != DefaultIterations {
		t.Errorf("without users a decoy has %d iterations", h.iterations)
	}
}

func TestRightPasswordIsHashedOnceForAWhile(t *testing.T) {
	a := authenticator(t, fileOf(t, "u", "p"))
	now := time.Now()
	a.now = func() time.Time { return now }
	hashed := countHashes(a)
	login(a, "u", "p")
	for range 10 {
		if _, err := login(a, "u", "p"); err != nil {
			t.Fatal(err)
		}
	}
	if n := hashed(); n != 1 {
		t.Errorf("hashed %d times, want once", n)
	}
	_, err := login(a, "u", "P")
	wantDenied(t, err, security.BadUserNameOrPassword)
	now = now.Add(verifiedLifetime + 1)
	if _, err := login(a, "u", "p"); err != nil || hashed() != 3 {
		t.Errorf("after its time: %v, hashed %d times, want 3", err, hashed())
	}
}

// What is remembered is told on an event loop, where nothing may be hashed.
func TestPasswordsThatAreRememberedAreJudgedPromptly(t *testing.T) {
	a := authenticator(t, fileOf(t, "u", "p"))
	hashed := countHashes(a)
	for _, tc := range []struct{ name, password string }{{"u", "p"}, {"u", "wrong"}, {"stranger", "p"}} {
		c := &security.Credentials{HasUserName: true, UserName: tc.name, Password: []byte(tc.password)}
		if _, err := security.Promptly(a, c); !errors.Is(err, security.ErrMustWait) {
			t.Errorf("%s at first: %v", tc.name, err)
		}
		want, wantErr := a.Authenticate(t.Context(), c)
		before := hashed()
		got, err := security.Promptly(a, c)
		if err != wantErr || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v, %v", tc.name, got, err, want, wantErr)
		}
		if hashed() != before {
			t.Errorf("%s: hashed", tc.name)
		}
	}
	for _, c := range []*security.Credentials{{}, {HasUserName: true, AuthenticationMethod: "K8S-SAT"}} {
		if _, err := security.Promptly(a, c); !errors.Is(err, security.ErrNotRelevant) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestWrongPasswordIsHashedOnceForAWhile(t *testing.T) {
	a := authenticator(t, fileOf(t, "u", "p"))
	now := time.Now()
	a.now = func() time.Time { return now }
	hashed := countHashes(a)
	for _, name := range []string{"u", "stranger"} {
		for range 10 {
			_, err := login(a, name, "wrong")
			wantDenied(t, err, security.BadUserNameOrPassword)
		}
	}
	if n := hashed(); n != 2 {
		t.Errorf("hashed %d times, want once each", n)
	}
	if _, err := login(a, "u", "p"); err != nil {
		t.Errorf("the right one: %v", err)
	}
	now = now.Add(refusalLifetime)
	login(a, "u", "wrong")
	if n := hashed(); n != 4 {
		t.Errorf("after its time: hashed %d times, want 4", n)
	}
}

// countHashes returns how many passwords have been hashed since.
func countHashes(a *Authenticator) func() int64 {
	var n atomic.Int64
	a.match = func(h Hash, password []byte) bool {
		n.Add(1)
		return h.Matches(password)
	}
	return n.Load
}

// A thousand Clients at once: no more are hashed at a time than there are slots,
// those with equal credentials once, and who cannot wait is told that the Server
// is busy.
func TestHashesAreBoundedAndShared(t *testing.T) {
	a := authenticator(t, fileOf(t, "u", "p", "v", "q"))
	started, finish := make(chan struct{}, 1000), make(chan struct{})
	var now, most atomic.Int64
	a.hasher.slots = make(chan struct{}, 2)
	a.match = func(Hash, []byte) bool {
		for n := now.Add(1); n > most.Load(); {
			most.CompareAndSwap(most.Load(), n)
		}
		started <- struct{}{}
		<-finish
		now.Add(-1)
		return true
	}
	var equal sync.WaitGroup
	for range 500 {
		equal.Go(func() {
			if _, err := login(a, "u", "p"); err != nil {
				t.Error(err)
			}
		})
	}
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() { _, err := login(a, "v", "q"); first <- err }()
	<-started // both slots are taken
	late := make(chan error, 500)
	for i := range cap(late) {
		go func() {
			_, err := a.Authenticate(ctx, &security.Credentials{HasUserName: true, UserName: "u", Password: fmt.Append(nil, i%250)})
			late <- err
		}()
	}
	cancel()
	for range cap(late) {
		err := <-late
		wantDenied(t, err, security.ServerBusy)
		if u := new(security.Unavailable); !errors.As(err, &u) || !errors.Is(err, context.Canceled) {
			t.Fatalf("%v does not say that the method is unavailable", err)
		}
	}
	close(finish)
	equal.Wait()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if len(started) != 0 || most.Load() != 2 {
		t.Errorf("%d more hashes, at most %d at a time; want none and 2", len(started), most.Load())
	}
	if n := len(a.hasher.flights); n != 0 {
		t.Errorf("%d flights are left", n)
	}
}

// One of two equal Clients gives up before its turn: the other goes on.
func TestAbandonedHashIsTakenUpByWhoWaitsForIt(t *testing.T) {
	a := authenticator(t, fileOf(t, "u", "p"))
	a.hasher.slots = make(chan struct{}, 1)
	a.hasher.slots <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	gone, stays := make(chan error, 1), make(chan error, 1)
	attempt := func(ctx context.Context, answer chan<- error) {
		_, err := a.Authenticate(ctx, &security.Credentials{HasUserName: true, UserName: "u", Password: []byte("p")})
		answer <- err
	}
	go attempt(ctx, gone)
	for flying := false; !flying; runtime.Gosched() {
		a.hasher.mu.Lock()
		flying = len(a.hasher.flights) == 1
		a.hasher.mu.Unlock()
	}
	go attempt(context.Background(), stays)
	cancel()
	wantDenied(t, <-gone, security.ServerBusy)
	<-a.hasher.slots
	if err := <-stays; err != nil {
		t.Error(err)
	}
}

func TestRecheckEndsWhoseUserOrPasswordHasGone(t *testing.T) {
	text := fileOf(t, "u", "p", "v", "q")
	a := authenticator(t, text)
	previous, err := login(a, "u", "p")
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, password string) *Authenticator {
		return authenticator(t, must[[]byte](t)(Put("users", text, name, hash(t, password), map[string]string{"new": "yes"})))
	}
	without, _, err := Remove("users", text, "u")
	if err != nil {
		t.Fatal(err)
	}
	sameHash, _ := must[*File](t)(Parse("users", text)).User("u")
	for _, row := range []struct {
		name   string
		now    *Authenticator
		reason string // "": stays
	}{
		{"the same", authenticator(t, text), ""},
		{"another user changed", put("v", "other"), ""},
		{"the attributes changed", authenticator(t, must[[]byte](t)(Put("users", text, "u", sameHash.Hash, map[string]string{"new": "yes"}))), ""},
		{"the password changed", put("u", "other"), "password has been changed"},
		{"the same password, hashed anew", put("u", "p"), "password has been changed"},
		{"the user is gone", authenticator(t, without), "no longer in the password file"},
	} {
		r, err := row.now.Recheck(context.Background(), &security.Credentials{}, previous)
		switch {
		case row.reason == "" && (err != nil || r.Username != "u" || r.CredentialID != previous.CredentialID):
			t.Errorf("%s: %+v, %v", row.name, r, err)
		case row.reason != "" && (err == nil || !strings.Contains(err.Error(), row.reason)):
			t.Errorf("%s: %v", row.name, err)
		}
		if row.name == "the attributes changed" && r.Attributes.String() != "{new: yes}" {
			t.Errorf("the attributes are still %v", r.Attributes)
		}
	}
	if _, err := a.Recheck(context.Background(), &security.Credentials{}, security.Result{Method: security.MethodX509, Username: "u"}); err != security.ErrNotRelevant {
		t.Errorf("a Client of another method: %v", err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	text := fileOf(t, "u", "hunter2")
	f := must[*File](t)(Parse("users", text))
	a := New(f)
	u, _ := f.User("u")
	_, err := login(a, "u", "hunter3")
	parts := strings.Split(u.Hash.Encode(), "$")
	for _, v := range []any{u.Hash, &u.Hash, u, &u, f, a, err} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed := fmt.Sprintf(format, v)
			for _, secret := range []string{"hunter", parts[3], parts[4], fmt.Sprintf("%x", u.Hash.salt), fmt.Sprintf("%x", u.Hash.key), fmt.Sprintf("%x", a.secret)} {
				if strings.Contains(printed, secret) {
					t.Errorf("%s of %T shows a secret: %s", format, v, printed)
				}
			}
		}
	}
}

func TestNewHashRefuses(t *testing.T) {
	for _, row := range []struct {
		password   string
		iterations int
	}{{"", DefaultIterations}, {"p", MinIterations - 1}, {"p", MaxIterations + 1}, {"p", -1}} {
		if _, err := NewHash([]byte(row.password), row.iterations); err == nil {
			t.Errorf("%q with %d iterations: accepted", row.password, row.iterations)
		}
	}
	if a, b := hash(t, "p"), hash(t, "p"); a == b {
		t.Error("two hashes have the same salt")
	}
}
