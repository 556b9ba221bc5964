package peers

import (
	"slices"
	"strings"
	"testing"
)

// goBenchOutput is what two runs print.
const goBenchOutput = `goos: linux
goarch: amd64
pkg: github.com/weirmq/weir/bench/peers/micro
cpu: Abacus 3000
BenchmarkMatch/impl=weir/filters=1k/wild=10%-2         	 1000000	       600 ns/op	 200 cpu-ns/op	       0 B/op	       0 allocs/op
BenchmarkMatch/impl=nats/filters=1k/wild=10%-2         	 1000000	       301 ns/op	 100.5 cpu-ns/op	     108 B/op	       1 allocs/op
BenchmarkDecode/impl=weir/packet=PUBACK-2
BenchmarkDecode/impl=weir/packet=PUBACK-2              	 1000000	        60 ns/op	 20 cpu-ns/op	       0 B/op	       0 allocs/op
BenchmarkDecode/impl=mochi/packet=PUBACK-2             	 1000000	        180 ns/op	 60 cpu-ns/op	      48 B/op	       1 allocs/op
PASS
ok  	github.com/weirmq/weir/bench/peers/micro	1.234s
BenchmarkMatch/impl=weir/filters=1k/wild=10%-2         	 1000000	       660 ns/op	 220 cpu-ns/op	       0 B/op	       0 allocs/op
BenchmarkMatch/impl=nats/filters=1k/wild=10%-2         	 1000000	       331 ns/op	 110.5 cpu-ns/op	     108 B/op	       3 allocs/op
`

func TestParseGoBenchGathersRunsByWorkAndImplementation(t *testing.T) {
	var b GoBench
	if err := b.ParseGoBench(strings.NewReader(goBenchOutput)); err != nil {
		t.Fatal(err)
	}
	if len(b.Cases) != 2 {
		t.Fatalf("got %d cases, want 2", len(b.Cases))
	}
	match, decode := b.Cases[0], b.Cases[1]
	if match.Benchmark != "Match" || match.Work != "filters=1k/wild=10%" || len(match.Impls) != 2 {
		t.Errorf("got %+v", match)
	}
	if got := match.impl("nats"); !slices.Equal(got.Nanoseconds, []float64{100.5, 110.5}) || !slices.Equal(got.Allocs, []float64{1, 3}) {
		t.Errorf("nats: got %+v", got)
	}
	if got := decode.impl("mochi"); decode.Work != "packet=PUBACK" || !slices.Equal(got.Nanoseconds, []float64{60}) {
		t.Errorf("mochi: got %+v of %+v", got, decode)
	}
	if decode.impl("nats") != nil {
		t.Error("nats decodes nothing")
	}
}

func TestParseGoBenchRefusesWhatItCannotCompare(t *testing.T) {
	for name, text := range map[string]string{
		"no implementation": "BenchmarkMatch/filters=1k-2 1000 600 ns/op 200 cpu-ns/op",
		"no CPU time":       "BenchmarkMatch/impl=weir-2 1000 200 ns/op",
		"no number":         "BenchmarkMatch/impl=weir-2 1000 many cpu-ns/op",
	} {
		t.Run(name, func(t *testing.T) {
			if err := new(GoBench).ParseGoBench(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("got %v, want an error that quotes the line", err)
			}
		})
	}
}
