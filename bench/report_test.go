package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exampleResults are those of two rounds of two brokers.
func exampleResults() *Comparison {
	c := &Comparison{Baseline: "old", Peers: []string{"old", "new"}}
	for round, cpu := range []float64{10, 14} {
		for i, peer := range c.Peers {
			c.Results = append(c.Results, &Result{
				Peer: peer, Round: round + 1, Scenario: Pairs, Broker: "localhost:1883", Version: "5.0", Size: 1024, Window: 32,
				Publishers: 50, Subscribers: 50, Operations: 1_000_000, Unit: "message", Seconds: 2, OperationsPerSecond: 500_000,
				Latency:   &LatencySummary{Count: 1_000_000, P50: 900, P90: 2 * time.Microsecond, P99: 3 * time.Millisecond, P999: 4 * time.Second, P9999: 5 * time.Second, Max: 6 * time.Second},
				Messages:  &Messages{Sent: 1_200_000, SentPerSecond: 500_001, Received: 1_200_000},
				Server:    &Usage{CPUSeconds: cpu, CPUPerOperation: cpu / float64(1+3*i), RSS: 2 << 20, PeakRSS: 3 << 20},
				Generator: &Usage{CPUPerOperation: 0.25},
				Samples:   []Sample{{At: 1, Operations: 400_000}, {At: 2, Operations: 600_000}},
				Machine:   "linux/amd64, 2 processors",
			})
		}
	}
	return c
}

func TestMarkdownHasMediansRangesAndRatios(t *testing.T) {
	c := exampleResults()
	c.Results[3].Messages.Lost = 2
	c.Results[1].Stolen = 0.5 // of the first round, and nothing of the second
	var b strings.Builder
	if err := c.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	const want = `pairs, MQTT 5.0, QoS 0, 1 KiB, window 32, 50 to 50; 2 rounds of 2.0 s; linux/amd64, 2 processors

| measure | unit | broker | median | range | of old |
| --- | --- | --- | ---: | ---: | ---: |
| broker CPU | us/op | old | 12.0 | 10.0 - 14.0 | 1.000 |
| broker CPU | us/op | new | 3.00 | 2.50 - 3.50 | 0.250 |
| throughput | op/s | old | 500,000 | 500,000 - 500,000 | 1.000 |
| throughput | op/s | new | 500,000 | 500,000 - 500,000 | 1.000 |
| p50 | us | old | 0.900 | 0.900 - 0.900 | 1.000 |
| p50 | us | new | 0.900 | 0.900 - 0.900 | 1.000 |
| p99 | us | old | 3,000 | 3,000 - 3,000 | 1.000 |
| p99 | us | new | 3,000 | 3,000 - 3,000 | 1.000 |
| p99.9 | us | old | 4,000,000 | 4,000,000 - 4,000,000 | 1.000 |
| p99.9 | us | new | 4,000,000 | 4,000,000 - 4,000,000 | 1.000 |
| time stolen | % | new | 25.0 | 0.00 - 50.0 |  |
| peak RSS | MiB | old | 3.00 | 3.00 - 3.00 | 1.000 |
| peak RSS | MiB | new | 3.00 | 3.00 - 3.00 | 1.000 |

new, round 2: 2 lost
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestMessagesAddUp(t *testing.T) {
	var one, sum Messages
	counters := reflect.ValueOf(&one).Elem()
	for i := range counters.NumField() {
		if f := counters.Field(i); f.Kind() == reflect.Uint64 {
			f.SetUint(uint64(i) + 1)
		}
	}
	sum.Add(&one)
	sum.Add(&one)
	for i := range counters.NumField() {
		if f := reflect.ValueOf(sum).Field(i); f.Kind() == reflect.Uint64 && f.Uint() != 2*uint64(i)+2 {
			t.Errorf("%s: %d, want %d", reflect.TypeOf(sum).Field(i).Name, f.Uint(), 2*i+2)
		}
	}
}

// besideResult is a run with traffic beside something else.
func besideResult(s Scenario) *Result {
	return &Result{
		Scenario: s, Broker: "localhost:1883", Version: "3.1.1", Size: 64, Rate: 1000, Publishers: 10, Subscribers: 10,
		Operations: 300, OperationsPerSecond: 150, Seconds: 2,
		Before:    &LatencySummary{Count: 10, P50: 50, P90: 60, P99: 70, P999: 80, Max: 90},
		Latency:   &LatencySummary{Count: 10, P50: 150, P90: 160, P99: 170, P999: 180, Max: 190},
		Messages:  &Messages{Sent: 20, Received: 20},
		Server:    &Usage{CPUSeconds: 0.7, RSSBefore: 2 << 20, RSS: 3 << 20, PeakRSS: 4 << 20},
		Generator: &Usage{CPUSeconds: 1.4},
		Machine:   "linux/amd64, 2 processors",
	}
}

func TestTextOfAReconnect(t *testing.T) {
	r := besideResult(Reconnect)
	r.Unit, r.Connections, r.Dropped, r.Failures, r.Failure = "reconnect", 500, 100, 2, "no luck"
	r.Storms = []StormRound{{Seconds: 0.5, RSS: 3 << 20}, {Seconds: 0.25}}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `run         reconnect, MQTT 3.1.1, QoS 0, 64 B, 1,000 messages a second, 10 to 10, 100 of 500 others dropped, at localhost:1883
throughput  150 reconnects a second, 300 in 2 storms
storm       1: all back after 0.50 s, RSS 3.0 MiB after it
storm       2: all back after 0.25 s
before      p50 50 ns, p90 60 ns, p99 70 ns, p99.9 80 ns, max 90 ns
latency     p50 150 ns, p90 160 ns, p99 170 ns, p99.9 180 ns, max 190 ns
messages    20 sent, 20 received; none lost, duplicated or reordered
failures    2 attempts to connect failed, the last one because: no luck
memory      RSS 2.0 MiB before, 1.500 times that at the end, 2.000 at most
broker      CPU 0.700 s, RSS 3.0 MiB (peak 4.0 MiB)
generator   CPU 1.400 s
machine     linux/amd64, 2 processors
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTextOfAnOverload(t *testing.T) {
	dropped := uint64(40)
	r := besideResult(Overload)
	r.Unit, r.Slow, r.Take = "message", 5, 100
	r.Overload = &OverloadCounts{Published: 200, Taken: 100, Dropped: &dropped, Closed: 1}
	for _, want := range []string{
		"200 published and 100 taken; 40 dropped, says the broker; 0 refused, 1 connections closed",
		"200 published and 100 taken; the broker does not say how many it dropped; 0 refused, 1 connections closed",
	} {
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		head := "run         overload, MQTT 3.1.1, QoS 0, 64 B, 1,000 messages a second, 10 to 10, " +
			"5 others at 200 messages a second each, of which half is taken, at localhost:1883\n" +
			"throughput  150 messages received a second, for 2.0 s\noverload    " + want + "\nbefore      p50 50 ns, "
		if !strings.HasPrefix(b.String(), head) {
			t.Errorf("got\n%s\nwant\n%s...", b.String(), head)
		}
		r.Overload.Dropped = nil
	}
}

func TestTextOfAResult(t *testing.T) {
	r := exampleResults().Results[0]
	r.Broker = "mqtts://localhost:8883"
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `run         pairs, MQTT 5.0, QoS 0, 1 KiB, window 32, 50 to 50, mqtts, at mqtts://localhost:8883
throughput  500,000 messages received a second, 500,001 sent, for 2.0 s
latency     p50 900 ns, p90 2.00 us, p99 3.00 ms, p99.9 4.00 s, max 6.00 s
messages    1200000 sent, 1200000 received; none lost, duplicated or reordered
broker      CPU 10.000 us per message, RSS 2.0 MiB (peak 3.0 MiB)
generator   CPU 0.250 us per message
machine     linux/amd64, 2 processors
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTableOfSamplesIsStraight(t *testing.T) {
	for _, scenario := range []Scenario{Pairs, Storm} {
		s := Sample{At: 12, Operations: 1_234_567, P50: 40 * time.Microsecond, P99: 3 * time.Millisecond, Max: time.Second}
		if scenario != Storm {
			s.Sent = 1_234_568
		}
		if header, line := SampleHeader(scenario), s.Line(); len(header) != len(line) {
			t.Errorf("%s:\n%s\n%s", scenario, header, line)
		}
	}
}

func TestSpreadIsMedianAndRange(t *testing.T) {
	for _, row := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3, 1}},
		{[]float64{3, 1}, Spread{2, 1, 3, 2}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9, 3}},
	} {
		c := &Comparison{}
		for _, v := range row.values {
			c.Results = append(c.Results, &Result{Peer: "a", OperationsPerSecond: v}, &Result{Peer: "b", OperationsPerSecond: 100})
		}
		i := slices.IndexFunc(Measures, func(m Measure) bool { return m.Name == "throughput" })
		if got := c.Spread("a", Measures[i]); got != row.want {
			t.Errorf("%v: %+v, want %+v", row.values, got, row.want)
		}
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 0.0004: "0.000", 0.12345: "0.123", 0.9996: "1.00", 1: "1.00", 9.996: "10.0", 99.96: "100", 123.4: "123",
		999.6: "1,000", 1234567: "1,234,567", -12345: "-12,345",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestResultsSurviveJSON(t *testing.T) {
	c := exampleResults()
	for _, v := range []any{c, c.Results[0]} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadResults(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if want := c.Results[:len(got)]; !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, want %+v", got, want)
		}
	}
	for _, text := range []string{"", "{}", "[]", `{"results": []}`, "not JSON"} {
		if got, err := ReadResults(strings.NewReader(text)); err == nil {
			t.Errorf("%q: read %v", text, got)
		}
	}
}

// TestPlotIsADrawing checks what can be known without eyes: it is well-formed,
// nothing is outside, and every broker has its lines and its name.
func TestPlotIsADrawing(t *testing.T) {
	c := exampleResults()
	c.Results[1].Peer = `<new> & "improved"`
	idle := &Result{Peer: "idle", Scenario: Idle}
	futile := &Result{Peer: "futile", Scenario: Storm, Samples: []Sample{{At: 1}, {At: 2}}}
	short := &Result{Peer: "short", Scenario: Storm, Samples: []Sample{{At: 5e-324, Operations: 5e-324}}}
	for name, results := range map[string][]*Result{
		"comparison": c.Results, "nothing measured": {idle}, "both": append(c.Results, idle), "none": nil,
		"nobody ever connected": {futile}, "hardly anything": {short},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Plot(&b, results); err != nil {
				t.Fatal(err)
			}
			lines, text := 0, ""
			bounds := map[string]float64{}
			for d := xml.NewDecoder(&b); ; {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				switch token := token.(type) {
				case xml.CharData:
					text += string(token)
				case xml.StartElement:
					if token.Name.Local == "polyline" {
						lines++
					}
					checkInside(t, token, bounds)
				}
			}
			want := 0
			for _, r := range results {
				if !strings.Contains(text, r.Peer) {
					t.Errorf("%s is not named", r.Peer)
				}
				if r.Latency != nil {
					want += 2
				} else if r == short {
					want++
				}
			}
			if lines != want {
				t.Errorf("%d lines, want %d", lines, want)
			}
		})
	}
}

// checkInside checks that the coordinates of an element are within the
// drawing, whose size is that of the first element.
func checkInside(t *testing.T, e xml.StartElement, bounds map[string]float64) {
	t.Helper()
	check := func(axis, text string) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || v < 0 || v > bounds[axis] {
			t.Errorf("%s of %s is %s, outside of %v", axis, e.Name.Local, text, bounds[axis])
		}
	}
	for _, a := range e.Attr {
		switch name := a.Name.Local; name {
		case "width", "height":
			if e.Name.Local == "svg" {
				bounds[map[string]string{"width": "x", "height": "y"}[name]], _ = strconv.ParseFloat(a.Value, 64)
			}
		case "x", "x1", "x2", "cx":
			check("x", a.Value)
		case "y", "y1", "y2", "cy":
			check("y", a.Value)
		case "points":
			for _, p := range strings.Fields(a.Value) {
				x, y, _ := strings.Cut(p, ",")
				check("x", x)
				check("y", y)
			}
		}
	}
}
