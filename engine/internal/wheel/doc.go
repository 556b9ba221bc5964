// Package wheel keeps the timers of one event loop: Keep Alive, Will Delay
// Interval, Session Expiry Interval and the like, of which a loop may have a
// few for every Client and nearly all are moved or canceled long before they
// are due. Setting, moving and canceling therefore cost the same few
// instructions however many timers there are, and allocate nothing.
//
// The structure is the hierarchical timing wheel of Varghese and Lauck,
// "Hashed and Hierarchical Timing Wheels" (SOSP 1987), with the levels aligned
// to the digits of the time itself and a bitmap for each level, so that a jump
// over hours visits the slots that hold timers and no others.
//
// # Time
//
// Time is an int64 of nanoseconds since whatever instant the caller likes,
// never before zero, and only ever passed in: the package reads no clock. It
// is kept in ticks of [Tick]. A timer never fires early. It fires in the first
// [Wheel.Advance] that reaches the tick at or after its time, so at most one
// tick late. The reach is all of int64: 292 years, which is more than twice
// the longest Session Expiry Interval.
//
// # Borrowed memory
//
// A [Timer] is a field of the struct that it is for. While it is set the wheel
// points to it, which keeps that struct alive: cancel the timer to let go.
//
// # Concurrency
//
// Nothing here is safe for concurrent use, or needs to be: a wheel and all its
// timers belong to one event loop.
package wheel
