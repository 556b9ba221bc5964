package bench

import "testing"

// Each sample has a share of its own, and none counts what came before the run.
func TestSamplesAreDisturbedEachByItself(t *testing.T) {
	r, h, total := newResult(&Config{Scenario: Pairs}), new(Histogram), new(Histogram)
	before := r.sampled
	r.add(&Config{}, Sample{}, h, total)
	if r.sampled.wanted < before.wanted || len(r.Samples) != 1 {
		t.Errorf("the time of %d samples went from %+v to %+v", len(r.Samples), before, r.sampled)
	}
	if s := r.Samples[0].Stolen; s != r.sampled.stolenSince(before) {
		t.Errorf("%g was stolen, want %g", s, r.sampled.stolenSince(before))
	}
}

func TestStolenIsAShareOfWhatWasWanted(t *testing.T) {
	for _, row := range []struct {
		name     string
		from, to machineTime
		want     float64
	}{
		{"none", machineTime{100, 10}, machineTime{300, 10}, 0},
		{"a quarter", machineTime{100, 10}, machineTime{300, 60}, 0.25},
		{"nothing was wanted", machineTime{100, 10}, machineTime{100, 10}, 0},
		{"nothing is known", machineTime{}, machineTime{}, 0},
	} {
		if got := row.to.stolenSince(row.from); got != row.want {
			t.Errorf("%s: %g, want %g", row.name, got, row.want)
		}
	}
}
