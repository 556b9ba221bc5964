package resource

import (
	"strings"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
)

// rulesPath is where the rules of a BrokerAuthorization are.
const rulesPath = "spec.authorizationPolicies.rules"

// authorization is a BrokerAuthorization.
type authorization struct {
	object         *Object
	node           *node // authorizationPolicies
	policy         security.Policy
	onPolicyChange engine.PolicyChange
	listenerRefs   []string // first preview: the listeners it is for
}

func decodeAuthorization(d *decoder, spec *node) *authorization {
	a := &authorization{object: d.object}
	d.mapping(spec, "spec",
		required("authorizationPolicies", func(n *node, path string) {
			a.node = n
			d.policies(a, n, path)
		}),
		optional("listenerRef", d.listenerRefs(&a.listenerRefs)),
		optional("provisioningState", d.anything),
	)
	return a
}

func (d *decoder) policies(a *authorization, n *node, path string) {
	cache, enableCache, change := "Enabled", true, engine.Reevaluate.String()
	d.mapping(n, path,
		optional("rules", d.list(func(n *node, path string) {
			a.policy.Rules = append(a.policy.Rules, d.rule(n, path))
		})),
		optional("cache", d.operationalMode(&cache)),
		optional("enableCache", d.boolean(&enableCache)),
		optional("onPolicyChange", d.enum(&change, engine.Reevaluate.String(), engine.Disconnect.String())),
	)
	if cache != "Enabled" || !enableCache {
		d.warn(n, path, "", "cache is off: accepted, has no effect in this version", "decisions come from a compiled table either way")
	}
	if change == engine.Disconnect.String() {
		a.onPolicyChange = engine.Disconnect
	}
}

func (d *decoder) rule(n *node, path string) security.Rule {
	var r security.Rule
	d.mapping(n, path,
		required("principals", func(n *node, path string) {
			d.mapping(n, path,
				optional("attributes", d.list(func(n *node, path string) {
					var m map[string]string
					d.stringMap(&m)(n, path)
					r.Principals.Attributes = append(r.Principals.Attributes, m)
				})),
				optional("clientIds|clientids", d.strs(&r.Principals.ClientIDs)),
				optional("usernames", d.strs(&r.Principals.Usernames)),
			)
		}),
		required("brokerResources", d.list(func(n *node, path string) {
			var b security.BrokerResource
			d.mapping(n, path,
				required("method", func(n *node, path string) {
					var method string
					d.enum(&method, "Connect", "Publish", "Subscribe")(n, path)
					b.Method, _ = security.ParseAction(method) // unknown ones are refused already
				}),
				optional("clientIds|clientids", d.strs(&b.ClientIDs)),
				optional("topics", d.strs(&b.Topics)),
			)
			r.BrokerResources = append(r.BrokerResources, b)
		})),
		optional("stateStoreResources", d.withoutEffect(d.list(d.stateStoreResource))),
	)
	return r
}

// stateStoreResource checks an element that there is no state store for yet.
func (d *decoder) stateStoreResource(n *node, path string) {
	keyType := "Pattern"
	var ignored string
	var keys []string
	d.mapping(n, path,
		required("method", d.enum(&ignored, "Read", "Write", "ReadWrite")),
		optional("keyType", d.enum(&keyType, "Pattern", "String", "Binary")),
		required("keys", d.strs(&keys)),
	)
	at := n.get("keys")
	if at == nil || at.kind != sequenceNode {
		return
	}
	if len(keys) == 0 {
		d.fail(at, join(path, "keys"), "", "is empty", "name at least one key")
	}
	for _, key := range keys {
		if keyType == "Binary" && !isBase64(key) {
			d.fail(at, join(path, "keys"), key, "is not base64, as keyType Binary has it", "")
		}
		if keyType == "Pattern" && strings.Count(key, "{") != strings.Count(key, "}") {
			d.fail(at, join(path, "keys"), key, "has a brace that is not part of a token", "use keyType String for a key with braces")
		}
	}
}
