package resource

// A portal and a command line take parts of a resource as JSON: the inside of
// x509Settings, the array of rules, the properties of a resource. What they
// are is told by their shape, and their name by the file.

// x509Fields, rulesFields and specFields tell the shapes apart. One that is
// there is enough: a misspelled field beside it shall be told, not guessed.
var (
	x509Fields = []string{"trustedClientCaCert", "trustedClientCaCertConfigMap", "authorizationAttributes", "additionalValidation"}
	ruleFields = []string{"principals", "brokerResources", "stateStoreResources"}
	specFields = []struct {
		kind  Kind
		names []string
	}{
		{KindBrokerAuthentication, []string{"authenticationMethods"}},
		{KindBrokerAuthorization, []string{"authorizationPolicies"}},
		{KindBrokerListener, []string{"ports", "serviceType"}},
		{KindBroker, []string{"memoryProfile", "advanced", "cardinality", "diagnostics", "diskBackedMessageBuffer", "generateResourceLimits"}},
	}
)

func (n *node) hasAny(names []string) bool {
	for _, name := range names {
		if n.get(name) != nil {
			return true
		}
	}
	return false
}

// wrapFragment makes an object of a fragment, if n is one.
func wrapFragment(n *node, name string) (*node, bool) {
	wrap := func(kind Kind, spec *node) (*node, bool) {
		object := newObjectNode(kind, name, "", pair{"spec", spec})
		object.line = n.line
		return object, true
	}
	switch n.kind {
	case sequenceNode:
		for _, item := range n.items {
			if !item.hasAny(ruleFields) {
				return nil, false
			}
		}
		if len(n.items) == 0 {
			return nil, false
		}
		return wrap(KindBrokerAuthorization, policiesOf(mappingOf(pair{"rules", n}), n.line))
	case mappingNode:
		if properties := n.get("properties"); properties != nil && n.get("metadata") == nil {
			if own := n.textOf("name"); own != "" {
				name = own
			}
			return wrapFragment(properties, name)
		}
		if n.hasAny(x509Fields) {
			method := mappingOf(pair{"method", textNode(methodX509)}, pair{"x509Settings", n})
			methods := &node{line: n.line, kind: sequenceNode, items: []*node{method}}
			return wrap(KindBrokerAuthentication, mappingOf(pair{"authenticationMethods", methods}))
		}
		for _, s := range specFields {
			if n.hasAny(s.names) {
				return wrap(s.kind, n)
			}
		}
		if n.get("rules") != nil {
			return wrap(KindBrokerAuthorization, policiesOf(n, n.line))
		}
	}
	return nil, false
}

func policiesOf(policies *node, line int) *node {
	policies.line = line
	return mappingOf(pair{"authorizationPolicies", policies})
}
