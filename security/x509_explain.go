package security

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// X509Explanation says how [X509.Authenticate] judges a certificate chain.
type X509Explanation struct {
	Result Result // as from Authenticate
	Err    error  // as from Authenticate
	// Certificates are those of the verified chain, from the leaf to the CA;
	// or those presented, when Err tells that no chain could be verified.
	Certificates []CertificateExplanation
}

// CertificateExplanation is one certificate of an [X509Explanation].
type CertificateExplanation struct {
	Subject string // as an entry would have to spell it
	Entry   string // name of the entry with that subject, "" for none
	Decides bool   // whether that entry is the one that gave the attributes
}

// Explain says how a presented chain is judged, the leaf first, with the
// certificates that were walked and the entries that they match. It always
// verifies, so it is slow; it is safe for concurrent use and keeps nothing of
// presented.
func (x *X509) Explain(presented []*x509.Certificate) X509Explanation {
	switch {
	case len(presented) == 0:
		return X509Explanation{Err: ErrNotRelevant}
	case len(presented) > maxPresentedCertificates:
		return X509Explanation{Err: errTooManyCertificates}
	}
	now := x.now()
	a := x.assess(presented, now)
	e := X509Explanation{}
	i, err := x.unrevoked(a.verdict, presented, now)
	depthOfEntry := -1
	var subjects []Subject
	if e.Err = err; err == nil {
		e.Result = a.paths[i].result
		subjects, depthOfEntry = a.walks[i].subjects, a.walks[i].depth
	} else {
		for _, cert := range presented {
			// A subject that cannot be read is shown as an empty one: Err
			// already says that the chain is refused.
			subject, _ := SubjectOf(cert.RawSubject)
			subjects = append(subjects, subject)
		}
	}
	for depth, subject := range subjects {
		c := CertificateExplanation{Subject: subject.String()}
		if i, ok := x.bySubject[subject.key]; ok {
			c.Entry = x.entries[i].name
			c.Decides = depth == depthOfEntry
		}
		e.Certificates = append(e.Certificates, c)
	}
	return e
}

// String formats the explanation for people, on several lines.
func (e X509Explanation) String() string {
	var b strings.Builder
	if e.Err != nil {
		fmt.Fprintf(&b, "refused: %v\n", e.Err)
	} else {
		fmt.Fprintf(&b, "accepted as username %q with attributes %v until %s\n",
			e.Result.Username, e.Result.Attributes, e.Result.Expiry.UTC().Format(time.RFC3339))
	}
	for depth, c := range e.Certificates {
		fmt.Fprintf(&b, "  %d  %s", depth, c.Subject)
		switch {
		case c.Decides:
			fmt.Fprintf(&b, "  <- entry %q gives the attributes", c.Entry)
		case c.Entry != "":
			fmt.Fprintf(&b, "  (entry %q, not used)", c.Entry)
		}
		b.WriteByte('\n')
	}
	for _, hint := range e.Result.Hints {
		fmt.Fprintf(&b, "  hint: %s\n", hint)
	}
	return b.String()
}
