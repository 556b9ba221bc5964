package revocation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/weirmq/weir/security"
)

// DenyList is certificates and tokens that an operator has taken back. In the
// text of one, each line is one of
//
//	serial HEX             every certificate with this serial number
//	serial HEX SUBJECT     the one that the CA with this subject has issued
//	fingerprint HEX        the certificate with this SHA-256 over its DER
//	cn NAME                every certificate with this CN, a CA's included, and
//	                       then all that the CA has issued
//	jti ID                 the token with this ID
//
// Lines that are empty or begin with # are passed over. Hexadecimal digits may
// have colons between them and 0x before them, and a subject is written as
// [security.ParseSubject] reads it.
type DenyList struct {
	Source string // where it came from, for messages

	serials      map[string][]security.Subject // by their bytes; of which CAs, nil: of all
	fingerprints map[[sha256.Size]byte]bool
	names        map[string]bool
	tokens       map[string]bool
}

const (
	maxLine     = 4096 // bytes
	maxProblems = 20   // in one list, told at once
)

// ParseDenyList returns the deny list that text holds. The error joins one
// [*Error] for each line that is wrong, up to 20.
func ParseDenyList(source string, text []byte) (*DenyList, error) {
	d := &DenyList{
		Source:       source,
		serials:      make(map[string][]security.Subject),
		fingerprints: make(map[[sha256.Size]byte]bool),
		names:        make(map[string]bool),
		tokens:       make(map[string]bool),
	}
	var errs []error
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if e := d.add(line); e != nil {
			e.Source, e.Line = source, number
			if errs = append(errs, e); len(errs) == maxProblems {
				break
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return d, nil
}

// add takes one line.
func (d *DenyList) add(line []byte) *Error {
	const kinds = "write serial HEX, fingerprint HEX, cn NAME or jti ID"
	switch {
	case len(line) > maxLine:
		return &Error{Problem: "is longer than 4096 bytes", Remedy: kinds}
	case !utf8.Valid(line):
		return &Error{Problem: "is not UTF-8", Remedy: kinds}
	}
	kind, value, _ := strings.Cut(string(line), " ")
	value = strings.TrimSpace(value)
	if value == "" {
		return &Error{Value: kind, Problem: "is a word alone", Remedy: kinds}
	}
	switch kind {
	case "serial":
		digits, issuer, _ := strings.Cut(value, " ")
		return d.addSerial(digits, strings.TrimSpace(issuer))
	case "fingerprint":
		sum, err := parseHex(value)
		if err != nil || len(sum) != sha256.Size {
			return &Error{Value: value, Problem: "is not a SHA-256 fingerprint", Remedy: "write 64 hexadecimal digits, as openssl x509 -noout -fingerprint -sha256 prints them"}
		}
		d.fingerprints[[sha256.Size]byte(sum)] = true
	case "cn":
		d.names[value] = true
	case "jti":
		d.tokens[value] = true
	default:
		return &Error{Value: kind, Problem: "is no kind of entry", Remedy: kinds}
	}
	return nil
}

func (d *DenyList) addSerial(digits, issuer string) *Error {
	serial, err := parseHex(digits)
	if err != nil {
		return &Error{Value: digits, Problem: "is not a serial number", Remedy: "write hexadecimal digits, as openssl x509 -noout -serial prints them"}
	}
	key := string(new(big.Int).SetBytes(serial).Bytes())
	of, known := d.serials[key]
	switch {
	case issuer == "":
		d.serials[key] = nil
		return nil
	case known && of == nil:
		return nil // of all CAs it is already
	}
	subject, err := security.ParseSubject(issuer)
	if err != nil {
		return &Error{Value: issuer, Problem: "is not the subject of a CA: " + err.Error(), Remedy: "write it as openssl x509 -noout -subject prints it, such as CN = name"}
	}
	d.serials[key] = append(of, subject)
	return nil
}

// parseHex reads hexadecimal digits, of which there may be an odd number.
func parseHex(s string) ([]byte, error) {
	s = strings.TrimPrefix(strings.ToLower(s), "0x")
	s = strings.ReplaceAll(s, ":", "")
	if s == "" {
		return nil, hex.ErrLength
	}
	if len(s)%2 == 1 {
		s = "0" + s
	}
	return hex.DecodeString(s)
}

// Len returns the number of entries.
func (d *DenyList) Len() int {
	return len(d.serials) + len(d.fingerprints) + len(d.names) + len(d.tokens)
}

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// denies returns by which kind of entry a certificate is denied, or "".
func (d *DenyList) denies(cert *x509.Certificate) string {
	if len(d.serials) > 0 {
		if of, ok := d.serials[string(cert.SerialNumber.Bytes())]; ok && (of == nil || issuedByOneOf(cert, of)) {
			return "serial"
		}
	}
	if len(d.fingerprints) > 0 && d.fingerprints[sha256.Sum256(cert.Raw)] {
		return "fingerprint"
	}
	if len(d.names) > 0 {
		for _, name := range cert.Subject.Names {
			if text, ok := name.Value.(string); ok && name.Type.Equal(oidCommonName) && d.names[text] {
				return "cn"
			}
		}
	}
	return ""
}

// issuedByOneOf reports whether the issuer of a certificate is among subjects.
// An issuer whose name cannot be read might be.
func issuedByOneOf(cert *x509.Certificate, subjects []security.Subject) bool {
	issuer, err := security.SubjectOf(cert.RawIssuer)
	if err != nil {
		return true
	}
	for _, s := range subjects {
		if s.Equal(issuer) {
			return true
		}
	}
	return false
}
