package resource

import "strings"

// Bounds on names, as Kubernetes and the API of the kinds set them.
const (
	maxSubdomainLength = 253
	maxLabelLength     = 63
	minResourceLength  = 3
)

// isLabel reports whether s is a label in the sense of RFC 1123: lower-case
// letters, digits and hyphens, with neither end a hyphen.
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabelLength || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// isSubdomain reports whether s is labels joined by dots. Such a name is a safe
// file name too.
func isSubdomain(s string) bool {
	if len(s) > maxSubdomainLength {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// isKey reports whether s may be a key of a Secret or ConfigMap. Kubernetes
// makes a file name of it, and so does this package.
func isKey(s string) bool {
	if s == "" || len(s) > maxSubdomainLength || strings.HasPrefix(s, "..") || s == "." {
		return false
	}
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// nameProblem returns what is wrong with the name of an object, or "".
func nameProblem(kind Kind, name string) string {
	if kind.info().group != "" {
		if !isLabel(name) || len(name) < minResourceLength {
			return "is not a name: 3 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"
		}
		return ""
	}
	if !isSubdomain(name) {
		return "is not a name: lower-case letters, digits and hyphens, in labels joined by dots"
	}
	return ""
}

// referenceProblem is nameProblem for a field that names an object.
func referenceProblem(kind Kind) func(string) string {
	return func(name string) string { return nameProblem(kind, name) }
}

// caNameProblem returns what is wrong with the name of a ConfigMap that holds
// CA certificates. In a cluster it becomes the name of a volume, which has no
// dots; accepted here, it would fail there without a word.
func caNameProblem(name string) string {
	if !isLabel(name) {
		return "cannot name a ConfigMap of CA certificates: lower-case letters, digits and hyphens, no dots"
	}
	return ""
}
