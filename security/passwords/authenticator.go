package passwords

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/security"
)

// Method is the Method of a [security.Result] from this package.
const Method = "PasswordFile"

const (
	// verifiedLifetime is how long a password that was right need not be hashed
	// again: long enough for devices that come back when a switch has been
	// restarted, and then come back again.
	verifiedLifetime = time.Hour
	// refusalLifetime blunts a device that tries again and again with a password
	// that has been changed.
	refusalLifetime = 30 * time.Second
)

// Authenticator authenticates the Clients of a [File]. A Client with a User
// Name, and without an Authentication Method, is for it to judge. It waits for
// hashes, unless it remembers the password. It prints as "[redacted]".
type Authenticator struct {
	users  map[string]*account
	decoys []Hash // costs of hashes, for users that do not exist
	now    func() time.Time
	match  func(h Hash, password []byte) bool // Hash.Matches

	// secret is the key of what is remembered of passwords. It is never written
	// anywhere: without it that is worth nothing.
	secret   [sha256.Size]byte
	refusals refusals
	hasher   hasher
}

// account is a [User] at work.
type account struct {
	User
	credentialID string // tells one password from the next, and nothing else
	verified     atomic.Pointer[verified]
}

// verified is the digest of the password that was right. There is one at most
// for each user.
type verified struct {
	digest digest
	until  time.Time
}

// digest is an HMAC of a User Name and a Password.
type digest [sha256.Size]byte

// New returns the Authenticator of a File.
func New(f *File) *Authenticator {
	a := &Authenticator{users: make(map[string]*account, len(f.users)), now: time.Now, match: Hash.Matches}
	_, _ = rand.Read(a.secret[:]) // never fails
	for _, name := range slices.Sorted(maps.Keys(f.users)) {
		u := f.users[name]
		sum := sha256.Sum256([]byte(u.Hash.Encode()))
		a.users[name] = &account{User: u, credentialID: hex.EncodeToString(sum[:16])}
		a.decoys = append(a.decoys, Hash{iterations: u.Hash.iterations, salt: u.Hash.salt, key: string(make([]byte, len(u.Hash.key)))})
	}
	if len(a.decoys) == 0 {
		a.decoys = []Hash{{DefaultIterations, string(a.secret[:newSalt]), string(make([]byte, maxKey))}}
	}
	// The other half is for the Clients that are connected.
	a.hasher.slots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	return a
}

var (
	errWrong = &security.Denied{Code: security.BadUserNameOrPassword, Reason: "the User Name or the Password is wrong"}
	errGone  = &security.Denied{Code: security.NotAuthorized, Reason: "the user is no longer in the password file"}
	errStale = &security.Denied{Code: security.NotAuthorized, Reason: "the password has been changed"}
)

// Authenticate implements [security.Authenticator]. When ctx ends before it is
// the Client's turn to have its password hashed, the Client is told that the
// Server is busy.
func (a *Authenticator) Authenticate(ctx context.Context, c *security.Credentials) (security.Result, error) {
	result, err := a.AuthenticatePromptly(c)
	if !errors.Is(err, security.ErrMustWait) {
		return result, err
	}
	now := a.now()
	d := a.digest(c.UserName, c.Password)
	matches, err := a.hasher.matches(ctx, d, func() bool { return a.check(c, d, now) })
	switch {
	case err != nil:
		const reason = "too many passwords wait to be hashed"
		return security.Result{}, &security.Denied{
			Code: security.ServerBusy, Reason: reason,
			Err: &security.Unavailable{Method: Method, Reason: reason, Err: err},
		}
	case !matches:
		return security.Result{}, errWrong
	}
	return a.users[c.UserName].result(c.UserName), nil
}

// AuthenticatePromptly implements [security.Prompt]: it judges the passwords that it
// remembers, which takes no PBKDF2.
func (a *Authenticator) AuthenticatePromptly(c *security.Credentials) (security.Result, error) {
	if !c.HasUserName || c.AuthenticationMethod != "" {
		return security.Result{}, security.ErrNotRelevant
	}
	now := a.now()
	d := a.digest(c.UserName, c.Password)
	if who, known := a.users[c.UserName]; known && who.isVerified(d, now) {
		return who.result(c.UserName), nil
	}
	if a.refusals.has(d, now) {
		return security.Result{}, errWrong
	}
	return security.Result{}, security.ErrMustWait
}

// check hashes the Password and remembers the answer, before the next one with
// the same could ask for it.
func (a *Authenticator) check(c *security.Credentials, d digest, now time.Time) bool {
	who, known := a.users[c.UserName]
	h := a.decoy(c.UserName)
	if known {
		h = who.Hash
	}
	if !a.match(h, c.Password) || !known {
		a.refusals.add(d, now.Add(refusalLifetime))
		return false
	}
	who.verified.Store(&verified{d, now.Add(verifiedLifetime)})
	return true
}

// Recheck implements [security.Rechecker]: a Client stays for as long as its user
// is there and has the password of then.
func (a *Authenticator) Recheck(_ context.Context, _ *security.Credentials, previous security.Result) (security.Result, error) {
	if previous.Method != Method {
		return security.Result{}, security.ErrNotRelevant
	}
	who, known := a.users[previous.Username]
	switch {
	case !known:
		return security.Result{}, errGone
	case who.credentialID != previous.CredentialID:
		return security.Result{}, errStale
	}
	return who.result(previous.Username), nil
}

func (u *account) result(name string) security.Result {
	return security.Result{Method: Method, Username: name, Attributes: u.Attributes, CredentialID: u.credentialID}
}

func (u *account) isVerified(d digest, now time.Time) bool {
	v := u.verified.Load()
	return v != nil && !now.After(v.until) && subtle.ConstantTimeCompare(v.digest[:], d[:]) == 1
}

// digest identifies a User Name and a Password, the length of the former first
// so that one cannot run into the other.
func (a *Authenticator) digest(name string, password []byte) (d digest) {
	h := hmac.New(sha256.New, a.secret[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	h.Write([]byte(name))
	h.Write(password)
	h.Sum(d[:0])
	return d
}

// decoy returns a hash that no password matches, for a user that does not
// exist: always the same for one name, and of the cost of one that does exist.
func (a *Authenticator) decoy(name string) Hash {
	d := a.digest(name, nil)
	return a.decoys[binary.BigEndian.Uint64(d[:])%uint64(len(a.decoys))]
}

// Format implements [fmt.Formatter]: whatever the verb, it writes "[redacted]".
func (a *Authenticator) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }
