package engine

// connList is the connections of a loop, linked through the connections
// themselves.
type connList struct {
	first *conn
	len   int
}

func (l *connList) add(c *conn) {
	c.prev, c.next = nil, l.first
	if l.first != nil {
		l.first.prev = c
	}
	l.first = c
	l.len++
}

func (l *connList) remove(c *conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
	l.len--
}
