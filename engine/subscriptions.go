package engine

import "github.com/weirmq/weir/topics"

// subscriptionBytes is about what a Subscription takes: its Topic Filter, which
// Session and trie share, their entries for it, and a node of the trie for each
// level. Subscriptions that have nodes in common take less.
func subscriptionBytes(filter string) int64 {
	return int64(len(filter)) + 256 + 128*int64(topics.Levels(filter))
}

// subscription is one Subscription as its Session remembers it; the trie has
// it too, for matching.
type subscription struct {
	filter  string // as the Client wrote it, with $share
	options topics.Options
}

// subscriptions is the Subscriptions of one Session. Most have a few, which a
// slice holds best; from some number on an index finds them.
type subscriptions struct {
	list  []subscription
	index map[string]int // nil while list is short
}

const indexedSubscriptions = 16

func (s *subscriptions) len() int { return len(s.list) }

func (s *subscriptions) all() []subscription { return s.list }

func (s *subscriptions) find(filter string) int {
	if s.index != nil {
		if i, ok := s.index[filter]; ok {
			return i
		}
		return -1
	}
	for i := range s.list {
		if s.list[i].filter == filter {
			return i
		}
	}
	return -1
}

// set adds a Subscription or replaces its options [MQTT-3.8.4-3].
func (s *subscriptions) set(filter string, o topics.Options) {
	if i := s.find(filter); i >= 0 {
		s.list[i].options = o
		return
	}
	s.list = append(s.list, subscription{filter, o})
	switch {
	case s.index != nil:
		s.index[filter] = len(s.list) - 1
	case len(s.list) > indexedSubscriptions:
		s.index = make(map[string]int, 2*len(s.list))
		for i := range s.list {
			s.index[s.list[i].filter] = i
		}
	}
}

func (s *subscriptions) remove(filter string) bool {
	i := s.find(filter)
	if i < 0 {
		return false
	}
	last := len(s.list) - 1
	if s.index != nil {
		delete(s.index, filter)
		if i != last {
			s.index[s.list[last].filter] = i
		}
	}
	s.list[i] = s.list[last]
	s.list[last] = subscription{}
	s.list = s.list[:last]
	return true
}

func (s *subscriptions) clear() { *s = subscriptions{} }
