package peers

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares text with a file in testdata, or writes it there.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was; go test -update rewrites it, for git diff to show. Now it is:\n%s", path, got)
	}
}

var testKeys = Keys{
	ServerCert: "/keys/server.crt", ServerKey: "/keys/server.key", ServerCA: "/keys/server-root.crt",
	ClientCert: "/keys/client.crt", ClientKey: "/keys/client.key", ClientCA: "/keys/client-root.crt",
}

func TestConfigureWritesWhatItWrote(t *testing.T) {
	for _, p := range Peers {
		if p.Loops > 0 {
			continue // see TestLoopsAndBoundsAreConfigured
		}
		var b strings.Builder
		for _, door := range []Door{Plain, TLS, MutualTLS} {
			if !(&Row{Door: door, Floor: door == Plain}).Serves(p) {
				continue
			}
			setup := p.Configure(Site{Dir: "/dir", Door: door, Port: 4711, Keys: testKeys})
			fmt.Fprintf(&b, "== %s\n%s %s\n", door, p.Name, strings.Join(setup.Args, " "))
			for _, name := range slices.Sorted(maps.Keys(setup.Files)) {
				fmt.Fprintf(&b, "-- %s\n%s", name, abridged(setup.Files[name]))
			}
			for _, name := range slices.Sorted(maps.Keys(setup.Links)) {
				fmt.Fprintf(&b, "-- %s -> %s\n", name, setup.Links[name])
			}
		}
		golden(t, "config-"+p.Name+".txt", b.String())
	}
}

func TestLoopsAndBoundsAreConfigured(t *testing.T) {
	for _, p := range Peers {
		if p.Loops == 0 {
			continue
		}
		if args := p.Configure(Site{}).Args; !strings.HasSuffix(strings.Join(args, " "), fmt.Sprintf(" --loops %d", p.Loops)) {
			t.Errorf("%s is run with %q", p.Name, args)
		}
	}
	for _, bounded := range []bool{false, true} {
		text := configureMosquitto(Site{Bounded: bounded}).Files["mosquitto.conf"]
		if strings.Contains(text, "max_queued_messages 0") == bounded {
			t.Errorf("bounded %v: mosquitto is configured with\n%s", bounded, text)
		}
	}
}

// abridged leaves the middle of long files out.
func abridged(text string) string {
	const ends = 12
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= 2*ends+1 {
		return text
	}
	return strings.Join(lines[:ends], "") + fmt.Sprintf("(%d lines)\n", len(lines)-1-2*ends) + strings.Join(lines[len(lines)-1-ends:], "")
}

func TestRulesAreTheSameTwoHundred(t *testing.T) {
	const want = 200
	if devices*rulesPerDevice != want {
		t.Fatalf("%d devices with %d rules each, want %d rules", devices, rulesPerDevice, want)
	}
	mosquitto, weir := mosquittoRules(), weirRules()
	if got := strings.Count(mosquitto, "topic readwrite "); got != want {
		t.Errorf("mosquitto has %d rules, want %d", got, want)
	}
	if got := strings.Count(weir, "principals:"); got != want {
		t.Errorf("Weir has %d rules, want %d", got, want)
	}
	seen := make(map[string]bool)
	for i := range devices {
		device := deviceName(i)
		for _, filter := range deviceFilters(device) {
			if seen[filter] {
				t.Errorf("%s: %q is another's too", device, filter)
			}
			seen[filter] = true
			if strings.Count(mosquitto, "topic readwrite "+filter+"\n") != 1 {
				t.Errorf("%s: mosquitto has no rule about %q", device, filter)
			}
			if strings.Count(weir, fmt.Sprintf("topics: [%q]", filter)) != 2 {
				t.Errorf("%s: Weir has no rule about publishing and subscribing to %q", device, filter)
			}
		}
	}
	if !seen[benchTopics] {
		t.Errorf("nobody may use %q: nothing could be measured", benchTopics)
	}
}

func TestRowsAreEachMeasuredOnceAndAgainstTheBaseline(t *testing.T) {
	var baseline, weir *Peer
	for _, p := range Peers {
		switch p.Name {
		case Baseline:
			baseline = p
		case "weir":
			weir = p
		}
	}
	names, benches := make(map[string]bool), make(map[string]string)
	for _, row := range Rows {
		bench := fmt.Sprint(row.Kind == Loops, row.Door, row.Bench)
		if names[row.Name] || benches[bench] != "" {
			t.Errorf("%q is in the table twice, or is %q as well", row.Name, benches[bench])
		}
		names[row.Name], benches[bench] = true, row.Name
		// For what follows there are no aims.
		aimless := row.Kind == Loops || row.Kind.once() || row.resumes() || row.postQuantum()
		if row.Aim < 0 || row.Aim > 1 || (row.Aim == 0) != aimless {
			t.Errorf("%q: the aim %g is no share", row.Name, row.Aim)
		}
		if row.Kind != Loops && !row.postQuantum() && (!row.Serves(baseline) || !row.Serves(weir)) {
			t.Errorf("%q is not served by both %s and weir", row.Name, Baseline)
		}
		// The floor program knows neither acknowledgments nor TLS.
		if row.Floor && (row.Door != Plain || !strings.Contains(strings.Join(row.Bench, " "), "--qos 0")) {
			t.Errorf("%q is beyond the floor program", row.Name)
		}
	}
}
