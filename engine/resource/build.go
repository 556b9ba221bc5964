package resource

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirmq/weir/security"
)

// builder turns objects into what the engine serves.
type builder struct {
	prev     *Snapshot
	catalog  *catalog
	snapshot *Snapshot
	problems Problems
}

func (b *builder) build() {
	b.broker()
	for _, a := range all[authentication](b.catalog, KindBrokerAuthentication) {
		if built := b.authentication(a); built != nil {
			b.snapshot.authentications[a.object.Name] = built
		}
	}
	for _, a := range all[authorization](b.catalog, KindBrokerAuthorization) {
		if built := b.authorization(a); built != nil {
			b.snapshot.authorizations[a.object.Name] = built
		}
	}
	for _, l := range all[listener](b.catalog, KindBrokerListener) {
		for i := range l.ports {
			b.snapshot.ports = append(b.snapshot.ports, b.port(l, &l.ports[i]))
		}
	}
	b.separatePorts()
	b.warnOfServiceTypes()
}

// decoder notes problems of an object that its context shows.
func (b *builder) decoder(o *Object) *decoder {
	return &decoder{object: o, problems: &b.problems, stale: b.catalog.objects[o.id()].stale}
}

// broker takes the limits of the one Broker.
func (b *builder) broker() {
	brokers := all[broker](b.catalog, KindBroker)
	if len(brokers) > 1 {
		for _, other := range brokers[1:] {
			b.decoder(other.object).fail(other.object.node, "", "", "is a second broker besides "+brokers[0].object.Name, "keep one")
		}
	}
	if len(brokers) > 0 {
		b.snapshot.limits, b.snapshot.shared = brokers[0].limits, brokers[0].shared
	}
}

// missing notes a reference to an object that is not there. One that is there
// but has errors has been told already.
func (b *builder) missing(d *decoder, at, otherwise *node, path string, kind Kind, name string) {
	if b.catalog.broken[id{kind, name}] {
		return
	}
	if at == nil {
		at = otherwise
	}
	d.fail(at, path, name, fmt.Sprintf("names a %s that is not there", kind), "create it, or name another")
}

// authorization compiles the policy, or takes over the table of before. It
// returns nil if there is none to use.
func (b *builder) authorization(a *authorization) *Authorization {
	d := b.decoder(a.object)
	built := &Authorization{
		Name:           a.object.Name,
		Policy:         a.policy,
		OnPolicyChange: a.onPolicyChange,
		digest:         digestOf(a.policy),
	}
	old := b.prev.authorizations[a.object.Name]
	if old != nil && old.digest == built.digest {
		built.Table = old.Table
	} else {
		table, err := security.Compile(a.policy)
		if err != nil {
			d.rejected(err, a)
			return old
		}
		built.Table = table
	}
	for _, w := range built.Table.Warnings() {
		d.warn(a.node.at(w.Field), join("spec.authorizationPolicies", w.Field), w.Value, w.Problem, w.Remedy)
	}
	return built
}

// rejected notes why a policy does not compile.
func (d *decoder) rejected(err error, a *authorization) {
	var reasons security.PolicyErrors
	if !errors.As(err, &reasons) {
		d.fail(a.node, rulesPath, "", err.Error(), "")
		return
	}
	for _, e := range reasons {
		d.fail(a.node.at(e.Field), join("spec.authorizationPolicies", e.Field), e.Value, e.Problem, e.Remedy)
	}
}

// digestOf identifies a value by its JSON, whose maps are in order.
func digestOf(v any) digest {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("resource: encoding %T: %v", v, err)) // all of its types are our own
	}
	return sha256.Sum256(text)
}

// warnOfServiceTypes tells what the product that the manifests come from would
// not accept. It is no restriction here.
func (b *builder) warnOfServiceTypes() {
	first := make(map[string]string)
	for _, l := range all[listener](b.catalog, KindBrokerListener) {
		name := l.object.Name
		if b.catalog.broken[l.object.id()] {
			continue
		}
		if other, ok := first[l.serviceType]; ok {
			b.decoder(l.object).warn(l.object.node.at("spec.serviceType"), "spec.serviceType", l.serviceType,
				"is that of "+other+" too", "it works here, but a cluster takes one listener of each type: give one of them more ports")
			continue
		}
		first[l.serviceType] = name
	}
}
