package security

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"math"
	"time"
)

// subjectEntry is an [X509Entry] ready for use.
type subjectEntry struct {
	name       string
	subject    Subject
	attributes Attributes
}

// walk is one verified chain, gone through from the leaf to the CA until an
// entry matched.
type walk struct {
	chain    []*x509.Certificate
	subjects []Subject // of every certificate of the chain
	entry    int       // index of the entry that matched, -1 for none
	depth    int       // of the certificate that matched; math.MaxInt for none
	expiry   time.Time // the earliest NotAfter of the chain
}

func (x *X509) walk(chain []*x509.Certificate) (walk, error) {
	w := walk{chain: chain, entry: -1, depth: math.MaxInt}
	for depth, cert := range chain {
		subject, err := SubjectOf(cert.RawSubject)
		if err != nil {
			return walk{}, err
		}
		w.subjects = append(w.subjects, subject)
		if depth == 0 || cert.NotAfter.Before(w.expiry) {
			w.expiry = cert.NotAfter
		}
		if i, ok := x.bySubject[subject.key]; ok && w.entry < 0 {
			w.entry, w.depth = i, depth
		}
	}
	return w, nil
}

// compare orders the chains for the same leaf, of which there are several when
// CAs are cross-signed or when an intermediate is trusted beside its root. The
// match nearest to the leaf comes first, and then the chain that holds longest,
// so that the order in which the verifier found them does not matter.
func (w walk) compare(o walk) int {
	return cmp.Or(cmp.Compare(w.depth, o.depth), o.expiry.Compare(w.expiry))
}

func (w walk) result(entries []subjectEntry) Result {
	r := Result{Method: MethodX509, Expiry: w.expiry}
	if names := w.subjects[0].commonNames(); len(names) > 0 {
		r.Username = names[len(names)-1]
	}
	if w.entry >= 0 {
		e := entries[w.entry]
		r.Attributes, r.Entry, r.EntryDepth = e.attributes, e.name, w.depth
	}
	return r
}

// hints says what looks like a mistake in the certificates or the entries.
func (w walk) hints(x *X509) []string {
	var hints []string
	switch names := w.subjects[0].commonNames(); {
	case len(names) == 0:
		hints = append(hints, fmt.Sprintf("the leaf %q has no CN, so there is no username", w.subjects[0]))
	case len(names) > 1:
		hints = append(hints, fmt.Sprintf("the leaf %q has %d CNs, of which the last is the username", w.subjects[0], len(names)))
	}
	for depth, subject := range w.subjects {
		if depth >= w.depth {
			break // an entry that would match further up is not asked
		}
		if i, ok := x.byReverse[subject.key]; ok {
			hints = append(hints, fmt.Sprintf("entry %q has its subject in reverse order; the certificate has %q", x.entries[i].name, subject))
		}
	}
	return hints
}
