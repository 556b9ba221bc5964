package bench

import (
	"testing"
	"time"
)

func TestPaceMakesUpForATenthOfASecondAndNoMore(t *testing.T) {
	p := pace{rate: 100}
	now := time.Unix(1, 0)
	for _, row := range []struct {
		after time.Duration
		want  int
	}{
		{0, 0},
		{15 * time.Millisecond, 1},
		{15 * time.Millisecond, 2}, // with the half that was left
		{time.Minute, 10},
		{0, 0},
		{100 * time.Millisecond, 10},
	} {
		now = now.Add(row.after)
		if got := p.take(now); got != row.want {
			t.Errorf("after %v: %d, want %d", row.after, got, row.want)
		}
	}
	rare := pace{rate: 2}
	total := 0
	for i := range 100 {
		total += rare.take(now.Add(time.Duration(i) * slowTick))
	}
	if total != 3 { // of 1.98 s
		t.Errorf("%d in 1.98 s at 2 a second, want 3", total)
	}
}
