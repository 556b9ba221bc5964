//go:build !race

package wheel

import "testing"

// A ticker sets itself anew each time it fires.
type ticker struct {
	Timer
	wheel *Wheel
}

func (k *ticker) Fire(now int64) { k.wheel.Set(&k.Timer, now+int64(Tick)) }

func TestNoAllocs(t *testing.T) {
	var w Wheel
	k := &ticker{wheel: &w}
	k.Init(k)
	now := int64(0)
	for _, row := range []struct {
		name string
		run  func()
	}{
		{"Init", func() { k.Init(k) }},
		{"Set", func() { w.Set(&k.Timer, now+60e9) }},
		{"Set and Cancel", func() { w.Set(&k.Timer, now+60e9); w.Cancel(&k.Timer) }},
		{"Next", func() { w.Next() }},
		{"Advance that fires and sets", func() { w.Set(&k.Timer, now); now += 10 * int64(Tick); w.Advance(now) }},
		{"Advance through the levels", func() { w.Set(&k.Timer, now+86400e9); now += 86401e9; w.Advance(now) }},
	} {
		if n := testing.AllocsPerRun(100, row.run); n != 0 {
			t.Errorf("%s allocates %v times, want 0", row.name, n)
		}
	}
}
