package topics

import (
	"strings"
	"sync"
	"sync/atomic"
)

// Retained is the set of Topic Names that have a retained message, found by
// Topic Filter. M is the message. Make one with [NewRetained]. Safe for
// concurrent use; reads take no lock.
type Retained[M any] struct {
	shards [shardCount]retainedShard[M] // by the hash of the first level
	count  atomic.Int64
}

// A retainedShard is a part of the index that has a writer of its own.
type retainedShard[M any] struct {
	mu   sync.Mutex
	root branch[M]
}

// A branch stands for the levels on the way from the root to it. Like a node of
// a [Trie] it is read at any time and written under the lock of its shard, and
// is there only if a name leads to it or through it.
type branch[M any] struct {
	children atomic.Pointer[table[branch[M]]]
	kept     atomic.Pointer[kept[M]] // the name that ends here
}

// A kept is one name and its message. It is never modified.
type kept[M any] struct {
	name    string
	message *M
}

// NewRetained returns an empty Retained.
func NewRetained[M any]() *Retained[M] {
	return new(Retained[M])
}

// Store keeps m, which must not be nil, as the message for the Topic Name, and
// returns the one it replaces, or nil. Both m and name are kept. Safe for
// concurrent use; it locks one shard.
func (r *Retained[M]) Store(name string, m *M) (old *M) {
	sh := r.shardFor(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	b := &sh.root
	for level, rest, more := "", name, true; more; {
		level, rest, more = NextLevel(rest)
		b = b.ensure(level)
	}
	if k := b.kept.Swap(&kept[M]{name, m}); k != nil {
		return k.message
	}
	r.count.Add(1)
	return nil
}

// Delete forgets the message for the Topic Name and returns it, or nil if there
// was none. Safe for concurrent use; it locks one shard.
func (r *Retained[M]) Delete(name string) (old *M) {
	sh := r.shardFor(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	k := sh.root.remove(name)
	if k == nil {
		return nil
	}
	r.count.Add(-1)
	return k.message
}

// Remove forgets the message for the Topic Name if it is m, and tells whether
// it was: a caller that has looked at m does not lose one that has come since.
// Safe for concurrent use; it locks one shard.
func (r *Retained[M]) Remove(name string, m *M) bool {
	sh := r.shardFor(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if m == nil || r.Get(name) != m {
		return false
	}
	sh.root.remove(name)
	r.count.Add(-1)
	return true
}

// Get returns the message for the Topic Name, or nil. Safe for concurrent use;
// it takes no lock and allocates nothing.
func (r *Retained[M]) Get(name string) *M {
	b := &r.shardFor(name).root
	for level, rest, more := "", name, true; more; {
		level, rest, more = NextLevel(rest)
		if b = b.child(level); b == nil {
			return nil
		}
	}
	if k := b.kept.Load(); k != nil {
		return k.message
	}
	return nil
}

// Match calls visit for each name that matches the Topic Filter, in no
// particular order, until visit returns false. filter must be valid and without
// "$share/{ShareName}/".
//
// A name that is there throughout is visited once, with the message it has or
// had during the call. One that comes or goes meanwhile may be visited or not,
// and one that goes and comes back may be visited twice. visit may use r as it
// likes. A filter such as "#" visits everything, so it is for the caller to
// bound what one call may take. Safe for concurrent use; it takes no lock and
// allocates nothing.
func (r *Retained[M]) Match(filter string, visit func(name string, m *M) bool) {
	if !wildcardFirst(filter) {
		r.shardFor(filter).root.match(filter, visit)
		return
	}
	level, rest, more := NextLevel(filter)
	for i := range r.shards {
		children := r.shards[i].root.children.Load()
		for j := range children.size() {
			it := children.at(j)
			if it == nil || hidden(it.key) { // [MQTT-4.7.2-1]
				continue
			}
			if level == "#" && !it.value.walk(visit) ||
				level == "+" && !it.value.step(rest, more, visit) {
				return
			}
		}
	}
}

// All calls visit for each name, those that begin with '$' included, until
// visit returns false; what is said of Match holds here too. Safe for
// concurrent use; it takes no lock and allocates nothing.
func (r *Retained[M]) All(visit func(name string, m *M) bool) {
	for i := range r.shards {
		if !r.shards[i].root.walk(visit) {
			return
		}
	}
}

// Len returns the number of names. Safe for concurrent use.
func (r *Retained[M]) Len() int {
	return int(r.count.Load())
}

func (r *Retained[M]) shardFor(name string) *retainedShard[M] {
	level, _, _ := NextLevel(name)
	return &r.shards[shardOf(hashOf(level))]
}

// match visits what the levels of filter lead to below b, and tells whether to
// go on.
func (b *branch[M]) match(filter string, visit func(string, *M) bool) bool {
	level, rest, more := NextLevel(filter)
	if level != "+" {
		child := b.child(level)
		return child == nil || child.step(rest, more, visit)
	}
	children := b.children.Load()
	for i := range children.size() {
		if it := children.at(i); it != nil && !it.value.step(rest, more, visit) {
			return false
		}
	}
	return true
}

// step goes on at b, to which one level of the filter has led, with the rest.
func (b *branch[M]) step(rest string, more bool, visit func(string, *M) bool) bool {
	switch {
	case !more:
		return b.visit(visit)
	case rest == "#":
		return b.walk(visit) // "a/#" matches its parent level, "a", too
	}
	return b.match(rest, visit)
}

// walk visits b and everything below.
func (b *branch[M]) walk(visit func(string, *M) bool) bool {
	if !b.visit(visit) {
		return false
	}
	children := b.children.Load()
	for i := range children.size() {
		if it := children.at(i); it != nil && !it.value.walk(visit) {
			return false
		}
	}
	return true
}

// visit visits the name that ends at b, if there is one.
func (b *branch[M]) visit(visit func(string, *M) bool) bool {
	k := b.kept.Load()
	return k == nil || visit(k.name, k.message)
}

// remove takes out the name at the end of the levels below b, and prunes the
// branches it leaves empty.
func (b *branch[M]) remove(name string) *kept[M] {
	level, rest, more := NextLevel(name)
	child := b.child(level)
	if child == nil {
		return nil
	}
	var old *kept[M]
	if more {
		old = child.remove(rest)
	} else {
		old = child.kept.Swap(nil)
	}
	if old != nil && child.kept.Load() == nil && child.children.Load() == nil {
		b.children.Store(b.children.Load().remove(level))
	}
	return old
}

// child returns the branch for a level, or nil.
func (b *branch[M]) child(level string) *branch[M] {
	if it := b.children.Load().find(level); it != nil {
		return &it.value
	}
	return nil
}

// ensure returns the branch for a level, made if need be.
func (b *branch[M]) ensure(level string) *branch[M] {
	if child := b.child(level); child != nil {
		return child
	}
	it := newItem[branch[M]](strings.Clone(level))
	b.children.Store(b.children.Load().insert(it))
	return &it.value
}
