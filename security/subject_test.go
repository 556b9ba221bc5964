package security

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

// der builds the DER of a name from TYPE OID, string tag and value triples;
// a "+" puts the next one into the same RDN.
func der(t testing.TB, parts ...any) []byte {
	t.Helper()
	var sequence []relativeNameSET
	join := false
	for i := 0; i < len(parts); i++ {
		if parts[i] == "+" {
			join = true
			continue
		}
		var oid asn1.ObjectIdentifier
		for arc := range strings.SplitSeq(parts[i].(string), ".") {
			n := 0
			for _, c := range arc {
				n = n*10 + int(c-'0')
			}
			oid = append(oid, n)
		}
		pair := relativeNameSET{{Type: oid, Value: asn1.RawValue{Tag: parts[i+1].(int), Bytes: []byte(parts[i+2].(string))}}}
		i += 2
		if join {
			sequence[len(sequence)-1] = append(sequence[len(sequence)-1], pair...)
			join = false
			continue
		}
		sequence = append(sequence, pair)
	}
	raw, err := asn1.Marshal(sequence)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The expected strings are what OpenSSL 3.0 prints for certificates with these
// names, save where a row says otherwise.
func TestSubjectPrintsAsOpenSSL(t *testing.T) {
	const (
		utf8String = asn1.TagUTF8String
		printable  = asn1.TagPrintableString
	)
	for name, tc := range map[string]struct {
		der  []byte
		want string
	}{
		"common name": {der(t, "2.5.4.3", utf8String, "thermostat"), "CN = thermostat"},
		"certificate order is kept": {
			der(t, "2.5.4.3", utf8String, "Contoso Root CA Cert", "2.5.4.11", utf8String, "Engineering", "2.5.4.6", printable, "US"),
			"CN = Contoso Root CA Cert, OU = Engineering, C = US",
		},
		"comma":          {der(t, "2.5.4.10", utf8String, "Contoso, Ltd."), `O = "Contoso, Ltd."`},
		"leading blank":  {der(t, "2.5.4.10", utf8String, " lead"), `O = " lead"`},
		"trailing blank": {der(t, "2.5.4.10", utf8String, "trail "), `O = "trail "`},
		"leading hash":   {der(t, "2.5.4.10", utf8String, "#hash"), `O = "#hash"`},
		"inner hash":     {der(t, "2.5.4.10", utf8String, "x#y"), `O = x#y`},
		"specials":       {der(t, "2.5.4.10", utf8String, "a=b;c<d>e"), `O = "a=b;c<d>e"`},
		"quote and backslash do not force quotes": {
			der(t, "2.5.4.10", utf8String, `Über "x" \ back`), `O = \C3\9Cber \"x\" \\ back`,
		},
		"control characters": {der(t, "2.5.4.3", utf8String, "a\nb\x01c"), `CN = a\0Ab\01c`},
		"multi-valued RDN": {
			der(t, "2.5.4.3", utf8String, "a", "+", "2.5.4.11", utf8String, "b", "2.5.4.6", printable, "US"),
			"CN = a + OU = b, C = US",
		},
		"short names": {
			der(t, "0.9.2342.19200300.100.1.25", asn1.TagIA5String, "dc", "0.9.2342.19200300.100.1.1", utf8String, "u",
				"2.5.4.5", printable, "12", "1.2.840.113549.1.9.1", asn1.TagIA5String, "x@y", "2.5.4.9", utf8String, "s",
				"2.5.4.42", utf8String, "g", "2.5.4.4", utf8String, "s"),
			"DC = dc, UID = u, serialNumber = 12, emailAddress = x@y, street = s, GN = g, SN = s",
		},
		"unregistered type": {der(t, "1.2.3.4.5", utf8String, "why"), "1.2.3.4.5 = why"},
		"BMPString":         {der(t, "2.5.4.3", asn1.TagBMPString, "\x00a\x20\xac"), `CN = a\E2\82\AC`},
		"UniversalString":   {der(t, "2.5.4.3", 28, "\x00\x00\x00a\x00\x01\xf6\x00"), `CN = a\F0\9F\98\80`},
		"T61String is Latin-1": {
			der(t, "2.5.4.3", asn1.TagT61String, "\xdcber"), `CN = \C3\9Cber`,
		},
		"not a string":                {der(t, "2.5.4.45", asn1.TagBitString, "\x00\xff"), "x500UniqueIdentifier = #030200FF"},
		"ill-formed UTF-8 is no text": {der(t, "2.5.4.3", utf8String, "\xff"), "CN = #0C01FF"},
		"lone surrogate is no text":   {der(t, "2.5.4.3", asn1.TagBMPString, "\xd8\x00"), "CN = #1E02D800"},
		"odd BMPString is no text":    {der(t, "2.5.4.3", asn1.TagBMPString, "a"), "CN = #1E0161"},
		"odd UniversalString":         {der(t, "2.5.4.3", 28, "abcde"), "CN = #1C056162636465"},
		"huge UniversalString":        {der(t, "2.5.4.3", 28, "\xff\xff\xff\xff"), "CN = #1C04FFFFFFFF"},
		// OpenSSL prints nothing at all, which could not be told from an oversight.
		"empty value": {der(t, "2.5.4.3", utf8String, ""), `CN = ""`},
	} {
		t.Run(name, func(t *testing.T) {
			subject, err := SubjectOf(tc.der)
			if err != nil {
				t.Fatal(err)
			}
			if got := subject.String(); got != tc.want {
				t.Fatalf("got  %s\nwant %s", got, tc.want)
			}
			parsed, err := ParseSubject(tc.want)
			if err != nil {
				t.Fatalf("ParseSubject: %v", err)
			}
			if !parsed.Equal(subject) {
				t.Fatalf("ParseSubject(%s) is another name", tc.want)
			}
		})
	}
}

func TestParseSubjectAcceptsOtherSpellings(t *testing.T) {
	for _, tc := range []struct{ spelling, want string }{
		{"CN=a,OU=b,C=US", "CN = a, OU = b, C = US"},
		{"  cn =a ,  ou= b,c  =  US  ", "CN = a, OU = b, C = US"},
		{"commonName = a, organizationalUnitName = b", "CN = a, OU = b"},
		{"2.5.4.3 = a", "CN = a"},
		{"E = x@y, S = WA, userId = u", "emailAddress = x@y, ST = WA, UID = u"},
		{`O = Contoso\, Ltd.`, `O = "Contoso, Ltd."`},
		{`O = "Contoso\, Ltd."`, `O = "Contoso, Ltd."`},
		{`O = \ lead, OU = trail\ `, `O = " lead", OU = "trail "`},
		{`O = \#hash`, `O = "#hash"`},
		{`O = a\3db`, "O = a=b"},
		{`O = \c3\9cber`, `O = \C3\9Cber`},
		{`O = Über`, `O = \C3\9Cber`},
		{`O = "a + b"`, `O = "a + b"`},
		{`O = " quoted "`, `O = " quoted "`},
		{"CN=a+OU=b", "CN = a + OU = b"},
		{"CN = a = b", "CN = a = b"},
		{"CN = #0C0161", "CN = a"}, // the DER of a UTF8String
		{`CN = ""`, `CN = ""`},
	} {
		got, err := ParseSubject(tc.spelling)
		if err != nil {
			t.Errorf("%s: %v", tc.spelling, err)
			continue
		}
		want, err := ParseSubject(tc.want)
		if err != nil {
			t.Fatalf("%s: %v", tc.want, err)
		}
		if !got.Equal(want) || got.String() != tc.want {
			t.Errorf("%s reads as %s, want %s", tc.spelling, got, tc.want)
		}
	}
}

func TestParseSubjectRefuses(t *testing.T) {
	for _, tc := range []struct {
		subject string
		offset  int
		problem string
	}{
		{"", 0, "expected TYPE = value"},
		{"heater", 0, "expected TYPE = value"},
		{"/CN=a/O=b", 0, "slash-separated"},
		{"CN = ", 5, "has no value"},
		{"CN = , O = b", 5, "has no value"},
		{"CN = a,", 7, "expected TYPE = value"},
		{"CN = a, O", 8, "expected TYPE = value"},
		{"XX = a", 0, `unknown attribute type "XX"`},
		{"= a", 0, `unknown attribute type ""`},
		{"2.5.x = a", 0, "unknown attribute type"},
		{`CN = "a`, 5, "never closed"},
		{`CN = "a" b`, 9, "expected ','"},
		{`CN = a "b"`, 7, "must be escaped"},
		{"CN = a; O = b", 6, "must be escaped"},
		{`CN = a\`, 6, "backslash"},
		{`CN = a\x`, 6, "backslash"},
		{`CN = "a\`, 7, "backslash"},
		{"CN = #abc", 5, "hexadecimal DER"},
		{"CN = #hash", 5, "hexadecimal DER"},
		{"CN = #0C01", 5, "not the DER"},
		{"CN = #0C016100", 5, "not the DER"},
		{"CN = #0C0161 x", 13, "expected ','"},
	} {
		_, err := ParseSubject(tc.subject)
		var se *SubjectError
		if !errors.As(err, &se) || se.Offset != tc.offset || !strings.Contains(se.Problem, tc.problem) {
			t.Errorf("%s: got %v, want offset %d and %q", tc.subject, err, tc.offset, tc.problem)
		}
	}
}

func TestSubjectOfRefusesWhatIsNotAName(t *testing.T) {
	name := der(t, "2.5.4.3", asn1.TagUTF8String, "a")
	for _, raw := range [][]byte{nil, {0x30}, {0x04, 0x00}, name[:len(name)-1], append(slices.Clone(name), 0), {0x30, 0x02, 0x31, 0x00}} {
		if s, err := SubjectOf(raw); err == nil {
			t.Errorf("%x decoded to %q", raw, s)
		}
	}
	if s, err := SubjectOf([]byte{0x30, 0x00}); err != nil || s.String() != "" {
		t.Errorf("the empty name: %q, %v", s, err)
	}
}

func TestSubjectsDiffer(t *testing.T) {
	subjects := []string{
		"CN = a", "CN = A", "cn = b", "CN = a, O = b", "O = b, CN = a", "CN = a + O = b",
		"CN = a, CN = a", "CN = a + CN = a", `CN = "a, O = b"`, `CN = "a "`, "CN = #0101FF", `CN = \01\01\FF`, "CN = aO",
	}
	for i, a := range subjects {
		for j, b := range subjects {
			sa, err := ParseSubject(a)
			if err != nil {
				t.Fatal(err)
			}
			sb, err := ParseSubject(b)
			if err != nil {
				t.Fatal(err)
			}
			if sa.Equal(sb) != (i == j) {
				t.Errorf("%s equals %s: %v", a, b, sa.Equal(sb))
			}
		}
	}
}

func TestMultiValuedRDNIsASet(t *testing.T) {
	a, _ := ParseSubject("CN = a + OU = b + O = c, C = US")
	b, _ := ParseSubject("O = c + CN = a + OU = b, C = US")
	if !a.Equal(b) || a.String() == b.String() {
		t.Errorf("%s and %s should be equal and print as they were written", a, b)
	}
}

// The package pkix loses the order of a name, which is why SubjectOf exists.
func TestSubjectOfReadsWhatPkixWrites(t *testing.T) {
	sequence := pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "name"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Zürich"}},
	}
	raw, err := asn1.Marshal(sequence)
	if err != nil {
		t.Fatal(err)
	}
	s, err := SubjectOf(raw)
	if err != nil || s.String() != `CN = name, O = Z\C3\BCrich` {
		t.Errorf("got %s, %v", s, err)
	}
}

func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{
		"CN = Contoso Root CA Cert, OU = Engineering, C = US", `O = "Contoso, Ltd." + 1.2.3 = \C3\9C`,
		`CN = \ a\ , O = #0C0161`, `CN = ""`, "CN = #030200FF", `CN = a"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSubject(text)
		if err != nil {
			return
		}
		again, err := ParseSubject(s.String())
		if err != nil || !again.Equal(s) || again.String() != s.String() {
			t.Fatalf("%q reads as %q, which reads as %q, %v", text, s, again, err)
		}
		if r := s.reversed().reversed(); !r.Equal(s) {
			t.Fatalf("%q reversed twice is %q", s, r)
		}
	})
}

func FuzzSubjectOf(f *testing.F) {
	f.Add(der(f, "2.5.4.3", asn1.TagUTF8String, "a", "+", "2.5.4.10", asn1.TagBMPString, "\x00b"))
	f.Add(der(f, "2.5.4.45", asn1.TagBitString, "\x00\xff"))
	raw, _ := hex.DecodeString("3000")
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := SubjectOf(raw)
		if err != nil || len(s.rdns) == 0 {
			return
		}
		again, err := ParseSubject(s.String())
		if err != nil || !again.Equal(s) {
			t.Fatalf("%x decodes to %q, which reads as %q, %v", raw, s, again, err)
		}
	})
}
