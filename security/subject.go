package security

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Subject is the distinguished name of a certificate, in the order in which
// the certificate has it. It is immutable. The zero value is the empty name.
type Subject struct {
	rdns []rdn
	key  string // see Key
}

// rdn is one relative distinguished name: nearly always a single pair. The
// pairs are a set, but keep the order they were read in for printing.
type rdn []nameValue

// nameValue is one type and value of a name.
type nameValue struct {
	oid   string // dotted
	value string // the text in UTF-8; or DER, see der
	der   bool   // value is the DER of something that is not text
}

func newSubject(rdns []rdn) Subject {
	var key strings.Builder
	for _, r := range rdns {
		// Lengths and counts go first, so that no two names can run together
		// into one key, whatever bytes their values hold.
		key.WriteString(strconv.Itoa(len(r)) + ";")
		for _, nv := range slices.SortedFunc(slices.Values(r), nameValue.compare) {
			form := "="
			if nv.der {
				form = "#"
			}
			key.WriteString(nv.oid + form + strconv.Itoa(len(nv.value)) + ":" + nv.value)
		}
	}
	return Subject{rdns, key.String()}
}

func (a nameValue) compare(b nameValue) int {
	return cmp.Or(strings.Compare(a.oid, b.oid), strings.Compare(a.value, b.value))
}

// Equal reports whether s and o are the same name: the same parts in the same
// order, whatever the spelling of their types, with values equal byte for
// byte. The pairs inside one multi-valued part may come in any order.
func (s Subject) Equal(o Subject) bool { return s.key == o.key }

// Key returns what is the same for equal Subjects and for no others, as the key
// of a map. It is not for people.
func (s Subject) Key() string { return s.key }

// reversed returns s from back to front: RFC 4514 and OpenSSL print names in
// opposite directions, so that is how a subject copied from the wrong tool
// looks.
func (s Subject) reversed() Subject {
	rdns := slices.Clone(s.rdns)
	slices.Reverse(rdns)
	return newSubject(rdns)
}

// commonNames returns the textual CN values in order.
func (s Subject) commonNames() []string {
	var names []string
	for _, r := range s.rdns {
		for _, nv := range r {
			if nv.oid == oidCommonName && !nv.der {
				names = append(names, nv.value)
			}
		}
	}
	return names
}

// String returns s as "openssl x509 -noout -subject" prints it, such as
// CN = Root, O = "Contoso, Ltd.", C = US. [ParseSubject] reads it back.
func (s Subject) String() string {
	var b strings.Builder
	for i, r := range s.rdns {
		if i > 0 {
			b.WriteString(", ")
		}
		for j, nv := range r {
			if j > 0 {
				b.WriteString(" + ")
			}
			b.WriteString(typeName(nv.oid) + " = ")
			nv.appendValue(&b)
		}
	}
	return b.String()
}

func (a nameValue) appendValue(b *strings.Builder) {
	if a.der {
		b.WriteString("#" + strings.ToUpper(hex.EncodeToString([]byte(a.value))))
		return
	}
	v := a.value
	quote := v == "" || strings.ContainsAny(v, ",+<>;") ||
		v[0] == ' ' || v[0] == '#' || v[len(v)-1] == ' '
	if quote {
		b.WriteByte('"')
	}
	for i := range len(v) {
		switch c := v[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7F:
			b.WriteString(`\` + strings.ToUpper(hex.EncodeToString([]byte{c})))
		default:
			b.WriteByte(c)
		}
	}
	if quote {
		b.WriteByte('"')
	}
}
