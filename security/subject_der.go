package security

import (
	"encoding/asn1"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// relativeNameSET is an RDN as ASN.1 has it; the package asn1 takes the name of
// the type as the sign that it is a SET.
//
// pkix.RDNSequence is not used because it loses what it cannot turn into a
// string, and pkix.Name because it loses the order of the parts.
type relativeNameSET []struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// SubjectOf decodes the DER of a distinguished name, such as RawSubject of an
// a [crypto/x509.Certificate]. It copies what it needs of rawSubject.
func SubjectOf(rawSubject []byte) (Subject, error) {
	var sequence []relativeNameSET
	rest, err := asn1.Unmarshal(rawSubject, &sequence)
	if err != nil {
		return Subject{}, err
	}
	if len(rest) > 0 {
		return Subject{}, errTrailingDER
	}
	rdns := make([]rdn, len(sequence))
	for i, set := range sequence {
		if len(set) == 0 {
			return Subject{}, errEmptyRDN
		}
		for _, pair := range set {
			nv, err := decodeValue(pair.Type.String(), pair.Value.FullBytes)
			if err != nil {
				return Subject{}, err
			}
			rdns[i] = append(rdns[i], nv)
		}
	}
	return newSubject(rdns), nil
}

var (
	errTrailingDER = errors.New("bytes after the end of the DER value")
	errEmptyRDN    = errors.New("a relative distinguished name without an attribute")
)

// decodeValue turns the DER of one value into text if it is text.
func decodeValue(oid string, der []byte) (nameValue, error) {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(der, &raw)
	if err != nil {
		return nameValue{}, err
	}
	if len(rest) > 0 {
		return nameValue{}, errTrailingDER
	}
	if text, ok := decodeText(raw); ok {
		return nameValue{oid: oid, value: text}, nil
	}
	return nameValue{oid: oid, value: string(der), der: true}, nil
}

// decodeText returns the text of an ASN.1 string in UTF-8. A string that is
// ill-formed is not text: replacing what is wrong with U+FFFD would make
// different names equal.
func decodeText(raw asn1.RawValue) (string, bool) {
	if raw.Class != asn1.ClassUniversal || raw.IsCompound {
		return "", false
	}
	const tagUniversalString = 28
	b := raw.Bytes
	switch raw.Tag {
	case asn1.TagUTF8String:
		return string(b), utf8.Valid(b)
	case asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString, asn1.TagT61String:
		// One byte a character. T.61 proper is used by nobody: what carries
		// its tag is Latin-1, and that is how OpenSSL prints all four.
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		if len(b)%2 != 0 {
			return "", false
		}
		var text []byte
		for i := 0; i < len(b); i += 2 {
			r := rune(b[i])<<8 | rune(b[i+1])
			if utf16.IsSurrogate(r) {
				return "", false
			}
			text = utf8.AppendRune(text, r)
		}
		return string(text), true
	case tagUniversalString:
		if len(b)%4 != 0 {
			return "", false
		}
		var text []byte
		for i := 0; i < len(b); i += 4 {
			r := rune(b[i])<<24 | rune(b[i+1])<<16 | rune(b[i+2])<<8 | rune(b[i+3])
			if !utf8.ValidRune(r) {
				return "", false
			}
			text = utf8.AppendRune(text, r)
		}
		return string(text), true
	}
	return "", false
}
