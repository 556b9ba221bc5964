package peers

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

// built builds a program of Go in a directory and returns its path.
func built(t *testing.T, dir, module, pkg string) string {
	t.Helper()
	program := filepath.Join(dir, filepath.Base(strings.TrimSuffix(pkg, "/v2")))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, pkg)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return program
}

// program returns the program of a Peer. What cannot be built here may be
// missing, and then the test is skipped, but not where all must pass.
func program(t *testing.T, p *Peer) string {
	t.Helper()
	switch p.Program() {
	case "weir":
		return built(t, t.TempDir(), "../..", "./cmd/weir")
	case "mosquitto":
		path, err := FindMosquitto()
		if err != nil && os.Getenv("CI") != "true" {
			t.Skip(err) // it comes as a package of the system, and says which
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	case "nats-server":
		return built(t, t.TempDir(), ".", modules[p.Name])
	}
	return built(t, t.TempDir(), ".", "./cmd/"+p.Name)
}

// Every broker starts with its configuration and answers, at each door that it
// serves; and nobody gets in by MutualTLS without a certificate.
func TestBrokersAnswerAtTheirDoors(t *testing.T) {
	keys, err := MakeKeys(t.Context(), built(t, t.TempDir(), "../..", "./cmd/weir"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Peers {
		t.Run(p.Name, func(t *testing.T) {
			path := program(t, p)
			if p.Loops > 0 {
				running, err := Start(t.Context(), p, path, Site{Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				running.Stop()
				return
			}
			for _, door := range []Door{Plain, TLS, MutualTLS} {
				if !(&Row{Door: door, Floor: door == Plain}).Serves(p) {
					continue
				}
				t.Run(door.String(), func(t *testing.T) {
					running, err := Start(t.Context(), p, path, Site{Dir: t.TempDir(), Door: door, Keys: keys})
					if err != nil {
						t.Fatal(err)
					}
					defer running.Stop()
					if door != MutualTLS {
						return
					}
					nobody := running.Site
					nobody.Door = TLS
					if err := (&Running{Peer: p, Site: nobody}).answers(t.Context()); err == nil {
						t.Error("a Client without a certificate gets in")
					}
				})
			}
		})
	}
}

// Where nobody listens weir bench fails, but not for its command line, which it
// would say with the exit status 2.
func TestRowsAreWhatWeirBenchUnderstands(t *testing.T) {
	weir := built(t, t.TempDir(), "../..", "./cmd/weir")
	keys, err := MakeKeys(t.Context(), weir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	r := Runner{Weir: weir, Keys: keys, Rounds: 1, Duration: time.Second, Warmup: time.Second}
	for _, row := range Rows {
		site := Site{Door: row.Door, Port: port}
		out, err := exec.CommandContext(t.Context(), weir, r.benchArgs(&row, site.url(), os.Getpid())...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: %v, want exit status 1\n%s", row.Name, err, out)
		}
	}
}

func TestStartSaysWhatTheProgramSaid(t *testing.T) {
	script := filepath.Join(t.TempDir(), "broker")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho no such luck >&2\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := &Peer{Name: "broken", Configure: func(Site) Setup { return Setup{} }}
	_, err := Start(t.Context(), p, script, Site{Dir: t.TempDir()})
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"broken", "exit status 7", "no such luck"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

// rawClient is a connection with no more to it than a test of the floor needs.
type rawClient struct {
	t *testing.T
	net.Conn
}

func dialRaw(t *testing.T, r *Running) rawClient {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.Site.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	client := rawClient{t, c}
	client.send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V311, ClientID: []byte("raw"), CleanStart: true}))
	client.want(codec.AppendConnack(nil, codec.V311, &codec.Connack{}))
	return client
}

func (c rawClient) send(packet []byte) {
	c.t.Helper()
	if _, err := c.Write(packet); err != nil {
		c.t.Fatal(err)
	}
}

func (c rawClient) want(packet []byte) {
	c.t.Helper()
	got := make([]byte, len(packet))
	for n := 0; n < len(got); {
		k, err := c.Read(got[n:])
		if n += k; err != nil {
			c.t.Fatalf("got %x and %v, want %x", got[:n], err, packet)
		}
	}
	if string(got) != string(packet) {
		c.t.Fatalf("got %x, want %x", got, packet)
	}
}

func (c rawClient) subscribe(filter string) {
	c.t.Helper()
	c.send(codec.AppendSubscribe(nil, codec.V311, &codec.Subscribe{PacketID: 1, Subscriptions: []codec.Subscription{{TopicFilter: []byte(filter)}}}))
	c.want(codec.AppendSuback(nil, codec.V311, 1, []codec.ReasonCode{codec.Success}, ""))
}

func TestFloorForwardsToThoseWhoSubscribed(t *testing.T) {
	running, err := Start(t.Context(), Peers[0], program(t, Peers[0]), Site{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	first, second, publisher := dialRaw(t, running), dialRaw(t, running), dialRaw(t, running)
	first.subscribe("a/+")
	second.subscribe("b/+")
	message := func(name, text string) []byte {
		return codec.AppendPublish(nil, codec.V311, &codec.Publish{TopicName: []byte(name), Payload: []byte(text)})
	}
	// In two pieces, so that it has to be put together.
	publish := message("a/1", "one")
	publisher.send(publish[:3])
	publisher.send(publish[3:])
	first.want(publish)
	publisher.send(append(message("a/1", "two"), message("a/1", "three")...))
	first.want(append(message("a/1", "two"), message("a/1", "three")...))
	// A Publisher that leaves does not take its Subscribers along.
	publisher.send([]byte{byte(codec.TypeDisconnect) << 4, 0})
	other := dialRaw(t, running)
	other.send(message("b/1", "four"))
	second.want(message("b/1", "four"))
	other = dialRaw(t, running)
	other.send(message("a/2", "five"))
	first.want(message("a/2", "five"))
}

func TestRunnerKeepsTheReasonInThePlaceOfNumbers(t *testing.T) {
	r := Runner{
		Weir: "false", Programs: map[string]string{"floor": program(t, Peers[0]), "mochi": filepath.Join(t.TempDir(), "missing")},
		Dir: t.TempDir(), Rounds: 2, Log: t.Logf,
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := r.Run(ctx, Rows[0], []*Peer{Peers[0], {Name: "mochi", Configure: configureMochi}})
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Failed["floor"]; err == nil || !strings.Contains(err.Error(), "round 2: weir bench: exit status 1") {
		t.Errorf("floor: got %v", err)
	}
	if err := result.Failed["mochi"]; err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("mochi: got %v", err)
	}
	if len(result.Measured) != 0 {
		t.Errorf("got numbers: %v", result.Measured)
	}
}

// The program in the place of weir bench says what the next line of a file says.
func TestTurnsThatWereDisturbedAreMadeAgain(t *testing.T) {
	quiet, loud, louder := `{"operations": 1, "server": {"cpuPerOperation": 1}}`,
		`{"operations": 2, "server": {"cpuPerOperation": 2}, "stolen": 0.2, "messages": {"lost": 1}}`,
		`{"operations": 3, "server": {"cpuPerOperation": 3}, "stolen": 0.3}`
	floor := program(t, Peers[0])
	for _, row := range []struct {
		name     string
		patience time.Duration
		turns    []string
		want     uint64 // Operations, which tell the turns apart
		tries    int
	}{
		{"a quiet one stays", time.Hour, []string{quiet}, 1, 1},
		{"until one is quiet", time.Hour, []string{loud, louder, quiet}, 1, 3},
		{"the quietest of all tries", time.Hour, []string{louder, louder, loud, louder}, 2, 4},
		{"without patience", 0, []string{loud}, 2, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			script := filepath.Join(dir, "weir")
			text := "#!/bin/sh\nhead -n 1 " + dir + "/turns\nsed -i 1d " + dir + "/turns\n"
			if err := errors.Join(os.WriteFile(script, []byte(text), 0o755),
				os.WriteFile(filepath.Join(dir, "turns"), []byte(strings.Join(row.turns, "\n")+"\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
			r := Runner{Weir: script, Programs: map[string]string{"floor": floor}, Dir: dir, Rounds: 1, Patience: row.patience, Log: t.Logf}
			result, err := r.Run(t.Context(), Rows[0], Peers[:1])
			if err != nil || result.Failed["floor"] != nil {
				t.Fatal(err, result.Failed)
			}
			measured, disturbed := result.Measured["floor"], result.Disturbed["floor"]
			if len(measured) != 1 || measured[0].Operations != row.want || len(disturbed) != row.tries-1 {
				t.Errorf("got %v, after %v", measured, disturbed)
			}
			// What is lost is not forgotten with the turn.
			faults := noFaults
			if slices.Contains(row.turns, loud) {
				faults = "1 lost"
			}
			if got := result.faultsOf("floor"); got != faults {
				t.Errorf("faults: %q, want %q", got, faults)
			}
		})
	}
}
