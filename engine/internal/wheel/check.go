package wheel

import "fmt"

// Check walks the wheel and returns an error for the first thing that breaks
// the invariant stated at [Wheel]. It is for tests: it visits every timer, and
// what it finds is our own bug. Call it between Advances, not from a Fire.
func (w *Wheel) Check() error {
	count := 0
	for level := range levels {
		for slot, first := range w.first[level] {
			if bit := w.occupied[level]>>slot&1 != 0; bit != (first != nil) {
				return fmt.Errorf("wheel: level %d slot %d: occupied bit is %v, first timer is %p", level, slot, bit, first)
			}
			if first == nil {
				continue
			}
			for t := first; ; t = t.next {
				if err := w.checkTimer(t, level, slot); err != nil {
					return fmt.Errorf("wheel: level %d slot %d: %w", level, slot, err)
				}
				if count++; count > w.count {
					return fmt.Errorf("wheel: more timers linked than the %d counted", w.count)
				}
				if t.next == first {
					break
				}
			}
		}
	}
	if count != w.count {
		return fmt.Errorf("wheel: %d timers linked, %d counted", count, w.count)
	}
	return nil
}

// checkTimer checks one timer, found in the given slot.
func (w *Wheel) checkTimer(t *Timer, level, slot int) error {
	if t.next == nil || t.prev == nil || t.next.prev != t || t.prev.next != t {
		return fmt.Errorf("timer of tick %d: the ring is broken", t.tick)
	}
	if t.tick <= w.present {
		return fmt.Errorf("timer of tick %d should have fired by the present, %d", t.tick, w.present)
	}
	if l, s := w.place(t.tick); l != level || s != slot {
		return fmt.Errorf("timer of tick %d belongs on level %d in slot %d", t.tick, l, s)
	}
	if t.owner == nil {
		return fmt.Errorf("timer of tick %d has no owner", t.tick)
	}
	return nil
}
