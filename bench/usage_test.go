package bench

import "testing"

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
