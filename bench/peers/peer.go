package peers

import (
	"fmt"
	"path/filepath"
)

// Peer is a broker that is measured.
type Peer struct {
	// Name is what the report calls it.
	Name string
	// Configure returns how to run it in a directory of its own.
	Configure func(Site) Setup
	// HasRules says that it serves the MutualTLS door.
	HasRules bool
	// FloorOnly says that it serves those rows only that say Row.Floor.
	FloorOnly bool
	// Loops says that it is Weir with so many event loops, for the rows of
	// Loops. 0: as many as it likes.
	Loops int
}

// Program returns the name of its program.
func (p *Peer) Program() string {
	if p.Loops > 0 {
		return "weir"
	}
	return p.Name
}

// Site is where a Peer is to run.
type Site struct {
	Dir  string // for its files, absolute
	Door Door
	Port int // of 127.0.0.1
	// Keys are for the doors with TLS.
	Keys Keys
	// Bounded leaves the bound of a Session's queue as the Peer comes with.
	Bounded bool
}

// Keys are the paths of the certificates, which are the same for all brokers.
type Keys struct {
	ServerCert, ServerKey string // with the intermediate
	ClientCert, ClientKey string // with the intermediate
	ServerCA, ClientCA    string // the roots
}

// Setup is what it takes to run a Peer.
type Setup struct {
	Args []string
	// Files are to be written first: contents by path below Site.Dir.
	Files map[string]string
	// Links are to be made first: what they point to, by path below Site.Dir.
	Links map[string]string
}

// Peers lists them in the order of the report's columns, and of the turns.
var Peers = []*Peer{
	{Name: "floor", Configure: configureFloor, FloorOnly: true},
	{Name: "mosquitto", Configure: configureMosquitto, HasRules: true},
	{Name: "nats-server", Configure: configureNATS},
	{Name: "mochi", Configure: configureMochi},
	{Name: "weir", Configure: configureWeir, HasRules: true},
	{Name: "weir, 1 loop", Configure: withLoops("1"), Loops: 1},
	{Name: "weir, 2 loops", Configure: withLoops("2"), Loops: 2},
}

func (s Site) address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

func configureFloor(s Site) Setup { return Setup{Args: []string{"-address", s.address()}} }

func configureMochi(s Site) Setup {
	args := []string{"-address", s.address()}
	if s.Door == TLS {
		args = append(args, "-cert", s.Keys.ServerCert, "-key", s.Keys.ServerKey)
	}
	return Setup{Args: args}
}

// configureMosquitto leaves everything as it comes that it need not set. A
// queue without bound is for fan-in at QoS 1, where 800 messages on their way
// and as many not yet acknowledged are more than the 1,020 after which it drops.
// The line "user root" is heeded only where root runs it: it keeps the right to
// read the private key.
func configureMosquitto(s Site) Setup {
	files := make(map[string]string)
	text := fmt.Sprintf("listener %d 127.0.0.1\npersistence false\nlog_dest none\nuser root\n", s.Port)
	if !s.Bounded {
		// Of QoS 2 it would close a Publisher with more than 20 in flight.
		text += "max_queued_messages 0\nmax_inflight_messages 1000\n"
	}
	if s.Door != Plain {
		text += fmt.Sprintf("certfile %s\nkeyfile %s\n", s.Keys.ServerCert, s.Keys.ServerKey)
	}
	if s.Door == MutualTLS {
		acl := filepath.Join(s.Dir, "acl")
		text += fmt.Sprintf("cafile %s\nrequire_certificate true\nuse_identity_as_username true\nallow_anonymous false\nacl_file %s\n", s.Keys.ClientCA, acl)
		files["acl"] = mosquittoRules()
	} else {
		text += "allow_anonymous true\n"
	}
	files["mosquitto.conf"] = text
	return Setup{Args: []string{"-c", filepath.Join(s.Dir, "mosquitto.conf")}, Files: files}
}

// configureNATS gives it the JetStream that its MQTT cannot do without. Its own
// protocol gets a port that nobody uses.
func configureNATS(s Site) Setup {
	tls := ""
	if s.Door == TLS {
		tls = fmt.Sprintf("\n  tls { cert_file: %q, key_file: %q }", s.Keys.ServerCert, s.Keys.ServerKey)
	}
	text := fmt.Sprintf(`server_name: bench
listen: "127.0.0.1:-1"
jetstream { store_dir: %q }
mqtt {
  listen: %q%s
}
`, filepath.Join(s.Dir, "jetstream"), s.address(), tls)
	return Setup{Args: []string{"-c", filepath.Join(s.Dir, "nats.conf")}, Files: map[string]string{"nats.conf": text}}
}

// withLoops is configureWeir with a number of event loops.
func withLoops(n string) func(Site) Setup {
	return func(s Site) Setup {
		setup := configureWeir(s)
		setup.Args = append(setup.Args, "--loops", n)
		return setup
	}
}

func configureWeir(s Site) Setup {
	setup := Setup{
		Args:  []string{"serve", "--config", filepath.Join(s.Dir, "config"), "--log-level", "error"},
		Files: make(map[string]string),
		Links: make(map[string]string),
	}
	listener := fmt.Sprintf(`apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerListener
metadata: {name: bench}
spec:
  ports:
    - port: %d
      address: 127.0.0.1
      protocol: Mqtt
`, s.Port)
	if s.Door != Plain {
		listener += "      tls: {mode: Manual, manual: {secretRef: bench-server}}\n"
		setup.Links["config/secrets/bench-server/tls.crt"] = s.Keys.ServerCert
		setup.Links["config/secrets/bench-server/tls.key"] = s.Keys.ServerKey
	}
	if s.Door == MutualTLS {
		listener += "      authenticationRef: bench-x509\n      authorizationRef: bench-rules\n"
		setup.Files["config/authentication.yaml"] = `apiVersion: mqttbroker.iotoperations.azure.com/v1
kind: BrokerAuthentication
metadata: {name: bench-x509}
spec:
  authenticationMethods:
    - method: X509
      x509Settings: {trustedClientCaCert: bench-ca}
`
		setup.Files["config/authorization.yaml"] = weirRules()
		setup.Links["config/configmaps/bench-ca/client_ca.pem"] = s.Keys.ClientCA
	}
	setup.Files["config/listener.yaml"] = listener
	return setup
}
