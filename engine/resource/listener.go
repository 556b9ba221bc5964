package resource

import (
	"crypto/tls"
	"fmt"
	"math"
	"net/netip"

	"github.com/weirmq/weir/engine"
)

// Values of enumerations, as the API spells them.
const (
	serviceClusterIP    = "ClusterIp"
	serviceLoadBalancer = "LoadBalancer"
	serviceNodePort     = "NodePort"

	tlsAutomatic = "Automatic"
	tlsManual    = "Manual"
)

// defaultBroker is the name of the one broker, and previewBroker what the
// previews called it.
const (
	defaultBroker = "default"
	previewBroker = "broker"
)

// listener is a BrokerListener.
type listener struct {
	object      *Object
	brokerRef   string // "" is the one broker
	serviceType string
	serviceName string
	ports       []listenerPort
	portErrors  int // errors that lie in one port each
}

// listenerPort is one port of a BrokerListener.
type listenerPort struct {
	path              string // of its field
	node              *node
	number            int
	nodePort          int // 0: none
	address           string
	authenticationRef string
	authorizationRef  string
	protocol          engine.Protocol
	origins           []string     // of web pages; ours
	maximum           int64        // connections; 0: no bound of its own
	rate              int64        // new connections a second; 0: no bound
	tls               *listenerTLS // nil: plain TCP
	faulty            bool         // something in it is wrong, so it must not open

	// In the first preview a listener only said that it wants authentication
	// and authorization, and those named the listeners they are for.
	authenticationByListener bool
	authorizationByListener  bool
}

// listenerTLS is how a port speaks TLS.
type listenerTLS struct {
	secretRef  string
	minVersion uint16 // 0: the default
}

// decodeListener reads a BrokerListener.
func decodeListener(d *decoder, spec *node) *listener {
	l := &listener{object: d.object, serviceType: serviceClusterIP, serviceName: d.object.Name}
	legacy := listenerPort{path: "spec"}
	isLegacy := spec.get("port") != nil
	fields := []field{
		optional("brokerRef", d.str(&l.brokerRef)),
		optional("serviceType", d.enum(&l.serviceType, serviceClusterIP, serviceLoadBalancer, serviceNodePort)),
		// A portal's empty box means the listener's own name.
		optional("serviceName", func(n *node, path string) {
			if n.kind != stringNode || n.text != "" {
				d.matching(&l.serviceName, referenceProblem(KindSecret))(n, path)
			}
		}),
		optional("provisioningState", d.anything),
	}
	if isLegacy {
		fields = append(fields, d.legacyPortFields(&legacy)...)
	} else {
		fields = append(fields, required("ports", func(n *node, path string) {
			if n.kind == sequenceNode && len(n.items) == 0 {
				d.fail(n, path, "", "is empty", "give the listener at least one port")
			}
			d.list(func(n *node, path string) {
				before := d.errors
				if p, ok := d.port(n, path); ok {
					p.faulty = d.errors > before
					l.ports = append(l.ports, p)
				}
				l.portErrors += d.errors - before
			})(n, path)
		}))
	}
	d.mapping(spec, "spec", fields...)
	if isLegacy {
		legacy.node = spec
		d.checkPort(&legacy)
		l.ports = append(l.ports, legacy)
	}
	d.checkNodePorts(l)
	return l
}

// markFaulty keeps all ports from opening if one of the errors found in the
// whole object lies outside of them.
func (l *listener) markFaulty(errors int) {
	if errors > l.portErrors {
		for i := range l.ports {
			l.ports[i].faulty = true
		}
	}
}

// port reads one element of ports. It has no port to return when there is no
// number.
func (d *decoder) port(n *node, path string) (listenerPort, bool) {
	p := listenerPort{path: path, node: n}
	number, nodePort := int64(-1), int64(0)
	d.mapping(n, path,
		required("port", d.integer(&number, 0, 65535)),
		optional("nodePort", d.integer(&nodePort, 0, 65535)),
		optional("protocol", d.protocol(&p.protocol)),
		optional("origins", d.origins(&p.origins)),
		optional("authenticationRef", d.matching(&p.authenticationRef, referenceProblem(KindBrokerAuthentication))),
		optional("authorizationRef", d.matching(&p.authorizationRef, referenceProblem(KindBrokerAuthorization))),
		optional("tls", d.tls(&p.tls)),
		optional("address", d.matching(&p.address, addressProblem)),
		optional("maxConnections", d.integer(&p.maximum, 1, math.MaxInt32)),
		optional("maxConnectsPerSecond", d.integer(&p.rate, 1, math.MaxInt32)),
	)
	p.number, p.nodePort = int(number), int(nodePort)
	d.checkPort(&p)
	return p, number >= 0
}

// legacyPortFields are those of the first preview, whose listener had one port
// with its fields beside the others.
func (d *decoder) legacyPortFields(p *listenerPort) []field {
	number := func(to *int) reader {
		return func(n *node, path string) {
			var v int64
			d.integer(&v, 0, 65535)(n, path)
			*to = int(v)
		}
	}
	return []field{
		required("port", number(&p.number)),
		optional("nodePort", number(&p.nodePort)),
		optional("authenticationEnabled", d.boolean(&p.authenticationByListener)),
		optional("authorizationEnabled", d.boolean(&p.authorizationByListener)),
		optional("tls", d.tls(&p.tls)),
	}
}

func (d *decoder) protocol(to *engine.Protocol) reader {
	return func(n *node, path string) {
		var name string
		d.enum(&name, engine.MQTT.String(), engine.WebSockets.String())(n, path)
		if name == engine.WebSockets.String() {
			*to = engine.WebSockets
		}
	}
}

// origins reads the web pages that may connect to a WebSockets port.
func (d *decoder) origins(to *[]string) reader {
	return d.list(func(n *node, path string) {
		var origin string
		d.matching(&origin, originProblem)(n, path)
		*to = append(*to, origin)
	})
}

func originProblem(s string) string {
	if engine.CheckOrigin(s) != nil {
		return "is not an origin such as https://dashboard.example.com:8443, or * for all"
	}
	return ""
}

// checkPort refuses combinations that would serve something else than what
// was meant.
func (d *decoder) checkPort(p *listenerPort) {
	if len(p.origins) > 0 && p.protocol != engine.WebSockets {
		d.fail(p.node.get("origins"), join(p.path, "origins"), "", "has no effect without protocol WebSockets",
			"use protocol WebSockets, or remove it")
	}
	authentication := p.authenticationRef != "" || p.authenticationByListener
	authorization := p.authorizationRef != "" || p.authorizationByListener
	if authorization && !authentication && p.node.get("authenticationRef") == nil {
		n, field := p.node.get("authorizationRef"), join(p.path, "authorizationRef")
		if p.authorizationByListener {
			n, field = p.node.get("authorizationEnabled"), "spec.authorizationEnabled"
		}
		d.fail(n, field, p.authorizationRef, "has no effect without authentication: there would be nobody to authorize",
			"add an authenticationRef, or remove it to let everyone do everything")
	}
}

func (d *decoder) checkNodePorts(l *listener) {
	if l.serviceType == serviceNodePort {
		return
	}
	for _, p := range l.ports {
		if p.nodePort != 0 {
			d.warn(p.node.get("nodePort"), join(p.path, "nodePort"), fmt.Sprint(p.nodePort),
				"has no effect with serviceType "+l.serviceType, "use serviceType "+serviceNodePort+", or remove it")
		}
	}
}

// tls reads the tls block of a port.
func (d *decoder) tls(to **listenerTLS) reader {
	return func(n *node, path string) {
		// Whatever goes wrong below, the port is one with TLS.
		t := &listenerTLS{}
		*to = t
		var mode, minVersion string
		var manual, automatic *node
		d.mapping(n, path,
			optional("mode", d.enum(&mode, tlsAutomatic, tlsManual)),
			optional("minVersion", d.enum(&minVersion, "1.2", "1.3")),
			optional("manual", func(n *node, path string) {
				manual = n
				d.mapping(n, path,
					required("secretRef|secretName", d.matching(&t.secretRef, referenceProblem(KindSecret))),
					optional("secretNamespace", d.anything),
				)
			}),
			optional("certManagerCertificateSpec|automatic", func(n *node, path string) {
				automatic = n
				d.certificateSpec(n, path)
			}),
			optional("keyVault", func(n *node, path string) {
				d.notSupported(n, path, "", "use manual with a secretRef")
			}),
		)
		if minVersion == "1.3" {
			t.minVersion = tls.VersionTLS13
		}
		if mode == "" && n.get("mode") == nil { // the first preview had no mode
			switch {
			case manual != nil:
				mode = tlsManual
			case automatic != nil:
				mode = tlsAutomatic
			case n.kind == mappingNode && n.get("keyVault") == nil:
				d.fail(n, join(path, "mode"), "", "is missing", "use "+tlsManual+" with manual.secretRef")
			}
		}
		switch {
		case manual != nil && automatic != nil:
			d.fail(n, path, "", "has both manual and certManagerCertificateSpec", "keep the one that mode names")
		case mode == tlsAutomatic:
			d.notSupported(n.get("mode"), join(path, "mode"), tlsAutomatic, "use "+tlsManual+" with manual.secretRef")
		case mode == tlsManual && manual == nil:
			d.fail(n, join(path, "manual"), "", "is missing", "name the Secret of the server certificate in manual.secretRef")
		}
	}
}

// certificateSpec reads the block that asks cert-manager for a certificate.
func (d *decoder) certificateSpec(n *node, path string) {
	var ignored string
	var names []string
	d.mapping(n, path,
		required("issuerRef", func(n *node, path string) {
			d.mapping(n, path,
				required("name", d.str(&ignored)),
				required("kind", d.enum(&ignored, "Issuer", "ClusterIssuer", "CustomIssuer")),
				optional("group", d.str(&ignored)),
			)
		}),
		optional("duration", d.duration),
		optional("renewBefore", d.duration),
		optional("secretName", d.str(&ignored)),
		optional("secretNamespace", d.str(&ignored)),
		optional("privateKey", d.privateKey),
		optional("san", func(n *node, path string) {
			d.mapping(n, path, optional("dns", d.strs(&names)), optional("ip", d.strs(&names)))
		}),
	)
}

// privateKey reads how cert-manager shall make a key.
func (d *decoder) privateKey(n *node, path string) {
	var ignored string
	d.mapping(n, path,
		optional("algorithm", d.enum(&ignored, "Ec256", "Ec384", "Ec521", "Ed25519", "Rsa2048", "Rsa4096", "Rsa8192")),
		optional("rotationPolicy", d.enum(&ignored, "Always", "Never")),
	)
}

func addressProblem(s string) string {
	if _, err := netip.ParseAddr(s); err != nil && s != "localhost" {
		return "is not an IP address"
	}
	return ""
}

// bindAddress returns the address that a port listens on; "" is all of them.
func (l *listener) bindAddress(p *listenerPort) string {
	switch {
	case p.address != "":
		return p.address
	case l.serviceType == serviceClusterIP:
		return "127.0.0.1" // what a cluster keeps inside stays on this machine
	}
	return ""
}
