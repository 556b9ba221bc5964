package peers

import "slices"

// Door is how Clients get in.
type Door int

// The doors.
const (
	Plain     Door = iota // TCP, and everyone may do everything
	TLS                   // TLS 1.3, and everyone may do everything
	MutualTLS             // TLS 1.3 with Client certificates, and 200 access rules
)

func (d Door) String() string { return [...]string{"plain", "TLS", "mutual TLS"}[d] }

// Kind is what a row counts.
type Kind int

// The kinds, each a section of the report.
const (
	PerMessage    Kind = iota // CPU time of the broker per delivered message, in microseconds
	PerConnect                // CPU time per connect and disconnect, in microseconds
	PerConnection             // resident memory per idle connection, in KiB
	Latency                   // from when a message was to be sent until it was received, in milliseconds
	Loops                     // CPU time of Weir per delivered message, by its event loops, in microseconds
	Storm                     // resident memory after Clients have reconnected, as a share of that before
	Overload                  // resident memory at most, as a share of that before
)

// once reports whether a Peer is measured once, whatever the rounds: for longer
// the more there are.
func (k Kind) once() bool { return k == Storm || k == Overload }

// ofMemory reports whether a Peer must be started afresh for each measurement.
func (k Kind) ofMemory() bool { return k == PerConnection || k.once() }

// Row is one line of the table.
type Row struct {
	Name string
	Kind Kind
	Door Door
	// Bench is the arguments of weir bench that make it this row: the scenario
	// and its flags.
	Bench []string
	// Aim is the most that Weir should take, as a share of what Baseline takes
	// in the same run. Of a Latency it is the 99th percentile's. 0: there is
	// none.
	Aim float64
	// Floor says that the floor program can serve it.
	Floor bool
}

// resumes reports whether the row's TLS handshakes are to resume sessions.
func (r *Row) resumes() bool { return slices.Contains(r.Bench, "--resume") }

// Baseline is the Peer that the aims refer to.
const Baseline = "mosquitto"

// Rows is the whole table.
var Rows = []Row{
	{"50 pairs, QoS 0, 64 B, w32", PerMessage, Plain, pairs("0", "64", "32"), 0.065, true},
	{"50 pairs, QoS 0, 64 B, w1", PerMessage, Plain, pairs("0", "64", "1"), 0.75, true},
	{"50 pairs, QoS 0, 1 KB, w32", PerMessage, Plain, pairs("0", "1024", "32"), 0.07, true},
	{"50 pairs, QoS 0, 16 KB, w8", PerMessage, Plain, pairs("0", "16384", "8"), 0.24, true},
	{"50 pairs, QoS 1, 64 B, w32", PerMessage, Plain, pairs("1", "64", "32"), 0.06, false},
	{"50 pairs, QoS 1, 64 B, w1", PerMessage, Plain, pairs("1", "64", "1"), 0.70, false},
	{"50 pairs, QoS 1, w32, Sessions that outlive the connection", PerMessage, Plain, append(pairs("1", "64", "32"), "--session-expiry", "1h"), 0.08, false},
	{"50 pairs, QoS 2, 64 B, w32", PerMessage, Plain, pairs("2", "64", "32"), 0.05, false},
	{"fan-in 200 : 1, QoS 0, w4", PerMessage, Plain, fan("fanin", "200", "1", "0", "4"), 0.15, true},
	{"fan-in 200 : 1, QoS 1, w4", PerMessage, Plain, fan("fanin", "200", "1", "1", "4"), 0.14, false},
	{"fan-out 1 : 1,000, QoS 0, w1", PerMessage, Plain, fan("fanout", "1", "1000", "0", "1"), 0.70, true},
	{"fan-out 1 : 1,000, QoS 0, w16", PerMessage, Plain, fan("fanout", "1", "1000", "0", "16"), 0.16, true},
	{"fan-out 1 : 1,000, QoS 1, w4", PerMessage, Plain, fan("fanout", "1", "1000", "1", "4"), 0.35, false},
	{"10,000 topics, 200 wildcard Subscribers, w8", PerMessage, Plain, append(fan("wild", "50", "200", "0", "8"), "--topics", "10000"), 0.22, false},
	{"TLS, 50 pairs, QoS 0, 64 B, w32", PerMessage, TLS, pairs("0", "64", "32"), 0.08, false},
	{"TLS, 50 pairs, QoS 0, 64 B, w1", PerMessage, TLS, pairs("0", "64", "1"), 0.90, false},
	{"TLS, 50 pairs, QoS 1, 64 B, w32", PerMessage, TLS, pairs("1", "64", "32"), 0.07, false},
	{"TLS, 50 pairs, QoS 0, 16 KB, w8", PerMessage, TLS, pairs("0", "16384", "8"), 0.60, false},
	{"mutual TLS and 200 access rules, 50 pairs, QoS 0, w32", PerMessage, MutualTLS, pairs("0", "64", "32"), 0.08, false},
	{"mutual TLS and 200 access rules, 50 pairs, QoS 1, w1", PerMessage, MutualTLS, pairs("1", "64", "1"), 0.75, false},

	{"connect and disconnect, plain", PerConnect, Plain, []string{"storm", "--connections", "8"}, 0.75, false},
	{"connect and disconnect, TLS 1.3", PerConnect, TLS, handshakes("X25519"), 0.85, false},
	{"connect and disconnect, mutual TLS and 200 access rules", PerConnect, MutualTLS, handshakes("X25519"), 0.70, false},
	{"connect and disconnect, TLS 1.3, resumed", PerConnect, TLS, handshakes("X25519", "--resume"), 0, false},
	{"connect and disconnect, mutual TLS and 200 access rules, resumed", PerConnect, MutualTLS, handshakes("X25519", "--resume"), 0, false},
	{"connect and disconnect, TLS 1.3, post-quantum", PerConnect, TLS, handshakes("X25519MLKEM768"), 0, false},

	{"idle connection with a Subscription, plain", PerConnection, Plain, []string{"idle", "--connections", "5000"}, 1.0, false},
	{"idle connection with a Subscription, TLS 1.3", PerConnection, TLS, []string{"idle", "--connections", "2000"}, 0.9, false},

	{"50 pairs, QoS 0, 64 B, 10,000 messages a second", Latency, Plain, rate("0", "10000"), 1.0, false},
	{"50 pairs, QoS 1, 64 B, 5,000 messages a second", Latency, Plain, rate("1", "5000"), 1.0, false},
	{"fan-out 1 : 100, QoS 0, 100 messages a second", Latency, Plain, []string{"fanout", "--publishers", "1", "--subscribers", "100", "--rate", "100"}, 1.0, false},
	{"TLS, 50 pairs, QoS 0, 64 B, 10,000 messages a second", Latency, TLS, rate("0", "10000"), 1.0, false},

	{"loops: 50 pairs, QoS 0, 64 B, w32", Loops, Plain, pairs("0", "64", "32"), 0, false},
	{"loops: 50 pairs, QoS 0, 64 B, w1", Loops, Plain, pairs("0", "64", "1"), 0, false},
	{"loops: fan-out 1 : 1,000, QoS 0, w16", Loops, Plain, fan("fanout", "1", "1000", "0", "16"), 0, false},

	{"storm: 5,000 of 15,000 reconnect", Storm, Plain, []string{"reconnect", "--connections", "15000", "--dropped", "5000"}, 0, false},
	{"overload: 50 Subscribers take half, QoS 1, 1 KB", Overload, Plain, []string{"overload", "--slow", "50", "--take", "200", "--qos", "1"}, 0, false},
}

func pairs(qos, size, window string) []string {
	return []string{"pairs", "--pairs", "50", "--qos", qos, "--size", size, "--window", window}
}

func fan(scenario, publishers, subscribers, qos, window string) []string {
	return []string{scenario, "--publishers", publishers, "--subscribers", subscribers, "--qos", qos, "--window", window}
}

// handshakes leaves brokers no choice of a key exchange, which costs more than
// all the rest of a connection.
func handshakes(exchange string, more ...string) []string {
	return append([]string{"storm", "--connections", "8", "--key-exchange", exchange}, more...)
}

func rate(qos, messages string) []string {
	return []string{"latency", "--pairs", "50", "--qos", qos, "--rate", messages}
}

// postQuantum reports whether the row's TLS handshakes are to be.
func (r *Row) postQuantum() bool { return slices.Contains(r.Bench, "X25519MLKEM768") }

// Serves reports whether a Peer can be measured in this row.
func (r *Row) Serves(p *Peer) bool {
	switch {
	case r.Kind == Loops || p.Loops > 0:
		return r.Kind == Loops && p.Loops > 0
	case p.FloorOnly:
		return r.Floor
	case r.postQuantum():
		return p.Name == "weir" // what the baseline has is of an OpenSSL without it
	case r.Kind.once() || r.resumes():
		// They have no aim that would be worth everybody's minutes.
		return p.Name == Baseline || p.Name == "weir"
	}
	return r.Door != MutualTLS || p.HasRules
}
