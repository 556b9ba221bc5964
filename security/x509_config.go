package security

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// X509Config configures [NewX509].
type X509Config struct {
	// TrustedCAs are the trust anchors, roots or intermediates; at least one.
	TrustedCAs []*x509.Certificate
	// Entries give attributes to subjects. Without any, Clients have a user
	// name and no attributes.
	Entries []X509Entry
	// Revocation, if set, is asked about every chain that the CAs vouch for, each
	// time that a Client presents it.
	Revocation Revocation
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// CacheSize bounds the number of certificate chains remembered; 0 means
	// 16,384, and a negative number is refused. A chain that was forgotten is
	// verified again.
	CacheSize int
}

// X509Entry gives Attributes to every Client in whose verified chain a
// certificate has Subject, unless one nearer to the leaf matches another entry.
type X509Entry struct {
	Name       string            // a label for messages
	Subject    string            // as [ParseSubject] reads it
	Attributes map[string]string // may be empty, but not nil
}

// ConfigError is one reason why [NewX509] refuses its configuration.
type ConfigError struct {
	Field   string // path of the field, such as authorizationAttributes.root.subject
	Value   string // what is written there; "" when the fault is that nothing is
	Problem string // what is wrong, and what would be right
}

// Error implements error.
func (e *ConfigError) Error() string {
	if e.Value == "" {
		return e.Field + ": " + e.Problem
	}
	return fmt.Sprintf("%s %q: %s", e.Field, e.Value, e.Problem)
}

// NewX509 returns an X509 that keeps nothing of cfg but the certificates and
// the clock. On error it reports every fault it found, each a [*ConfigError]
// that [errors.As] can find.
func NewX509(cfg X509Config) (*X509, error) {
	x := &X509{
		roots:     x509.NewCertPool(),
		bySubject: make(map[string]int),
		byReverse: make(map[string]int),
		now:       cfg.Now,

		revocation: cfg.Revocation,
	}
	var errs []error
	refuse := func(field, value, format string, args ...any) {
		errs = append(errs, &ConfigError{field, value, fmt.Sprintf(format, args...)})
	}

	if len(cfg.TrustedCAs) == 0 {
		refuse("trustedClientCaCert", "", "no CA certificate; give at least one, or no Client could ever be accepted")
	}
	for i, ca := range cfg.TrustedCAs {
		if ca == nil {
			refuse(fmt.Sprintf("trustedClientCaCert[%d]", i), "", "certificate missing")
			continue
		}
		x.roots.AddCert(ca)
		x.anchors = append(x.anchors, ca)
	}
	if cfg.CacheSize < 0 {
		refuse("cacheSize", fmt.Sprint(cfg.CacheSize), "write a number of certificate chains, or 0 for %d", defaultX509CacheSize)
	}

	for _, e := range cfg.Entries {
		path := "authorizationAttributes." + e.Name
		if e.Attributes == nil {
			refuse(path+".attributes", "", "missing; write {} for an entry that gives none on purpose")
		}
		if _, ok := e.Attributes[""]; ok {
			refuse(path+".attributes", "", "an attribute has no name")
		}
		if e.Subject == "" {
			refuse(path+".subject", "", "missing; write it as openssl x509 -noout -subject prints it, such as CN = name")
			continue
		}
		subject, err := ParseSubject(e.Subject)
		if err != nil {
			refuse(path+".subject", e.Subject, "%v", err)
			continue
		}
		if i, ok := x.bySubject[subject.key]; ok {
			refuse(path+".subject", e.Subject, "entry %q has the same subject; join the two", x.entries[i].name)
			continue
		}
		x.bySubject[subject.key] = len(x.entries)
		x.entries = append(x.entries, subjectEntry{e.Name, subject, NewAttributes(e.Attributes)})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	for i, e := range x.entries {
		if r := e.subject.reversed(); !r.Equal(e.subject) {
			x.byReverse[r.key] = i
		}
	}
	if x.now == nil {
		x.now = time.Now
	}
	size := cfg.CacheSize
	if size == 0 {
		size = defaultX509CacheSize
	}
	x.cache = newCache[[sha256.Size]byte, verdict](size)
	return x, nil
}
