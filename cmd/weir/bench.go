package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
)

const defaultBroker = "localhost:1883"

// mqttVersions are the values of --mqtt.
var mqttVersions = map[string]codec.Version{"5": codec.V5, "5.0": codec.V5, "3.1.1": codec.V311}

func (a *app) benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Load a broker, this or another, and measure it",
		Long: `Load a broker and measure throughput, latency, and what it costs: with --pid,
the CPU time of the broker's process for each message, and its memory.

Messages come from one thread that writes what it has in one go, so that on a
machine of few cores most of the CPU is left to the broker. Each message carries
its number and time, so that none is lost, duplicated or reordered unseen.

With a window the loop is closed: so many messages of each Publisher are on
their way, and the next is sent when one has arrived. That measures throughput
and CPU. With --rate the loop is open: messages are sent at even intervals,
whatever the broker does, and latency counts from when a message was to be sent.
That measures latency.`,
		Example: `  weir bench pairs --self
  weir bench pairs --broker 192.0.2.7:1883 --pairs 50 --qos 1 --window 32 --duration 5s
  weir bench latency --broker mqtts://localhost:8883 --cafile ca.crt --cert client.crt --key client.key --rate 5000
  weir bench idle --broker localhost:1883 --pid $(pidof mosquitto) --connections 10000
  weir bench compare pairs --peer weir=localhost:1884,$(pidof weir) --peer mosquitto=localhost:1883,$(pidof mosquitto)`,
	}
	for _, text := range scenarioTexts {
		b := &benching{app: a, config: bench.Config{Scenario: text.scenario}}
		sub := b.command(text.short, text.long, b.run)
		f := sub.Flags()
		f.StringVar(&b.config.Broker, "broker", defaultBroker, "the broker's `address`: HOST:PORT, or a URL with mqtt, mqtts, ws or wss")
		f.BoolVar(&b.self, "self", false, "start a weir in a process of its own at that address, with certificates if need be, and measure that")
		f.IntVar(&b.config.PID, "pid", 0, "the broker's process `id`, if it is on this machine: measures its CPU and memory")
		sub.MarkFlagsMutuallyExclusive("self", "pid")
		complete(sub, "broker", cobra.NoFileCompletions)
		complete(sub, "pid", cobra.NoFileCompletions)
		b.flags(sub)
		if text.scenario != bench.Idle {
			f.BoolVar(&b.quiet, "quiet", false, "print no table while it runs")
		}
		c.AddCommand(sub)
	}
	c.AddCommand(a.compareCommand(), a.plotCommand())
	return c
}

// scenarioTexts are what the help says of each scenario.
var scenarioTexts = []struct {
	scenario    bench.Scenario
	short, long string
}{
	{bench.Pairs, "Each Publisher has a Subscriber of its own", "Pairs of a Publisher and a Subscriber, each on a topic of their own."},
	{bench.FanIn, "Many Publishers, and one Subscriber to all", "Publishers, each with a topic of its own, and Subscribers with a wildcard that\nreceive everything."},
	{bench.FanOut, "One Publisher, and many Subscribers", "Publishers whose messages go to every Subscriber."},
	{bench.Wild, "Many topics, and Subscribers with wildcards", "Topics in a grid, and Subscribers whose Topic Filters, with + and #, take a row\nor a column of it. Two of them receive each message."},
	{bench.Latency, "Pairs at a fixed rate", "Pairs of a Publisher and a Subscriber at a fixed rate. It is the scenario pairs\nwith --rate; the other scenarios have that flag as well."},
	{bench.Storm, "Clients that connect and disconnect", "Clients that connect, and disconnect as soon as they have CONNACK, as fast as\nthe broker allows."},
	{bench.Idle, "Clients that connect, subscribe, and are silent", "Clients that connect, subscribe to a topic each, and are silent. With --pid the\nresult is the memory that a connection costs: for --duration it is waited for\nthe process to settle. A broker uses memory again that it had for earlier\nconnections, so measure one that has just been started."},
	{bench.Reconnect, "Clients that are dropped and reconnect at once", "Pairs of a Publisher and a Subscriber at a fixed rate, beside many Clients with a\nSubscription each that are silent. Again and again some of these lose their\nconnection and all connect again at once. Latency is measured before that, and\nduring it; with --pid, so is the memory of the broker, after each time. It takes\na file descriptor for each connection, here and in the broker."},
	{bench.Overload, "Subscribers that take half of what comes", "Pairs of a Publisher and a Subscriber at a fixed rate, beside pairs whose\nPublisher sends twice what its Subscriber takes. Latency of the former is\nmeasured before the latter begin, and beside them; with --pid, so is the memory\nof the broker. How many messages it drops is what it says itself, in\n$SYS/broker/publish/messages/dropped, up to ten seconds later."},
}

// command returns the command of b's scenario, without flags.
func (b *benching) command(short, long string, run func(context.Context) error) *cobra.Command {
	c := &cobra.Command{
		Use:   string(b.config.Scenario),
		Short: short,
		Long:  long,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := b.complete(); err != nil {
				return err
			}
			return run(c.Context())
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().SortFlags = false
	return c
}

// benching is what the flags of a scenario say.
type benching struct {
	app    *app
	config bench.Config

	self         bool
	mqtt         string
	qos, pairs   int
	cafile       string
	cert, key    string
	insecure     bool
	resume       bool
	keyExchange  string
	passwordFile string
	json, quiet  bool

	// Of weir bench compare.
	peers    []string
	baseline string
	rounds   int
	markdown bool
}

// flags adds the flags that a scenario has wherever it runs.
func (b *benching) flags(c *cobra.Command) {
	f, d := c.Flags(), &b.config
	scenario := d.Scenario
	defaults, err := bench.Config{Scenario: scenario, Broker: defaultBroker}.WithDefaults()
	if err != nil {
		panic(err) // only for a scenario that there is not
	}
	if scenario.HasTraffic() {
		switch {
		case scenario.IsPaired():
			f.IntVar(&b.pairs, "pairs", defaults.Publishers, "the `number` of Publishers, and of Subscribers")
		default:
			f.IntVar(&d.Publishers, "publishers", defaults.Publishers, "the `number` of Publishers")
			f.IntVar(&d.Subscribers, "subscribers", defaults.Subscribers, "the `number` of Subscribers")
		}
		switch scenario {
		case bench.Wild:
			f.IntVar(&d.Topics, "topics", defaults.Topics, "the `number` of topics")
		case bench.Reconnect:
			f.IntVar(&d.Connections, "connections", defaults.Connections, "the `number` of Clients that are silent")
			f.IntVar(&d.Dropped, "dropped", defaults.Dropped, "the `number` of them that are dropped, and reconnect at once")
			f.IntVar(&d.Storms, "storms", defaults.Storms, "the `number` of times that this happens")
		case bench.Overload:
			f.IntVar(&d.Slow, "slow", defaults.Slow, "the `number` of pairs with a slow Subscriber")
			f.IntVar(&d.Take, "take", defaults.Take, "`messages` a second that each slow Subscriber takes, half of what it is sent")
		}
		f.IntVar(&b.qos, "qos", 0, "the `QoS` of messages and Subscriptions: 0, 1 or 2")
		f.IntVar(&d.Size, "size", defaults.Size, fmt.Sprintf("the Payload in `bytes`, at least %d", bench.MinSize))
		if defaults.Window == 0 {
			f.Float64Var(&d.Rate, "rate", defaults.Rate, "`messages` a second, from all Publishers together")
		} else {
			f.IntVar(&d.Window, "window", 0, fmt.Sprintf("the `number` of messages of a Publisher that are on their way (default %d)", defaults.Window))
			f.Float64Var(&d.Rate, "rate", 0, "`messages` a second, from all Publishers together, in place of --window")
			c.MarkFlagsMutuallyExclusive("window", "rate")
		}
	} else {
		f.IntVar(&d.Connections, "connections", defaults.Connections, "the `number` of Clients that are connected, or connecting, at once")
	}
	f.StringVar(&b.mqtt, "mqtt", "5", "the `version` of MQTT: 5 or 3.1.1")
	if scenario != bench.Storm {
		f.DurationVar(&d.SessionExpiry, "session-expiry", 0, "the `time` by which Sessions outlive connections (MQTT 3.1.1: any is for ever, until the run ends)")
		f.StringVar(&d.TopicPrefix, "topic-prefix", defaults.TopicPrefix, "the first `levels` of all Topic Names")
	}
	warmup := "the `time` before the measurement"
	if scenario == bench.Idle {
		warmup = "the `time` before anyone connects, for a broker that has just started"
	}
	f.DurationVar(&d.Warmup, "warmup", defaults.Warmup, warmup)
	duration := "the `time` of the measurement"
	if scenario == bench.Reconnect {
		duration = "the `time` from one storm to the next, if all are back"
	}
	f.DurationVar(&d.Duration, "duration", defaults.Duration, duration)
	f.DurationVar(&d.Patience, "patience", defaults.Patience, "the `time` to wait for connections, and for messages that do not arrive")

	f.StringVar(&b.cafile, "cafile", "", "the `file` with the CAs to trust, in PEM (default: the system's)")
	f.StringVar(&b.cert, "cert", "", "the `file` with the Client's certificate, in PEM")
	f.StringVar(&b.key, "key", "", "the `file` with its private key, in PEM")
	f.BoolVar(&b.insecure, "insecure", false, "trust any certificate of the broker")
	if scenario == bench.Storm {
		f.StringVar(&b.keyExchange, "key-exchange", "", "the one key `exchange` to offer in TLS: "+strings.Join(keyExchangeNames(), ", ")+" (default Go's, X25519MLKEM768 first)")
		complete(c, "key-exchange", cobra.FixedCompletions(keyExchangeNames(), cobra.ShellCompDirectiveNoFileComp))
		f.BoolVar(&b.resume, "resume", false, "resume TLS sessions, where each connect is a full handshake otherwise")
	}
	f.StringVar(&d.UserName, "username", "", "the User `Name`")
	f.StringVar(&b.passwordFile, "password-file", "", "the `file` with the Password on its first line; - is standard input")
	f.BoolVar(&b.json, "json", false, "print the result as JSON")

	c.MarkFlagsRequiredTogether("cert", "key")
	complete(c, "mqtt", cobra.FixedCompletions([]string{"5", "3.1.1"}, cobra.ShellCompDirectiveNoFileComp))
}

// complete turns what the flags say into a bench.Config. Mistakes in it are
// mistakes in the command line.
func (b *benching) complete() error {
	d := &b.config
	known := false
	if d.Version, known = mqttVersions[b.mqtt]; !known {
		return usagef("--mqtt %q is no version that Weir speaks: write 5 or 3.1.1", b.mqtt)
	}
	if b.qos < 0 || b.qos > 2 {
		return usagef("--qos %d: write 0, 1 or 2", b.qos)
	}
	d.QoS = codec.QoS(b.qos)
	if b.pairs != 0 {
		d.Publishers, d.Subscribers = b.pairs, b.pairs
	}
	// The zero of a Config stands for its default; that of a flag for none.
	for _, t := range []*time.Duration{&d.Warmup, &d.Duration} {
		if *t == 0 {
			*t = -1
		}
	}
	if err := b.checkTLS(); err != nil {
		return err
	}
	if err := b.credentials(); err != nil {
		return err
	}
	_, err := d.WithDefaults()
	return flagError(d.Scenario, err)
}

// flagError turns a mistake in a field of bench.Config into one in the flag
// that it comes from, and returns other errors as they are.
func flagError(scenario bench.Scenario, err error) error {
	var mistake *bench.ConfigError
	if !errors.As(err, &mistake) {
		return err
	}
	flag := strings.ToLower(mistake.Field)
	switch {
	case mistake.Field == "TopicPrefix":
		flag = "topic-prefix"
	case mistake.Field == "SessionExpiry":
		flag = "session-expiry"
	case scenario.IsPaired() && (flag == "publishers" || flag == "subscribers"):
		flag = "pairs"
	}
	return usagef("--%s %v", flag, mistake.Err)
}

// keyExchanges are those that brokers are compared by: what one spends on them
// is mostly a matter of which it is.
var keyExchanges = []tls.CurveID{tls.X25519, tls.CurveP256, tls.X25519MLKEM768}

func keyExchangeNames() (names []string) {
	for _, id := range keyExchanges {
		names = append(names, id.String())
	}
	return names
}

// credentials reads the files that say who the Clients are and whom they trust.
func (b *benching) credentials() error {
	d := &b.config
	d.TLS = &tls.Config{InsecureSkipVerify: b.insecure} // as asked for
	if b.cafile != "" {
		text, err := b.app.readInput(b.cafile)
		if err != nil {
			return err
		}
		certificates, err := parseCertificates(b.cafile, text)
		if err != nil {
			return err
		}
		d.TLS.RootCAs = x509.NewCertPool()
		for _, certificate := range certificates {
			d.TLS.RootCAs.AddCert(certificate)
		}
	}
	if b.cert != "" {
		pair, err := tls.LoadX509KeyPair(b.cert, b.key)
		if err != nil {
			return fmt.Errorf("--cert %s and --key %s: %w", b.cert, b.key, err)
		}
		d.TLS.Certificates = []tls.Certificate{pair}
	}
	if b.keyExchange != "" {
		i := slices.IndexFunc(keyExchanges, func(id tls.CurveID) bool { return strings.EqualFold(id.String(), b.keyExchange) })
		if i < 0 {
			return usagef("--key-exchange %s: write one of %s", b.keyExchange, strings.Join(keyExchangeNames(), ", "))
		}
		d.TLS.CurvePreferences = keyExchanges[i : i+1]
	}
	if b.resume {
		d.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if b.passwordFile != "" {
		if d.UserName == "" {
			return usagef("--password-file needs --username: this program sends no Password alone")
		}
		text, err := b.app.readInput(b.passwordFile)
		if err != nil {
			return err
		}
		line, _, _ := bytes.Cut(text, []byte("\n"))
		d.Password = bytes.TrimSuffix(line, []byte("\r"))
	}
	return nil
}

// run runs the scenario once.
func (b *benching) run(ctx context.Context) error {
	if b.self {
		return b.withSelf(ctx, b.once)
	}
	return b.once(ctx)
}

func (b *benching) once(ctx context.Context) error {
	b.showProgress()
	defer b.quietly()()
	r, err := bench.Run(ctx, b.config)
	if err != nil {
		return err
	}
	if b.json {
		return printJSON(b.app.stdout, r)
	}
	return r.WriteText(b.app.stdout)
}

// quietly readies this process to generate load, until the function that it
// returns is called.
func (b *benching) quietly() (done func()) {
	if !b.config.Scenario.HasTraffic() {
		return func() {}
	}
	// There is next to no garbage, and what collects it would be in the way.
	// The limit is for the case that somebody proves this wrong.
	const most = 2 << 30
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(most)
	// The thread that generates the traffic keeps a processor of Go's for
	// itself; goroutines that connect, or are slow, are not to wait for it.
	processors := runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	return func() {
		runtime.GOMAXPROCS(processors)
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// showProgress prints a table while the run goes on.
func (b *benching) showProgress() {
	if b.quiet {
		return
	}
	header := false
	b.config.Progress = func(s bench.Sample) {
		if !header {
			fmt.Fprintln(b.app.stderr, bench.SampleHeader(b.config.Scenario))
			header = true
		}
		fmt.Fprintln(b.app.stderr, s.Line())
	}
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
