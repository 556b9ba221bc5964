package security

import (
	"crypto/x509"
	"strings"
)

const oidCommonName = "2.5.4.3"

// subjectTypes are the attribute types that names are made of: the short name
// OpenSSL prints first, then what other tools and standards call it.
var subjectTypes = []struct {
	oid   string
	names []string
}{
	{oidCommonName, []string{"CN", "commonName"}},
	{"2.5.4.4", []string{"SN", "surname"}},
	{"2.5.4.5", []string{"serialNumber"}},
	{"2.5.4.6", []string{"C", "countryName"}},
	{"2.5.4.7", []string{"L", "localityName"}},
	{"2.5.4.8", []string{"ST", "S", "stateOrProvinceName"}},
	{"2.5.4.9", []string{"street", "streetAddress"}},
	{"2.5.4.10", []string{"O", "organizationName"}},
	{"2.5.4.11", []string{"OU", "organizationalUnitName"}},
	{"2.5.4.12", []string{"title"}},
	{"2.5.4.13", []string{"description"}},
	{"2.5.4.15", []string{"businessCategory"}},
	{"2.5.4.16", []string{"postalAddress"}},
	{"2.5.4.17", []string{"postalCode"}},
	{"2.5.4.20", []string{"telephoneNumber"}},
	{"2.5.4.41", []string{"name"}},
	{"2.5.4.42", []string{"GN", "G", "givenName"}},
	{"2.5.4.43", []string{"initials"}},
	{"2.5.4.44", []string{"generationQualifier"}},
	{"2.5.4.45", []string{"x500UniqueIdentifier"}},
	{"2.5.4.46", []string{"dnQualifier"}},
	{"2.5.4.65", []string{"pseudonym"}},
	{"2.5.4.97", []string{"organizationIdentifier"}},
	{"0.9.2342.19200300.100.1.1", []string{"UID", "userId"}},
	{"0.9.2342.19200300.100.1.25", []string{"DC", "domainComponent"}},
	{"1.2.840.113549.1.9.1", []string{"emailAddress", "E", "email"}},
	{"1.2.840.113549.1.9.2", []string{"unstructuredName"}},
	{"1.2.840.113549.1.9.8", []string{"unstructuredAddress"}},
	{"1.3.6.1.4.1.311.60.2.1.1", []string{"jurisdictionL", "jurisdictionLocalityName"}},
	{"1.3.6.1.4.1.311.60.2.1.2", []string{"jurisdictionST", "jurisdictionStateOrProvinceName"}},
	{"1.3.6.1.4.1.311.60.2.1.3", []string{"jurisdictionC", "jurisdictionCountryName"}},
}

var (
	typeNameByOID  = map[string]string{}
	oidByLowerName = map[string]string{}
)

func init() {
	for _, t := range subjectTypes {
		typeNameByOID[t.oid] = t.names[0]
		for _, name := range t.names {
			oidByLowerName[strings.ToLower(name)] = t.oid
		}
	}
}

// typeName returns the short name of an attribute type, or the dotted OID when
// it has none.
func typeName(oid string) string {
	if name, ok := typeNameByOID[oid]; ok {
		return name
	}
	return oid
}

// typeOID is the inverse of typeName for every name, alias and dotted OID.
func typeOID(name string) (oid string, ok bool) {
	if oid, ok := oidByLowerName[strings.ToLower(name)]; ok {
		return oid, true
	}
	parsed, err := x509.ParseOID(name)
	if err != nil {
		return "", false
	}
	return parsed.String(), true
}
