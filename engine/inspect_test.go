package engine

import (
	"context"
	"errors"
	"fmt"
)

// CheckSessions compares what the loops hold with the registry: each Session
// is on the one loop that the registry names and has at most one connection,
// which knows it. It is for an Engine on which nothing happens meanwhile.
func (e *Engine) CheckSessions(ctx context.Context) error {
	type answer struct {
		sessions int
		errs     []error
	}
	answers := make(chan answer, len(e.loops))
	for _, l := range e.loops {
		l.post(func(l *loop) {
			var a answer
			fail := func(format string, args ...any) { a.errs = append(a.errs, fmt.Errorf(format, args...)) }
			for id, s := range l.sessions {
				a.sessions++
				home, ok := e.registry.Load(id)
				switch {
				case !ok:
					fail("loop %d: Session %q is not registered", l.index, id)
				case home != l:
					fail("loop %d: Session %q is registered on loop %d", l.index, id, home.index)
				case s.clientID != id || s.loop != l || s.ended:
					fail("loop %d: Session %q says it is %q of loop %d, ended %v", l.index, id, s.clientID, s.loop.index, s.ended)
				case s.conn != nil && (s.conn.session != s || s.conn.loop != l):
					fail("loop %d: the connection of Session %q belongs elsewhere", l.index, id)
				}
			}
			for c := l.conns.first; c != nil; c = c.next {
				if c.session != nil && c.session.conn != c {
					fail("loop %d: a connection of Session %q is not the Session's", l.index, c.session.clientID)
				}
			}
			answers <- a
		})
	}
	var errs []error
	sessions := 0
	for range e.loops {
		select {
		case a := <-answers:
			sessions += a.sessions
			errs = append(errs, a.errs...)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if n := e.registry.Size(); n != sessions {
		errs = append(errs, fmt.Errorf("the registry has %d Client Identifiers, the loops have %d Sessions", n, sessions))
	}
	return errors.Join(errs...)
}
