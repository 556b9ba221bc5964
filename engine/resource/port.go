package resource

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/weirmq/weir/tlsstate"
)

// port resolves what a port refers to. One that cannot be served as it is
// written is closed: never does something less strict stand in.
func (b *builder) port(l *listener, w *listenerPort) *Port {
	d := b.decoder(l.object)
	p := &Port{
		Name:     fmt.Sprintf("%s:%d", l.object.Name, w.number),
		Listener: l.object.Name,
		Number:   w.number,
		Address:  l.bindAddress(w),
		Protocol: w.protocol,
		Origins:  w.origins,
		State:    PortOpen,
		listener: l,
		written:  w,
	}
	if l.serviceType == serviceNodePort {
		p.NodePort = w.nodePort
	}
	if w.faulty {
		p.close(PortClosed, "its manifest has errors")
		return p
	}
	b.checkBrokerRef(d, l, p)
	authenticationRef, authorizationRef := w.authenticationRef, w.authorizationRef
	if w.authenticationByListener {
		authenticationRef = b.referringTo(d, p, "authenticationEnabled", KindBrokerAuthentication)
	}
	if w.authorizationByListener {
		authorizationRef = b.referringTo(d, p, "authorizationEnabled", KindBrokerAuthorization)
	}
	if authenticationRef != "" {
		p.Authentication = b.snapshot.authentications[authenticationRef]
		if p.Authentication == nil {
			b.unresolved(d, p, "authenticationRef", KindBrokerAuthentication, authenticationRef)
		}
	}
	if authorizationRef != "" {
		p.Authorization = b.snapshot.authorizations[authorizationRef]
		if p.Authorization == nil {
			b.unresolved(d, p, "authorizationRef", KindBrokerAuthorization, authorizationRef)
		}
	}
	b.portTLS(d, p)
	return p
}

func (b *builder) checkBrokerRef(d *decoder, l *listener, p *Port) {
	want := []string{defaultBroker, previewBroker}
	if brokers := all[broker](b.catalog, KindBroker); len(brokers) > 0 {
		want = []string{brokers[0].object.Name}
	}
	if l.brokerRef != "" && !slices.Contains(want, l.brokerRef) && !b.catalog.broken[id{KindBroker, l.brokerRef}] {
		d.fail(l.object.node.at("spec.brokerRef"), "spec.brokerRef", l.brokerRef, "names a Broker that is not there", "there is one broker, "+want[0])
		p.close(PortClosed, "its Broker %s does not exist", l.brokerRef)
	}
}

// unresolved closes a port whose reference leads to nothing usable.
func (b *builder) unresolved(d *decoder, p *Port, field string, kind Kind, name string) {
	if find[authentication](b.catalog, kind, name) == nil && find[authorization](b.catalog, kind, name) == nil &&
		!b.catalog.broken[id{kind, name}] {
		b.missing(d, p.written.node.get(field), p.written.node, join(p.written.path, field), kind, name)
		p.close(PortClosed, "its %s %s does not exist", kind, name)
		return
	}
	p.close(PortClosed, "its %s %s has errors", kind, name)
}

// referringTo finds the object that names the listener of a port, as those of
// the first preview did.
func (b *builder) referringTo(d *decoder, p *Port, field string, kind Kind) string {
	var names []string
	for _, a := range all[authentication](b.catalog, KindBrokerAuthentication) {
		if kind == KindBrokerAuthentication && slices.Contains(a.listenerRefs, p.Listener) {
			names = append(names, a.object.Name)
		}
	}
	for _, a := range all[authorization](b.catalog, KindBrokerAuthorization) {
		if kind == KindBrokerAuthorization && slices.Contains(a.listenerRefs, p.Listener) {
			names = append(names, a.object.Name)
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	problem := fmt.Sprintf("needs a %s with this listener in its listenerRef, and there is none", kind)
	if len(names) > 1 {
		problem = fmt.Sprintf("needs one %s with this listener in its listenerRef, and there are %s", kind, strings.Join(names, ", "))
	}
	d.fail(p.written.node.get(field), join("spec", field), "", problem, "")
	p.close(PortClosed, "it is not clear which %s it has", kind)
	return ""
}

// portTLS sets up TLS, or finds that the port must wait for its certificate.
func (b *builder) portTLS(d *decoder, p *Port) {
	w := p.written
	if w.tls == nil {
		if p.Authentication != nil && len(p.Authentication.X509()) > 0 {
			d.fail(w.node.get("authenticationRef"), join(w.path, "authenticationRef"), p.Authentication.Name,
				"has an X509 method, but the port has no TLS, in which alone a client can show a certificate", "add tls to the port")
			p.close(PortClosed, "X509 authentication needs TLS")
		}
		if p.Authentication != nil && p.Authentication.hasPasswords() {
			d.warn(w.node.get("authenticationRef"), join(w.path, "authenticationRef"), p.Authentication.Name,
				"has clients send passwords, which everyone in between can read without TLS", "add tls to the port")
		}
		return
	}
	p.Secret = w.tls.secretRef
	s := find[secret](b.catalog, KindSecret, p.Secret)
	switch {
	case s == nil && b.catalog.broken[id{KindSecret, p.Secret}]:
		p.close(PortClosed, "its Secret %s has errors", p.Secret)
		return
	case s == nil:
		p.close(PortWaiting, "Server certificate %s not found. Awaiting creation of secret.", p.Secret)
		return
	case s.certificate == nil:
		d.fail(w.node.at("tls.manual.secretRef"), join(w.path, "tls.manual.secretRef"), p.Secret,
			"names a Secret without "+tlsCertKey+" and "+tlsKeyKey, "name one of type "+secretTypeTLS)
		p.close(PortClosed, "its Secret %s holds no server certificate", p.Secret)
		return
	}
	b.warnOfServerCertificate(s)
	config, identity := p.tlsConfig(s)
	if err := config.Check(); err != nil {
		d.fail(w.node.get("tls"), join(w.path, "tls"), "", err.Error(), "")
		p.close(PortClosed, "its TLS has errors")
		return
	}
	p.TLS, p.tlsDigest = config, identity
	if old := b.prev.portNamed(p.Name); old != nil && old.TLS != nil && old.tlsDigest == identity {
		p.TLS = old.TLS
	}
}

// tlsConfig returns the configuration of the port with what identifies it.
func (p *Port) tlsConfig(s *secret) (*tlsstate.Config, digest) {
	config := &tlsstate.Config{
		Certificates: []tls.Certificate{*s.certificate},
		MinVersion:   p.written.tls.minVersion,
	}
	h := sha256.New()
	h.Write(fmt.Appendf(nil, "%d %d %d\n", config.MinVersion, len(s.data[tlsCertKey]), len(s.data[tlsKeyKey])))
	h.Write(s.data[tlsCertKey])
	h.Write(s.data[tlsKeyKey])
	switch a := p.Authentication; {
	case a == nil:
	case len(a.X509()) > 0:
		// Not required: a client without a certificate learns more from a
		// CONNACK than from a TLS alert, and another method may take it.
		config.ClientCertificates = tlsstate.VerifiedIfGiven
		config.ClientCAs = x509.NewCertPool()
		for _, ca := range a.cas {
			config.ClientCAs.AddCert(ca.certificate)
			h.Write(ca.digest[:])
		}
	case len(a.customServers()) > 0:
		// Without an X509 method nobody here knows a good certificate from a
		// bad one: the server is given what the client shows.
		config.ClientCertificates = tlsstate.RequestedUnverified
		h.Write([]byte("unverified"))
	}
	return config, digest(h.Sum(nil))
}

func (s *Snapshot) portNamed(name string) *Port {
	for _, p := range s.ports {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// separatePorts closes ports that have the same number. One that is being
// served stays, if it is the only one: opening either of two newcomers would
// be a guess.
func (b *builder) separatePorts() {
	users := make(map[int][]*Port)
	for _, p := range b.snapshot.ports {
		for _, number := range p.numbers() {
			users[number] = append(users[number], p)
		}
	}
	for _, number := range sortedKeys(users) {
		ports := users[number]
		if len(ports) < 2 {
			continue
		}
		served := slices.DeleteFunc(slices.Clone(ports), func(p *Port) bool {
			old := b.prev.portNamed(p.Name)
			return old == nil || old.State != PortOpen
		})
		for i, p := range ports {
			other := ports[0]
			if i == 0 {
				other = ports[1]
			}
			b.decoder(p.listener.object).fail(p.written.node.get("port"), join(p.written.path, "port"), fmt.Sprint(number),
				"is used by listener "+other.Listener+" too", "give each port of all listeners its own number")
			if len(served) != 1 || served[0] != p {
				p.close(PortClosed, "port %d is used by listener %s too", number, other.Listener)
			}
		}
	}
}
