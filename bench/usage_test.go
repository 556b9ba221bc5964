package bench

import (
	"testing"

	"github.com/weirmq/weir/internal/procstat"
)

// Each sample has a share of its own, and none counts what came before the run.
func TestSamplesAreDisturbedEachByItself(t *testing.T) {
	r, h, total := newResult(&Config{Scenario: Pairs}), new(Histogram), new(Histogram)
	before := r.sampled
	r.add(&Config{}, Sample{}, h, total)
	if r.sampled.Busy < before.Busy || len(r.Samples) != 1 {
		t.Errorf("the time of %d samples went from %+v to %+v", len(r.Samples), before, r.sampled)
	}
	if s := r.Samples[0].Stolen; s != stolenBetween(before, r.sampled) {
		t.Errorf("%g was stolen, want %g", s, stolenBetween(before, r.sampled))
	}
}

func TestStolenIsAShareOfWhatWasWanted(t *testing.T) {
	for _, row := range []struct {
		name     string
		from, to procstat.Times
		want     float64
	}{
		{"none", procstat.Times{Busy: 90, Stolen: 10}, procstat.Times{Busy: 290, Idle: 7, Stolen: 10}, 0},
		{"a quarter", procstat.Times{Busy: 90, Stolen: 10}, procstat.Times{Busy: 240, Idle: 7, Stolen: 60}, 0.25},
		{"nothing was wanted", procstat.Times{Busy: 90, Stolen: 10}, procstat.Times{Busy: 90, Idle: 7, Stolen: 10}, 0},
		{"nothing is known", procstat.Times{}, procstat.Times{}, 0},
	} {
		if got := stolenBetween(row.from, row.to); got != row.want {
			t.Errorf("%s: %g, want %g", row.name, got, row.want)
		}
	}
}
