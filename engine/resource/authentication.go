package resource

import (
	"strings"
)

// Authentication methods, as the API spells them.
const (
	methodX509                = "X509"
	methodServiceAccountToken = "ServiceAccountToken"
	methodCustom              = "Custom"
	methodPasswordFile        = "PasswordFile" // ours; in the first preview usernamePassword
)

// useMethod is the remedy where none of them is written.
var useMethod = "use " + orList([]string{methodX509, methodServiceAccountToken, methodCustom, methodPasswordFile})

// What becomes of a connection whose credential expires.
const (
	expiryClose      = "Close"
	expiryDisconnect = "Disconnect"
)

// authentication is a BrokerAuthentication.
type authentication struct {
	object            *Object
	methods           []method
	listenerRefs      []string // first preview: the listeners it is for
	disconnectExpired bool
}

// methodSpelling is how a method and the key of its settings may be written,
// the current spelling first.
type methodSpelling struct {
	method   string
	aliases  []string
	settings []string
}

var methodSpellings = []methodSpelling{
	{methodX509, []string{"x509Credentials"}, []string{"x509Settings", "x509Credentials", "x509"}},
	{methodServiceAccountToken, []string{"sat"}, []string{"serviceAccountTokenSettings", "serviceAccountToken", "sat"}},
	{methodCustom, nil, []string{"customSettings", "custom"}},
	{methodPasswordFile, []string{"UsernamePassword"}, []string{"passwordFileSettings", "usernamePassword"}},
}

func decodeAuthentication(d *decoder, spec *node) *authentication {
	a := &authentication{object: d.object}
	onExpiry := expiryClose
	d.mapping(spec, "spec",
		required("authenticationMethods", func(n *node, path string) {
			if n.kind == sequenceNode && len(n.items) == 0 {
				d.fail(n, path, "", "is empty", "give at least one method, or remove the authenticationRef of the ports")
			}
			d.list(func(n *node, path string) { d.method(a, n, path) })(n, path)
		}),
		optional("onCredentialExpiry", d.enum(&onExpiry, expiryClose, expiryDisconnect)),
		optional("listenerRef", d.listenerRefs(&a.listenerRefs)),
		optional("provisioningState", d.anything),
	)
	a.disconnectExpired = onExpiry == expiryDisconnect
	return a
}

// listenerRefs reads the link of the first preview, a name or a list of names.
func (d *decoder) listenerRefs(to *[]string) reader {
	return func(n *node, path string) {
		if n.kind == stringNode {
			*to = append(*to, n.text)
			return
		}
		d.strs(to)(n, path)
	}
}

// method reads one element of authenticationMethods: a method and the settings
// that belong to it. In the first preview the key of the settings stood for
// the method.
func (d *decoder) method(a *authentication, n *node, path string) {
	var written string
	settings := make(map[string]pair) // by method
	fields := []field{optional("method", d.str(&written))}
	for _, s := range methodSpellings {
		fields = append(fields, optional(strings.Join(s.settings, "|"), func(n *node, path string) {
			settings[s.method] = pair{path, n}
		}))
	}
	const removed = "svid"
	fields = append(fields, optional(removed, func(n *node, path string) {
		d.notSupported(n, path, "", "use an X509 method")
		settings[removed] = pair{path, n}
	}))
	d.mapping(n, path, fields...)

	method := d.methodName(n, path, written, settings)
	for other, s := range settings {
		if method != "" && other != method {
			d.fail(s.value, s.key, "", "does not belong to method "+method, "an element has one method and its settings: make it an element of its own")
		}
	}
	s, ok := settings[method]
	if method != "" && !ok {
		d.fail(n, join(path, spellingOf(method).settings[0]), "", "is missing", "method "+method+" needs its settings")
	}
	if !ok {
		return
	}
	switch method {
	case methodX509:
		a.methods = append(a.methods, d.x509(s.value, s.key))
	case methodPasswordFile:
		a.methods = append(a.methods, d.passwordFile(s.value, s.key))
	case methodServiceAccountToken:
		a.methods = append(a.methods, d.serviceAccountToken(s.value, s.key))
	case methodCustom:
		a.methods = append(a.methods, d.custom(s.value, s.key))
	}
}

// methodName returns the method in the API's spelling, or "".
func (d *decoder) methodName(n *node, path, written string, settings map[string]pair) string {
	if written == "" {
		if n.get("method") != nil || n.kind != mappingNode {
			return ""
		}
		if len(settings) != 1 {
			d.fail(n, join(path, "method"), "", "is missing", useMethod)
			return ""
		}
		for method := range settings {
			if spellingOf(method) != nil {
				return method
			}
		}
		return ""
	}
	for _, s := range methodSpellings {
		for _, alias := range append([]string{s.method}, s.aliases...) {
			if strings.EqualFold(written, alias) {
				return s.method
			}
		}
	}
	d.fail(n.get("method"), join(path, "method"), written, "is not an authentication method", useMethod)
	return ""
}

func spellingOf(method string) *methodSpelling {
	for i := range methodSpellings {
		if methodSpellings[i].method == method {
			return &methodSpellings[i]
		}
	}
	return nil
}
