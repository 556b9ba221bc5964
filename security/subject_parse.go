package security

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// ParseSubject reads a distinguished name in the form OpenSSL prints it, such
// as CN = Contoso Root CA Cert, OU = Engineering, C = US. Types may be short
// names, long names or dotted OIDs in any letter case, and blanks around '=',
// ',' and '+' do not count. A value may be quoted, and backslash escapes a
// special character or precedes two hexadecimal digits. Values keep their
// letter case, and parts keep their order.
//
// The error says at which byte of s it failed and how to write it.
func ParseSubject(s string) (Subject, error) {
	p := subjectParser{rest: s, whole: s}
	var rdns []rdn
	for {
		var r rdn
		for {
			nv, err := p.pair()
			if err != nil {
				return Subject{}, err
			}
			r = append(r, nv)
			if !p.skip('+') {
				break
			}
		}
		rdns = append(rdns, r)
		if p.rest == "" {
			return newSubject(rdns), nil
		}
		if !p.skip(',') {
			return Subject{}, p.errorf("expected ',' or '+' after a value, found %q", p.rest[:1])
		}
	}
}

// subjectParser walks over a name once, from left to right.
type subjectParser struct{ rest, whole string }

// SubjectError says where a distinguished name could not be read, and why.
type SubjectError struct {
	Offset  int // bytes from the beginning of the name
	Problem string
}

// Error implements error.
func (e *SubjectError) Error() string {
	return fmt.Sprintf("at byte %d: %s", e.Offset, e.Problem)
}

func (p *subjectParser) errorf(format string, args ...any) error {
	return &SubjectError{len(p.whole) - len(p.rest), fmt.Sprintf(format, args...)}
}

func (p *subjectParser) blanks() { p.rest = strings.TrimLeft(p.rest, " ") }

// skip steps over c with the blanks before it, if c is next.
func (p *subjectParser) skip(c byte) bool {
	p.blanks()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// pair reads TYPE = value.
func (p *subjectParser) pair() (nameValue, error) {
	p.blanks()
	if strings.HasPrefix(p.rest, "/") {
		return nameValue{}, p.errorf("this is the slash-separated form; write CN = name, O = organization")
	}
	end := strings.IndexAny(p.rest, "=,+")
	if end < 0 || p.rest[end] != '=' {
		return nameValue{}, p.errorf("expected TYPE = value, such as CN = name")
	}
	name := strings.TrimRight(p.rest[:end], " ")
	oid, ok := typeOID(name)
	if !ok {
		return nameValue{}, p.errorf("unknown attribute type %q; write a short name such as CN, O or OU, or a dotted OID", name)
	}
	p.rest = p.rest[end+1:]
	p.blanks()

	nv := nameValue{oid: oid}
	var err error
	switch {
	case p.rest == "" || p.rest[0] == ',' || p.rest[0] == '+':
		return nameValue{}, p.errorf(`%s has no value; if it is empty on purpose, write ""`, name)
	case p.rest[0] == '#':
		return p.derValue(oid)
	case p.rest[0] == '"':
		nv.value, err = p.quotedValue()
	default:
		nv.value, err = p.plainValue()
	}
	return nv, err
}

// plainValue reads up to the next ',' or '+'. Blanks at its end are not part
// of the value unless they are escaped.
func (p *subjectParser) plainValue() (string, error) {
	var value []byte
	kept := 0 // length of value without the unescaped blanks at its end
	for p.rest != "" {
		switch c := p.rest[0]; c {
		case ',', '+':
			return string(value[:kept]), nil
		case '"', ';', '<', '>':
			return "", p.errorf("%q in a value must be escaped with a backslash, or the value quoted", c)
		case '\\':
			c, err := p.escape()
			if err != nil {
				return "", err
			}
			value = append(value, c)
			kept = len(value)
		default:
			value = append(value, c)
			if c != ' ' {
				kept = len(value)
			}
			p.rest = p.rest[1:]
		}
	}
	return string(value[:kept]), nil
}

func (p *subjectParser) quotedValue() (string, error) {
	opening := *p
	p.rest = p.rest[1:]
	var value []byte
	for p.rest != "" {
		switch c := p.rest[0]; c {
		case '"':
			p.rest = p.rest[1:]
			p.blanks()
			return string(value), nil
		case '\\':
			c, err := p.escape()
			if err != nil {
				return "", err
			}
			value = append(value, c)
		default:
			value = append(value, c)
			p.rest = p.rest[1:]
		}
	}
	return "", opening.errorf("this quote is never closed")
}

// escape reads a backslash and what it stands for.
func (p *subjectParser) escape() (byte, error) {
	if len(p.rest) >= 2 && strings.IndexByte(`,+"\<>;#= `, p.rest[1]) >= 0 {
		c := p.rest[1]
		p.rest = p.rest[2:]
		return c, nil
	}
	if len(p.rest) >= 3 {
		if b, err := hex.DecodeString(p.rest[1:3]); err == nil {
			p.rest = p.rest[3:]
			return b[0], nil
		}
	}
	return 0, p.errorf(`a backslash must precede a special character or two hexadecimal digits; write \\ for a backslash`)
}

// derValue reads '#' and the hexadecimal DER of a value.
func (p *subjectParser) derValue(oid string) (nameValue, error) {
	end := strings.IndexAny(p.rest, ",+ ")
	if end < 0 {
		end = len(p.rest)
	}
	der, err := hex.DecodeString(p.rest[1:end])
	if err != nil {
		return nameValue{}, p.errorf(`a value that begins with '#' is hexadecimal DER; for the character itself write \#`)
	}
	nv, err := decodeValue(oid, der)
	if err != nil {
		return nameValue{}, p.errorf("the hexadecimal digits are not the DER of one value")
	}
	p.rest = p.rest[end:]
	p.blanks()
	return nv, nil
}
