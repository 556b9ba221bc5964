package bench

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/codec"
)

// Scenario is a kind of workload.
type Scenario string

// The scenarios. In all but Storm and Idle messages flow, from as many
// Publishers to as many Subscribers as Config says.
const (
	// Pairs is one Subscriber for each Publisher, on a topic of their own.
	Pairs Scenario = "pairs"
	// FanIn is many Publishers, each with a topic, and every Subscriber on all.
	FanIn Scenario = "fanin"
	// FanOut is every Subscriber on the topics of all Publishers, of which
	// there usually is one.
	FanOut Scenario = "fanout"
	// Wild is Config.Topics topics in a grid, and Subscribers with wildcards
	// that take a row or a column of it: two receive each message.
	Wild Scenario = "wild"
	// Latency is Pairs at a fixed rate.
	Latency Scenario = "latency"
	// Storm is Clients that connect, and disconnect when they have.
	Storm Scenario = "storm"
	// Idle is Clients that connect, subscribe, and are silent.
	Idle Scenario = "idle"
	// Reconnect is Latency beside Clients as those of Idle, many of which are
	// dropped and reconnect at once, again and again.
	Reconnect Scenario = "reconnect"
	// Overload is Latency beside Subscribers who take half of what is published
	// to them.
	Overload Scenario = "overload"
)

// Scenarios lists them all.
var Scenarios = []Scenario{Pairs, FanIn, FanOut, Wild, Latency, Storm, Idle, Reconnect, Overload}

// HasTraffic reports whether messages flow in s.
func (s Scenario) HasTraffic() bool { return s != Storm && s != Idle }

// IsPaired reports whether each Publisher of s has a Subscriber of its own.
func (s Scenario) IsPaired() bool {
	return slices.Contains([]Scenario{Pairs, Latency, Reconnect, Overload}, s)
}

// Config is one run. The zero values of all fields but Broker have a meaning;
// [Config.WithDefaults] fills them in.
type Config struct {
	// Scenario is the workload; empty means Pairs.
	Scenario Scenario

	// Broker is where to: HOST:PORT, or a URL with one of the schemes mqtt,
	// mqtts, ws and wss.
	Broker string

	// TLS is the Client's configuration for mqtts and wss, with a Client
	// certificate if there is to be one; nil is the zero Config. ServerName is
	// the host of Broker unless set. With a ClientSessionCache, handshakes
	// after the first resume its session.
	TLS *tls.Config

	// UserName and Password are sent in CONNECT unless UserName is empty.
	UserName string
	Password []byte

	// Version is the protocol's: codec.V5 (the default) or codec.V311.
	Version codec.Version

	// QoS is that of messages and of Subscriptions.
	QoS codec.QoS

	// Size is the Payload in bytes, MinSize at least, and by default 64, with
	// Overload 1,024.
	Size int

	// Window makes the loop closed: so many messages of a Publisher are on
	// their way, and the next is sent when all who are to receive one have
	// (and, above QoS 0, when it is acknowledged). The default is 32 for
	// Pairs, 4 for FanIn, 16 for FanOut and 8 for Wild. It must be 0 if there
	// is a Rate.
	Window int

	// Rate makes the loop open: so many messages a second from all Publishers
	// together, at even intervals whatever the broker does. Latency counts from
	// when a message was to be sent, also if the connection or the broker's
	// Receive Maximum did not allow it. The default is 10,000 for Latency,
	// 1,000 for Reconnect and Overload, and for the others 0: a closed loop.
	Rate float64

	// Publishers and Subscribers are the Clients of a scenario with traffic.
	// The defaults are 50 each for Pairs and Latency and 10 for Reconnect and
	// Overload, where they must be equal; 200 and 1 for FanIn, 1 and 1,000 for
	// FanOut, 50 and 200 for Wild.
	Publishers, Subscribers int

	// Topics is how many there are for Wild: 10,000 by default.
	Topics int

	// Connections is how many Clients are connected at once, or connecting: 8
	// by default for Storm, 1,000 for Idle, and 15,000 for Reconnect.
	Connections int

	// Dropped is how many of the Connections of Reconnect are dropped and
	// connected again at once, 5,000 by default, and Storms how often, 10 times
	// by default.
	Dropped, Storms int

	// Slow is how many pairs Overload has whose Subscriber takes only half of
	// what is published, 50 by default, and Take how many messages a second
	// each takes, 200 by default.
	Slow, Take int

	// TopicPrefix is what all Topic Names begin with, "bench" by default.
	TopicPrefix string

	// Warmup is the time before the measurement, 1 s by default, with Idle that
	// before anyone connects, in which a broker's memory is what it was, and Duration
	// the measurement itself, 5 s by default; with Reconnect the least time from
	// one storm to the next, 3 s by default, with Overload 60 s. Negative means
	// none at all. Reconnect and Overload first measure for as long without, but
	// no longer than 5 s.
	Warmup, Duration time.Duration

	// SessionExpiry makes Sessions outlive their connections by so much, in
	// whole seconds. MQTT 3.1.1 knows no time: any makes Clean Session 0, and
	// the Sessions are discarded at the end.
	SessionExpiry time.Duration

	// PID is the broker's process, on this machine, whose CPU time and memory
	// are to be read; 0: none.
	PID int

	// Patience is how long a connection may take to be made, and how long to
	// wait for messages that do not arrive: 10 s by default.
	Patience time.Duration

	// Progress, if set, is called about once a second with what that second
	// brought, by the thread that generates the load: what it takes is missing
	// there.
	Progress func(Sample)
}

// defaults are those that depend on the scenario.
var defaults = map[Scenario]Config{
	Pairs:   {Publishers: 50, Subscribers: 50, Window: 32},
	FanIn:   {Publishers: 200, Subscribers: 1, Window: 4},
	FanOut:  {Publishers: 1, Subscribers: 1000, Window: 16},
	Wild:    {Publishers: 50, Subscribers: 200, Window: 8, Topics: 10_000},
	Latency: {Publishers: 50, Subscribers: 50, Rate: 10_000},
	Storm:   {Connections: 8},
	Idle:    {Connections: 1000},

	Reconnect: {Publishers: 10, Subscribers: 10, Rate: 1000, Connections: 15_000, Dropped: 5000, Storms: 10, Duration: 3 * time.Second},
	Overload:  {Publishers: 10, Subscribers: 10, Rate: 1000, Size: 1024, Slow: 50, Take: 200, Duration: time.Minute},
}

// Bounds that Config is held to, far beyond what one thread can drive.
const (
	maxClients = 1 << 20
	maxTopics  = 1 << 22
	maxSize    = 64 << 20
	maxWindow  = 0xFFFF // Packet Identifiers
	maxStorms  = 1 << 16
	maxTake    = 1_000_000
)

// WithDefaults returns c with every field set. The error is a [*ConfigError].
func (c Config) WithDefaults() (Config, error) {
	if c.Scenario == "" {
		c.Scenario = Pairs
	}
	d, ok := defaults[c.Scenario]
	if !ok {
		return c, configError("Scenario", "%q is unknown: want one of %s", c.Scenario, scenarioNames())
	}
	fill(&c.Publishers, d.Publishers)
	fill(&c.Subscribers, d.Subscribers)
	fill(&c.Topics, d.Topics)
	fill(&c.Connections, d.Connections)
	fill(&c.Dropped, min(d.Dropped, max(c.Connections, 0)))
	fill(&c.Storms, d.Storms)
	fill(&c.Slow, d.Slow)
	fill(&c.Take, d.Take)
	fill(&c.Duration, d.Duration)
	if c.Window == 0 && c.Rate == 0 {
		c.Window, c.Rate = d.Window, d.Rate
	}
	if c.Scenario.HasTraffic() {
		fill(&c.Size, d.Size)
		fill(&c.Size, 64)
	}
	if c.Version == 0 {
		c.Version = codec.V5
	}
	if c.TopicPrefix == "" {
		c.TopicPrefix = "bench"
	}
	fill(&c.Patience, 10*time.Second)
	fill(&c.Warmup, time.Second)
	fill(&c.Duration, 5*time.Second)
	c.Warmup, c.Duration = max(c.Warmup, 0), max(c.Duration, 0)
	return c, c.check()
}

func fill[T int | time.Duration](to *T, value T) {
	if *to == 0 {
		*to = value
	}
}

func scenarioNames() string {
	names := make([]string, len(Scenarios))
	for i, s := range Scenarios {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// check refuses what cannot be run, with everything filled in.
func (c *Config) check() error {
	if _, err := parseBroker(c.Broker); err != nil {
		return &ConfigError{"Broker", err}
	}
	switch {
	case c.Version != codec.V5 && c.Version != codec.V311:
		return configError("Version", "%v: want 5.0 or 3.1.1", c.Version)
	case c.QoS > codec.QoS2:
		return configError("QoS", "%d: want 0, 1 or 2", c.QoS)
	case c.PID < 0:
		return configError("PID", "%d is no process", c.PID)
	case c.SessionExpiry < 0 || c.SessionExpiry%time.Second != 0 || c.SessionExpiry/time.Second > 0xFFFFFFFF:
		return configError("SessionExpiry", "%v: want whole seconds, 4294967295 at most", c.SessionExpiry)
	case strings.ContainsAny(c.TopicPrefix, "+#\x00") || len(c.TopicPrefix) > 1000:
		return configError("TopicPrefix", "%.1000q: want levels of a Topic Name, at most 1000 bytes", c.TopicPrefix)
	}
	if !c.Scenario.HasTraffic() {
		return within("Connections", c.Connections, 1, maxClients)
	}
	if c.Scenario == Reconnect {
		if err := errors.Join(
			within("Connections", c.Connections, 1, maxClients),
			within("Dropped", c.Dropped, 1, c.Connections),
			within("Storms", c.Storms, 1, maxStorms),
		); err != nil {
			return err
		}
	}
	if c.Scenario == Overload {
		if err := errors.Join(within("Slow", c.Slow, 1, maxClients), within("Take", c.Take, 1, maxTake)); err != nil {
			return err
		}
	}
	if err := errors.Join(
		within("Publishers", c.Publishers, 1, maxClients),
		within("Subscribers", c.Subscribers, 1, maxClients),
		within("Size", c.Size, MinSize, maxSize),
		within("Window", c.Window, 0, maxWindow),
	); err != nil {
		return err
	}
	switch {
	case !(c.Rate >= 0 && c.Rate <= 1e9): // which is so for what is not a number
		return configError("Rate", "%g: want 1e9 messages a second at most", c.Rate)
	case c.Window > 0 && c.Rate > 0:
		return configError("Rate", "a loop is closed by Window (%d) or open at Rate (%g), and cannot be both", c.Window, c.Rate)
	case c.Scenario.IsPaired() && c.Publishers != c.Subscribers:
		return configError("Subscribers", "%d: want as many as Publishers (%d)", c.Subscribers, c.Publishers)
	case c.Scenario == Wild && (c.Topics < c.Publishers || c.Topics > maxTopics):
		return configError("Topics", "%d: want one for each Publisher (%d) at least, and %d at most", c.Topics, c.Publishers, maxTopics)
	case c.Scenario == Wild && c.Subscribers < 2:
		return configError("Subscribers", "%d: want 2 at least, for the rows and for the columns", c.Subscribers)
	}
	return nil
}

func within(field string, value, low, high int) error {
	if value < low || value > high {
		return configError(field, "%d: want %d to %d", value, low, high)
	}
	return nil
}
