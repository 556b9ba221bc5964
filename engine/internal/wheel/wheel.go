package wheel

import (
	"math"
	"math/bits"
	"time"
)

const (
	// tickBits makes a tick 2^24 ns: a shift in place of a division on every
	// Set, and fine enough for a protocol that counts in seconds.
	tickBits = 24

	// A level is one digit of the tick, slotBits wide: 64 slots, so that a
	// single word says which hold timers.
	slotBits = 6
	slots    = 1 << slotBits

	// levels digits hold any tick: an int64 of nanoseconds has 39 bits of
	// ticks, and 7 digits have 42.
	levels = 7

	// maxTick is the last tick that a time can reach.
	maxTick = math.MaxInt64 >> tickBits
)

// Tick is the resolution of a wheel, about 16.8 ms.
const Tick = time.Duration(1 << tickBits)

// Firer is what a [Timer] calls when it is due.
type Firer interface {
	// Fire is called by [Wheel.Advance] with the time that was given to it.
	// The timer is no longer set. Fire may set and cancel any timer of the
	// wheel, its own included, and must not call Advance.
	Fire(now int64)
}

// Timer is one timer, to be embedded in the struct that it is for. Call
// [Timer.Init] before the first [Wheel.Set]. A Timer must not be copied while
// it is set, and must be used with one wheel only.
//
// It takes 40 bytes on a 64-bit machine. The interface costs 8 of them; a func
// in its place would cost 16 elsewhere, for the closure over the owner.
type Timer struct {
	next, prev *Timer // in the ring of its slot; nil when not set
	tick       int64  // the tick it fires at; 0 when not set
	owner      Firer
}

// Init says whom to call when the timer is due. A struct with several timers
// tells them apart by the type it passes; see the example.
func (t *Timer) Init(owner Firer) { t.owner = owner }

// Armed reports whether the timer is set.
func (t *Timer) Armed() bool { return t.tick != 0 }

// Wheel is a set of timers in order of time. The zero Wheel is empty and at
// time 0; it takes 3.6 KB (7 levels of 64 slots of 8 bytes, and 7 bitmaps of
// 8, and three words), and no more with any number of timers, which bring their own links.
//
// The invariant, on which everything rests and which [Wheel.Check] checks:
// write the present tick and a timer's tick as digits of 6 bits. The timer is
// on the level of the highest digit in which they differ, in the slot which
// that digit of its own tick numbers. So
//
//   - a timer's place follows from its tick and the present, and need not be
//     stored;
//   - all timers of one level are due before all of the level above, and within
//     a level in order of slots: the first is found from the bitmaps;
//   - the present can move as far as the start of the first occupied slot, and
//     nothing changes place. There, that slot is fired (level 0) or spread over
//     the levels below.
//
// Since all timers of one tick are always in one slot, and slots are rings kept
// in order, timers fire in order of tick, and within a tick in the order in
// which they were set to it.
type Wheel struct {
	present  int64 // the tick up to which timers have fired
	target   int64 // the tick that Advance was last given; ahead of present only while it runs
	count    int
	occupied [levels]uint64        // bit s of word l: slot s of level l is not empty
	first    [levels][slots]*Timer // the first of the slot's ring, or nil
}

// Set arms the timer to fire at the time when, in nanoseconds, moving it if it
// was set already. If when is not after the time of the last Advance it fires at
// the next tick, and never within an Advance that is running: so each Advance
// ends, however the timers that it fires set themselves. O(1), allocates nothing.
func (w *Wheel) Set(t *Timer, when int64) {
	if t.owner == nil {
		panic("wheel: Set of a Timer before Init")
	}
	tick := when >> tickBits
	if when&(1<<tickBits-1) != 0 {
		tick++ // up, so as not to fire early
	}
	tick = max(tick, w.target+1)
	if t.tick == tick {
		// A busy Client moves its Keep Alive with every packet, mostly to where
		// it is already: that must not touch the neighbors' cache lines.
		return
	}
	if t.Armed() {
		w.unlink(t)
	} else {
		w.count++
	}
	t.tick = tick
	w.link(t)
}

// Cancel disarms the timer; nothing happens if it is not set. O(1), allocates
// nothing.
func (w *Wheel) Cancel(t *Timer) {
	if !t.Armed() {
		return
	}
	w.unlink(t)
	t.tick = 0
	w.count--
}

// Advance moves the present to now, in nanoseconds, and fires each timer that
// is due by then, in order. It returns how many it fired. A now that is not
// after the present does nothing. The cost grows with the number of slots that
// hold timers up to now, and not with the time passed. Allocates nothing.
func (w *Wheel) Advance(now int64) (fired int) {
	target := now >> tickBits
	if target <= w.target {
		return 0
	}
	w.target = target
	for {
		level, slot, start, ok := w.firstSlot()
		if !ok || start > target {
			w.present = target
			return fired
		}
		w.present = start
		if level > 0 {
			w.spread(level, slot)
			continue
		}
		for t := w.first[0][slot]; t != nil; t = w.first[0][slot] {
			w.Cancel(t)
			t.owner.Fire(now)
			fired++
			if w.target != target {
				panic("wheel: Advance called from Fire")
			}
		}
	}
}

// Next returns until when, in nanoseconds, a loop can sleep and miss nothing:
// an Advance to an earlier time fires no timer. An Advance to that time may
// still fire none, if the next timer is far off; then ask again, at most 6
// times for one timer. ok is false if no timer is set. O(1).
func (w *Wheel) Next() (when int64, ok bool) {
	_, _, start, ok := w.firstSlot()
	if start > maxTick {
		return math.MaxInt64, ok
	}
	return start << tickBits, ok
}

// Len returns how many timers are set.
func (w *Wheel) Len() int { return w.count }

// firstSlot finds the first occupied slot and the tick at which it starts.
func (w *Wheel) firstSlot() (level, slot int, start int64, ok bool) {
	for level, word := range w.occupied {
		if word != 0 {
			slot := bits.TrailingZeros64(word)
			shift := level * slotBits
			above := w.present >> (shift + slotBits) << (shift + slotBits)
			return level, slot, above | int64(slot)<<shift, true
		}
	}
	return 0, 0, 0, false
}

// spread empties a slot at whose start the present has arrived, and puts its
// timers on the levels below. Those due at this very tick go to level 0, to the
// slot of the present, where Advance finds them next.
func (w *Wheel) spread(level, slot int) {
	t := w.first[level][slot]
	last := t.prev
	w.first[level][slot] = nil
	w.occupied[level] &^= 1 << slot
	for {
		next := t.next
		w.link(t)
		if t == last {
			return
		}
		t = next
	}
}

// place returns where a timer of the given tick belongs.
func (w *Wheel) place(tick int64) (level, slot int) {
	// A tick equal to the present differs in no digit: then this is -1/6, which
	// Go truncates to level 0, as it should be.
	level = (bits.Len64(uint64(tick^w.present)) - 1) / slotBits
	return level, int(tick>>(level*slotBits)) & (slots - 1)
}

// link puts the timer at the end of the ring of its slot.
func (w *Wheel) link(t *Timer) {
	level, slot := w.place(t.tick)
	first := w.first[level][slot]
	if first == nil {
		t.next, t.prev = t, t
		w.first[level][slot] = t
		w.occupied[level] |= 1 << slot
		return
	}
	t.next, t.prev = first, first.prev
	first.prev.next = t
	first.prev = t
}

// unlink takes the timer out of the ring of its slot.
func (w *Wheel) unlink(t *Timer) {
	level, slot := w.place(t.tick)
	if t.next == t {
		w.first[level][slot] = nil
		w.occupied[level] &^= 1 << slot
	} else {
		t.next.prev, t.prev.next = t.prev, t.next
		if w.first[level][slot] == t {
			w.first[level][slot] = t.next
		}
	}
	// A timer that is not set must not keep its former neighbors alive.
	t.next, t.prev = nil, nil
}
