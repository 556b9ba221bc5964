package peers

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
)

// measurement returns what weir bench --json says, as far as it counts here.
func measurement(t *testing.T, text string) bench.Result {
	t.Helper()
	var m bench.Result
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// testReport has a row of each kind.
func testReport(t *testing.T) *Report {
	cpu := func(values ...string) (list []bench.Result) {
		for _, value := range values {
			list = append(list, measurement(t, `{"operations": 10, "server": {"cpuPerOperation": `+value+`}}`))
		}
		return list
	}
	latency := func(p50, p99, p999 string) []bench.Result {
		return []bench.Result{measurement(t, `{"operations": 10, "server": {}, "latency": {"p50": `+p50+`, "p99": `+p99+`, "p999": `+p999+`}}`)}
	}
	row := func(kind Kind, name string) Row {
		return Row{Name: name, Kind: kind, Aim: 0.065}
	}
	report := &Report{
		Environment: Environment{
			CPU: "Abacus 3000", Cores: 2, Memory: "640 kB", Kernel: "6.1.0", Go: "go1.26", Commit: "0123456", Date: "2001-02-03",
			Versions: map[string]string{"mosquitto": "2.0.11", "mochi": "v2.7.9"},
		},
		Rounds: 3, Duration: 2 * time.Second, Warmup: time.Second, Took: 7 * time.Minute,
		Peers: []string{"floor", "mosquitto", "mochi", "weir", "weir, 1 loop", "weir, 2 loops"},
		Results: []*Result{
			{Row: row(PerMessage, "met"), Measured: map[string][]bench.Result{
				"floor": cpu("0.2"), "mosquitto": cpu("10", "9.5", "12.25"), "mochi": cpu("7", "8"), "weir": cpu("0.6", "0.5", "0.55"),
			}, Spent: map[string]Spent{"mosquitto": {time.Minute, 0}, "mochi": {time.Minute, time.Second}, "weir": {2 * time.Second, 25 * time.Millisecond}}},
			{Row: row(PerMessage, "met by a hair"), Measured: map[string][]bench.Result{"mosquitto": cpu("10"), "weir": cpu("0.6504")}},
			{Row: row(PerMessage, "missed"), Measured: map[string][]bench.Result{
				"mosquitto": cpu("10"), "weir": cpu("0.66"),
				"mochi": {measurement(t, `{"operations": 10, "server": {"cpuPerOperation": 101.6}, "messages": {"lost": 3, "reordered": 1}}`)},
			}, Failed: map[string]error{"mochi": errors.New("round 2: weir bench: exit status 1:\nno message arrives")}},
			{Row: row(PerConnect, "connect"), Measured: map[string][]bench.Result{"mosquitto": cpu("51"), "weir": nil},
				Failed: map[string]error{"weir": errors.New("round 1: weir does not answer")}},
			{Row: row(PerConnection, "idle"), Measured: map[string][]bench.Result{
				"mosquitto": {measurement(t, `{"operations": 10, "server": {"rssPerOperation": 2048}}`)},
				"weir":      {measurement(t, `{"operations": 10, "server": {"rssPerOperation": 1024}}`)},
			}},
			{Row: Row{Name: "steady", Kind: Latency, Aim: 1}, Measured: map[string][]bench.Result{
				"mosquitto": latency("100000", "200000", "400000"), "weir": latency("90000", "100000", "500000"),
			}, Spent: map[string]Spent{"weir": {time.Second, time.Second / 10}}},
			{Row: Row{Name: "resumed", Kind: PerConnect}, Measured: map[string][]bench.Result{"mosquitto": cpu("50"), "weir": cpu("60")}},
			{Row: Row{Name: "loops: pairs", Kind: Loops}, Measured: map[string][]bench.Result{
				"weir, 1 loop":  {measurement(t, `{"operations": 10, "operationsPerSecond": 1000, "server": {"cpuPerOperation": 0.5}}`)},
				"weir, 2 loops": {measurement(t, `{"operations": 10, "operationsPerSecond": 1500, "server": {"cpuPerOperation": 0.6}}`)},
			}, Spent: map[string]Spent{"weir, 1 loop": {time.Second, time.Millisecond}}},
			{Row: Row{Name: "storm: of some", Kind: Storm}, Measured: map[string][]bench.Result{
				"weir": {measurement(t, `{"operations": 10, "server": {"rssBefore": 1048576, "rss": 1572864}, "before": {"p50": 1000, "p99": 2000, "max": 3000},
					"latency": {"p50": 4000000, "p99": 5000000, "max": 6000000}, "storms": [{"seconds": 0.5, "rss": 1048576}, {"seconds": 1.5, "rss": 1572864}]}`)},
			}},
			{Row: Row{Name: "overload: of some", Kind: Overload}, Measured: map[string][]bench.Result{
				"mosquitto": {measurement(t, `{"operations": 10, "server": {"rssBefore": 1048576, "peakRSS": 3145728}, "before": {}, "latency": {},
					"overload": {"published": 200, "taken": 100, "dropped": 50}}`)},
				"weir": {measurement(t, `{"operations": 10, "server": {"rssBefore": 1048576, "peakRSS": 2097152}, "before": {}, "latency": {},
					"overload": {"published": 200, "taken": 100, "refused": 1, "closed": 2}}`)},
			}},
		},
		Micro: new(GoBench),
	}
	if err := report.Micro.ParseGoBench(strings.NewReader(goBenchOutput)); err != nil {
		t.Fatal(err)
	}
	return report
}

func TestMarkdownWritesWhatItWrote(t *testing.T) {
	golden(t, "report.md", testReport(t).Markdown())
}

func TestFaultsNameTheRow(t *testing.T) {
	report := testReport(t)
	if got := report.Faults("mochi"); len(got) != 1 || got[0] != "missed: 3 lost, 1 reordered" {
		t.Errorf("mochi: got %q", got)
	}
	if got := report.Faults("weir"); got != nil {
		t.Errorf("weir: got %q", got)
	}
}

func TestMeasurementIsCheckedForWhatItsRowNeeds(t *testing.T) {
	for _, row := range []struct {
		name, text string
		kind       Kind
		ok         bool
		bench      []string
	}{
		{"traffic", `{"operations": 1, "server": {"cpuPerOperation": 1}}`, PerMessage, true, nil},
		{"nothing arrived", `{"operations": 0, "server": {}}`, PerMessage, false, nil},
		{"no process", `{"operations": 1}`, PerMessage, false, nil},
		{"latency", `{"operations": 1, "server": {}, "latency": {"p99": 5}}`, Latency, true, nil},
		{"no latency", `{"operations": 1, "server": {}}`, Latency, false, nil},
		{"resumed", `{"operations": 100, "resumed": 92, "server": {}}`, PerConnect, true, []string{"--resume"}},
		{"not resumed", `{"operations": 100, "resumed": 89, "server": {}}`, PerConnect, false, []string{"--resume"}},
		{"storm", `{"operations": 1, "server": {}, "latency": {}, "before": {}, "storms": [{}]}`, Storm, true, nil},
		{"no storm", `{"operations": 1, "server": {}, "latency": {}, "before": {}}`, Storm, false, nil},
		{"overload", `{"operations": 1, "server": {}, "latency": {}, "before": {}, "overload": {}}`, Overload, true, nil},
		{"no overload", `{"operations": 1, "server": {}, "latency": {}, "before": {}}`, Overload, false, nil},
		{"nothing before", `{"operations": 1, "server": {}, "latency": {}, "storms": [{}]}`, Storm, false, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := measurement(t, row.text)
			if err := check(&m, &Row{Kind: row.kind, Bench: row.bench}); (err == nil) != row.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLimitLeavesTimeForWhatIsMeasured(t *testing.T) {
	r := Runner{Rounds: 5, Duration: time.Minute, Warmup: time.Second}
	for _, row := range []struct {
		kind     Kind
		measured time.Duration
	}{
		{PerMessage, time.Minute},
		{Storm, 10 * time.Minute},
		{Overload, 30 * time.Minute},
	} {
		if got, want := r.limit(row.kind), row.measured+time.Second+overhead; got != want {
			t.Errorf("kind %d: %v, want %v", row.kind, got, want)
		}
	}
}

func TestSpreadIsMedianAndRange(t *testing.T) {
	for _, row := range []struct {
		name   string
		values []float64
		want   Spread
		cell   string
	}{
		{"none", nil, Spread{}, "–"},
		{"one", []float64{4}, Spread{4, 4, 4, 1}, "4.00"},
		{"odd", []float64{30, 10, 20}, Spread{20, 10, 30, 3}, "20.0 (10.0–30.0)"},
		{"even", []float64{0.4, 0.1, 0.2, 0.3}, Spread{0.25, 0.1, 0.4, 4}, "0.250 (0.100–0.400)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := spread(row.values)
			if got != row.want || got.cell() != row.cell {
				t.Errorf("got %+v, written %q; want %+v, %q", got, got.cell(), row.want, row.cell)
			}
		})
	}
	if _, ok := (Spread{Median: 1, Count: 1}).over(Spread{Count: 3}); ok {
		t.Error("there is a ratio to nothing")
	}
}
