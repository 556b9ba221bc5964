package engine

import "slices"

// A message for Sessions of another loop crosses in the mailbox: it is copied and
// counted, and the other loop finds it when it wakes. Where both loops are run by
// one goroutine, as they are while one processor does for all of them, that is a
// detour: then the loop that has the message visits the other one. What it sets
// off there goes out at the end of a turn that the other loop has for it.
//
// A visit leads to no other: what a member of a Shared Subscription does not take,
// and what it had when its Session ended, goes to the next one by mail (see passOn).

// mayVisit reports whether l, in its turn, may give a message to Sessions of
// another loop itself: not where something that l has sent before it has not
// arrived, which it would overtake.
func (l *loop) mayVisit(to *loop) bool {
	return l.driver.together(l, to) && l.outbox[to.index] == nil && to.inbox.empty()
}

// visit gives p to receivers on another loop.
func (l *loop) visit(to *loop, p *publication, receivers []receiver) {
	if !to.visited {
		to.visited = true
		to.now = l.now
		l.driver.wake(to)
	}
	to.host(p, receivers)
	if p.read && to.lent > 0 && !slices.Contains(l.hosts, to) {
		l.hosts = append(l.hosts, to)
	}
}

// host contains what happens on the loop that is visited: it is not the
// Publisher's fault.
func (l *loop) host(p *publication, receivers []receiver) {
	defer l.contain(nil)
	l.deliver(p, receivers)
}
