package wheel

import (
	"math"
	"slices"
	"testing"
	"time"
	"unsafe"
)

const tick = int64(Tick)

// A probe is a timer that notes when it fires, and then may do something.
type probe struct {
	Timer
	at   []int64
	then func(now int64)
}

func (p *probe) Fire(now int64) {
	p.at = append(p.at, now)
	if p.then != nil {
		p.then(now)
	}
}

func newProbe(then func(now int64)) *probe {
	p := &probe{then: then}
	p.Init(p)
	return p
}

// advance advances, checks the invariant, and expects a number of timers fired.
func advance(t *testing.T, w *Wheel, now int64, want int) {
	t.Helper()
	if fired := w.Advance(now); fired != want {
		t.Fatalf("Advance(%d) fired %d timers, want %d", now, fired, want)
	}
	if err := w.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestSizesAreAsDocumented(t *testing.T) {
	if size := unsafe.Sizeof(Timer{}); unsafe.Sizeof(uintptr(0)) == 8 && size != 40 {
		t.Errorf("a Timer takes %d bytes, documented as 40", size)
	}
	if size := unsafe.Sizeof(Wheel{}); unsafe.Sizeof(uintptr(0)) == 8 && size != 3*8+7*8+7*64*8 {
		t.Errorf("a Wheel takes %d bytes, documented as 7*64*8 + 7*8 and three words", size)
	}
}

func TestTimerFiresAtTheTickAtOrAfterItsTime(t *testing.T) {
	year := int64(365 * 24 * time.Hour)
	for _, start := range []int64{0, 1, 5*tick - 1, 64 * tick, 1_800_000_000e9} {
		for _, delay := range []int64{1, tick - 1, tick, tick + 1, 63 * tick, 64 * tick, 65 * tick, 4096*tick + 7,
			int64(time.Minute), int64(18 * time.Hour), year, 136 * year, (1<<32 - 1) * 1e9} {
			var w Wheel
			w.Advance(start)
			p := newProbe(nil)
			when := start + delay
			w.Set(&p.Timer, when)
			due := (when + tick - 1) / tick * tick
			advance(t, &w, when-1, 0)
			advance(t, &w, due-1, 0)
			advance(t, &w, due, 1)
			if w.Len() != 0 || p.Armed() {
				t.Errorf("start %d, delay %d: the timer is still set", start, delay)
			}
		}
	}
}

func TestTimeInThePastFiresAtTheNextTick(t *testing.T) {
	for name, when := range map[string]int64{"now": 10 * tick, "past": 3 * tick, "zero": 0, "negative": math.MinInt64} {
		t.Run(name, func(t *testing.T) {
			var w Wheel
			w.Advance(10 * tick)
			p := newProbe(nil)
			w.Set(&p.Timer, when)
			advance(t, &w, 11*tick-1, 0)
			advance(t, &w, 11*tick, 1)
		})
	}
}

func TestTimeThatDoesNotAdvanceFiresNothing(t *testing.T) {
	var w Wheel
	w.Advance(10 * tick)
	p := newProbe(nil)
	w.Set(&p.Timer, 11*tick)
	for _, now := range []int64{10 * tick, 9 * tick, 0, -1, math.MinInt64} {
		advance(t, &w, now, 0)
	}
	advance(t, &w, 11*tick, 1)
}

func TestEndOfTime(t *testing.T) {
	var w Wheel
	p := newProbe(nil)
	w.Set(&p.Timer, math.MaxInt64-tick)
	advance(t, &w, math.MaxInt64-2*tick, 0)
	advance(t, &w, math.MaxInt64, 1)
	w.Set(&p.Timer, 0) // which is past: at the next tick, and there is none
	if next, ok := w.Next(); !ok || next != math.MaxInt64 {
		t.Fatalf("Next() = %d, %v, want the last time there is", next, ok)
	}
	if err := w.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestSetMovesTimer(t *testing.T) {
	var w Wheel
	p := newProbe(nil)
	for _, when := range []int64{5 * tick, 500 * tick, 500*tick - 1, 3 * tick, 100000 * tick, 4 * tick} {
		w.Set(&p.Timer, when)
		if err := w.Check(); err != nil || w.Len() != 1 {
			t.Fatalf("Len() = %d, %v", w.Len(), err)
		}
	}
	advance(t, &w, 4*tick-1, 0)
	advance(t, &w, 4*tick, 1)
	advance(t, &w, 200000*tick, 0)
}

func TestCancel(t *testing.T) {
	var w Wheel
	p, never := newProbe(nil), newProbe(nil)
	w.Cancel(&never.Timer)
	w.Set(&p.Timer, 5*tick)
	w.Cancel(&p.Timer)
	w.Cancel(&p.Timer)
	if p.Armed() || w.Len() != 0 {
		t.Fatal("a canceled timer is set")
	}
	if p.next != nil || p.prev != nil {
		t.Error("a canceled timer still points to its neighbors")
	}
	if _, ok := w.Next(); ok {
		t.Error("Next has a time for an empty wheel")
	}
	advance(t, &w, 10*tick, 0)
}

func TestTimersFireInOrderOfTickAndThenOfSetting(t *testing.T) {
	var w Wheel
	var order []int
	add := func(id int, when int64) {
		w.Set(&newProbe(func(int64) { order = append(order, id) }).Timer, when)
	}
	add(4, 5000*tick) // comes down two levels
	add(2, 70*tick)
	add(5, 5000*tick)
	add(0, 1*tick)
	advance(t, &w, 50*tick, 1)
	add(3, 70*tick) // set on level 0's side of the boundary or not, it is later
	add(1, 69*tick)
	advance(t, &w, 4990*tick, 3)
	add(6, 5000*tick)
	advance(t, &w, 6000*tick, 3)
	if !slices.IsSorted(order) || len(order) != 7 {
		t.Fatalf("fired in order %v", order)
	}
}

func TestFireMaySetItsOwnTimer(t *testing.T) {
	var w Wheel
	var p *probe
	p = newProbe(func(now int64) {
		if p.Armed() {
			t.Error("the timer is still set when it fires")
		}
		w.Set(&p.Timer, now-int64(time.Hour)) // past already: must not hold this Advance
	})
	w.Set(&p.Timer, tick)
	advance(t, &w, int64(24*time.Hour), 1)
	advance(t, &w, int64(24*time.Hour), 0)
	advance(t, &w, int64(24*time.Hour)+tick, 1)
}

func TestFireMayCancelAndMoveOthersOfItsSlot(t *testing.T) {
	var w Wheel
	canceled, moved, last := newProbe(nil), newProbe(nil), newProbe(nil)
	first := newProbe(func(now int64) {
		w.Cancel(&canceled.Timer)
		w.Set(&moved.Timer, now+tick)
	})
	for _, p := range []*probe{first, canceled, moved, last} {
		w.Set(&p.Timer, 7*tick)
	}
	advance(t, &w, 7*tick, 2)
	if len(first.at) != 1 || len(last.at) != 1 {
		t.Errorf("first fired %d times and last %d, want 1 and 1", len(first.at), len(last.at))
	}
	advance(t, &w, 20*tick, 1)
	if len(canceled.at) != 0 || !slices.Equal(moved.at, []int64{20 * tick}) {
		t.Errorf("canceled fired at %v and moved at %v, want never and at %d", canceled.at, moved.at, 20*tick)
	}
}

func TestTimersSurviveAFireThatPanics(t *testing.T) {
	var w Wheel
	bad, good := newProbe(func(int64) { panic("bad") }), newProbe(nil)
	w.Set(&bad.Timer, tick)
	w.Set(&good.Timer, tick)
	func() {
		defer func() { recover() }()
		w.Advance(tick)
	}()
	advance(t, &w, 2*tick, 1)
	if len(good.at) != 1 {
		t.Fatal("the timer behind the one that panicked did not fire")
	}
}

func TestMisuseIsLoud(t *testing.T) {
	for name, misuse := range map[string]func(*Wheel){
		"Set before Init": func(w *Wheel) { w.Set(new(Timer), tick) },
		"Advance from Fire": func(w *Wheel) {
			w.Set(&newProbe(func(now int64) { w.Advance(now + tick) }).Timer, tick)
			w.Advance(tick)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse(new(Wheel))
		})
	}
}

func TestNextLeadsToTheTimerInFewSteps(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, time.Second, time.Hour, 136 * 365 * 24 * time.Hour} {
		var w Wheel
		w.Advance(123456789 * tick)
		p := newProbe(nil)
		w.Set(&p.Timer, 123456789*tick+int64(delay))
		steps := 0
		for len(p.at) == 0 {
			next, ok := w.Next()
			if !ok {
				t.Fatal("Next has no time, and a timer is set")
			}
			w.Advance(next)
			steps++
		}
		if steps > levels {
			t.Errorf("delay %v took %d wake-ups, want at most %d", delay, steps, levels)
		}
	}
}

func TestCheckFindsBrokenWheels(t *testing.T) {
	for name, damage := range map[string]func(w *Wheel, p *probe){
		"bit without timer":  func(w *Wheel, _ *probe) { w.occupied[3] |= 1 },
		"timer without bit":  func(w *Wheel, _ *probe) { w.occupied[0] = 0 },
		"count":              func(w *Wheel, _ *probe) { w.count++ },
		"count too low":      func(w *Wheel, _ *probe) { w.count-- },
		"ring":               func(_ *Wheel, p *probe) { p.prev = nil },
		"tick in the past":   func(w *Wheel, p *probe) { w.present = p.tick },
		"tick of other slot": func(_ *Wheel, p *probe) { p.tick++ },
		"no owner":           func(_ *Wheel, p *probe) { p.owner = nil },
	} {
		t.Run(name, func(t *testing.T) {
			var w Wheel
			p := newProbe(nil)
			w.Set(&p.Timer, 5*tick)
			if err := w.Check(); err != nil {
				t.Fatal(err)
			}
			damage(&w, p)
			if w.Check() == nil {
				t.Fatal("Check found nothing")
			}
		})
	}
}
