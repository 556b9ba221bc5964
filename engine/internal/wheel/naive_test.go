package wheel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive is a wheel as anybody would write it first: a list in the order in
// which the timers will fire.
type naive struct {
	target int64
	list   []naiveTimer
}

type naiveTimer struct {
	id   int
	tick int64
}

func (n *naive) set(id int, when int64) {
	tick := when / int64(Tick)
	if when > 0 && when%int64(Tick) != 0 {
		tick++
	}
	tick = max(tick, n.target+1)
	if slices.Contains(n.list, naiveTimer{id, tick}) {
		return
	}
	n.cancel(id)
	i := slices.IndexFunc(n.list, func(t naiveTimer) bool { return t.tick > tick })
	if i < 0 {
		i = len(n.list)
	}
	n.list = slices.Insert(n.list, i, naiveTimer{id, tick})
}

func (n *naive) cancel(id int) {
	n.list = slices.DeleteFunc(n.list, func(t naiveTimer) bool { return t.id == id })
}

// advance calls fire for each due timer, which may set and cancel.
func (n *naive) advance(now int64, fire func(id int)) {
	n.target = max(n.target, now/int64(Tick))
	for len(n.list) > 0 && n.list[0].tick <= n.target {
		t := n.list[0]
		n.list = n.list[1:]
		fire(t.id)
	}
}

// A pair drives a wheel and its naive twin through the same operations, and
// fails when they differ. What a timer does when it fires is a pure function
// of its number and of how often it has fired, so both sides do the same.
type pair struct {
	t      testing.TB
	wheel  Wheel
	twin   naive
	timers []pairTimer
	now    int64
	fired  []int // by the wheel, in the Advance that runs
}

type pairTimer struct {
	Timer
	pair  *pair
	id    int
	when  int64 // as last set
	setAt int64 // the now of the last Set
}

func (p *pairTimer) Fire(now int64) {
	if now < p.when {
		p.pair.t.Fatalf("timer %d fired at %d, before its time, %d", p.id, now, p.when)
	}
	p.pair.fired = append(p.pair.fired, p.id)
	p.pair.react(p.id, now, p.pair.set, func(id int) { p.pair.wheel.Cancel(&p.pair.timers[id].Timer) })
}

func newPair(t testing.TB, timers int) *pair {
	p := &pair{t: t, timers: make([]pairTimer, timers)}
	for i := range p.timers {
		p.timers[i].pair, p.timers[i].id = p, i
		p.timers[i].Init(&p.timers[i])
	}
	return p
}

func (p *pair) set(id int, when int64) {
	p.timers[id].when, p.timers[id].setAt = when, p.now
	p.wheel.Set(&p.timers[id].Timer, when)
}

// react is what the timer of the given number does when it fires: most do
// nothing, some set themselves or others, or cancel others of the same slot.
func (p *pair) react(id int, now int64, set func(id int, when int64), cancel func(id int)) {
	other := (id*7 + 3) % len(p.timers)
	switch id % 8 {
	case 1:
		set(id, now+int64(id)*int64(Tick)/3)
	case 2:
		set(id, now) // already past
	case 3:
		cancel(other)
	case 4:
		set(other, now+int64(id)*1e9)
	case 5:
		set(other, now-1)
		cancel(id)
	}
}

func (p *pair) doSet(id int, when int64) {
	p.set(id, when)
	p.twin.set(id, when)
	p.check(fmt.Sprintf("Set(%d, %d)", id, when))
}

func (p *pair) doCancel(id int) {
	p.wheel.Cancel(&p.timers[id].Timer)
	p.twin.cancel(id)
	p.check(fmt.Sprintf("Cancel(%d)", id))
}

func (p *pair) doAdvance(now int64) {
	now = min(now, latest)
	before := p.now
	p.now = max(p.now, now)
	p.fired = p.fired[:0]
	next, ok := p.wheel.Next()
	count := p.wheel.Advance(now)
	var want []int
	p.twin.advance(now, func(id int) {
		want = append(want, id)
		p.react(id, now, p.twin.set, p.twin.cancel)
	})
	if !slices.Equal(p.fired, want) {
		p.t.Fatalf("Advance(%d) from %d fired %v, want %v", now, before, p.fired, want)
	}
	if count != len(want) {
		p.t.Fatalf("Advance(%d) = %d, want %d", now, count, len(want))
	}
	if len(want) > 0 && (!ok || next > now) {
		p.t.Fatalf("Next was %d, %v; but Advance(%d) fired %v", next, ok, now, want)
	}
	p.check(fmt.Sprintf("Advance(%d)", now))
}

func (p *pair) check(after string) {
	if err := p.wheel.Check(); err != nil {
		p.t.Fatalf("after %s: %v", after, err)
	}
	if p.wheel.Len() != len(p.twin.list) {
		p.t.Fatalf("after %s: Len() = %d, want %d", after, p.wheel.Len(), len(p.twin.list))
	}
	next, ok := p.wheel.Next()
	if ok != (len(p.twin.list) > 0) {
		p.t.Fatalf("after %s: Next() = %v, with %d timers set", after, ok, len(p.twin.list))
	}
	if ok {
		if first := p.twin.list[0].tick; first <= maxTick && next > first*int64(Tick) {
			p.t.Fatalf("after %s: Next() = %d, later than the first timer, %d", after, next, first*int64(Tick))
		}
		if next <= p.now {
			p.t.Fatalf("after %s: Next() = %d, not after now, %d: a loop would spin", after, next, p.now)
		}
	}
	for i := range p.timers {
		timer := &p.timers[i]
		due := max(timer.when, timer.setAt)
		if timer.Armed() && due <= p.now-int64(Tick) {
			p.t.Fatalf("after %s: timer %d of time %d has not fired at %d", after, i, due, p.now)
		}
	}
}

// spans are the distances that random operations choose from: each level of
// the wheel, the tick and its edges, and the ends of time.
var spans = []int64{
	0, 1, int64(Tick) - 1, int64(Tick), int64(Tick) + 1, 40 * int64(Tick), 64 * int64(Tick), 1e9, 60e9,
	3600e9, 86400e9, 365 * 86400e9, 136 * 365 * 86400e9, -1, -1e9, math.MaxInt64,
}

// latest is as far as time goes here, so that what reacts can add to it.
const latest = math.MaxInt64 / 2

// add is a sum that stops at the ends of time.
func add(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func TestWheelAgreesWithSortedList(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := newPair(t, 1+random.IntN(64))
		reach := 1 + random.IntN(len(spans)) // short runs stay on the low levels for long
		span := func() int64 {
			s := spans[random.IntN(reach)]
			if s > 1 {
				return random.Int64N(s)
			}
			return s
		}
		for range 2000 {
			id := random.IntN(len(p.timers))
			switch random.IntN(8) {
			case 0, 1, 2, 3:
				p.doSet(id, add(p.now, span()))
			case 4:
				p.doCancel(id)
			case 5:
				p.doAdvance(add(p.now, span()))
			case 6:
				p.doAdvance(add(p.now, random.Int64N(3*int64(Tick))))
			case 7: // as a loop does
				if next, ok := p.wheel.Next(); ok {
					p.doAdvance(next)
				}
			}
			if p.now == latest {
				p = newPair(t, len(p.timers))
			}
		}
	}
}

func FuzzWheelAgreesWithSortedList(f *testing.F) {
	f.Add([]byte{0x00, 0x17, 0x41, 0x25, 0x80, 0x33, 0xc2, 0x09})
	f.Add([]byte{0x08, 0x3b, 0x10, 0x3a, 0xc8, 0x80, 0xc0, 0x00, 0xc0, 0x00})
	f.Fuzz(func(t *testing.T, program []byte) {
		p := newPair(t, 16)
		for ; len(program) >= 2 && p.now < latest; program = program[2:] {
			operation, id := program[0]>>6, int(program[0]&15)
			span := spans[program[1]&15] >> (program[1] >> 4)
			switch operation {
			case 0, 1:
				p.doSet(id, add(p.now, span))
			case 2:
				p.doAdvance(add(p.now, span))
			case 3:
				if program[0]&16 != 0 {
					p.doCancel(id)
				} else if next, ok := p.wheel.Next(); ok {
					p.doAdvance(next)
				}
			}
		}
	})
}
