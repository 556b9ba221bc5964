package engine

import "time"

// maxCrowd is how many of those who come and go, and how many tasks about one
// Client each (postSingly), a loop sees to before it looks at the others again: each
// costs as much as twenty messages, and thousands at once must not have everybody
// else wait. While there are messages it is one, for which connecting costs 5 % more.
const maxCrowd = 4

// messagesFollow is for how long after a message another one is expected.
const messagesFollow = 10 * time.Millisecond

// crowd returns how many of each kind l sees to in this turn.
func (l *loop) crowd() int {
	if l.hasMessages() {
		return 1
	}
	return maxCrowd
}

// hasMessages reports whether somebody has sent or got a message lately.
func (l *loop) hasMessages() bool { return l.now-l.lastMessage < int64(messagesFollow) }
